"""A queue in front of the ledger, so that many writers at once do not wear each other out.

SQLite's own waiting for a lock works badly in a crowd: waiters come back ever more rarely, and while they
look they keep the writer from committing (200 processes at once: 8 s; with this queue 1.2 s). Nothing depends
on it: a process that cannot use it, or has waited long enough, goes on and leaves the rest to SQLite, whose
locks alone keep the ledger right.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAIT_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.004

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


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
        """Close the file; the next turn opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def need_locks(self) -> None:
        """Try the kind of lock that SQLite uses. Raises OSError (ENOLCK) on a file system without locks.

        SQLite itself would wait there, as for a lock that others hold.
        """
        try:
            # Not the ledger itself: closing it once more would release this process's locks on it.
            file = self._open()
        except OSError:
            return
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise OSError(errno.ENOLCK, "no locks") from error
        finally:
            os.close(file)

    def _open(self) -> int:
        return os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)

    def _wait(self) -> None:
        if self._file is not None and self._opened_by != os.getpid():
            # The lock belongs to what a fork has copied; a process of its own needs its own.
            self.close()
        if self._file is None:
            self._file = self._open()
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
