"""OpenAI's HTTP API, or a compatible server: embeddings and chat completions, with the parameters each model takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from app.adapters.http import HttpService, Reply, TransportError
from app.deadline import Deadline
from app.errors import AIServiceError, TimedOut
from app.models import Usage
from app.settings import OpenAISettings

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said. `usage` is None when the provider did not count."""

    text: str
    usage: Usage | None
    truncated: bool = False


class OpenAI:
    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._service = HttpService("OpenAI", settings.base_url, {"Authorization": f"Bearer {settings.api_key}"})

    def embed(self, texts: Sequence[str], deadline: Deadline) -> tuple[list[list[float]], Usage]:
        """One vector for each of `texts`, in one call, and what it used. Raises AIServiceError, TimedOut."""
        payload = {"model": self._settings.embedding_model, "input": list(texts), "encoding_format": "float"}
        document = self._post("/embeddings", payload, deadline)
        try:
            rows = sorted(document["data"], key=lambda row: int(row["index"]))
            vectors = [[float(x) for x in row["embedding"]] for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise AIServiceError("OpenAI embeddings: reply has not the documented shape") from error
        if len(vectors) != len(texts):
            raise AIServiceError(f"OpenAI embeddings: {len(vectors)} vectors for {len(texts)} texts")
        return vectors, _usage(document) or Usage()

    def chat(self, messages: Sequence[Message], max_tokens: int, deadline: Deadline) -> Completion:
        """The model's answer, at most `max_tokens` long. Raises AIServiceError, TimedOut."""
        model = self._settings.model
        payload = {"model": model, "messages": list(messages), **chat_parameters(model, max_tokens)}
        document = self._post("/chat/completions", payload, deadline)
        try:
            choice = document["choices"][0]
            text = choice["message"]["content"] or ""
            truncated = choice.get("finish_reason") == "length"
        except (KeyError, IndexError, TypeError) as error:
            raise AIServiceError("OpenAI chat: reply has not the documented shape") from error
        if not isinstance(text, str) or not text.strip():
            raise AIServiceError("OpenAI chat: empty answer")
        return Completion(text, _usage(document), truncated)

    def _post(self, path: str, payload: Mapping[str, Any], deadline: Deadline) -> Any:
        try:
            reply = self._service.call("POST", path, deadline, payload=payload)
        except TransportError as error:
            if error.timed_out:
                raise TimedOut(f"OpenAI {path}: {error}") from error
            raise AIServiceError(f"OpenAI {path}: {error}; check OPENAI_BASE_URL and the network") from error
        if reply.status != 200:
            _refused(path, reply)
        try:
            return reply.json()
        except ValueError as error:
            raise AIServiceError(f"OpenAI {path}: status 200 without JSON") from error


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


def _refused(path: str, reply: Reply) -> NoReturn:
    """Raise what a status other than 200 means. The provider's text about a bad key holds part of the key: it stays out."""
    try:
        error = reply.json().get("error") or {}
        code, message = str(error.get("code") or error.get("type") or ""), str(error.get("message") or "")
    except (ValueError, AttributeError):
        code, message = "", ""
    what = f"OpenAI {path}: status {reply.status} {code}".rstrip()
    if reply.status in (401, 403):
        raise AIServiceError(f"{what}; check OPENAI_API_KEY")
    if reply.status == 404:
        raise AIServiceError(f"{what}; check OPENAI_MODEL, OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL")
    raise AIServiceError(f"{what}: {message[:300]}")
