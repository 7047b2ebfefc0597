"""Outgoing HTTP calls that always end: bounded time, bounded size, bounded retries.

The engine is urllib3. Its timeouts cover each single wait on a socket, but neither name resolution nor a server that
sends one byte a second; so every attempt runs in a daemon thread and the caller waits for it no longer than the request's
deadline. This is not a general client: no redirects, no cookies, no proxies.
"""

from __future__ import annotations

import json
import logging
import queue
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.deadline import Deadline

if TYPE_CHECKING:
    import urllib3

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
MAX_REPLY_BYTES = 32 * 1024 * 1024
ATTEMPTS = 3
FIRST_BACKOFF_SECONDS = 0.2
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})


class TransportError(Exception):
    """No usable reply. `sent`: the request may have reached the service; `timed_out`: the time was used up."""

    def __init__(self, reason: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body parsed; raises ValueError when it is not JSON."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("JSON nested too deeply") from error


class HttpService:
    """One outside system at `base_url`, with kept-alive connections and headers sent on every call."""

    def __init__(self, name: str, base_url: str, headers: Mapping[str, str] | None = None, *, connections: int = 4) -> None:
        self.name = name
        self._connections_kept = connections
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers or {})
        self._pool: urllib3.HTTPConnectionPool | None = None

    def call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        payload: Any = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = ATTEMPTS,
    ) -> Reply:
        """Send `payload` as JSON and return the reply, whatever its status.

        429, 5xx and connection errors are tried again, after the time the service asks for (`Retry-After`) or after a
        growing pause, while there is time. Raises TransportError when no reply came.
        """
        body = None if payload is None else json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
        sent_headers = {**self._headers, **(headers or {})}
        if body is not None:
            sent_headers["Content-Type"] = "application/json"
        for attempt in range(1, attempts + 1):
            try:
                reply = self._attempt(method, path, body, sent_headers, deadline)
            except TransportError as error:
                if error.timed_out or not self._pause(attempt, attempts, None, deadline, str(error)):
                    raise
            else:
                if reply.status not in RETRY_STATUSES:
                    return reply
                if not self._pause(attempt, attempts, reply, deadline, f"status {reply.status}"):
                    return reply
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, attempt: int, attempts: int, reply: Reply | None, deadline: Deadline, why: str) -> bool:
        """Wait before the next attempt; False when there is no attempt or no time left for one."""
        seconds = retry_after(reply.headers) if reply else None
        if seconds is None:
            seconds = FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(1.0, 1.5)
        if attempt >= attempts or seconds >= deadline.remaining():
            return False
        log.warning("%s: %s; attempt %d of %d follows in %.1f s", self.name, why, attempt + 1, attempts, seconds)
        time.sleep(seconds)
        return True

    def _attempt(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], deadline: Deadline) -> Reply:
        outcome: queue.SimpleQueue[Reply | TransportError] = queue.SimpleQueue()

        def work() -> None:
            outcome.put(self._exchange(method, path, body, headers, deadline))

        threading.Thread(target=work, name=f"http-{self.name}", daemon=True).start()
        try:
            result = outcome.get(timeout=deadline.remaining())
        except queue.Empty:
            raise TransportError("no complete reply in time", sent=True, timed_out=True) from None
        if isinstance(result, TransportError):
            raise result
        return result

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], deadline: Deadline
    ) -> Reply | TransportError:
        """One request and its whole reply, in the worker thread; errors are returned, as nobody could catch them there."""
        import urllib3.exceptions as failures

        left = deadline.remaining()
        try:
            pool = self._connections()
            timeout = _timeout(connect=min(CONNECT_SECONDS, left), read=left)
            response = pool.urlopen(
                method,
                self._path(path),
                body=body,
                headers=dict(headers),
                retries=False,
                redirect=False,
                timeout=timeout,
                preload_content=False,
            )
            try:
                data = response.read(MAX_REPLY_BYTES + 1)
                if len(data) > MAX_REPLY_BYTES:
                    return TransportError(f"reply of more than {MAX_REPLY_BYTES} bytes", sent=True)
                return Reply(response.status, response.headers, data)
            finally:
                # A reply that was read to its end has given its connection back already; any other one must not be reused.
                response.close()
        except (failures.NewConnectionError, failures.ConnectTimeoutError, failures.SSLError) as error:
            return TransportError(f"cannot connect: {type(error).__name__}", sent=False)
        except failures.ReadTimeoutError:
            return TransportError("no reply in time", sent=True, timed_out=True)
        except (failures.HTTPError, OSError, ValueError) as error:
            return TransportError(f"connection broke: {type(error).__name__}", sent=True)

    def _path(self, path: str) -> str:
        from urllib.parse import urlsplit

        return urlsplit(self._base_url).path + path

    def _connections(self) -> urllib3.HTTPConnectionPool:
        if self._pool is None:
            import urllib3

            self._pool = urllib3.connection_from_url(self._base_url, maxsize=self._connections_kept, headers=None)
        return self._pool


def _timeout(connect: float, read: float) -> urllib3.Timeout:
    import urllib3

    # urllib3 refuses zero; a millisecond is as good.
    return urllib3.Timeout(connect=max(connect, 0.001), read=max(read, 0.001))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply asks to wait (`Retry-After` as seconds or as a date), or None."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
