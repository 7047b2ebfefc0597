"""Kept-alive connections to one outside system, which can be opened ahead of their use.

The standard library's connections do the work: it is loaded already where Flask is (docs/decisions.md has what urllib3 costs).
Opening ahead is what lets DNS, TCP and TLS to one system pass while another one is waited for.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 5.0
KEPT = 8

_tls_lock = threading.Lock()
_tls_context: ssl.SSLContext | None = None


class Connections:
    """Connections to the host of `base_url`. Safe to use from several threads; each connection is one thread's at a time."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._tls = parts.scheme == "https"
        self._lock = threading.Lock()
        self._idle: list[HTTPConnection] = []
        self._coming: list[_Coming] = []

    def open_ahead(self) -> None:
        """Begin to open one connection, unless one is idle or coming. Returns at once; failures show when it is needed."""
        with self._lock:
            if self._idle or self._coming:
                return
            coming = _Coming(self)
            # With no thread to spare on this host it is opened when it is needed.
            with contextlib.suppress(RuntimeError):
                coming.start()
                self._coming.append(coming)

    def take(self, seconds: float) -> HTTPConnection:
        """A connected connection: an idle one, one that is being opened ahead, or a new one.

        Raises OSError when it cannot be opened.
        """
        while True:
            with self._lock:
                if self._idle:
                    connection = self._idle.pop()
                    if _is_usable(connection):
                        return connection
                    connection.close()
                    continue
                coming = self._coming.pop() if self._coming else None
            if coming is None:
                return self.open(seconds)
            coming.join(seconds)
            if coming.connection is not None:
                return coming.connection

    def give_back(self, connection: HTTPConnection) -> None:
        """Keep `connection` for the next request; it must have been read to the end of its reply."""
        with self._lock:
            if connection.sock is not None and len(self._idle) < KEPT:
                self._idle.append(connection)
                return
        connection.close()

    def open(self, seconds: float) -> HTTPConnection:
        """A new connection, connected."""
        timeout = max(min(CONNECT_SECONDS, seconds), 0.001)
        connection = (
            HTTPSConnection(self._host, self._port, timeout=timeout, context=_shared_tls_context())
            if self._tls
            else HTTPConnection(self._host, self._port, timeout=timeout)
        )
        connection.connect()
        return connection

    def close(self) -> None:
        """Close what is idle; what is in use is its user's to close."""
        with self._lock:
            idle, self._idle, self._coming = self._idle, [], []
        for connection in idle:
            connection.close()


class _Coming(threading.Thread):
    """A connection being opened. `connection` is None until it is, and stays None when it cannot be."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(name="open-ahead", daemon=True)
        self._connections = connections
        self.connection: HTTPConnection | None = None

    def run(self) -> None:
        # Whoever needs the connection opens one again then, and meets the error where it can be reported.
        with contextlib.suppress(Exception):
            self.connection = self._connections.open(CONNECT_SECONDS)


def abort(sock: socket.socket) -> None:
    """End whatever another thread waits for on `sock`, at once."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _is_usable(connection: HTTPConnection) -> bool:
    """Whether the other side has neither closed an idle connection nor said anything on it that nobody asked for."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


def _shared_tls_context() -> ssl.SSLContext:
    """One context for all services: reading the authorities' certificates costs more than a handshake."""
    global _tls_context
    with _tls_lock:
        if _tls_context is None:
            import ssl

            _tls_context = ssl.create_default_context()
            _tls_context.set_alpn_protocols(["http/1.1"])
        return _tls_context
