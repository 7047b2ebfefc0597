"""CORS for the configured origins only: one exact origin echoed, never a wildcard, never a foreign one."""

from __future__ import annotations

from flask import Request, Response

EXPOSED = "X-Request-ID, Retry-After, RateLimit, RateLimit-Policy"
PREFLIGHT_SECONDS = 600


def apply(request: Request, response: Response, origins: frozenset[str]) -> None:
    """Add the CORS headers that the caller's origin is owed."""
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
