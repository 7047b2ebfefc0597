"""Ports for servers that are told theirs, and so cannot let the kernel choose."""

from __future__ import annotations

import random
import socket


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
