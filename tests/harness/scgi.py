"""A client of the warm worker's socket: what the wrapper does, without a process for each request."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path


def connect(directory: Path, seconds: float = 60) -> socket.socket:
    """A connection to the worker in `directory`, however long its path; OSError when there is none."""
    folder = os.open(directory, os.O_PATH)
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        try:
            connection.connect(f"/proc/self/fd/{folder}/worker.sock")
        except OSError:
            connection.close()
            raise
        return connection
    finally:
        os.close(folder)


def exchange(directory: Path, root: Path, variables: Mapping[str, str | bytes], body: bytes = b"") -> bytes:
    """What the worker in `directory` says to a request for the installation in `root`: a line, the reply."""
    given = {
        "CONTENT_LENGTH": str(len(body)),
        "SCGI": "1",
        **variables,
        "DNDCHAT_ROOT": str(root),
        "DNDCHAT_REQUEST_ID": os.urandom(12).hex(),
    }
    head = b"".join(b"%s\0%s\0" % (name.encode(), os.fsencode(value)) for name, value in given.items())
    said = b""
    with connect(directory) as connection:
        connection.sendall(b"%d:%b,%b" % (len(head), head, body))
        # A worker that has not read all of the body resets the connection after its reply.
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                said += piece
    return said
