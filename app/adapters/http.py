"""Outgoing HTTP calls that always end: bounded in time, bytes and attempts.

This is no general client: there are no redirects, cookies or proxies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from app.adapters.connections import Connections
from app.adapters.exchange import Exchange, Request, TransportError
from app.deadline import Deadline
from app.models import Pay

if TYPE_CHECKING:
    from app.adapters.retry import Headers

# For an operator's commands, which read pages of vectors. The calls of a question have lower bounds of their
# own.
MAX_REPLY_BYTES = 32 * 1024 * 1024
ATTEMPTS = 3
_MOST_DIGITS = 400
# Of a surrogate pair, or alone.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class Reply(NamedTuple):
    """A whole reply, of at most `most_bytes`, also once its body is decompressed."""

    status: int
    headers: Headers
    body: bytes
    most_bytes: int = MAX_REPLY_BYTES

    @classmethod
    def of(cls, exchange: Exchange) -> Reply:
        """The reply that `exchange` brings, read to its end. Raises TransportError."""
        return cls(exchange.status, exchange.headers, exchange.body(), exchange.most_bytes)

    def json(self) -> Any:
        """The body parsed; raises ValueError when it is not JSON."""
        return read_json(self.body)


def read_json(text: str | bytes) -> Any:
    """`text` parsed; raises ValueError when it is not JSON, or has deeper nesting or longer numbers than any
    reply has.

    JSON can write halves of characters, which cannot be encoded again. In bytes, which are a whole reply,
    they become "?".
    """
    try:
        document = json.loads(text, parse_int=_integer)
        if isinstance(text, bytes) and _HALF.search(text):
            return json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
        return document
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def _integer(digits: str) -> int:
    # The time to read a number grows with the square of its length, which Python before 3.10.7 does not
    # limit.
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


class HttpService:
    """One outside system at `base_url`, with kept-alive connections, and `headers` that go with every
    call."""

    def __init__(self, name: str, base_url: str, headers: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._path = urlsplit(base_url).path.rstrip("/")
        self._headers = {"User-Agent": "dndchat", **(headers or {})}
        self._connections = Connections(base_url)
        self.open_ahead, self.close = self._connections.open_ahead, self._connections.close

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
        whole: bool = True,
        pay: Pay | None = None,
    ) -> Exchange:
        """Send `payload` as JSON; return once the reply is read, or, without `whole`, once its status is
        there.

        The status may be any; the reply has at most `most_bytes`. What may pass (`app.adapters.retry`) is
        tried again. Each attempt at a paid call is paid for: failed ones are settled here, the reply's
        payment by the caller. Raises TransportError when no reply came.
        """
        body, sent = None, {**self._headers, **(headers or {})}
        if payload is not None:
            body = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
            sent["Content-Type"] = "application/json"
        request = Request(method, self._path + path, body, sent)

        def again(failure: TransportError | Exchange) -> bool:
            from app.adapters import retry

            return retry.wait(self.name, attempt, attempts, deadline, failure)

        attempt = 0
        while True:
            attempt += 1
            payment = pay() if pay else None
            exchange = Exchange(self._connections, request, deadline, most_bytes or MAX_REPLY_BYTES, payment)
            try:
                exchange.wait_for_head()
                if whole:
                    exchange.body()
                if exchange.status == 200:
                    return exchange
                if payment:
                    payment.not_billed()
                if not again(exchange):
                    return exchange
            except TransportError as error:
                if payment and error.sent:
                    payment.settle(None)
                elif payment:
                    payment.not_billed()
                if error.is_final or not again(error):
                    raise
            exchange.close()
