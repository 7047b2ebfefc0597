"""A chat completion: the words, the tokens they cost, and their shape as one object or as a stream of
events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .delivery import Pause
from .faults import Fault
from .openai_checks import text_of
from .openai_errors import error_body
from .openai_models import Model
from .openai_spend import Usage
from .openai_text import count_tokens, first_tokens, words

DONE = b"data: [DONE]\n\n"


@dataclass
class Completion:
    """What the model said to one request."""

    id: str
    created: int
    model: Model
    text: str
    finish_reason: str
    usage: Usage


def prompt_bytes(messages: Sequence[Mapping[str, Any]]) -> bytes:
    """The prompt as one run of bytes: what tokens and prefixes are counted on."""
    return b"".join(f"{message['role']}\0{text_of(message['content'])}\0".encode() for message in messages)


def prompt_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """Tokens of a prompt, with a few for the frame of each message as the real service has."""
    return count_tokens(prompt_bytes(messages)) + 3 * len(messages) + 3


def limited(text: str, limit: int, reasoning: int) -> tuple[str, str, int, int]:
    """Text, finish reason, completion tokens and reasoning tokens under a limit.

    Thinking comes first: with a small limit nothing may be left for words, and the answer is empty, and paid
    for.
    """
    reasoning = min(reasoning, limit)
    wanted = count_tokens(text)
    if wanted <= limit - reasoning:
        return text, "stop", wanted + reasoning, reasoning
    return first_tokens(text, limit - reasoning), "length", limit, reasoning


def usage_json(usage: Usage, model: Model) -> dict[str, Any]:
    """Usage as the API reports it; the count of cache writes only for models that bill them."""
    prompt_details = {"cached_tokens": usage.cached, "audio_tokens": 0}
    if model.prices.cache_write is not None:
        prompt_details["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def as_object(done: Completion) -> dict[str, Any]:
    """The answer of a call that does not stream."""
    message: dict[str, Any] = {"role": "assistant", "content": done.text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": done.finish_reason}
    usage = usage_json(done.usage, done.model)
    return {**_frame(done, "chat.completion"), "choices": [choice], "usage": usage}


def as_events(
    done: Completion,
    options: Mapping[str, Any],
    fault: Fault | None,
    first_word_delay: float = 0,
    word_delay: float = 0,
) -> list[bytes | Pause]:
    """The answer of a call that streams, with what a stream fault does to it."""
    with_usage = bool(options.get("include_usage"))
    obfuscated = options.get("include_obfuscation", True)
    frame = _frame(done, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        data = {**frame, "choices": [choice]}
        if with_usage:
            data["usage"] = None
        if obfuscated:
            # Random padding in the real stream: a field that nobody documented for the client, and long
            # enough to hurt.
            data["obfuscation"] = "x" * (8 + len(json.dumps(delta)) % 8)
        return event(data)

    kind = fault.kind if fault else None
    events: list[bytes | Pause] = [Pause(first_word_delay)] if first_word_delay else []
    if fault and kind == "stream_slow_start":
        events.append(Pause(1 if fault.seconds is None else fault.seconds))
    events.append(chunk({"role": "assistant", "content": "", "refusal": None}))
    pieces = words(done.text)
    stop = len(pieces)
    if fault and kind in {"stream_stall", "stream_error"}:
        stop = min(stop, 1 if fault.after is None else fault.after)
    for number, word in enumerate(pieces):
        if number == stop:
            break
        events.append(chunk({"content": word}))
        if word_delay:
            events.append(Pause(word_delay))
    if fault and kind == "stream_error":
        message = "The server had an error while processing your request. Sorry about that!"
        return [*events, event(fault.body or error_body(message, "server_error"))]
    if fault and kind == "stream_stall":
        events.append(Pause(fault.seconds))
        events += [chunk({"content": word}) for word in pieces[stop:]]
    events.append(chunk({}, done.finish_reason))
    if with_usage and kind != "stream_no_usage":
        events.append(event({**frame, "choices": [], "usage": usage_json(done.usage, done.model)}))
    return events if kind == "stream_no_done" else [*events, DONE]


def event(data: Any) -> bytes:
    """One server-sent event, compact as the real ones are."""
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _frame(done: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": done.id,
        "object": kind,
        "created": done.created,
        "model": done.model.snapshot,
        "service_tier": "default",
        "system_fingerprint": None,
    }
