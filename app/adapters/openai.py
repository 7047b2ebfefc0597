"""OpenAI's HTTP API, or a compatible server: embeddings and chat completions, with options that the server
takes.

Not every server and model takes every option. What one refuses is left out or replaced, and remembered for a
day (servers are updated) under its address and the model: it costs one request, not one with every question.
A refusal is not billed. docs/providers.md has the dialects.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from app.adapters.exchange import Exchange, TransportError
from app.adapters.http import HttpService, Reply
from app.adapters.openai_chat import PATH as CHAT_PATH
from app.adapters.openai_chat import Answer
from app.adapters.openai_replies import document_of, no_reply, problem_of, refuse, usage_of, vectors_of
from app.adapters.remembered import Remembered
from app.deadline import Deadline, ShortenedDeadline
from app.models import Pay
from app.settings import OpenAISettings

__all__ = ["Answer", "OpenAI", "chat_parameters"]

log = logging.getLogger(__name__)

# Models that write no thoughts among their words: OpenAI's own, but for the open one, which others serve.
_SPEAKS_PLAINLY = re.compile(r"(?:gpt-(?!oss)|chatgpt|o[1-9])")
# A reply has a frame, and for each text a vector of 8,192 decimal numbers; a chat has 1,200 events of 3 kB.
FRAME_BYTES, VECTOR_BYTES = 64 * 1024, 200 * 1024
CHAT_BYTES = 4 * 1024 * 1024
# Words have four characters a token; a server that sends more than this ignores the length it was given.
CHARACTERS_PER_TOKEN = 16

REMEMBERED_SECONDS = 86_400
# The two names of the longest answer. One must be sent: without a limit nobody knows what an answer can cost.
LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_ENCODINGS = {"base64": "float", "float": None}
_EFFORTS = ("none", "minimal", "low")
_OPTIONS = ("encoding_format", *LIMITS, "reasoning_effort", "stream_options", "temperature")
# The words of a refusal that mean an option, where its name is not the only one.
_WORDS = {"encoding_format": "encoding_format|base64", "stream_options": "stream_options|include_usage"}
_REFUSALS = frozenset({400, 415, 422, 501})
_CALLS = 6
# What a refusal says that is about an option and does not name it.
_ABOUT_OPTIONS = (
    r"(?i)param|argument|field|option|unrecogni[sz]ed|unsupported|not support|unknown|extra|permitted"
    r"|schema|unexpected"
)

Changes = dict[str, str | None]
"""What replaces an option: a value, for a limit its other name, or None to leave the option out."""


class OpenAI:
    """`memory_file` keeps what servers refused; without one it is kept as long as this object."""

    def __init__(self, settings: OpenAISettings, memory_file: Path | None = None) -> None:
        headers = {"Authorization": f"Bearer {settings.api_key}"}
        self._service = HttpService("OpenAI", settings.base_url, headers)
        self.open_ahead, self.close = self._service.open_ahead, self._service.close
        self._address = settings.base_url
        self._memory = Remembered(memory_file, REMEMBERED_SECONDS)
        self.model, self.embedding_model = settings.model, settings.embedding_model

    def embed(self, texts: Sequence[str], deadline: Deadline, *, pay: Pay) -> list[list[float]]:
        """One vector for each of `texts`, in one call, paid for with `pay`. Raises AIServiceError, TimedOut.

        A vector is finite and not all zero: another one finds nothing, and the answer would be paid for.
        """
        path, most_bytes = "/embeddings", FRAME_BYTES + len(texts) * VECTOR_BYTES
        payload = {"model": self.embedding_model, "input": list(texts), "encoding_format": "base64"}
        call = partial(self._service.call, "POST", path, deadline, most_bytes=most_bytes, pay=pay)
        exchange = self._negotiate(path, call, payload)
        usage = None
        try:
            document = document_of(path, Reply.of(exchange))
            usage = usage_of(document)
        finally:
            assert exchange.payment is not None
            exchange.payment.settle(usage)
        return vectors_of(document, len(texts))

    def chat(
        self,
        messages: Sequence[Mapping[str, str]],
        max_tokens: int,
        deadline: Deadline,
        *,
        pay: Pay,
        stream: bool,
    ) -> Answer:
        """The model's answer, at most `max_tokens` long; with `stream` its words come while it writes.

        Without, the call can be tried again as a whole, and `usage` cannot get lost on the way. Each attempt
        is paid for with `pay`. Raises AIServiceError, TimedOut; iterating the answer does, too.
        """
        payload = {"model": self.model, "messages": list(messages), **chat_parameters(self.model, max_tokens)}
        if stream:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        patience = ShortenedDeadline(deadline)
        call = partial(self._service.call, "POST", CHAT_PATH, patience, most_bytes=CHAT_BYTES, pay=pay)
        exchange = self._negotiate(CHAT_PATH, partial(call, whole=not stream), payload)
        if exchange.status != 200:
            refuse(CHAT_PATH, Reply.of(exchange))
        plain = _SPEAKS_PLAINLY.match(self.model.rsplit("/", 1)[-1]) is not None
        key = "" if plain else self._key(CHAT_PATH, self.model)
        return Answer(exchange, patience, self._memory, key, max_tokens * CHARACTERS_PER_TOKEN)

    def _negotiate(self, path: str, call: Callable[..., Exchange], payload: Mapping[str, Any]) -> Exchange:
        """The exchange of a call with options that the server takes, or its last refusal. Raises
        AIServiceError, TimedOut. `call` takes a payload, and returns once the status is known."""
        key = self._key(path, payload["model"])
        known = self._memory.get(key).get("instead")
        entries = known.items() if isinstance(known, dict) else ()
        changes: Changes = {name: new for name, new in entries if new is None or isinstance(new, str)}
        tried: set[tuple[str, str | None]] = set()
        try:
            for _ in range(_CALLS):
                sent = _changed(payload, changes)
                exchange = call(payload=sent)
                if exchange.status == 200:
                    break
                more = _objections(sent, Reply.of(exchange))
                if not more or not tried.isdisjoint(more.items()):
                    return exchange
                tried |= set(more.items())
                changes = {name: new for name, new in changes.items() if new not in more} | more
        except TransportError as error:
            no_reply(path, error)
        if tried and exchange.status == 200:
            log.warning("%s does not take %s, and will not be sent it for a day", key, ", ".join(changes))
            self._memory.put(key, {**self._memory.get(key), "instead": changes})
        return exchange

    def _key(self, path: str, model: str) -> str:
        return f"{self._address}{path} {model}"


def chat_parameters(model: str, max_tokens: int) -> dict[str, Any]:
    """The parameters that differ between model families.

    Models that reason by default take `max_completion_tokens`, and a temperature only with reasoning switched
    off, which the first of them cannot; older and foreign models want `max_tokens` (OpenAI's API reference,
    November 2026).
    """
    name = model.rsplit("/", 1)[-1]
    if re.match(r"gpt-(?:[6-9]|[1-9][0-9]|5\.[0-9])", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "none", "temperature": 0}
    if re.match(r"gpt-5", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "minimal"}
    if re.match(r"o[1-9]", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "low"}
    return {"max_tokens": max_tokens, "temperature": 0}


def _changed(payload: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    sent = dict(payload)
    for name, new in changes.items():
        if name not in sent:
            continue
        value = sent.pop(name)
        if name in LIMITS:
            sent[LIMITS[name]] = value
        elif new is not None:
            sent[name] = new
    return sent


def _objections(sent: Mapping[str, Any], reply: Reply) -> Changes:
    """What to change because of a refusal; nothing when it is about something else."""
    problem = problem_of(reply)
    text = str(problem)
    # A server that crashed on an encoding has no words for it; OpenAI's own errors of this kind pass.
    crashed = reply.status == 500 and "encoding_format" in sent and problem.code != "server_error"
    if reply.status not in _REFUSALS and not crashed:
        return {}
    options = [name for name in _OPTIONS if name in sent]
    named = [name for name in options if name == problem.parameter]
    named = named or [name for name in options if re.search(rf"\b(?:{_WORDS.get(name, name)})\b", text)]
    if not named and (crashed or not text or re.search(_ABOUT_OPTIONS, text)):
        # It does not say what is wrong: one option after the other, so that no more is given up than has to
        # be.
        named = [name for name in options if name not in LIMITS][:1]
    return {name: _instead(name, sent[name], text) for name in named}


def _instead(name: str, value: Any, text: str) -> str | None:
    if name in LIMITS:
        return LIMITS[name]
    if name == "encoding_format":
        return _ENCODINGS.get(value)
    if name == "reasoning_effort" and value in _EFFORTS:
        # Left out, most models think at length: better the least that the refusal offers.
        less = _EFFORTS[_EFFORTS.index(value) + 1 :]
        return next((effort for effort in less if re.search(rf"['\"`]{effort}['\"`]", text)), None)
    return None
