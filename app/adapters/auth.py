"""The auth API: whose token is this? It keeps nothing; `turn` limits how many ask it at once.

Without that limit a flood of different bad tokens would be as many calls to the auth API at once, and would
hold every thread of a process that lives on. Those who wait use no processor time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from app import datadir
from app.adapters.exchange import TransportError
from app.adapters.http import HttpService, Reply
from app.deadline import Deadline
from app.errors import AuthUnavailable, InvalidToken
from app.models import User
from app.seen import bearer_token

# Longer than a GUID, an e-mail address or any other name of a user.
MAX_ID_CHARACTERS = 128
# A user takes some hundred bytes.
MAX_REPLY_BYTES = 64 * 1024
# These say nothing about the token: too slow, too many calls. Redirects do not either, as the contract has
# none.
UNKNOWN_STATUSES = frozenset({408, 429})
# Tokens that all processes on the host ask about at a time.
AT_ONCE = 4
# Threads of one process that ask or wait, of the eight that a worker has by default: the others serve known
# users.
THREADS = 6
LOOK_AGAIN_SECONDS = 0.05

_threads = threading.BoundedSemaphore(THREADS)


class AuthApi:
    """`GET {url}/auth/me` with the caller's token. With an empty `url` no token can be checked."""

    def __init__(self, url: str) -> None:
        self._service = HttpService("auth API", url) if url else None

    def user(self, token: str, deadline: Deadline) -> User:
        """The token's owner. Raises InvalidToken, or AuthUnavailable when nothing is known about the
        token."""
        header = f"Bearer {token}"
        if not token or bearer_token(header) != token:
            raise InvalidToken("token has characters or a length that no token has")
        if self._service is None:
            remedy = "set it to the auth API's address"
            raise AuthUnavailable(f"AUTH_API_URL is not set, so no token can be checked: {remedy}")
        headers = {"Authorization": header, "Accept": "application/json"}
        try:
            call = partial(self._service.call, headers=headers, attempts=2, most_bytes=MAX_REPLY_BYTES)
            reply = Reply.of(call("GET", "/auth/me", deadline))
        except TransportError as error:
            remedy = "" if error.explained else "; check AUTH_API_URL"
            raise AuthUnavailable(f"auth API: {error}{remedy}") from error
        if reply.status >= 500 or 300 <= reply.status < 400 or reply.status in UNKNOWN_STATUSES:
            raise AuthUnavailable(f"auth API: status {reply.status}; check AUTH_API_URL")
        if reply.status != 200:
            raise InvalidToken(f"auth API: status {reply.status}")
        try:
            document = reply.json()
        except ValueError as error:
            # A maintenance page says nothing about the token.
            raise AuthUnavailable("auth API: status 200 without JSON; check AUTH_API_URL") from error
        return _user(document)

    def check(self, deadline: Deadline) -> None:
        """Ask about a made-up token. Raises AuthUnavailable unless the auth API answers for itself."""
        with contextlib.suppress(InvalidToken):
            self.user("health-check", deadline)

    def close(self) -> None:
        """Close idle connections."""
        if self._service is not None:
            self._service.close()


def _user(document: object) -> User:
    data = document.get("data") if isinstance(document, dict) else None
    identity = data.get("id") if isinstance(data, dict) else None
    if not isinstance(identity, str | int) or isinstance(identity, bool) or identity == "":
        raise InvalidToken("auth API: status 200 without data.id")
    assert isinstance(data, dict)
    # The number 1 and the text "1" are one user, on purpose: a PHP program sends either, depending on its
    # database driver, whose update must not give everybody a new quota. Nothing else is changed: " 1 " is
    # another user.
    if isinstance(identity, int) and not -(2**63) <= identity < 2**64:
        raise AuthUnavailable("auth API: data.id is a number of more than 64 bits, which no user has")
    name = str(identity)
    if len(name) > MAX_ID_CHARACTERS or not name.isprintable():
        limit = f"{MAX_ID_CHARACTERS} characters"
        raise AuthUnavailable(f"auth API: data.id is longer than {limit} or holds some that cannot be seen")
    email = data.get("email")
    return User(id=name, email=email if isinstance(email, str) and email else None)


@contextmanager
def turn(directory: Path, deadline: Deadline) -> Iterator[bool]:
    """Wait until the auth API may be asked; yields whether that took a while. Raises AuthUnavailable.

    The locks are on empty files in `directory`; the kernel frees them with the process. Where they cannot be
    had, the auth API is asked all the same.
    """
    if not _threads.acquire(blocking=False):
        raise AuthUnavailable(f"{THREADS} other threads of this process ask about tokens or wait to do so")
    with ExitStack() as stack:
        stack.callback(_threads.release)
        try:
            waited = _wait_for_lock(stack, directory, deadline)
        except OSError:
            waited = False
        yield waited


def _wait_for_lock(stack: ExitStack, directory: Path, deadline: Deadline) -> bool:
    files = []
    datadir.ensure(directory)
    for number in range(AT_ONCE):
        files.append(os.open(directory / f"auth-{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        stack.callback(os.close, files[-1])
    waited = False
    while True:
        for file in files:
            # A blocking call would wait for ever for a process that was stopped.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return waited
        if not (left := deadline.remaining()):
            others = f"{AT_ONCE} other tokens are being asked about"
            raise AuthUnavailable(f"{others}, for as long as this request may take")
        waited = True
        time.sleep(min(LOOK_AGAIN_SECONDS, left))
