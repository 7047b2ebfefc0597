"""A client of `POST /api/query` that sees each event as it arrives."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

Event = tuple[str, dict[str, Any]]


def events(text: bytes) -> list[Event]:
    """The events of a whole stream, which must be nothing but events of exactly our form."""
    *blocks, end = text.decode().split("\n\n")
    assert end == "", end
    found = []
    for block in blocks:
        first, second = block.split("\n")
        assert first.startswith("event: ")
        assert second.startswith("data: ")
        found.append((first[7:], json.loads(second[6:])))
    return found


@dataclass
class Stream:
    """`with Stream(port, token, "What is …?") as stream: for name, data in stream: …`. Leaving hangs up."""

    port: int
    token: str
    question: str = "What is an owlbear?"
    path: str = "/api/query"
    headers: Mapping[str, str] | None = None
    http_version: str = "HTTP/1.1"

    def __enter__(self) -> Stream:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        body = json.dumps({"question": self.question, "stream": True})
        given = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            **(self.headers or {}),
        }
        self._connection.request("POST", self.path, body=body, headers=given)
        self.response = self._connection.getresponse()
        self.status = self.response.status
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.response.close()
        self._connection.close()

    def __iter__(self) -> Iterator[Event]:
        while event := self.next():
            yield event

    def next(self) -> Event | None:
        """The next event, as soon as it is there; None at the end."""
        block = b""
        while not block.endswith(b"\n\n"):
            line = self.response.readline()
            if not line:
                assert not block, f"the stream ended in the middle of an event: {block!r}"
                return None
            block += line
        (event,) = events(block)
        return event
