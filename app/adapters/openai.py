"""OpenAI's HTTP API, or a compatible server: embeddings and chat completions, with the options that each takes.

Here is what is asked; `openai_reply` and `openai_chat` read what comes back. What is known of each provider's dialect is in
docs/providers.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.adapters.http import Exchange, HttpService, TransportError
from app.adapters.openai_chat import Answer
from app.adapters.openai_options import REMEMBERED_SECONDS, agreed, chat_parameters
from app.adapters.openai_reply import document_of, no_reply, read, refused, usage_of, vectors_of
from app.adapters.remembered import Remembered
from app.deadline import Deadline, ShortenedDeadline
from app.models import Pay
from app.settings import OpenAISettings

__all__ = ["Answer", "OpenAI", "chat_parameters"]

Message = Mapping[str, str]

# Models that certainly write no thoughts among their words: OpenAI's own, but for the open one, which others serve.
_SPEAKS_PLAINLY = re.compile(r"(?:gpt-(?!oss)|chatgpt|o[1-9])")


# What a reply may have: a frame, and of each text a vector of 8,192 numbers as decimal text; of a chat 1,200 events of 3 kB.
FRAME_BYTES, VECTOR_BYTES = 64 * 1024, 200 * 1024
CHAT_BYTES = 4 * 1024 * 1024
# Words have four characters a token; a server that sends more than this does not keep to the length it was given.
CHARACTERS_PER_TOKEN = 16


class OpenAI:
    """`memory_file` keeps what servers refused (by address and model); without one it is kept as long as this object."""

    def __init__(self, settings: OpenAISettings, memory_file: Path | None = None) -> None:
        self._service = HttpService("OpenAI", settings.base_url, {"Authorization": f"Bearer {settings.api_key}"})
        self._address = settings.base_url
        self._memory = Remembered(memory_file, REMEMBERED_SECONDS)
        self.model, self.embedding_model = settings.model, settings.embedding_model

    def embed(self, texts: Sequence[str], deadline: Deadline, *, pay: Pay) -> list[list[float]]:
        """One vector for each of `texts`, in one call, paid for with `pay`. Raises AIServiceError, TimedOut.

        A vector is finite and not all zero: with another one nothing could be found, and the answer would be paid for.
        """
        path = "/embeddings"
        payload = {"model": self.embedding_model, "input": list(texts), "encoding_format": "base64"}
        exchange = self._asked(path, payload, deadline, pay, FRAME_BYTES + len(texts) * VECTOR_BYTES, whole=True)
        usage = None
        try:
            document = document_of(path, exchange.reply())
            usage = usage_of(document)
        finally:
            assert exchange.payment is not None
            exchange.payment.settle(usage)
        return vectors_of(document, len(texts))

    def chat(self, messages: Sequence[Message], max_tokens: int, deadline: Deadline, *, pay: Pay, stream: bool) -> Answer:
        """The model's answer, at most `max_tokens` long; with `stream` its words come while it writes.

        Without, the call is one reply: it can be tried again as a whole, and `usage` cannot get lost on the way. Each attempt
        is paid for with `pay`. Raises AIServiceError, TimedOut; iterating the answer does, too.
        """
        path = "/chat/completions"
        payload = {"model": self.model, "messages": list(messages), **chat_parameters(self.model, max_tokens)}
        if stream:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        patience = ShortenedDeadline(deadline)
        exchange = self._asked(path, payload, patience, pay, CHAT_BYTES, whole=not stream)
        if exchange.status != 200:
            refused(path, read(exchange.reply()))
        plain = _SPEAKS_PLAINLY.match(self.model.rsplit("/", 1)[-1]) is not None
        unknown = "" if plain else self._key(path, self.model)
        return Answer(exchange, patience, self._memory, unknown, max_tokens * CHARACTERS_PER_TOKEN, whole=not stream)

    def _asked(
        self, path: str, payload: dict[str, Any], deadline: Deadline, pay: Pay, most_bytes: int, *, whole: bool
    ) -> Exchange:
        def ask(sent: Mapping[str, Any]) -> Exchange:
            return self._service.stream("POST", path, deadline, payload=sent, whole=whole, pay=pay, most_bytes=most_bytes)

        try:
            return agreed(ask, payload, self._memory, self._key(path, payload["model"]))
        except TransportError as error:
            no_reply(path, error)

    def _key(self, path: str, model: str) -> str:
        return f"{self._address}{path} {model}"

    def open_ahead(self) -> None:
        """Begin to connect, for a call that is likely to come."""
        self._service.open_ahead()

    def close(self) -> None:
        self._service.close()
