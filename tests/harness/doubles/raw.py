"""A server that answers every request with the same bytes, whatever they are: for replies that no
well-behaved server sends.

What it is not: a double that knows a protocol. It reads a request to its end and keeps it.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

PACKET_SECONDS = 0.02
"""Between two packets, so that they arrive as two."""


@dataclass(frozen=True)
class RawReply:
    """`packets` are the whole reply, head and body. `linger`: the connection stays open afterwards until the
    client goes.
    """

    packets: tuple[bytes, ...]
    linger: bool = False


@dataclass
class Request:
    path: str
    body: Any


@dataclass
class RawServer:
    """`with RawServer() as server: server.reply = RawReply(...)`; or a function of the request's body."""

    reply: RawReply | Callable[[Request], RawReply] = RawReply(())
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> RawServer:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    while outer._answer(self):
                        pass
                except OSError:
                    """The client has left: what some tests are about."""

        self._closing = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _answer(self, handler: socketserver.StreamRequestHandler) -> bool:
        """Whether another request may follow on the connection."""
        first = handler.rfile.readline()
        if not first:
            return False
        length = 0
        while (line := handler.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        request = Request(first.split()[1].decode(), json.loads(handler.rfile.read(length) or b"null"))
        self.requests.append(request)
        reply = self.reply if isinstance(self.reply, RawReply) else self.reply(request)
        for number, packet in enumerate(reply.packets):
            if number:
                self._closing.wait(PACKET_SECONDS)
            handler.wfile.write(packet)
        if reply.linger:
            handler.connection.settimeout(30)
            handler.rfile.read(1)
        return False


def http(
    body: bytes | Sequence[bytes],
    status: int = 200,
    content_type: str | None = "application/json",
    framing: str = "length",
    linger: bool = False,
    **headers: str,
) -> RawReply:
    """A reply with a head: `framing` is `length`, `chunked` (a packet a chunk) or `close`; `_` in a header's
    name is `-`.
    """
    packets = [body] if isinstance(body, bytes) else list(body)
    lines = [f"HTTP/1.1 {status} Whatever"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if framing == "length":
        lines.append(f"Content-Length: {sum(map(len, packets))}")
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        packets = [f"{len(packet):x}\r\n".encode() + packet + b"\r\n" for packet in packets]
        if not linger:
            packets.append(b"0\r\n\r\n")
    if not linger:
        # One request a connection: a client that did not know would send the next one into a closed door.
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return RawReply((head + packets[0], *packets[1:]) if packets else (head,), linger)
