"""A recording relay before a real server: what a double records and breaks, with the real server's answers.

For a server that keeps no record of its own, such as `chroma run`: `with Relay(chroma.url) as relay:
relay.requests`.
"""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

from tests.harness.doubles.delivery import Reply
from tests.harness.doubles.recording import RecordedRequest
from tests.harness.doubles.server import Double

# What belongs to one connection and not to the request.
_HOP = frozenset({"connection", "host", "content-length", "transfer-encoding", "keep-alive"})


class Relay(Double):
    """Passes every request on to `target` (http://host:port) and its answer back, whole."""

    def __init__(self, target: str, **common: Any) -> None:
        super().__init__(**common)
        self._target = urlsplit(target)

    def answer(self, request: RecordedRequest) -> Reply:
        connection = http.client.HTTPConnection(str(self._target.hostname), self._target.port, timeout=30)
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        try:
            connection.request(
                request.method,
                request.path + (f"?{request.query}" if request.query else ""),
                body=request.raw or None,
                headers=headers,
            )
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
            return Reply(response.status, response.read(), kept)
        finally:
            connection.close()

    def calls(self) -> list[str]:
        """Method and last part of the path of each request so far: `POST query`."""
        return [f"{request.method} {request.path.rsplit('/', 1)[-1]}" for request in self.requests]
