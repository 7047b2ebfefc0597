"""A request to the warm worker over its socket, as the wrapper relays one. Not the wrapper's code: only its protocol."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def ask(root: Path, method: str, path: str, body: bytes, token: str) -> bytes:
    """The whole reply of the worker of the installation in `root`; empty when it did not take the request."""
    variables = {
        "CONTENT_LENGTH": str(len(body)),
        "SCGI": "1",
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "/warm/dndchat.cgi",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {token}" if token else "",
        "DNDCHAT_REQUEST_ID": os.urandom(12).hex(),
        # A worker of another installation, or of what was here before, would not do.
        "DNDCHAT_ROOT": str(root),
    }
    head = "".join(f"{name}\0{value}\0" for name, value in variables.items()).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(str(root / "var" / "worker.sock"))
        connection.sendall(b"%d:%s,%s" % (len(head), head, body))
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)
