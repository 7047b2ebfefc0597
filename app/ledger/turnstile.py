"""A queue at the door of the ledger, so that many writers at once do not wear each other out.

SQLite's own waiting for a lock works, but badly in a crowd: waiters come back ever more rarely, and while they look they
keep the writer from committing (200 processes at once: 8 s; with this queue 1.2 s). Nothing depends on it: who cannot use it,
or has waited long enough, goes on and leaves the rest to SQLite, whose locks alone keep the ledger right.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAIT_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.004


class Turnstile:
    """One writer at a time among all processes, by a lock on the empty file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._opened_by = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for our turn, for at most 5 s."""
        with suppress(OSError):
            self._wait()
        try:
            yield
        finally:
            if self._file is not None:
                with suppress(OSError):
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file; the next turn opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _wait(self) -> None:
        if self._file is not None and self._opened_by != os.getpid():
            # The lock belongs to what a fork has copied; a process of its own needs its own.
            self.close()
        if self._file is None:
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            self._opened_by = os.getpid()
        give_up = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                # Not a blocking call: it would wait for ever for a process that was stopped.
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > give_up:
                    return
                time.sleep(LOOK_AGAIN_SECONDS)
