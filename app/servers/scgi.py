"""The warm worker's server: flup's threaded SCGI server, with reasons to end."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flup.server.scgi import WSGIServer

from app import relay, settings
from app.bootstrap import create_app
from app.relay import SOCKET
from app.servers import confinement
from app.servers.one_shot import authorized
from app.settings import PROJECT_ROOT, Settings

log = logging.getLogger(__name__)

# How much longer than a request may take the wrapper waits for the next byte of a reply.
GRACE_SECONDS = 5
MEMORY_CHECK_EVERY = 100


class Server(WSGIServer):  # type: ignore[misc]  # flup has no types
    """Listens on SOCKET in the current directory; `reason` says why it has ended."""

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
