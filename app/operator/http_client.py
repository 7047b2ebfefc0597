"""HTTP calls of the operator's commands, carried by `requests`: one retry policy, bounded time, bounded
replies.

`requests` finds proxies (HTTPS_PROXY, NO_PROXY), REQUESTS_CA_BUNDLE and kept connections as its users expect.
Two things are added, because its own limits are for a single wait on a socket: a limit for the call as a
whole, and one for the size of a reply. The request path has its own HTTP in `app.adapters`, where importing
`requests` would cost too much.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection

from app import tls
from app.adapters import http
from app.adapters.exchange import NO_SUCH_HOST, TransportError
from app.adapters.http import Reply
from app.adapters.retry import RETRY_STATUSES
from app.operator.parallel import MOST_CALLS, started
from app.operator.retries import Attempts, Overloaded, Patience
from app.tls import is_localhost, is_loopback, is_loopback_address

CONNECT_SECONDS = 5.0
"""For each address of a host."""
CHUNK = 65536
PROXY_FAILED = "the proxy gives no connection; check HTTPS_PROXY and NO_PROXY"


class HttpClient:
    """Calls to the server at `base_url`. May be used from several threads, at most MOST_CALLS at a time."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], patience: Patience, ca_file: Path | None = None
    ) -> None:
        self.patience = patience
        self.requests = self.retries = 0
        """What has gone over the wire so far."""
        self._counting = threading.Lock()
        self.stopping = threading.Event()
        """Set to end all waiting: the command is being given up."""
        self._base_url = base_url
        host = urlsplit(base_url).hostname or ""
        # What is on this machine is not looked for behind a proxy.
        self._proxies = {"no_proxy": host} if is_loopback(host) else {}
        self._session = _session(headers, ca_file)

    def call(self, method: str, path: str, body: bytes | None = None, *, patient: bool = True) -> Reply:
        """The reply to one call with the JSON `body`, whatever its status. No redirect is followed.

        429, 5xx, time-outs and broken connections are repeated. Raises TransportError when no reply came,
        Overloaded when the last one was such a status. With `patient=False` a server that cannot be reached,
        or does not answer, is believed sooner: a person waits.
        """
        limits = {} if patient else {"connect": 1, "read": 3}
        attempts = Attempts(self.patience, self.stopping, **limits)
        while True:
            with self._counting:
                self.requests += 1
                self.retries += attempts.failed > 0
            try:
                reply = self._within_time(method, path, body)
            except TransportError as error:
                kind = exceptions.ProtocolError if error.sent else exceptions.ConnectTimeoutError
                if error.explained or error.too_large or not attempts.again(kind(str(error))):
                    raise
            else:
                if reply.status not in RETRY_STATUSES:
                    return reply
                if not attempts.again(headers=reply.headers):
                    raise Overloaded(reply, attempts.failed + 1)

    def _within_time(self, method: str, path: str, body: bytes | None) -> Reply:
        """One attempt, in a thread: nothing else ends a wait for a resolver, or for a byte a second."""
        opened: list[requests.Response] = []
        outcome = started(lambda: self._attempt(method, path, body, opened))
        try:
            return outcome.result(self.patience.seconds_a_call)
        except futures.TimeoutError:
            for response in opened:
                # Wakes the thread where it reads; it may just have come to its end.
                with contextlib.suppress(ValueError, RuntimeError, OSError):
                    response.raw.shutdown()
            raise TransportError("no complete reply in time", sent=True, timed_out=True) from None

    def _attempt(self, method: str, path: str, body: bytes | None, opened: list[requests.Response]) -> Reply:
        seconds, most_bytes = self.patience.seconds_a_call, http.MAX_REPLY_BYTES
        _wanted.until = time.monotonic() + seconds
        try:
            with self._session.request(
                method,
                self._base_url + path,
                data=body,
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                proxies=dict(self._proxies),
            ) as response:
                opened.append(response)
                pieces, left = [], most_bytes
                # Counted after unpacking, so that no small reply becomes a large one.
                for piece in response.iter_content(CHUNK):
                    if (left := left - len(piece)) < 0:
                        reason = f"reply of more than {most_bytes} bytes"
                        raise TransportError(reason, sent=True, too_large=True)
                    _wanted.check()
                    pieces.append(piece)
                return Reply(response.status_code, response.headers, b"".join(pieces))
        # An OSError, too: of `requests` all errors are, and a bundle of certificates that is not there.
        except (OSError, exceptions.HTTPError, ValueError) as error:
            raise _failure(error) from error


class _Wanted(threading.local):
    """Until when (`time.monotonic`) somebody waits for the attempt of this thread."""

    until = 0.0

    def check(self) -> None:
        """Raises TimeoutError: an attempt that was given up while it connected sends nothing afterwards."""
        if time.monotonic() > self.until:
            raise TimeoutError("given up")


_wanted = _Wanted()


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        # Nothing is encrypted to `localhost`, because the name promises that nothing leaves this machine.
        if is_localhost(self.host) and not is_loopback_address(self.sock.getpeername()[0]):
            self.close()
            raise OSError("localhost leads to another machine")
        _wanted.check()

    def request(self, *args: Any, **named: Any) -> None:
        _wanted.check()
        super().request(*args, **named)


class _SecureConnection(HTTPSConnection):
    def request(self, *args: Any, **named: Any) -> None:
        _wanted.check()
        super().request(*args, **named)


class _Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: Any, **named: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **named)
        # Not those of SOCKS proxies, which connect in their own way.
        if pool.ConnectionCls is HTTPConnection:
            pool.ConnectionCls = _Connection
        elif pool.ConnectionCls is HTTPSConnection:
            pool.ConnectionCls = _SecureConnection
        return pool


def _session(headers: Mapping[str, str], ca_file: Path | None) -> requests.Session:
    session = requests.Session()
    own = {"User-Agent": "dndchat", "Accept-Encoding": "identity", "Content-Type": "application/json"}
    session.headers.update({**own, **headers})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # The host's own authorities first: an institution may have added its own there.
    paths = ssl.get_default_verify_paths()
    session.verify = str(tls.bundle(ca_file) or paths.cafile or paths.capath or "") or True
    adapter = _Adapter(pool_connections=1, pool_maxsize=MOST_CALLS, pool_block=True, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _failure(error: Exception) -> TransportError:
    """The errors' own texts are not used: they may hold a reply, a key or a proxy's password."""
    causes = list(_causes(error))

    def caused_by(*kinds: type[Exception]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if (code := tls.verify_code(error)) is not None:
        return TransportError(tls.complaint(code), sent=False, explained=True)
    if caused_by(requests.exceptions.ProxyError):
        return TransportError(PROXY_FAILED, sent=False)
    if caused_by(exceptions.NameResolutionError):
        return TransportError(NO_SUCH_HOST, sent=False)
    if caused_by(exceptions.ReadTimeoutError) or isinstance(error, TimeoutError):
        return TransportError("no reply in time", sent=True, timed_out=True)
    if isinstance(error, requests.ConnectTimeout):
        return TransportError("cannot connect in time", sent=False)
    if type(error) is OSError:
        reason = "the authorities' certificates cannot be read; check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
        return TransportError(reason, sent=False, explained=True)
    sent = not caused_by(exceptions.ConnectTimeoutError)
    reason = f"{'connection broke' if sent else 'cannot connect'}: {type(causes[-1]).__name__}"
    # Not the connection's fault: an address or a key that no request can be made with.
    wrong = isinstance(error, ValueError) and not isinstance(error, requests.ConnectionError)
    return TransportError(reason, sent=sent, explained=wrong)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
