"""Strict stand-ins for the outside systems, spoken to over real HTTP.

What they are: small servers that refuse what the real service refuses and misbehave on demand.
What they are not: mocks. Nothing in `app` knows of them; a test points a URL setting at one.
"""
