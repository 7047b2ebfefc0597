"""Replies that servers of OpenAI's protocol are known to send, each with what a reader must make of it.

Written for these tests after what the providers document and what people report; none is a recording. A row
says what both clients must see. Where the official client takes more (or less) than is right for a reader of
answers, `official` says what it sees and `why` why ours does not: these rows are the exceptions listed in
docs/providers.md.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.harness.doubles.raw import RawReply, http

Vectors = list[list[float]]


@dataclass(frozen=True)
class Said:
    """An answer: its words, and the provider's word for how it ended (empty: none was given)."""

    words: str
    finish: str = "stop"


@dataclass(frozen=True)
class Refused:
    """No answer; `reason` stands in what ours logs."""

    reason: str = ""


Outcome = Said | Refused | Vectors


@dataclass(frozen=True)
class Row:
    """`asked`: "stream", "whole", or how many texts were to be embedded."""

    name: str
    asked: str | int
    reply: RawReply
    ours: Outcome
    official: Outcome | None = None
    why: str = ""
    usage: tuple[int, int] | None = None

    @property
    def seen_by_the_official(self) -> Outcome:
        return self.ours if self.official is None else self.official


FRAME: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_790_000_000,
    "model": "m",
}
WORDS = ("Trolls ", "regenerate ", "[1]. ☕")
TEXT = "".join(WORDS)
EVENT_STREAM = "text/event-stream"


def chunk(
    delta: Any = None, finish: Any = None, frame: dict[str, Any] = FRAME, **choice: Any
) -> dict[str, Any]:
    """One event's document with one choice."""
    return {
        **frame,
        "choices": [{"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish, **choice}],
    }


def words(*pieces: str) -> list[dict[str, Any]]:
    return [chunk({"content": piece}) for piece in pieces or WORDS]


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")
USAGE = {"prompt_tokens": 21, "completion_tokens": 5, "total_tokens": 26}
DONE = "[DONE]"


def event(document: Any, space: str = " ", end: str = "\n\n") -> bytes:
    data = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return f"data:{space}{data}{end}".encode()


def events(*documents: Any, space: str = " ", end: str = "\n\n") -> list[bytes]:
    return [event(document, space, end) for document in documents]


def stream(
    *parts: bytes | dict[str, Any] | str, content_type: str | None = EVENT_STREAM, **options: Any
) -> RawReply:
    """A chunked event stream; dictionaries and plain strings become events, bytes go out as they are."""
    packets = [part if isinstance(part, bytes) else event(part) for part in parts]
    return http([b"".join(packets)], content_type=content_type, **{"framing": "chunked", **options})


def whole(message: Any, finish: Any = "stop", usage: Any = USAGE, **options: Any) -> RawReply:
    """A chat completion in one piece; `frame`, `choice` replace parts of it."""
    frame = options.pop("frame", {**FRAME, "object": "chat.completion"})
    choice = {"index": 0, "message": message, "finish_reason": finish, **options.pop("choice", {})}
    return json_reply({**frame, "choices": [choice], "usage": usage}, **options)


def json_reply(document: Any, **options: Any) -> RawReply:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return http(text.encode(), **options)


def embeddings(*rows: Any, usage: Any = None, **options: Any) -> RawReply:
    usage = {"prompt_tokens": 4, "total_tokens": 4} if usage is None else usage
    return json_reply({"object": "list", "data": list(rows), "model": "e", "usage": usage}, **options)


def row(embedding: Any, index: Any = 0) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding}


def packets(body: bytes, *cuts: int) -> Sequence[bytes]:
    """`body` cut at these places."""
    ends = [0, *cuts, len(body)]
    return [body[start:end] for start, end in itertools.pairwise(ends)]
