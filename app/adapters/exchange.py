"""One HTTP request and its reply, in a thread that its caller waits for no longer than its deadline.

A socket's timeout bounds each single wait, but neither name resolution nor a server that sends one byte a
second.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, NamedTuple

from app import tls
from app.adapters.connections import Connections
from app.deadline import Deadline

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from app.adapters.retry import Headers
    from app.models import Payment

log = logging.getLogger(__name__)

NO_SUCH_HOST = "no such host name"


class TransportError(Exception):
    """No usable reply. `sent`: the request may have reached the service; `timed_out`: the time was used up;
    `too_large`: the reply had more bytes than the call allows; `explained`: the text says what to do."""

    def __init__(
        self,
        reason: str,
        *,
        sent: bool,
        timed_out: bool = False,
        too_large: bool = False,
        explained: bool = False,
    ) -> None:
        super().__init__(reason)
        self.sent, self.timed_out, self.too_large, self.explained = sent, timed_out, too_large, explained

    @property
    def is_final(self) -> bool:
        """Whether another attempt would fail as well."""
        return self.timed_out or self.too_large or self.explained


class Request(NamedTuple):
    """`target` is the path, with its query."""

    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]


class Head(NamedTuple):
    """The beginning of a reply."""

    status: int
    headers: Headers


Report = Head | bytes | TransportError | MemoryError | None
"""What the thread of an exchange says: the head, pieces of the body, then None for the end; or an error at
any point."""


class Exchange:
    """One request and its reply, carried by a thread of its own, which reports through a queue."""

    def __init__(
        self,
        connections: Connections,
        request: Request,
        deadline: Deadline,
        most_bytes: int,
        payment: Payment | None = None,
    ) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.payment = payment
        self.most_bytes = most_bytes
        self._connections, self._request, self._deadline = connections, request, deadline
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        # Kept beside the connection, which lets go of it when the reply is the last on it.
        self._sock: socket.socket | None = None
        self._closed = False
        self._body: bytes | None = None
        try:
            threading.Thread(target=self._run, name="exchange", daemon=True).start()
        except RuntimeError:
            # This host has no thread to spare (`ulimit -u`). The exchange then ends before its first report
            # is read, and only each single wait is bounded: a late answer is better than none.
            self._run()

    def wait_for_head(self) -> None:
        """Return once `status` and `headers` are known. Raises TransportError."""
        head = self._next()
        assert isinstance(head, Head)
        self.status, self.headers = head

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives, or in one piece when it has been read. Raises TransportError."""
        if self._body is not None:
            yield self._body
            return
        while (piece := self._next()) is not None:
            assert isinstance(piece, bytes)
            yield piece

    def body(self) -> bytes:
        """The whole body, read once. Raises TransportError."""
        if self._body is None:
            self._body = b"".join(self.pieces())
        return self._body

    def close(self) -> None:
        """End the exchange, wherever it is, so that the service notices; harmless after the end."""
        self._closed = True
        if self._sock is not None:
            # Whatever the thread waits for on it is over at once.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def _next(self) -> Head | bytes | None:
        try:
            report = self._reports.get(timeout=self._deadline.remaining())
        except queue.Empty:
            self.close()
            raise TransportError("no complete reply in time", sent=True, timed_out=True) from None
        if isinstance(report, Exception):
            raise report
        return report

    def _run(self) -> None:
        """In the thread. It raises nothing, as nobody could catch it."""
        connection: HTTPConnection | None = None
        sent = False
        try:
            connection = self._connections.take(self._deadline.remaining())
            self._sock = connection.sock
            if self._closed:
                connection.close()
                return
            assert connection.sock is not None
            connection.sock.settimeout(max(self._deadline.remaining(), 0.001))
            sent = True
            connection.request(*self._request)
            response = connection.getresponse()
            self._reports.put(Head(response.status, response.headers))
            # Counted here and not by the reader, who may be slow while everything that arrives is in memory.
            left = self.most_bytes
            while piece := response.read1(65536):
                if (left := left - len(piece)) < 0:
                    reason = f"reply of more than {self.most_bytes} bytes"
                    raise TransportError(reason, sent=True, too_large=True)
                self._reports.put(piece)
            if response.length:
                raise IncompleteRead(b"", response.length)
            response.close()
            # Before the end is reported: its reader may call the same service next, on this connection.
            self._sock = None
            self._connections.give_back(connection)
            self._reports.put(None)
        except Exception as error:
            if connection is not None:
                connection.close()
            self._reports.put(error if isinstance(error, MemoryError) else _failure(error, sent))


def _failure(error: Exception, sent: bool) -> TransportError:
    """What ended an exchange. The text of a foreign error may quote a reply, so it is not repeated."""
    if isinstance(error, TransportError):
        return error
    if isinstance(error, TimeoutError):
        reason = "no reply in time" if sent else "cannot connect in time"
        return TransportError(reason, sent=sent, timed_out=sent)
    if not isinstance(error, HTTPException | OSError | ValueError):
        log.error("exchange failed", exc_info=error)
        return TransportError(type(error).__name__, sent=sent)
    code = tls.verify_code(error)
    if code is not None:
        why = tls.complaint(code)
    elif isinstance(error, socket.gaierror):
        why = NO_SUCH_HOST
    else:
        why = f"{type(error).__name__} {getattr(error, 'reason', None) or ''}".rstrip()
    why = f"{'connection broke' if sent else 'cannot connect'}: {why}"
    return TransportError(why, sent=sent, explained=code is not None)
