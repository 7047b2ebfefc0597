"""A chat answer as it is written, whole or as a stream of events, and how it ends: said as what it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from app.adapters.http import Exchange, Reply, TransportError, read_json
from app.adapters.openai_reply import document_of, error_in, no_reply, refusal, text_of, usage_of
from app.adapters.remembered import Remembered
from app.adapters.sse import event_data
from app.adapters.thoughts import Thoughts
from app.deadline import ShortenedDeadline
from app.errors import AIServiceError
from app.models import Usage

CUT = "The answer was cut at its longest permitted length"
FILTERED = "The answer is not complete: the provider's content filter stopped the language model here"
REFUSED = "The language model did not go on; it said: {}"
THOUGHT_ALOUD = "The answer begins with what the language model thought before it answered"
ONLY_FILTERED = "The provider's content filter stopped the language model before its first word. Other words may pass."
ONLY_REFUSED = "The language model declined to answer this question. It said: {}"
ONLY_THOUGHT = "The language model used up its room on thinking and came to no answer. A narrower question may get one."
NEVER_SPOKE = "The language model thought about the question, but wrote no answer to it."
EMPTY = "The language model wrote an empty answer. Other words may get a better one."
BROKEN_OFF = "The language model stopped in the middle; please ask again."

# How long the end of a reply may take once all has been said: only after it the connection can be used again.
_LAST_SECONDS = 0.5
_REFUSAL_CHARACTERS = 300
_DONE = "[DONE]"
# The mark of the end as the last line, before the blank one that completes an event.
_DONE_AT_END = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\][\r\n]*\Z")
# Blanks and a byte order mark, before the first letter of an event's lines: data, event, id, retry, or a comment.
_BLANK = b" \t\r\n\xef\xbb\xbf"
_EVENT_STARTS = b"deir:"


class Answer:
    """Iterate it for the words; the rest is known at the end. Closing it early ends the call.

    `usage` is None when the provider did not count. `finish` is the provider's word for how it ended, empty when it gave none;
    `truncated`: at the longest permitted length. `notes` say, a sentence each, why these are not the words of a whole answer.
    An answer without words is an error: what it was paid for stays paid.
    """

    def __init__(
        self,
        exchange: Exchange,
        patience: ShortenedDeadline,
        memory: Remembered,
        unknown: str,
        most_characters: int,
        *,
        whole: bool,
    ) -> None:
        """After `most_characters` it is cut. `unknown` is the key of what `memory` knows of the way this model thinks; empty:
        it does not think aloud. `whole`: the reply has been read."""
        self._exchange, self._patience, self._memory, self._key = exchange, patience, memory, unknown
        self._most_characters = most_characters
        self._read = whole
        self._manner = memory.get(unknown).get("thinks") if unknown else "apart"
        self.usage: Usage | None = None
        self.notes: list[str] = []
        self.finish = ""
        self._index: int | None = None
        self._refusal = ""
        self._done = False
        self._reasoned = False

    @property
    def truncated(self) -> bool:
        return self.finish == "length"

    def __iter__(self) -> Iterator[str]:
        """Raises AIServiceError, TimedOut."""
        said = False
        thoughts = Thoughts(hold=self._manner != "apart")
        try:
            left = self._most_characters
            for words in self._contents():
                left -= len(words)
                if ready := thoughts.feed(words[:left] if left < 0 else words):
                    said = said or bool(ready.strip())
                    yield ready
                if left < 0:
                    # A server that does not keep to the length it was given.
                    self.finish = "length"
                    break
            if ready := thoughts.rest():
                said = said or bool(ready.strip())
                yield ready
        except AIServiceError as error:
            if said:
                error.public = BROKEN_OFF
            raise
        finally:
            self._exchange.close()
            if said and self.usage is not None and not self.usage.completion_tokens:
                # Words that cost nothing were not counted.
                self.usage = None
            if self._exchange.payment:
                self._exchange.payment.settle(self.usage)
        self._learn(thoughts, said)
        self._judge(thoughts, said)

    def _judge(self, thoughts: Thoughts, said: bool) -> None:
        """Say how it ended: a note beside words, an error in their place."""
        refusal = " ".join(self._refusal.split())[:_REFUSAL_CHARACTERS]
        if refusal:
            self._end(said, f"refusal: {refusal}", REFUSED.format(refusal), ONLY_REFUSED.format(refusal))
        if self.finish == "content_filter":
            self._end(said, "stopped by the content filter", FILTERED, ONLY_FILTERED)
        if self.truncated:
            self._end(said, "all of its length went into thinking: empty answer", CUT, ONLY_THOUGHT)
        if not said:
            reasoned = thoughts.seen or self._reasoned
            why = "thoughts only" if reasoned else f"finish_reason {self.finish!r}"
            raise AIServiceError(f"OpenAI chat: empty answer ({why})", public=NEVER_SPOKE if reasoned else EMPTY)
        if thoughts.unopened and self._manner == "apart":
            self.notes.append(THOUGHT_ALOUD)

    def _end(self, said: bool, detail: str, note: str, public: str) -> None:
        if not said:
            raise AIServiceError(f"OpenAI chat: {detail}", public=public)
        self.notes.append(note)

    def _learn(self, thoughts: Thoughts, said: bool) -> None:
        """Remember whether this model's thoughts can be told from its words as they come, or at their end only."""
        manner = "unopened" if thoughts.unopened else "apart"
        if self._key and manner != self._manner and said and not self.truncated and self._manner != "unopened":
            self._memory.put(self._key, {**self._memory.get(self._key), "thinks": manner})

    def _contents(self) -> Iterator[str]:
        """The content as it comes, thoughts and all."""
        try:
            pieces = self._pieces()
            # What comes is told by itself: some servers stream unasked, some do not stream, some forget the content type.
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
            no_reply("/chat/completions", error)

    def _pieces(self) -> Iterator[bytes]:
        pieces = iter([self._exchange.reply().body]) if self._read else self._exchange.pieces()
        encoding = self._exchange.headers.get("Content-Encoding")
        if not encoding:
            return pieces
        from app.adapters.encoded import decoded

        return decoded(pieces, encoding, self._exchange.most_bytes)

    def _whole(self, body: bytes) -> str:
        document = document_of("/chat/completions", Reply(200, {}, body))
        self.usage = usage_of(document)
        choices = document.get("choices") if isinstance(document, dict) else None
        if not choices:
            raise AIServiceError("OpenAI chat: reply has not the documented shape")
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
                    # Read on to the end of the reply, if it comes: only then can the connection be used again.
                    self._done = True
                    self._patience.shorten(_LAST_SECONDS)
                    continue
                yield self._event(data)
        except TransportError:
            if not self._done:
                raise
        if not (self._done or self.finish or _DONE_AT_END.search(end)):
            raise AIServiceError("OpenAI chat: the stream broke off")

    def _event(self, data: str) -> str:
        try:
            document = read_json(data)
        except ValueError as error:
            raise AIServiceError("OpenAI chat: an event of the stream is not JSON") from error
        if (problem := error_in(document)) is not None:
            raise refusal(200, "OpenAI chat: error in the stream:", problem)
        if not isinstance(document, dict):
            raise AIServiceError("OpenAI chat: an event of the stream is no object")
        self.usage = usage_of(document) or self.usage
        choices = document.get("choices")
        return self._choice(choices, "delta") if choices else ""

    def _choice(self, choices: Any, field: str) -> str:
        """The words of the one choice that was asked for, and how it finished."""
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise AIServiceError("OpenAI chat: reply has not the documented shape")
        words = []
        for choice in choices:
            index = choice.get("index")
            if isinstance(index, int):
                # Of several answers the first one that speaks is read; nobody asked for others.
                self._index = index if self._index is None else self._index
                if index != self._index:
                    continue
            if problem := choice.get("error"):
                raise AIServiceError(f"OpenAI chat: error in a choice: {error_in({'error': problem})}")
            part = choice.get(field) or {}
            if not isinstance(part, dict):
                raise AIServiceError("OpenAI chat: reply has not the documented shape")
            words.append(text_of(part.get("content")))
            if len(self._refusal) < _REFUSAL_CHARACTERS:
                self._refusal += text_of(part.get("refusal"))
            self._reasoned = self._reasoned or bool(part.get("reasoning_content") or part.get("reasoning"))
            finish = choice.get("finish_reason")
            if finish == "error":
                raise AIServiceError("OpenAI chat: the provider ended the answer with an error")
            self.finish = finish if isinstance(finish, str) and finish else self.finish
            if field == "message":
                break
        return "".join(words)
