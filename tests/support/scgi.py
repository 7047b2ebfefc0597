"""A client of the warm worker's socket: what the wrapper does, without the cost of a process for each request."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from .program import Program, Reply, parse


def connect(directory: Path, seconds: float = 30) -> socket.socket:
    """A connection to the worker in `directory`, whose path may be longer than a socket's may."""
    folder = os.open(directory, os.O_PATH)
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        connection.connect(f"/proc/self/fd/{folder}/worker.sock")
        return connection
    finally:
        os.close(folder)


def packed(variables: dict[str, str], body: bytes = b"") -> bytes:
    """A request as SCGI has it."""
    given = {"CONTENT_LENGTH": str(len(body)), "SCGI": "1", **variables}
    head = "".join(f"{name}\0{value}\0" for name, value in given.items()).encode()
    return b"%d:%b,%b" % (len(head), head, body)


def request(
    program: Program, method: str = "GET", path: str = "/health", body: bytes = b"", *, token: str = ""
) -> tuple[bytes, Reply]:
    """The worker's first line, and its reply."""
    variables = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "www.example.org",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "DNDCHAT_ENV_FILE": str(program.settings_file),
        "DNDCHAT_ROOT": str(program.root),
        "DNDCHAT_REQUEST_ID": os.urandom(12).hex(),
        "HTTP_HOST": "www.example.org",
        **({"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}),
        **({"CONTENT_TYPE": "application/json"} if body else {}),
        **program.environ,
    }
    with connect(program.data_dir) as connection:
        connection.sendall(packed(variables, body))
        said = b""
        # A worker that has not read all of the body resets the connection after its reply.
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                said += piece
    line, _, reply = said.partition(b"\n")
    return line, parse(reply)
