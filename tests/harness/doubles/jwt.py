"""JSON web tokens signed with HS256: enough to be the issuer. The application holds no key and verifies
nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


class BadToken(Exception):
    """The token was not made by this issuer."""


def encode(claims: Mapping[str, Any], key: str) -> str:
    """A signed token."""
    head = _base64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    payload = _base64(json.dumps(claims).encode())
    return f"{head}.{payload}.{_signature(f'{head}.{payload}', key)}"


def decode(token: str, key: str) -> dict[str, Any]:
    """The claims of a token whose signature is right; whether it has expired is for the caller to see."""
    try:
        head, payload, signature = token.split(".")
        algorithm = json.loads(_unbase64(head))["alg"]
        claims = json.loads(_unbase64(payload))
    except (ValueError, KeyError, TypeError):
        raise BadToken("malformed") from None
    if algorithm != "HS256" or not isinstance(claims, dict):
        raise BadToken("not an HS256 token with claims")
    if not hmac.compare_digest(signature.encode(), _signature(f"{head}.{payload}", key).encode()):
        raise BadToken("wrong signature")
    return claims


def _signature(text: str, key: str) -> str:
    return _base64(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
