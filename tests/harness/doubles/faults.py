"""Faults: what a double does wrong on purpose, to which requests, and how often.

A script is a list. Each request takes the first fault that matches it, so two faults pushed for the same path
strike one after the other. A fault that has struck `times` times is dropped.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

KINDS = {
    "status": "answer `status` (with `retry_after`, `headers`, `body`) and do no work",
    "delay": "only the wait that `delay` asks for",
    "close_before_headers": "do the work, then close without a byte",
    "close_after_headers": "send the head of the answer, then close",
    "cut": "send `after` bytes of the body (half of it when not given), then close",
    "garbage": "send the right head over a body that is `body`, or bytes that are not JSON",
    "drip": "send the body a byte at a time, `seconds` apart (0.01)",
    "split": "send the body in pieces of `size` bytes (0: random sizes from 1 to 64), whatever they cut through",
    "hang": "do the work, then say nothing until the double stops",
    "stream_slow_start": "stream: send the head, then wait `seconds` (1) before the first event",
    "stream_stall": "stream: stop for `seconds` (for ever when not given) after `after` words",
    "stream_error": "stream: an error object in place of the rest after `after` words",
    "stream_no_usage": "stream: leave the usage chunk out",
    "stream_no_done": "stream: leave `data: [DONE]` out",
}
"""Every kind of fault and what it does."""


@dataclass(frozen=True)
class Fault:
    """One fault: `Fault("status", path="/v1/embeddings", status=429, retry_after=2, times=3)`.

    `path` is a shell pattern over the path without its query. `times=None` strikes for ever. `probability` is
    drawn from the script's seeded generator for each matching request; `skip` lets that many matching
    requests through first. `delay` seconds are waited before the answer of every kind. `before_work` makes a
    closed or hanging connection strike before the double has done (and charged for) anything. `reset` closes
    with a TCP reset.
    `split` and `drip` may be had together with a stream fault by setting `size` or `gap` on it.
    """

    kind: str = "status"
    path: str = "*"
    method: str | None = None
    times: int | None = 1
    probability: float = 1.0
    skip: int = 0
    delay: float = 0.0
    status: int = 500
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    after: int | None = None
    seconds: float | None = None
    size: int | None = None
    gap: float = 0.0
    before_work: bool = False
    reset: bool = False

    def __post_init__(self) -> None:
        """Refuse a fault that could never do what its author meant."""
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind!r}; there are {', '.join(KINDS)}")
        if self.before_work and self.kind not in {"close_before_headers", "hang"}:
            raise ValueError("before_work means something only for close_before_headers and hang")
        if self.times is not None and self.times < 1:
            raise ValueError("times is at least 1, or None for ever")

    def matches(self, method: str, path: str) -> bool:
        """Whether a request for this method and path is meant."""
        return (self.method is None or self.method == method) and fnmatchcase(path, self.path)

    def to_json(self) -> dict[str, Any]:
        """The fault as it travels to a double in another process."""
        return {**asdict(self), "headers": dict(self.headers)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fault:
        """A fault from the control interface; an unknown name is an error, not ignored."""
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"a fault has no {', '.join(unknown)}")
        return cls(**data)


class FaultScript:
    """The faults still to strike, safe to use from many threads."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self.clear()

    def push(self, *faults: Fault) -> None:
        """Add faults behind those already there."""
        with self._lock:
            self._pending += [_Pending(fault) for fault in faults]

    def clear(self) -> None:
        """Forget every fault, and start the random numbers again."""
        with self._lock:
            self._pending: list[_Pending] = []
            self.random = random.Random(self._seed)

    def pending(self) -> list[Fault]:
        """The faults that can still strike, in order."""
        with self._lock:
            return [entry.fault for entry in self._pending]

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if one does."""
        with self._lock:
            for entry in self._pending:
                if entry.fault.matches(method, path) and entry.strikes(self.random):
                    if entry.left == 0:
                        self._pending.remove(entry)
                    return entry.fault
        return None


class _Pending:
    """A fault with its counters."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self._to_skip = fault.skip

    def strikes(self, generator: random.Random) -> bool:
        if self._to_skip:
            self._to_skip -= 1
            return False
        # No number is drawn for a certain fault, so that adding one does not change what the others do.
        if self.fault.probability < 1 and generator.random() >= self.fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True
