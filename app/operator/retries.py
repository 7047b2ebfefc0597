"""The one retry policy of the operator's commands: when a call is repeated, how often, and after which pause.

urllib3's `Retry` counts and spaces the attempts. The loops are their callers', because urllib3's own ends
before the body of a reply is read, and because an attempt to embed may be paid for.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.adapters.retry import retry_after
from app.operator.problems import OperatorError

if TYPE_CHECKING:
    from app.adapters.http import Reply
    from app.adapters.retry import Headers


@dataclass(frozen=True)
class Patience:
    """How long one call may take, and how often and how soon it is repeated."""

    seconds_a_call: float = 60.0
    attempts: int = 8
    first_pause: float = 0.5
    """The first repetition follows at once, the second after twice this, and so on, doubled each time."""
    longest_pause: float = 30.0
    longest_wish: float = 300.0
    """The longest `Retry-After` that is obeyed."""


class Attempts:
    """The attempts of one call."""

    def __init__(
        self,
        patience: Patience,
        stopping: threading.Event | None = None,
        connect: int | None = None,
        read: int | None = None,
    ) -> None:
        """`connect`, `read`: so many failures to connect, or to get a reply, are repeated."""
        # Imported late: what only shows its help needs no package.
        from urllib3 import Retry

        self._patience = patience
        self._stopping = stopping or threading.Event()
        self._retry = Retry(
            total=patience.attempts - 1,
            connect=connect,
            read=read,
            allowed_methods=None,
            backoff_factor=patience.first_pause,
            backoff_max=patience.longest_pause,
            backoff_jitter=patience.first_pause / 2,
        )

    @property
    def failed(self) -> int:
        """How many attempts were repeated."""
        return len(self._retry.history)

    def again(self, error: Exception | None = None, headers: Headers | None = None) -> bool:
        """Wait until the next attempt is due. False when none is left, or `Retry-After` asks for more than is
        obeyed.

        Raises OperatorError when the command is being given up.
        """
        from urllib3.exceptions import MaxRetryError

        wish = 0.0
        # No date is longer; a server may write anything.
        if headers and len(headers.get("Retry-After") or "") < 100:
            wish = retry_after(headers) or 0.0
        if wish > self._patience.longest_wish:
            return False
        try:
            self._retry = self._retry.increment("POST", error=error)
        except MaxRetryError:
            return False
        if self._stopping.wait(max(self._retry.get_backoff_time(), wish)):
            raise OperatorError("Given up.")
        return True


class Overloaded(Exception):
    """The server refused the last attempt, or asks for a longer wait than is obeyed."""

    def __init__(self, reply: Reply, attempts: int) -> None:
        super().__init__(f"status {reply.status}")
        self.reply, self.attempts = reply, attempts
