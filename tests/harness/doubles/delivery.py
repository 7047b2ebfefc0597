"""Replies, and the bytes of one on the wire: well-behaved, or spoilt by a fault."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from .faults import Fault

GARBAGE = b'{"object": "\xff\xfe<html>\x00 no JSON, no UTF-8'


@dataclass(frozen=True)
class Pause:
    """A moment of silence in a stream; None lasts until the double stops."""

    seconds: float | None


@dataclass
class Reply:
    """An answer. With `events`, it is streamed chunk by chunk and `body` is not used."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    events: Sequence[bytes | Pause] | None = None


def json_reply(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in JSON."""
    body = json.dumps(data, ensure_ascii=False).encode()
    return Reply(status, body, {"Content-Type": "application/json", **(headers or {})})


class Hangup(Exception):
    """The connection must be closed now, in the middle of what was said."""


class Delivery:
    """Sends one reply. `write` puts bytes on the wire at once; `wait` sleeps, and returns True if the double
    stops.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        wait: Callable[[float | None], bool],
        generator: random.Random,
        *,
        chunked: bool,
        has_body: bool = True,
    ) -> None:
        self._write, self._wait, self._random = write, wait, generator
        self._chunked = chunked
        self._has_body = has_body

    def send(self, head: bytes, reply: Reply, fault: Fault | None) -> None:
        """Send head and body as the fault wants them; Hangup when the connection has to be closed."""
        kind = fault.kind if fault else None
        if kind == "close_after_headers":
            self._write(head)
            raise Hangup
        plain: list[bytes | Pause] = [reply.body]
        parts = self._spoil(plain if reply.events is None else list(reply.events), fault)
        if not self._has_body:
            self._write(head)
            return
        if reply.events is None and len(parts) == 1 and isinstance(parts[0], bytes):
            # One write for head and body: two would cost a second packet, which no real server sends.
            self._write(head + parts[0])
        else:
            self._write(head)
            for part in parts:
                self._send_part(part, streamed=reply.events is not None)
        if kind == "cut":
            raise Hangup
        if reply.events is not None and self._chunked:
            self._write(b"0\r\n\r\n")

    def _send_part(self, part: bytes | Pause, *, streamed: bool) -> None:
        if isinstance(part, Pause):
            if self._wait(part.seconds):
                raise Hangup
        elif streamed and self._chunked:
            self._write(b"%x\r\n%s\r\n" % (len(part), part))
        else:
            self._write(part)

    def _spoil(self, parts: list[bytes | Pause], fault: Fault | None) -> list[bytes | Pause]:
        if fault is None:
            return parts
        if fault.kind == "cut":
            parts = list(_first_bytes(parts, fault.after))
        size, gap = fault.size, fault.gap
        if fault.kind == "drip":
            size, gap = size or 1, 0.01 if fault.seconds is None else fault.seconds
        elif fault.kind == "split":
            size = 1 if size is None else size
        return parts if size is None else list(self._split(parts, size, gap))

    def _split(self, parts: list[bytes | Pause], size: int, gap: float) -> Iterator[bytes | Pause]:
        """The same bytes in other pieces, which end wherever they end: in an event, in a character."""
        held = b""
        for part in [*parts, Pause(0)]:
            if isinstance(part, bytes):
                held += part
            # A pause, and the end, let out what is held; until then only whole pieces go.
            while held and (isinstance(part, Pause) or len(held) >= (size or 64)):
                length = size or self._random.randint(1, 64)
                yield held[:length]
                held = held[length:]
                if gap:
                    yield Pause(gap)
            if isinstance(part, Pause) and part.seconds != 0:
                yield part


def _first_bytes(parts: list[bytes | Pause], count: int | None) -> Iterator[bytes | Pause]:
    left = sum(len(part) for part in parts if isinstance(part, bytes)) // 2 if count is None else count
    for part in parts:
        if isinstance(part, Pause):
            yield part
        elif left > 0:
            yield part[:left]
            left -= len(part)


def spoil_body(reply: Reply, fault: Fault) -> Reply:
    """The reply of a `garbage` fault: the head of a good answer over a body that is none."""
    body = GARBAGE if fault.body is None else as_bytes(fault.body)
    return Reply(reply.status, body, reply.headers, None if reply.events is None else [body])


def as_bytes(body: Any) -> bytes:
    """A fault's body: text as it is, anything else as JSON."""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def head_bytes(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and the headers."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
