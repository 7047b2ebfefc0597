"""The moment by which a request must be over, handed to everything that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import TimedOut, TooMuchWork

# Threads that have used up their processor time: for them every deadline is over.
_spent: set[int] = set()


class Deadline:
    """`seconds` from now on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        if _spent and threading.get_ident() in _spent:
            return 0.0
        return max(0.0, self._end - time.monotonic())

    def check(self, working_on: str) -> float:
        """Seconds left, for a loop of our own. Raises TooMuchWork, naming the work, if there are none."""
        if (left := self.remaining()) <= 0:
            raise TooMuchWork(f"no time left while working on {working_on}")
        return left


class ShortenedDeadline(Deadline):
    """Another deadline, which can be brought forward."""

    def __init__(self, other: Deadline) -> None:
        self.seconds, self._end = other.seconds, other._end

    def shorten(self, seconds: float) -> None:
        """Let it be over in `seconds` at the latest."""
        self._end = min(self._end, time.monotonic() + seconds)


@contextmanager
def blaming_own_work(deadline: Deadline) -> Iterator[None]:
    """A TimedOut becomes TooMuchWork if this thread has computed for at least half of the time.

    Otherwise a slow question of our own would be blamed on the service that was called last.
    """
    started = time.thread_time()
    try:
        yield
    except TimedOut as error:
        computed = time.thread_time() - started
        if error.own_doing or computed < deadline.seconds / 2:
            raise
        raise TooMuchWork(f"{error}, after {computed:.1f} s of computing") from error


def end_for(thread: int) -> bool:
    """From now on no deadline leaves `thread` any time. False if that was so already."""
    fresh = thread not in _spent
    _spent.add(thread)
    return fresh


def begin_for(thread: int) -> None:
    """Deadlines count for `thread` as they are."""
    _spent.discard(thread)
