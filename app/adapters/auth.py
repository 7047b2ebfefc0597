"""The auth API: whose token is this? It keeps nothing."""

from __future__ import annotations

from app.adapters.http import HttpService, TransportError
from app.deadline import Deadline
from app.errors import AuthUnavailable, InvalidToken
from app.models import User
from app.seen import bearer_token

# Longer than a GUID, an e-mail address or any other name for somebody; what is longer is none.
MAX_ID_CHARACTERS = 128
# A user is some hundred bytes.
MAX_REPLY_BYTES = 64 * 1024
# What says nothing about the token: too slow, too many calls. Redirects too: the contract has none.
UNKNOWN_STATUSES = frozenset({408, 429})


class AuthApi:
    """`GET {url}/auth/me` with the caller's token. An empty `url` means that nobody can be asked."""

    def __init__(self, url: str) -> None:
        self._service = HttpService("auth API", url) if url else None

    def user(self, token: str, deadline: Deadline) -> User:
        """The token's owner. Raises InvalidToken, or AuthUnavailable when the auth API gave no answer about it."""
        header = f"Bearer {token}"
        if not token or bearer_token(header) != token:
            raise InvalidToken("token has characters or a length that no token has")
        if self._service is None:
            raise AuthUnavailable("AUTH_API_URL is not set, so no token can be checked: set it to the auth API's address")
        headers = {"Authorization": header, "Accept": "application/json"}
        try:
            reply = self._service.call("GET", "/auth/me", deadline, headers=headers, attempts=2, most_bytes=MAX_REPLY_BYTES)
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
    if not isinstance(identity, str | int) or isinstance(identity, bool) or identity == "":
        raise InvalidToken("auth API: status 200 without data.id")
    assert isinstance(data, dict)
    # The number 1 and the text "1" are one user, on purpose: which of the two a PHP program sends depends on its database
    # driver, and an update of that must not give everybody a new quota. Nothing else is changed: " 1 " is somebody else.
    if isinstance(identity, int) and not -(2**63) <= identity < 2**64:
        raise AuthUnavailable("auth API: data.id is a number of more than 64 bits, which no user has")
    name = str(identity)
    if len(name) > MAX_ID_CHARACTERS or not name.isprintable():
        raise AuthUnavailable(
            f"auth API: data.id is longer than {MAX_ID_CHARACTERS} characters or holds some that cannot be seen"
        )
    email = data.get("email")
    return User(id=name, email=email if isinstance(email, str) and email else None)
