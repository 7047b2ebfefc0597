"""Connecting to a name that has several addresses, some of which may be dead: in turn, but not one after the other.

As RFC 8305 ("happy eyeballs") has it: families take turns, the next address is tried when the last one has failed or has said
nothing for a quarter of a second, and the first connection that stands is taken. Each attempt is a socket that does not block;
there are no threads. An address that was taken although it was not the first is remembered, for the next process, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from app import datadir

STAGGER_SECONDS = 0.25
# More are not tried: each is a socket, and a quarter of a second.
MOST_ADDRESSES = 6
# How long another process believes that an address is the one to begin with.
REMEMBERED_SECONDS = 3600

Address = tuple[Any, ...]
"""As `socket.getaddrinfo` gives it: family, kind, protocol, name, address."""


class Memory:
    """Which address of a host was connected to last; in `file`, too, when it was not the first that was tried."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._known: dict[str, str] = {}

    def recall(self, key: str) -> str:
        if key not in self._known:
            self._known[key] = self._entries().get(key, ("", 0))[0]
        return self._known[key]

    def remember(self, key: str, address: str) -> None:
        self._known[key] = address
        if self.file is None:
            return
        # Without the file the next process waits once more.
        with contextlib.suppress(OSError):
            entries = {**self._entries(), key: (address, int(time.time()))}
            datadir.write_atomically(self.file, json.dumps(entries).encode())

    def _entries(self) -> dict[str, tuple[str, int]]:
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
            if self.file is not None and not datadir.intruded(self.file):
                now = time.time()
                entries = json.loads(self.file.read_bytes()).items()
                return {
                    str(key): (str(address), int(since))
                    for key, (address, since) in entries
                    if 0 <= now - since < REMEMBERED_SECONDS
                }
        return {}


memory = Memory()


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """A connected socket, with `seconds` as its timeout. Raises OSError: the first that an address gave, else TimeoutError."""
    end = time.monotonic() + seconds
    usual = _in_turn(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    if len(usual) == 1:
        sock, _ = _race(usual, end)
    else:
        key = f"{host}:{port}"
        liked = memory.recall(key)
        # A stable sort: all but the one stay in their turn.
        sock, taken = _race(sorted(usual, key=lambda address: address[4][0] != liked)[:MOST_ADDRESSES], end)
        if taken != (liked or usual[0][4][0]):
            memory.remember(key, taken)
    sock.settimeout(seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _in_turn(addresses: Sequence[Address]) -> list[Address]:
    """One of the family that comes first, one of the others, and so on."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, others)) if address is not None]


def _race(addresses: Sequence[Address], end: float) -> tuple[socket.socket, str]:
    """The first connection that stands, and to which address."""
    waiting = list(addresses)
    under_way: dict[int, tuple[socket.socket, str]] = {}
    poll = select.poll()
    failure: OSError | None = None
    next_at = time.monotonic()
    try:
        while waiting or under_way:
            now = time.monotonic()
            if now >= end:
                raise failure or TimeoutError("timed out")
            if waiting and (now >= next_at or not under_way):
                address = waiting.pop(0)
                next_at = now + STAGGER_SECONDS
                try:
                    sock = _begin(address)
                except OSError as error:
                    # A family that this host has not, or no route.
                    failure, next_at = failure or error, now
                    continue
                under_way[sock.fileno()] = sock, address[4][0]
                poll.register(sock, select.POLLOUT)
            until = min(end, next_at) if waiting else end
            for descriptor, _ in poll.poll(max(0, 1000 * (until - time.monotonic()))):
                poll.unregister(descriptor)
                sock, name = under_way.pop(descriptor)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not number:
                    return sock, name
                sock.close()
                failure, next_at = failure or OSError(number, os.strerror(number)), time.monotonic()
        raise failure or OSError("the name has no address")
    finally:
        for sock, _ in under_way.values():
            sock.close()


def _begin(address: Address) -> socket.socket:
    """A socket on its way to be connected. Raises OSError."""
    sock = socket.socket(*address[:3])
    try:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(address[4])
    except BaseException:
        sock.close()
        raise
    return sock
