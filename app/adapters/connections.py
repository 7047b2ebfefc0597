"""Kept-alive connections to one outside system, which can be opened ahead of their use.

The standard library's connections do the work: it is loaded already where Flask is (docs/decisions.md has what urllib3 costs).
Opening ahead is what lets DNS, TCP and TLS to one system pass while another one is waited for.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from app.adapters import racing
from app.loopback import is_localhost, is_loopback_address

CONNECT_SECONDS = 5.0
KEPT = 8
# Firewalls forget connections on which nothing is said, without a word to either side; a request on one is waited for in vain.
IDLE_SECONDS = 60.0

_ca_file: Path | None = None


def configure(ca_file: Path | None, memory: Path | None) -> None:
    """For all connections of this process: whose certificates are believed (None: those of the host's authorities), and the
    file in which it is kept which addresses answered."""
    global _ca_file
    _ca_file, racing.memory.file = ca_file, memory


class Connections:
    """Connections to the host of `base_url`. Safe to use from several threads; each connection is one thread's at a time."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._tls = parts.scheme == "https"
        self._lock = threading.Lock()
        self._idle: list[tuple[HTTPConnection, float]] = []
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
                    connection, since = self._idle.pop()
                    if _is_usable(connection, since):
                        return connection
                    connection.close()
                    continue
                coming = self._coming.pop() if self._coming else None
            if coming is None:
                return self.open(seconds)
            coming.join(seconds)
            if coming.connection is not None:
                # What was waited for meanwhile may have taken longer than the service keeps a connection.
                if _is_usable(coming.connection, coming.since):
                    return coming.connection
                coming.connection.close()

    def give_back(self, connection: HTTPConnection) -> None:
        """Keep `connection` for the next request; it must have been read to the end of its reply."""
        with self._lock:
            if connection.sock is not None and len(self._idle) < KEPT:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def open(self, seconds: float) -> HTTPConnection:
        """A new connection, connected."""
        timeout = max(min(CONNECT_SECONDS, seconds), 0.001)
        if not self._tls:
            plain = HTTPConnection(self._host, self._port, timeout=timeout)
            plain.sock = racing.connect(self._host, plain.port, timeout)
            if is_localhost(self._host) and not is_loopback_address(plain.sock.getpeername()[0]):
                # Nothing is encrypted, because the name promises that nothing leaves this machine.
                plain.close()
                raise OSError("localhost leads to another machine")
            return plain
        from app import tls

        context = tls.context(_ca_file)
        connection = HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        sock = racing.connect(self._host, connection.port, timeout)
        try:
            connection.sock = context.wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise
        return connection

    def close(self) -> None:
        """Close what is idle; what is in use is its user's to close."""
        with self._lock:
            idle, self._idle, self._coming = self._idle, [], []
        for connection, _ in idle:
            connection.close()


class _Coming(threading.Thread):
    """A connection being opened. `connection` is None until it is, and stays None when it cannot be."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(name="open-ahead", daemon=True)
        self._connections = connections
        self.connection: HTTPConnection | None = None
        self.since = 0.0

    def run(self) -> None:
        # Whoever needs the connection opens one again then, and meets the error where it can be reported.
        with contextlib.suppress(Exception):
            connection = self._connections.open(CONNECT_SECONDS)
            self.since = time.monotonic()
            self.connection = connection


def abort(sock: socket.socket) -> None:
    """End whatever another thread waits for on `sock`, at once."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _is_usable(connection: HTTPConnection, since: float) -> bool:
    """Whether a connection that is idle `since` then still stands. One on which something was said that nobody asked for is of
    no use either."""
    sock = connection.sock
    if sock is None or time.monotonic() - since > IDLE_SECONDS:
        return False
    nothing_yet: tuple[type[OSError], ...] = (BlockingIOError,)
    if isinstance(connection, HTTPSConnection):
        import ssl

        # After the handshake a server sends tickets for the next one, which are read here; then there is nothing.
        nothing_yet = (ssl.SSLWantReadError,)
    try:
        sock.setblocking(False)
        sock.recv(1)
    except nothing_yet:
        return True
    except OSError:
        pass
    return False
