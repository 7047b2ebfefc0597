"""A chat answer while it is written, whole or as a stream of events, and how it ended."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from app.adapters.exchange import Exchange, TransportError
from app.adapters.http import Reply, read_json
from app.adapters.openai_replies import document_of, no_reply, problem_in, refusal, usage_of
from app.adapters.remembered import Remembered
from app.adapters.streams import Thoughts, decompressed, event_data
from app.deadline import ShortenedDeadline
from app.errors import AIServiceError
from app.models import Usage

CUT = "The answer was cut at its longest permitted length"
FILTERED = "The answer is not complete: the provider's content filter stopped the language model here"
REFUSED = "The language model did not go on; it said: {}"
THOUGHT_ALOUD = "The answer begins with what the language model thought before it answered"
ONLY_FILTERED = (
    "The provider's content filter stopped the language model before its first word. "
    "Other words may pass."
)  # fmt: skip
ONLY_REFUSED = "The language model declined to answer this question. It said: {}"
ONLY_THOUGHT = (
    "The language model used up its room on thinking and came to no answer. "
    "A narrower question may get one."
)  # fmt: skip
NEVER_SPOKE = "The language model thought about the question, but wrote no answer to it."
EMPTY = "The language model wrote an empty answer. Other words may get a better one."
BROKEN_OFF = "The language model stopped in the middle; please ask again."

PATH = "/chat/completions"
# How long the end of a reply may take after its last words: only after it the connection can be used again.
_LAST_SECONDS = 0.5
_REFUSAL_CHARACTERS = 300
_DONE = "[DONE]"
# The mark of the end as the last line, before the blank one that completes an event.
_DONE_AT_END = rb"(?:^|[\r\n])data: ?\[DONE\][\r\n]*\Z"
# Blanks and a byte order mark; then the first letters of an event's lines: data, event, id, retry, a comment.
_BLANK = b" \t\r\n\xef\xbb\xbf"
_EVENT_STARTS = b"deir:"
_SHAPE = "OpenAI chat: reply has not the documented shape"


class Answer:
    """Iterate it for the words; the rest is known at the end. Closing it early ends the call.

    `usage` is None when the provider did not count. `finish` is the provider's word for how it ended, empty
    when it gave none, "length" at the longest permitted length. `notes` say, a sentence each, why these are
    not the words of a whole answer. An answer without words is an error, and is paid for.
    """

    def __init__(
        self,
        exchange: Exchange,
        deadline: ShortenedDeadline,
        memory: Remembered,
        key: str,
        most_characters: int,
    ) -> None:
        """It is cut after `most_characters`. `memory` has under `key` whether this model's thoughts can be
        told from its words as they come ("apart"), or only at their end ("unopened"); no key: it has none."""
        self._exchange, self._deadline, self._memory, self._key = exchange, deadline, memory, key
        self._most_characters = most_characters
        self._manner = memory.get(key).get("thinks") if key else "apart"
        self.usage: Usage | None = None
        self.notes: list[str] = []
        self.finish = ""
        self._index: int | None = None
        self._refusal = ""
        self._done = False
        self._reasoned = False

    def __iter__(self) -> Iterator[str]:
        """Raises AIServiceError, TimedOut."""
        thoughts = Thoughts(hold=self._manner != "apart")
        try:
            left = self._most_characters
            for words in self._contents():
                left -= len(words)
                if ready := thoughts.feed(words[:left] if left < 0 else words):
                    yield ready
                if left < 0:
                    # The server does not keep to the length that it was given.
                    self.finish = "length"
                    break
            if ready := thoughts.rest():
                yield ready
        except AIServiceError as error:
            if thoughts.has_words:
                error.public = BROKEN_OFF
            raise
        finally:
            self._exchange.close()
            if thoughts.has_words and self.usage is not None and not self.usage.completion_tokens:
                # Words that cost nothing were not counted.
                self.usage = None
            if self._exchange.payment:
                self._exchange.payment.settle(self.usage)
        manner = "unopened" if thoughts.unopened else "apart"
        is_news = self._key and self._manner not in (manner, "unopened")
        if is_news and thoughts.has_words and self.finish != "length":
            self._memory.put(self._key, {**self._memory.get(self._key), "thinks": manner})
        self._judge(thoughts)

    def _judge(self, thoughts: Thoughts) -> None:
        """Report how it ended: by a note where there are words, else by an error."""

        def end(detail: str, note: str, public: str) -> None:
            if not thoughts.has_words:
                raise AIServiceError(f"OpenAI chat: {detail}", public=public)
            self.notes.append(note)

        if refusal := " ".join(self._refusal.split())[:_REFUSAL_CHARACTERS]:
            end(f"refusal: {refusal}", REFUSED.format(refusal), ONLY_REFUSED.format(refusal))
        if self.finish == "content_filter":
            end("stopped by the content filter", FILTERED, ONLY_FILTERED)
        if self.finish == "length":
            end("all of its length went into thinking: empty answer", CUT, ONLY_THOUGHT)
        if not thoughts.has_words and (thoughts.seen or self._reasoned):
            raise AIServiceError("OpenAI chat: empty answer (thoughts only)", public=NEVER_SPOKE)
        if not thoughts.has_words:
            raise AIServiceError(f"OpenAI chat: empty answer (finish_reason {self.finish!r})", public=EMPTY)
        if thoughts.unopened and self._manner == "apart":
            self.notes.append(THOUGHT_ALOUD)

    def _contents(self) -> Iterator[str]:
        """The content as it comes, thoughts and all."""
        try:
            encoding = self._exchange.headers.get("Content-Encoding") or ""
            pieces = decompressed(self._exchange.pieces(), encoding, self._exchange.most_bytes)
            # The first letter decides, as servers stream unasked, do not stream, or forget the content type.
            begun = []
            start = b""
            for piece in pieces:
                begun.append(piece)
                if start := piece.lstrip(_BLANK)[:1]:
                    break
            if start and start in _EVENT_STARTS:
                yield from self._streamed(itertools.chain(begun, pieces))
            else:
                yield self._whole(b"".join([*begun, *pieces]))
        except TransportError as error:
            no_reply(PATH, error)

    def _whole(self, body: bytes) -> str:
        document = document_of(PATH, Reply(200, {}, body))
        self.usage = usage_of(document)
        choices = document.get("choices") if isinstance(document, dict) else None
        if not choices:
            raise AIServiceError(_SHAPE)
        return self._choice(choices, "message")

    def _streamed(self, pieces: Iterator[bytes]) -> Iterator[str]:
        end = b""

        def watched() -> Iterator[bytes]:
            nonlocal end
            for piece in pieces:
                end = (end + piece)[-64:]
                yield piece

        try:
            for data in event_data(watched()):
                if self._done:
                    continue
                if data.startswith(_DONE):
                    # Only when the reply ends, too, can the connection be used again.
                    self._done = True
                    self._deadline.shorten(_LAST_SECONDS)
                    continue
                yield self._event(data)
        except TransportError:
            if not self._done:
                raise
        if not (self._done or self.finish or re.search(_DONE_AT_END, end)):
            raise AIServiceError("OpenAI chat: the stream broke off")

    def _event(self, data: str) -> str:
        try:
            document = read_json(data)
        except ValueError as error:
            raise AIServiceError("OpenAI chat: an event of the stream is not JSON") from error
        if problem := problem_in(document):
            raise refusal(200, "OpenAI chat: error in the stream:", problem)
        if not isinstance(document, dict):
            raise AIServiceError("OpenAI chat: an event of the stream is no object")
        self.usage = usage_of(document) or self.usage
        choices = document.get("choices")
        return self._choice(choices, "delta") if choices else ""

    def _choice(self, choices: Any, field: str) -> str:
        """The words of the one choice that was asked for, and how it finished."""
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise AIServiceError(_SHAPE)
        words = []
        for choice in choices:
            index = choice.get("index")
            if isinstance(index, int):
                # Of several answers the first one with words is read; nobody asked for others.
                self._index = index if self._index is None else self._index
                if index != self._index:
                    continue
            if problem := choice.get("error"):
                raise AIServiceError(f"OpenAI chat: error in a choice: {problem_in({'error': problem})}")
            part = choice.get(field) or {}
            if not isinstance(part, dict):
                raise AIServiceError(_SHAPE)
            words.append(_text(part.get("content")))
            if len(self._refusal) < _REFUSAL_CHARACTERS:
                self._refusal += _text(part.get("refusal"))
            self._reasoned = self._reasoned or bool(part.get("reasoning_content") or part.get("reasoning"))
            finish = choice.get("finish_reason")
            if finish == "error":
                raise AIServiceError("OpenAI chat: the provider ended the answer with an error")
            self.finish = finish if isinstance(finish, str) and finish else self.finish
            if field == "message":
                break
        return "".join(words)


def _text(content: Any) -> str:
    """Content as text: it may be null, or a list of parts, of which thoughts and pictures are no words."""
    if content is None or isinstance(content, str):
        return content or ""
    words = []
    for part in content if isinstance(content, list) else [None]:
        if isinstance(part, dict):
            part = part.get("text") or "" if part.get("type", "text") in ("text", "output_text") else ""
        if not isinstance(part, str):
            raise AIServiceError("OpenAI chat: the content is no text")
        words.append(part)
    return "".join(words)
