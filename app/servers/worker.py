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
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flup.server.scgi import WSGIServer

from app import datadir, logs, relay, settings
from app.bootstrap import create_app
from app.relay import SOCKET
from app.servers import confinement
from app.servers.one_shot import authorized
from app.settings import PROJECT_ROOT, Settings

log = logging.getLogger(__name__)

LOCK = "worker.lock"
# How much longer than a request may take the wrapper waits for the next byte of a reply.
GRACE_SECONDS = 5
MEMORY_CHECK_EVERY = 100
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
    server = _Server(configured, code_is_current)
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


class _Server(WSGIServer):  # type: ignore[misc]  # flup has no types
    """flup's threaded SCGI server, with reasons to end."""

    def __init__(self, configured: Settings, code_is_current: Callable[[], bool]) -> None:
        self._settings = configured
        self._code_is_current = code_is_current
        self._counting = threading.Lock()
        self._running = 0
        self._watch = confinement.Watch(configured.request_cpu_seconds)
        self._last_used = time.monotonic()
        self.served = 0
        self.reason = "signal"
        self.patience = int(configured.request_timeout) + GRACE_SECONDS
        threads = configured.worker.threads
        app = authorized(create_app(configured))
        super().__init__(
            app,
            bindAddress=SOCKET,
            umask=0o077,
            loggingLevel=logging.ERROR,
            debug=False,
            minSpare=1,
            maxSpare=threads,
            maxThreads=threads,
        )
        self._socket_stamp: int | None = None

    def handler(self, request: Any) -> None:
        """Acknowledge a request and answer it; or close without a word, and then the wrapper answers it."""
        if self._stale(request.environ):
            self._end("code or settings have changed")
        if not self._keepGoing:
            return
        with self._counting:
            self._running += 1
            self.served += 1
        self._watch.begin()
        try:
            request.stdout.write(relay.acknowledgement(self.patience))
            request.stdout.flush()
            super().handler(request)
        finally:
            self._watch.end()
            with self._counting:
                self._running -= 1
                self._last_used = time.monotonic()
            self._end_if_worn()

    def _end_if_worn(self) -> None:
        limits = self._settings.worker
        if self.served >= limits.max_requests:
            self._end(f"{self.served} requests")
        elif self.served % MEMORY_CHECK_EVERY == 0:
            megabytes = resident_megabytes()
            if megabytes > limits.max_megabytes:
                self._end(f"{megabytes} MB of memory")

    def error(self, request: Any) -> None:
        """What flup does when the application raises, which Flask does not let happen: no reply, so the
        wrapper answers."""
        log.error("warm worker: the application failed", exc_info=sys.exc_info())

    def _stale(self, environ: Mapping[str, str]) -> bool:
        # SCGI's text is not the text of os.environ: the bytes are the same.
        texts = {name: value for name, value in environ.items() if isinstance(value, str)}
        given = {name: os.fsdecode(text.encode("latin-1")) for name, text in texts.items()}
        return (
            settings.has_changed(self._settings, given)
            or given.get(relay.PROGRAM_ROOT) != str(PROJECT_ROOT)
            or not self._code_is_current()
        )

    def _end(self, reason: str) -> None:
        if not self._keepGoing:
            return
        self.reason = reason
        # First, so that no request comes to a worker that will not take it.
        self._remove_socket()
        self._exit()

    def _setupSocket(self) -> Any:
        listening = super()._setupSocket()
        self._socket_stamp = Path(SOCKET).stat().st_ino
        return listening

    def _cleanupSocket(self, sock: Any) -> None:
        self._remove_socket()
        super()._cleanupSocket(sock)

    def _remove_socket(self) -> None:
        with contextlib.suppress(OSError):
            if Path(SOCKET).stat().st_ino == self._socket_stamp:
                Path(SOCKET).unlink()

    def _has_its_socket(self) -> bool:
        """Whether requests still come here: the directory may have been removed, and another worker have
        made it anew."""
        with contextlib.suppress(OSError):
            return (self._settings.data_dir / SOCKET).stat().st_ino == self._socket_stamp
        return False

    def _mainloopPeriodic(self) -> None:
        """Called by flup after each request and at least once a second."""
        self._watch.look()
        idle = not self._running and time.monotonic() - self._last_used > self._settings.worker.idle_seconds
        if idle:
            self._end("idle")
        elif not self._has_its_socket():
            self._end("its socket is gone")


def resident_megabytes() -> int:
    """This process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
