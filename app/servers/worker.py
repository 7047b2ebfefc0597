"""The warm worker: a copy of a CGI process that stays, its modules loaded, and answers the next requests over
a socket.

It speaks SCGI at `worker.sock` in DATA_DIR, to `app/relay.py`. There is at most one worker (a lock that the
kernel frees with the process) and nothing depends on it: whenever it does not acknowledge a request, the CGI
process answers by itself. It ends when idle, old or large, and at once when code or settings have changed.
Hosts that kill background processes lose nothing but speed.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app import datadir, logs, settings
from app.relay import SOCKET
from app.servers import confinement
from app.servers.scgi import Server
from app.settings import PROJECT_ROOT, Settings

log = logging.getLogger(__name__)

LOCK = "worker.lock"
# For how long a process waits for its threads before it gives up becoming a worker: its reply ends only with
# it.
THREADS_SECONDS = 0.2


def leave_behind(configured: Settings, code_is_current: Callable[[], bool]) -> None:
    """Fork a worker unless there is one, and return; the caller's reply must be complete. In the worker it
    does not return."""
    if not _alone():
        log.info("no warm worker yet: a connection is still being opened or ended")
        return
    if not code_is_current() or settings.has_changed(configured, os.environ):
        return
    lock = _acquire(configured.data_dir)
    if lock is None:
        return
    try:
        child = os.fork()
    except OSError as error:
        log.warning("no warm worker: %s", error.strerror)
        os.close(lock)
        return
    if child:
        os.close(lock)
        return
    try:
        # The one-shot process has switched it off; this one lives on.
        gc.enable()
        _detach(lock, settings.NAMES)
        logs.configure(configured.log_file)
        run(configured, code_is_current)
    except BaseException:
        log.exception("the warm worker failed")
    finally:
        os._exit(0)


def run(configured: Settings, code_is_current: Callable[[], bool]) -> None:
    """Serve until there is a reason to end. The lock is held by this process."""
    # Relative to the directory, as a socket's whole path may be longer than the 107 bytes the kernel takes.
    os.chdir(configured.data_dir)
    confinement.confine_server(configured, configured.worker.threads)
    datadir.link(PROJECT_ROOT / "var", configured.data_dir, SOCKET)
    server = Server(configured, code_is_current)
    log.info("warm worker %d started", os.getpid())
    server.run()
    log.info("warm worker %d ended after %d requests: %s", os.getpid(), server.served, server.reason)


def _alone() -> bool:
    """Whether no other thread runs here, or soon. What one holds locked at a fork stays locked in the copy
    for ever."""
    end = time.monotonic() + THREADS_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
    return threading.active_count() == 1


def _acquire(data_dir: Path) -> int | None:
    """The lock that makes a process the worker, as a descriptor that is inherited by a fork; None while
    another holds it."""
    try:
        lock = os.open(datadir.ensure(data_dir) / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("no warm worker: cannot open %s: %s", LOCK, error.strerror)
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if not isinstance(error, BlockingIOError):
            log.warning("no warm worker: cannot lock %s: %s", LOCK, error.strerror)
        return None
    return lock


def _detach(lock: int, names: frozenset[str]) -> None:
    """Leave Apache: it waits for a CGI program until the last process with one of its descriptors is gone.

    Of the first request's environment nothing stays but the settings, by their `names`.
    """
    os.setsid()
    # Its file would otherwise be closed by Python some time later, when the number belongs to another file.
    logs.close()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.closerange(3, lock)
    os.closerange(lock + 1, 65536)
    kept = settings.child_environment(names)
    for name in list(os.environ):
        if name not in kept:
            del os.environ[name]
    _blank_initial_environment(frozenset(map(os.fsencode, kept)))


def _blank_initial_environment(keep: frozenset[bytes]) -> None:
    """Overwrite what is the caller's in the memory that the kernel shows as the environment, which deleting
    leaves alone.

    A kernel that forbids a process to write there keeps it, readable for this account only, until the worker
    ends.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
        fields = status.rpartition(")")[2].split()
        # env_start and env_end of proc(5), which counts from 1 and the two fields before.
        start, end = int(fields[47]), int(fields[48])
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            variables = memory.read(end - start).split(b"\0")
            kept = (entry if entry.partition(b"=")[0] in keep else b"" for entry in variables)
            blanked = (new.ljust(len(old), b"\0") for new, old in zip(kept, variables, strict=True))
            memory.seek(start)
            memory.write(b"\0".join(blanked))
