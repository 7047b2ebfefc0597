"""Ports for servers that are told theirs, and so cannot let the kernel choose; one that never answers."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now.

    Not one that the kernel would choose: it gives those to every connection that is made, also between this
    look and the server's start. Tests in other processes draw from the same thousands.
    """
    drawn = random.SystemRandom()
    while True:
        port = drawn.randrange(10_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@contextlib.contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """Nothing is ever heard from there: a listener whose queue is full, so that the kernel drops what
    comes.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((address, port))
        yield
