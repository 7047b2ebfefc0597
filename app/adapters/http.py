"""Outgoing HTTP calls that always end: bounded time, bounded size, bounded retries.

Timeouts of sockets cover each single wait, but neither name resolution nor a server that sends one byte a second; so every
exchange runs in a daemon thread and the caller waits for it no longer than the request's deadline. This is not a general
client: no redirects, no cookies, no proxies.
"""

from __future__ import annotations

import json
import logging
import queue
import random
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from app.adapters.connections import Connections, abort
from app.deadline import Deadline
from app.models import Pay, Payment

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from typing import Protocol

    class Headers(Protocol):
        """A reply's, by names in any case."""

        def get(self, name: str, /) -> str | None: ...


log = logging.getLogger(__name__)

# For an operator's commands, which read pages of vectors. What a question asks for has a bound of its own, call by call.
MAX_REPLY_BYTES = 32 * 1024 * 1024
ATTEMPTS = 3
_MOST_DIGITS = 400
FIRST_BACKOFF_SECONDS = 0.2
_LONGEST_DATE = 100
NO_SUCH_HOST = "no such host name"
# Of a pair or alone.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})


class TransportError(Exception):
    """No usable reply. `sent`: the request may have reached the service; `timed_out`: the time was used up; `too_large`:
    the reply had more bytes than the call allows; `explained`: the text says what to do, and trying again is of no use."""

    def __init__(
        self, reason: str, *, sent: bool, timed_out: bool = False, too_large: bool = False, explained: bool = False
    ) -> None:
        super().__init__(reason)
        self.explained = explained
        self.too_large = too_large
        self.sent = sent
        self.timed_out = timed_out


class Reply(NamedTuple):
    status: int
    headers: Headers
    body: bytes
    most_bytes: int = MAX_REPLY_BYTES
    """What it may have, also once it is unpacked."""

    def json(self) -> Any:
        """The body parsed; raises ValueError when it is not JSON."""
        try:
            return _whole_characters(read_json(self.body), self.body)
        except RecursionError as error:
            raise ValueError("JSON nested too deeply") from error


def read_json(text: str | bytes) -> Any:
    """`text` parsed; raises ValueError when it is not JSON, or is nested deeper or has longer numbers than any reply has."""
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def _integer(digits: str) -> int:
    # Reading one takes the square of its length, which Python before 3.10.7 does not limit.
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _whole_characters(document: Any, body: bytes) -> Any:
    """`document` with "?" for halves of characters, which JSON can write and nothing can encode."""
    if not _HALF.search(body):
        return document
    return json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))


class HttpService:
    """One outside system at `base_url`, with kept-alive connections and headers sent on every call."""

    def __init__(self, name: str, base_url: str, headers: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._path = urlsplit(base_url).path.rstrip("/")
        self._headers = {"User-Agent": "dndchat", **(headers or {})}
        self._connections = Connections(base_url)

    def open_ahead(self) -> None:
        """Begin to open a connection for a call that is likely to come."""
        self._connections.open_ahead()

    def close(self) -> None:
        self._connections.close()

    def call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        payload: Any = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = ATTEMPTS,
        most_bytes: int | None = None,
    ) -> Reply:
        """Send `payload` as JSON and return the whole reply, whatever its status, of at most `most_bytes` (MAX_REPLY_BYTES).

        429, 5xx and connection errors are tried again, after the time the service asks for (`Retry-After`) or after a
        growing pause, while there is time. Raises TransportError when no reply came.
        """
        return self.stream(
            method, path, deadline, payload=payload, headers=headers, attempts=attempts, most_bytes=most_bytes, whole=True
        ).reply()

    def stream(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        payload: Any = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = ATTEMPTS,
        most_bytes: int | None = None,
        whole: bool = False,
        pay: Pay | None = None,
    ) -> Exchange:
        """As `call`, but returns as soon as the status is there (or the body too, with `whole`); read it from the Exchange.

        A paid call is paid for attempt by attempt. What failed is settled here; the reply's payment is the caller's to settle.
        """
        body = None if payload is None else json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
        sent_headers = {**self._headers, **(headers or {})}
        if body is not None:
            sent_headers["Content-Type"] = "application/json"
        for attempt in range(1, attempts + 1):
            payment = pay() if pay else None
            exchange = Exchange(
                self._connections, method, self._path + path, body, sent_headers, deadline, most_bytes or MAX_REPLY_BYTES
            )
            exchange.payment = payment
            try:
                exchange.wait_for_head()
                if whole:
                    exchange.reply()
            except TransportError as error:
                if payment and error.sent:
                    payment.settle(None)
                elif payment:
                    payment.free()
                hopeless = error.timed_out or error.explained or error.too_large
                if hopeless or not self._pause(attempt, attempts, None, deadline, str(error)):
                    raise
                continue
            if payment and exchange.status != 200:
                payment.free()
            if exchange.status not in RETRY_STATUSES:
                return exchange
            if not self._pause(attempt, attempts, exchange, deadline, f"status {exchange.status}"):
                return exchange
            exchange.close()
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, attempt: int, attempts: int, refused: Exchange | None, deadline: Deadline, why: str) -> bool:
        """Wait before the next attempt; False when there is no attempt or no time left for one."""
        seconds = retry_after(refused.headers) if refused else None
        if seconds is None:
            seconds = FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(1.0, 1.5)
        if attempt >= attempts or seconds >= deadline.remaining():
            return False
        log.warning("%s: %s; attempt %d of %d follows in %.1f s", self.name, why, attempt + 1, attempts, seconds)
        time.sleep(seconds)
        return True


class _Head(NamedTuple):
    status: int
    headers: Headers


class Exchange:
    """One request and its reply, under way in a thread of its own.

    What the thread has to say comes through a queue: a head, pieces of the body, then None for its end; or a TransportError
    at any point. `close` ends the exchange early and lets the service know, by closing the connection.
    """

    def __init__(
        self,
        connections: Connections,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: Deadline,
        most_bytes: int,
    ) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.payment: Payment | None = None
        self._connections = connections
        self._request = (method, target, body, dict(headers))
        self._deadline = deadline
        self.most_bytes = most_bytes
        self._news: queue.SimpleQueue[_Head | bytes | TransportError | MemoryError | None] = queue.SimpleQueue()
        # Kept beside the connection, which lets go of it when the reply is the last on it.
        self._sock: socket.socket | None = None
        self._closed = False
        self._body: bytes | None = None
        try:
            threading.Thread(target=self._run, name="exchange", daemon=True).start()
        except RuntimeError:
            # No thread to spare on this host (`ulimit -u`): the exchange is over before anybody reads of it, and only each
            # single wait is bounded. Late words are better than none.
            self._run()

    def wait_for_head(self) -> None:
        """Until `status` and `headers` are known. Raises TransportError."""
        head = self._next()
        assert isinstance(head, _Head)
        self.status, self.headers = head.status, head.headers

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. Raises TransportError."""
        while (piece := self._next()) is not None:
            assert isinstance(piece, bytes)
            yield piece

    def reply(self) -> Reply:
        """The whole reply, read once. Raises TransportError."""
        if self._body is None:
            self._body = b"".join(self.pieces())
        return Reply(self.status, self.headers, self._body, self.most_bytes)

    def close(self) -> None:
        """Stop, wherever it is; harmless after the end."""
        self._closed = True
        if self._sock is not None:
            abort(self._sock)

    def _next(self) -> _Head | bytes | None:
        try:
            news = self._news.get(timeout=self._deadline.remaining())
        except queue.Empty:
            self.close()
            raise TransportError("no complete reply in time", sent=True, timed_out=True) from None
        if isinstance(news, Exception):
            raise news
        return news

    def _run(self) -> None:
        """In the thread: nothing may be raised here, as nobody could catch it."""
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
            method, target, body, headers = self._request
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            self._news.put(_Head(response.status, response.headers))
            # Counted here and not where it is read: a reader may be slow, and everything until then is in memory.
            left = self.most_bytes
            while piece := response.read1(65536):
                if (left := left - len(piece)) < 0:
                    raise TransportError(f"reply of more than {self.most_bytes} bytes", sent=True, too_large=True)
                self._news.put(piece)
            if response.length:
                raise IncompleteRead(b"", response.length)
            response.close()
            # Before the end is told: whoever hears of it may ask the same service next, and on this connection.
            self._sock = None
            self._connections.give_back(connection)
            self._news.put(None)
        except TimeoutError:
            self._fail(
                connection, TransportError("no reply in time" if sent else "cannot connect in time", sent=sent, timed_out=sent)
            )
        except (TransportError, MemoryError) as error:
            self._fail(connection, error)
        except (HTTPException, OSError, ValueError) as error:
            why, explained = _reason(error)
            reason = f"{'connection broke' if sent else 'cannot connect'}: {why}"
            self._fail(connection, TransportError(reason, sent=sent, explained=explained))
        except Exception as error:
            log.exception("exchange failed")
            self._fail(connection, TransportError(f"{type(error).__name__}", sent=sent))

    def _fail(self, connection: HTTPConnection | None, error: TransportError | MemoryError) -> None:
        if connection is not None:
            connection.close()
        self._news.put(error)


def _reason(error: Exception) -> tuple[str, bool]:
    """What to say of a connection that failed, and whether that says what to do. The error's own text may quote a reply."""
    if isinstance(error, socket.gaierror):
        return NO_SUCH_HOST, False
    # `ssl` is loaded where there is TLS only.
    if (code := getattr(error, "verify_code", None)) is not None:
        from app import tls

        return tls.complaint(code), True
    if reason := getattr(error, "reason", None):
        return f"{type(error).__name__} {reason}", False
    return type(error).__name__, False


def retry_after(headers: Headers) -> float | None:
    """Seconds that a reply asks to wait (`Retry-After` as seconds or as a date), or None."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:20])
    if not text or len(text) > _LONGEST_DATE:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
