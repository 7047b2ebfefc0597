"""The auth API: whose token is this? It keeps nothing."""

from __future__ import annotations

import re

from app.adapters.http import HttpService, TransportError
from app.deadline import Deadline
from app.errors import AuthUnavailable, InvalidToken
from app.models import User

# Longer than any JWT of the auth API, shorter than what a web server takes as one header line (8,190 bytes).
MAX_TOKEN_BYTES = 8000
# What says nothing about the token: too slow, too many calls. Redirects too: the contract has none.
UNKNOWN_STATUSES = frozenset({408, 429})


class AuthApi:
    """`GET {url}/auth/me` with the caller's token. An empty `url` means that nobody can be asked."""

    def __init__(self, url: str) -> None:
        self._service = HttpService("auth API", url) if url else None

    def user(self, token: str, deadline: Deadline) -> User:
        """The token's owner. Raises InvalidToken, or AuthUnavailable when the auth API gave no answer about it."""
        if not re.fullmatch(r"[\x21-\x7e]+", token) or len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken("token has characters or a length that no token has")
        if self._service is None:
            raise AuthUnavailable("AUTH_API_URL is not set, so no token can be checked: set it to the auth API's address")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            reply = self._service.call("GET", "/auth/me", deadline, headers=headers, attempts=2)
        except TransportError as error:
            raise AuthUnavailable(f"auth API: {error}{'' if error.explained else '; check AUTH_API_URL'}") from error
        if reply.status >= 500 or 300 <= reply.status < 400 or reply.status in UNKNOWN_STATUSES:
            raise AuthUnavailable(f"auth API: status {reply.status}; check AUTH_API_URL")
        if reply.status != 200:
            raise InvalidToken(f"auth API: status {reply.status}")
        try:
            document = reply.json()
        except ValueError as error:
            # A maintenance page is not a word about the token.
            raise AuthUnavailable("auth API: status 200 without JSON; check AUTH_API_URL") from error
        return _user(document)

    def close(self) -> None:
        if self._service is not None:
            self._service.close()

    def check(self, deadline: Deadline) -> None:
        """Ask without a token. Raises AuthUnavailable unless the auth API answers for itself, with whatever refusal."""
        try:
            self.user("health-check", deadline)
        except InvalidToken:
            return


def _user(document: object) -> User:
    data = document.get("data") if isinstance(document, dict) else None
    identity = data.get("id") if isinstance(data, dict) else None
    if not isinstance(identity, str | int) or isinstance(identity, bool) or not str(identity).strip():
        raise InvalidToken("auth API: status 200 without data.id")
    assert isinstance(data, dict)
    email = data.get("email")
    return User(id=str(identity).strip(), email=email if isinstance(email, str) and email else None)
