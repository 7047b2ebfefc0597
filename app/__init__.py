"""dndchat: questions about the rules of Advanced D&D 1st edition, answered from the rule books with
citations.

This package does nothing when imported; `app.bootstrap.create_app` wires it together.
"""

__version__ = "0.1.0"
