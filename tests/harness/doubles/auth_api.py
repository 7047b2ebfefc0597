"""The auth API double: who a token belongs to, and a login that gives one.

python -m tests.harness.doubles.auth_api --port 0 --user gary:secret
"""

from __future__ import annotations

import argparse
import hmac
import secrets
import sys
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import command, jwt
from .delivery import Reply, json_reply
from .faults import Fault
from .recording import RecordedRequest
from .server import Double

SIGNING_KEY = "the double's own signing key, known to nobody else"
ISSUER = "auth-double"
LIFETIME = 3_600


@dataclass(frozen=True)
class User:
    """An account. What is not given follows from the user name, the id too, so that it is the same in every
    run.
    """

    username: str
    password: str = "secret"
    id: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""

    def profile(self) -> dict[str, str]:
        """The account as the API shows it."""
        return {
            "id": self.id or str(uuid.uuid5(uuid.NAMESPACE_DNS, self.username)),
            "email": self.email or f"{self.username}@example.test",
            "username": self.username,
            "first_name": self.first_name or self.username.capitalize(),
            "last_name": self.last_name or "Example",
        }


class AuthDouble(Double):
    """`with AuthDouble() as auth: auth.token_for("alice")`. Knows alice and bob unless given other users."""

    def __init__(
        self, *, users: Iterable[User] = (User("alice"), User("bob")), key: str = SIGNING_KEY, **common: Any
    ) -> None:
        super().__init__(**common)
        self.users = {user.username: user for user in users}
        self._key = key
        self._revoked: set[str] = set()

    def add_user(self, user: User) -> User:
        """Add an account, or replace the one of that name."""
        self.users[user.username] = user
        return user

    def token_for(self, user: User | str, expires_in: float = LIFETIME) -> str:
        """A token; a negative time makes one that has expired. The user need not exist."""
        account = user if isinstance(user, User) else self.users.get(user, User(user))
        now = int(time.time())
        user_id = account.profile()["id"]
        # Two tokens of one second would be the same token, and a login gives a new one each time.
        claims = {"iss": ISSUER, "sub": user_id, "iat": now, "exp": int(now + expires_in), "user_id": user_id}
        return jwt.encode({**claims, "jti": secrets.token_hex(8)}, self._key)

    def revoke(self, token: str) -> None:
        """Let a token be invalid from now on."""
        self._revoked.add(token)

    def reset(self) -> None:
        super().reset()
        self._revoked.clear()

    def fault_body(self, fault: Fault) -> Any:
        return {"success": False, "message": f"Injected status {fault.status}"}

    def control(self, method: str, name: str, body: Any) -> Any:
        """POST token {"username", "expires_in"}, users {"username", ...}, revoke {"token"}."""
        match method, name:
            case "POST", "token":
                return {"token": self.token_for(body["username"], body.get("expires_in", LIFETIME))}
            case "POST", "users":
                return self.add_user(User(**body)).profile()
            case "POST", "revoke":
                self.revoke(body["token"])
                return {}
        raise LookupError(name)

    def answer(self, request: RecordedRequest) -> Reply:
        reply = self._route(request)
        # The chat page logs in from the browser, from another origin.
        origin = request.headers.get("origin")
        if origin:
            reply.headers |= {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Credentials": "true",
                "Vary": "Origin",
            }
        return reply

    def _route(self, request: RecordedRequest) -> Reply:
        methods = {"/auth/me": "GET", "/auth/login": "POST"}
        allowed = methods.get(request.path)
        if allowed is None:
            return _failure(404, "Not found")
        if request.method == "OPTIONS":
            headers = {
                "Access-Control-Allow-Methods": f"{allowed}, OPTIONS",
                "Access-Control-Allow-Headers": "Content-Type, Authorization",
            }
            return Reply(204, headers=headers)
        if request.method != allowed:
            return _failure(405, "Method not allowed", {"Allow": f"{allowed}, OPTIONS"})
        return self._me(request) if allowed == "GET" else self._login(request)

    def _me(self, request: RecordedRequest) -> Reply:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _failure(401, "Authentication required")
        try:
            claims = jwt.decode(token, self._key)
        except jwt.BadToken:
            return _failure(401, "Invalid token")
        expires = claims.get("exp")
        if not isinstance(expires, int) or expires <= time.time():
            return _failure(401, "Token has expired")
        if claims.get("iss") != ISSUER or token in self._revoked:
            return _failure(401, "Invalid token")
        for user in self.users.values():
            if user.profile()["id"] == claims.get("user_id"):
                return json_reply({"success": True, "data": user.profile()})
        return _failure(401, "User not found")

    def _login(self, request: RecordedRequest) -> Reply:
        body = request.body
        if not isinstance(body, dict):
            return _failure(400, "The body is not a JSON object")
        username, password = body.get("username"), body.get("password")
        if not (isinstance(username, str) and isinstance(password, str) and username and password):
            return _failure(400, "Username and password are required")
        user = self.users.get(username)
        if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
            return _failure(401, "Invalid credentials")
        data = {
            "user": user.profile(),
            "access_token": self.token_for(user),
            # Not a JWT: it must never do where an access token is wanted.
            "refresh_token": secrets.token_hex(32),
            "expires_in": LIFETIME,
            "token_type": "Bearer",
        }
        return json_reply({"success": True, "data": data})


def _failure(status: int, message: str, headers: dict[str, str] | None = None) -> Reply:
    return json_reply({"success": False, "message": message}, status, headers)


def main(argv: list[str] | None = None) -> int:
    """The double as a process."""
    options = command.parser("An auth API with a few users.")
    options.add_argument(
        "--user", action="append", metavar="NAME:PASSWORD", help="default: alice and bob, both `secret`"
    )

    def make(arguments: argparse.Namespace) -> AuthDouble:
        double = AuthDouble(**command.common(arguments))
        if arguments.user:
            double.users.clear()
        for entry in arguments.user or []:
            name, _, password = entry.partition(":")
            double.add_user(User(name, password or "secret"))
        return double

    return command.run(make, options, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
