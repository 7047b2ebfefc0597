"""The moment by which a request must be over, handed to everything that waits."""

from __future__ import annotations

import time

from app.errors import TimedOut


class Deadline:
    """`seconds` from now on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())

    def check(self, waiting_for: str) -> float:
        """Seconds left; raises TimedOut, which names what was waited for, when there are none."""
        if (left := self.remaining()) <= 0:
            raise TimedOut(f"no time left while waiting for {waiting_for}")
        return left


class ShortenedDeadline(Deadline):
    """Another deadline, which can be brought forward."""

    def __init__(self, other: Deadline) -> None:
        self._end = other._end

    def shorten(self, seconds: float) -> None:
        """Let it be over in `seconds` at the latest."""
        self._end = min(self._end, time.monotonic() + seconds)
