"""Listening and talking HTTP/1.1 for a double: connections, TLS, strict reading, and answers spoilt by
faults.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from . import control
from .delivery import Delivery, Hangup, Reply, as_bytes, head_bytes, json_reply, spoil_body
from .faults import Fault
from .recording import RecordedRequest

if TYPE_CHECKING:
    from .server import Double

MAX_BODY = 16 * 1024 * 1024


class Server(ThreadingHTTPServer):
    """The listening socket, and every connection that came in by it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], double: Double, context: ssl.SSLContext | None) -> None:
        self.double = double
        self._context = context
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        # HTTPServer asks the name service for its own name here, which can take seconds on a machine without
        # one.
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._context is not None:
            # The handshake is left to the connection's thread: a slow client must not keep the others out.
            connection = self._context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._lock:
            self._open.add(connection)
        self.double.recorder.accepted()
        return connection, address

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().close_request(request)

    def close_connections(self) -> None:
        """End every conversation, also one that waits for its next request."""
        with self._lock:
            for connection in self._open:
                # Not SSLSocket.shutdown, which takes the TLS state away from the thread that is reading.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that go away, or do not trust the certificate, are what tests are about.
        if not self.double.closing and not isinstance(sys.exc_info()[1], OSError):
            self.double.crashed()


class Handler(BaseHTTPRequestHandler):
    """One connection, one request after another."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.number: int | None = None
        double = self.server.double
        double.round_trip()
        if isinstance(self.connection, ssl.SSLSocket):
            double.round_trip()
            self.connection.do_handshake()
            if self.connection.version() == "TLSv1.2":
                double.round_trip()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the record is the log."""

    def _serve(self) -> None:
        try:
            raw = self._read_body()
            try:
                body = json.loads(raw) if raw else None
            except ValueError:
                body = None
            parts = urlsplit(self.path)
            if parts.path.startswith(control.PREFIX):
                status, data = control.handle(self.server.double, self.command, parts.path, raw)
                self._send(json_reply(data, status), None, None)
                return
            self._serve_recorded(parts.path, parts.query, raw, body)
        except Hangup:
            self.close_connection = True

    # What BaseHTTPRequestHandler looks for, by method.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _serve

    def _serve_recorded(self, path: str, query: str, raw: bytes, body: Any) -> None:
        double = self.server.double
        if self.number is None:
            self.number = double.recorder.new_connection()
        fault = double.faults.take(self.command, path)
        request = double.recorder.add(
            connection=self.number,
            at=time.time(),
            method=self.command,
            path=path,
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            raw=raw,
            body=body,
            fault=fault,
        )
        double.round_trip()
        try:
            self._answer(request, fault)
        except (ConnectionError, ssl.SSLError):
            request.client_gone = True
            raise Hangup from None

    def _answer(self, request: RecordedRequest, fault: Fault | None) -> None:
        double = self.server.double
        if fault and fault.before_work:
            self._strike_silently(fault)
        if fault and fault.kind == "status":
            reply = self._fault_reply(fault)
        else:
            try:
                reply = double.answer(request)
            except Exception:
                double.crashed()
                reply = Reply(500, b"the double itself failed", {"Content-Type": "text/plain"})
        if fault:
            if fault.kind == "garbage":
                reply = spoil_body(reply, fault)
            if fault.kind in {"hang", "close_before_headers"}:
                self._strike_silently(fault)
            if fault.delay and double.wait(fault.delay):
                raise Hangup
        self._send(reply, fault, request)

    def _strike_silently(self, fault: Fault) -> None:
        """Wait, then close without having said anything."""
        self.server.double.wait(None if fault.kind == "hang" else fault.delay)
        self._hang_up(fault)

    def _hang_up(self, fault: Fault) -> None:
        if fault.reset:
            # Lingering for no time makes the close a reset.
            linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        raise Hangup

    def _fault_reply(self, fault: Fault) -> Reply:
        body = self.server.double.fault_body(fault) if fault.body is None else fault.body
        headers = {"Content-Type": "application/json"}
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        return Reply(fault.status, as_bytes(body), {**headers, **fault.headers})

    def _send(self, reply: Reply, fault: Fault | None, request: RecordedRequest | None) -> None:
        double = self.server.double
        chunked = reply.events is not None and self.request_version != "HTTP/1.0"
        has_body = self.command != "HEAD" and reply.status not in {204, 304}
        headers = {"Date": self.date_time_string(), **reply.headers}
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif reply.events is not None:
            self.close_connection = True
        elif reply.status != 204:
            headers["Content-Length"] = str(len(reply.body))
        if self.close_connection:
            headers["Connection"] = "close"
        if request is not None:
            request.status = reply.status
        delivery = Delivery(
            self._write, double.wait, double.faults.random, chunked=chunked, has_body=has_body
        )
        try:
            delivery.send(head_bytes(reply.status, headers), reply, fault)
        except Hangup:
            if fault is not None:
                self._hang_up(fault)
            raise

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            self._refuse(400, "Content-Length is not a number")
        if int(length) > MAX_BODY:
            self._refuse(413, "the body is too large")
        raw = self.rfile.read(int(length))
        if len(raw) < int(length):
            raise Hangup
        return raw

    def _read_chunks(self) -> bytes:
        raw = b""
        while True:
            line = self.rfile.readline(100)
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError:
                self._refuse(400, "bad chunk size")
            raw += self.rfile.read(size)
            if len(raw) > MAX_BODY:
                self._refuse(413, "the body is too large")
            if self.rfile.readline(100) not in {b"\r\n", b"\n"}:
                self._refuse(400, "bad chunk end (trailers are not understood)")
            if size == 0:
                return raw

    def _refuse(self, status: int, message: str) -> NoReturn:
        # Closed afterwards: where the next request begins is anybody's guess.
        self.close_connection = True
        self._send(json_reply({"error": message}, status), None, None)
        raise Hangup
