"""OpenAI's HTTP API, or a compatible server: embeddings and chat completions, with the parameters each model takes."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from app.adapters.http import Exchange, HttpService, Reply, TransportError
from app.adapters.sse import event_data
from app.deadline import Deadline
from app.errors import AIServiceError, TimedOut
from app.models import Pay, Usage
from app.settings import OpenAISettings

Message = Mapping[str, str]


class Answer:
    """A chat answer as it is written. Iterate it for the words; `usage` and `truncated` are known at the end.

    `usage` stays None when the provider did not count. Closing it early ends the call.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.usage: Usage | None = None
        self.truncated = False

    def __iter__(self) -> Iterator[str]:
        """Raises AIServiceError, TimedOut."""
        streamed = (self._exchange.headers.get("Content-Type") or "").startswith("text/event-stream")
        empty = True
        try:
            for words in self._streamed() if streamed else self._whole():
                if words:
                    empty = False
                    yield words
        except TransportError as error:
            _no_reply("/chat/completions", error)
        finally:
            self._exchange.close()
            if self._exchange.payment:
                self._exchange.payment.settle(self.usage)
        if empty:
            raise AIServiceError("OpenAI chat: empty answer")

    def _whole(self) -> Iterator[str]:
        document = _document("/chat/completions", self._exchange.reply())
        self.usage = _usage(document)
        yield self._choice(document, "message")

    def _streamed(self) -> Iterator[str]:
        finished = False
        for data in event_data(self._exchange.pieces()):
            if data == "[DONE]":
                # Read on to the end of the reply: only then can the connection be used again.
                finished = True
                continue
            try:
                document = json.loads(data)
            except ValueError as error:
                raise AIServiceError("OpenAI chat: an event of the stream is not JSON") from error
            if isinstance(document, dict) and document.get("error"):
                raise AIServiceError(f"OpenAI chat: error in the stream: {_error_text(document)}")
            self.usage = _usage(document) or self.usage
            if isinstance(document, dict) and document.get("choices"):
                words = self._choice(document, "delta")
                finished = finished or bool(document["choices"][0].get("finish_reason"))
                yield words
        if not finished:
            raise AIServiceError("OpenAI chat: the stream broke off")

    def _choice(self, document: Any, field: str) -> str:
        try:
            choice = document["choices"][0]
            text = choice[field].get("content") or ""
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise AIServiceError("OpenAI chat: reply has not the documented shape") from error
        self.truncated = self.truncated or choice.get("finish_reason") == "length"
        if not isinstance(text, str):
            raise AIServiceError("OpenAI chat: the content is no text")
        return text


class OpenAI:
    def __init__(self, settings: OpenAISettings) -> None:
        self._service = HttpService("OpenAI", settings.base_url, {"Authorization": f"Bearer {settings.api_key}"})
        self.model, self.embedding_model = settings.model, settings.embedding_model

    def embed(self, texts: Sequence[str], deadline: Deadline, *, pay: Pay) -> list[list[float]]:
        """One vector for each of `texts`, in one call, paid for with `pay`. Raises AIServiceError, TimedOut."""
        payload = {"model": self.embedding_model, "input": list(texts), "encoding_format": "base64"}
        path = "/embeddings"
        usage = None
        try:
            exchange = self._service.stream("POST", path, deadline, payload=payload, whole=True, pay=pay)
        except TransportError as error:
            _no_reply(path, error)
        try:
            document = _document(path, exchange.reply())
            usage = _usage(document)
        finally:
            assert exchange.payment is not None
            exchange.payment.settle(usage)
        try:
            rows = sorted(document["data"], key=lambda row: int(row["index"]))
            vectors = [_vector(row["embedding"]) for row in rows]
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise AIServiceError("OpenAI embeddings: reply has not the documented shape") from error
        if len(vectors) != len(texts):
            raise AIServiceError(f"OpenAI embeddings: {len(vectors)} vectors for {len(texts)} texts")
        return vectors

    def chat(self, messages: Sequence[Message], max_tokens: int, deadline: Deadline, *, pay: Pay, stream: bool) -> Answer:
        """The model's answer, at most `max_tokens` long; with `stream` its words come while it writes.

        Without, the call is one reply: it can be tried again as a whole, and `usage` cannot get lost on the way. Each attempt
        is paid for with `pay`. Raises AIServiceError, TimedOut; iterating the answer does, too.
        """
        model = self.model
        payload = {"model": model, "messages": list(messages), **chat_parameters(model, max_tokens)}
        if stream:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        path = "/chat/completions"
        try:
            exchange = self._service.stream("POST", path, deadline, payload=payload, whole=not stream, pay=pay)
            if exchange.status != 200:
                _refused(path, exchange.reply())
        except TransportError as error:
            _no_reply(path, error)
        return Answer(exchange)

    def open_ahead(self) -> None:
        """Begin to connect, for a call that is likely to come."""
        self._service.open_ahead()

    def close(self) -> None:
        self._service.close()


def chat_parameters(model: str, max_tokens: int) -> dict[str, Any]:
    """The parameters that differ between model families.

    Models that reason by default take `max_completion_tokens`, and a temperature only with reasoning switched off, which the
    first of them cannot; older and foreign models want `max_tokens` (facts of November 2026, OpenAI's API reference).
    """
    name = model.rsplit("/", 1)[-1]
    if re.match(r"gpt-(?:[6-9]|[1-9][0-9]|5\.[0-9])", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "none", "temperature": 0}
    if re.match(r"gpt-5", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "minimal"}
    if re.match(r"o[1-9]", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "low"}
    return {"max_tokens": max_tokens, "temperature": 0}


def _usage(document: Any) -> Usage | None:
    """Token counts of a reply; None unless they are whole numbers that make sense."""
    usage = document.get("usage") if isinstance(document, dict) else None
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    cached, written = details.get("cached_tokens") or 0, details.get("cache_write_tokens") or 0
    counts = (prompt, completion, cached, written)
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return None
    return Usage(*counts)  # type: ignore[arg-type]  # checked in the line above


def _vector(embedding: str | list[float]) -> list[float]:
    """Little-endian 32-bit floats in base64, a quarter of the bytes; a list from compatible servers that know only that."""
    if not isinstance(embedding, str):
        return [float(x) for x in embedding]
    raw = base64.b64decode(embedding, validate=True)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def _document(path: str, reply: Reply) -> Any:
    if reply.status != 200:
        _refused(path, reply)
    try:
        return reply.json()
    except ValueError as error:
        raise AIServiceError(f"OpenAI {path}: status 200 without JSON") from error


def _no_reply(path: str, error: TransportError) -> NoReturn:
    if error.timed_out:
        raise TimedOut(f"OpenAI {path}: {error}") from error
    remedy = "" if error.explained else "; check OPENAI_BASE_URL and the network"
    raise AIServiceError(f"OpenAI {path}: {error}{remedy}") from error


def _refused(path: str, reply: Reply) -> NoReturn:
    """Raise what a status other than 200 means. The provider's text about a bad key holds part of the key: it stays out."""
    try:
        document = reply.json()
    except ValueError:
        document = None
    if reply.status in (401, 403):
        raise AIServiceError(f"OpenAI {path}: status {reply.status}; check OPENAI_API_KEY")
    if reply.status == 404:
        raise AIServiceError(f"OpenAI {path}: status 404; check OPENAI_MODEL, OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL")
    raise AIServiceError(f"OpenAI {path}: status {reply.status} {_error_text(document)}".rstrip())


def _error_text(document: Any) -> str:
    """Code and message of the provider's error object."""
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return ""
    return f"{error.get('code') or error.get('type') or ''}: {str(error.get('message') or '')[:300]}"
