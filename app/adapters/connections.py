"""Kept-alive connections to one outside system, which can be opened ahead of their use.

The standard library's connections do the work: Flask has loaded them already (docs/decisions.md). Opening
ahead lets DNS, TCP and TLS to one system pass while another one is waited for.

Of a name with several addresses some may be dead, so they race (RFC 8305): families take turns, the next
address starts when the last one has failed or was silent for a quarter of a second, and the first to connect
wins. A winner that was not the first is remembered. The sockets do not block; there are no threads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from app import tls
from app.tls import is_localhost, is_loopback_address

if TYPE_CHECKING:
    from app.adapters.remembered import Remembered

CONNECT_SECONDS = 5.0
KEPT = 8
# Firewalls forget silent connections without a word to either side; a request on one gets no reply.
IDLE_SECONDS = 60.0
STAGGER_SECONDS = 0.25
# More are not tried: each is a socket, and a quarter of a second.
MOST_ADDRESSES = 6
# How long the address that answered is the one to begin with.
REMEMBERED_SECONDS = 3600

Address = tuple[int, int, int, str, tuple[Any, ...]]
"""An entry of `socket.getaddrinfo`: family, kind, protocol, name, address and port."""

_ca_file: Path | None = None
_addresses_file: Path | None = None


def configure(ca_file: Path | None, addresses_file: Path | None) -> None:
    """Set for this process the trusted authorities (None: the host's) and the file of addresses that
    answered."""
    global _ca_file, _addresses_file
    _ca_file, _addresses_file = ca_file, addresses_file


class Idle(NamedTuple):
    """A connection that nobody uses, silent since `since` on the monotonic clock."""

    connection: HTTPConnection
    since: float

    def is_usable(self) -> bool:
        """Whether it still stands, and the service has said nothing on it unasked."""
        sock = self.connection.sock
        if sock is None or time.monotonic() - self.since > IDLE_SECONDS:
            return False
        try:
            sock.setblocking(False)
            sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            # There is nothing to read, or no more than the tickets that follow a TLS handshake.
            return True
        except OSError:
            pass
        return False


class Connections:
    """Connections to the host of `base_url`. Threads may share it, but not a connection."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port
        self._tls = parts.scheme == "https"
        self._lock = threading.Lock()
        self._idle: list[Idle] = []
        self._coming: threading.Thread | None = None

    def open_ahead(self) -> None:
        """Begin to open one connection, unless one is idle or coming. Failures show when it is needed."""

        def work() -> None:
            with contextlib.suppress(Exception):
                self.give_back(self.open(CONNECT_SECONDS))

        with self._lock:
            if self._idle or (self._coming and self._coming.is_alive()):
                return
            thread = threading.Thread(target=work, name="open-ahead", daemon=True)
            # A host without a thread to spare opens it when it is needed.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._coming = thread

    def take(self, seconds: float) -> HTTPConnection:
        """A connection that is idle, being opened ahead, or new within `seconds`. Raises OSError."""
        while True:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
                coming = self._coming
                if not idle:
                    self._coming = None
            if idle and idle.is_usable():
                return idle.connection
            if idle:
                idle.connection.close()
            elif coming:
                coming.join(seconds)
            else:
                return self.open(seconds)

    def give_back(self, connection: HTTPConnection) -> None:
        """Keep `connection` for the next request; it must have been read to the end of its reply."""
        with self._lock:
            if connection.sock is not None and len(self._idle) < KEPT:
                self._idle.append(Idle(connection, time.monotonic()))
                return
        connection.close()

    def open(self, seconds: float) -> HTTPConnection:
        """A new connection, connected. Raises OSError."""
        timeout = max(min(CONNECT_SECONDS, seconds), 0.001)
        context = tls.context(_ca_file) if self._tls else None
        connection = HTTPConnection(self._host, self._port, timeout=timeout)
        if context:
            connection = HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        sock = connect(self._host, connection.port, timeout)
        try:
            if context:
                sock = context.wrap_socket(sock, server_hostname=self._host)
            elif is_localhost(self._host) and not is_loopback_address(sock.getpeername()[0]):
                # Nothing is encrypted, because the name promises that nothing leaves this machine.
                raise OSError("localhost leads to another machine")
        except BaseException:
            sock.close()
            raise
        connection.sock = sock
        return connection

    def close(self) -> None:
        """Close what is idle; what is in use is its user's to close."""
        with self._lock:
            idle, self._idle, self._coming = self._idle, [], None
        for kept in idle:
            kept.connection.close()


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """A connected socket with `seconds` as its timeout. Raises OSError: the first of any address, else
    TimeoutError."""
    end = time.monotonic() + seconds
    addresses = _taking_turns(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    if len(addresses) == 1:
        sock = _race(addresses, end)
    else:
        memory, key = _memory(_addresses_file), f"{host}:{port}"
        first = memory.get(key).get("address") or addresses[0][4][0]
        # The sort is stable: all but the one keep their order.
        sock = _race(sorted(addresses, key=lambda address: address[4][0] != first)[:MOST_ADDRESSES], end)
        if (ip := sock.getpeername()[0]) != first:
            memory.put(key, {"address": ip})
    sock.settimeout(seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@cache
def _memory(file: Path | None) -> Remembered:
    # Loaded for names with several addresses only.
    from app.adapters.remembered import Remembered

    return Remembered(file, REMEMBERED_SECONDS)


def _taking_turns(addresses: Sequence[Address]) -> list[Address]:
    """One of the family that comes first, one of the others, and so on."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, others)) if address]


def _race(addresses: Sequence[Address], end: float) -> socket.socket:
    """The first connection that stands. Raises OSError."""
    waiting = list(addresses)
    running: dict[int, socket.socket] = {}
    poll = select.poll()
    failure: OSError | None = None
    next_at = 0.0
    try:
        while waiting or running:
            now = time.monotonic()
            if now >= end:
                raise failure or TimeoutError("timed out")
            if waiting and (now >= next_at or not running):
                next_at = now + STAGGER_SECONDS
                try:
                    sock = _begin(waiting.pop(0))
                except OSError as error:
                    # This host has no such family, or no route.
                    failure, next_at = failure or error, now
                    continue
                running[sock.fileno()] = sock
                poll.register(sock, select.POLLOUT)
            until = min(end, next_at) if waiting else end
            for descriptor, _ in poll.poll(max(0, 1000 * (until - time.monotonic()))):
                poll.unregister(descriptor)
                sock = running.pop(descriptor)
                if not (number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                    return sock
                sock.close()
                failure, next_at = failure or OSError(number, os.strerror(number)), time.monotonic()
        raise failure or OSError("the name has no address")
    finally:
        for sock in running.values():
            sock.close()


def _begin(address: Address) -> socket.socket:
    """A socket that is about to be connected. Raises OSError."""
    sock = socket.socket(*address[:3])
    sock.setblocking(False)
    if (number := sock.connect_ex(address[4])) not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(number, os.strerror(number))
    return sock
