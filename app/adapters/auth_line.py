"""How many tokens are asked about at a time, in all processes on the host; who comes then waits, at no processor time.

Without it a flood of different bad tokens would be as many calls to the auth API at once, and would hold every thread of a
process that lives on. Nothing else depends on it: where the locks cannot be had, the auth API is asked all the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app import datadir
from app.deadline import Deadline
from app.errors import AuthUnavailable

AT_ONCE = 4
# Of the eight that a worker has by default: the others are for those who are known.
THREADS = 6
LOOK_AGAIN_SECONDS = 0.05


_threads = threading.BoundedSemaphore(THREADS)


@contextmanager
def turn(directory: Path, deadline: Deadline) -> Iterator[bool]:
    """Wait until the auth API may be asked; tells whether that took a while. Raises AuthUnavailable.

    The locks are on empty files in `directory`; the kernel frees them with the process.
    """
    if not _threads.acquire(blocking=False):
        raise AuthUnavailable(f"{THREADS} other threads of this process ask about tokens or wait to do so")
    with ExitStack() as stack:
        stack.callback(_threads.release)
        try:
            waited = _wait(stack, directory, deadline)
        except OSError:
            waited = False
        yield waited


def _wait(stack: ExitStack, directory: Path, deadline: Deadline) -> bool:
    files = []
    datadir.ensure(directory)
    for number in range(AT_ONCE):
        files.append(os.open(directory / f"auth-{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        stack.callback(os.close, files[-1])
    waited = False
    while True:
        for file in files:
            # Not a blocking call: it would wait for ever for a process that was stopped.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return waited
        if not (left := deadline.remaining()):
            raise AuthUnavailable(f"{AT_ONCE} other tokens are being asked about, for as long as this request may take")
        waited = True
        time.sleep(min(LOOK_AGAIN_SECONDS, left))
