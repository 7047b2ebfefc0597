"""What a double saw: every request, on which connection, and what became of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault


@dataclass
class RecordedRequest:
    """One request. `headers` has lower-case names; `body` is the parsed JSON, or None when it is not JSON."""

    number: int
    connection: int
    at: float
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes
    body: Any
    fault: Fault | None = None
    status: int | None = None
    """Of the answer; None as long as (or when) no head was sent."""
    client_gone: bool = False
    """The client was away when the answer was written."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the double adds, such as the model asked for."""

    def to_json(self) -> dict[str, Any]:
        """The request as the control interface shows it."""
        return {
            "number": self.number,
            "connection": self.connection,
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": dict(self.headers),
            "raw": self.raw.decode("utf-8", "replace"),
            "body": self.body,
            "fault": self.fault.to_json() if self.fault else None,
            "status": self.status,
            "client_gone": self.client_gone,
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RecordedRequest:
        """The other way round, for a double in another process."""
        fault = Fault.from_json(data["fault"]) if data["fault"] else None
        return cls(**{**data, "fault": fault, "raw": data["raw"].encode()})


class Recorder:
    """Requests and connections, counted under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything seen so far."""
        with self._lock:
            self._requests: list[RecordedRequest] = []
            self._connections = 0
            self._accepted = 0

    def accepted(self) -> None:
        """A connection was opened, whether or not a request ever comes over it."""
        with self._lock:
            self._accepted += 1

    def new_connection(self) -> int:
        """A number for a connection that carries its first request."""
        with self._lock:
            self._connections += 1
            return self._connections

    def add(self, **what: Any) -> RecordedRequest:
        """Record one request."""
        with self._lock:
            request = RecordedRequest(number=len(self._requests) + 1, **what)
            self._requests.append(request)
            return request

    @property
    def requests(self) -> list[RecordedRequest]:
        """A copy of the list, oldest first."""
        with self._lock:
            return list(self._requests)

    @property
    def counts(self) -> dict[str, int]:
        """`connections` carried at least one request; `accepted` also counts idle and failed ones."""
        with self._lock:
            return {
                "requests": len(self._requests),
                "connections": self._connections,
                "accepted": self._accepted,
            }
