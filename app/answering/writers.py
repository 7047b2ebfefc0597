"""Who writes the answer: the language model from a prompt, or nobody, when the passages are quoted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from app.answering import prompt, quotation
from app.deadline import Deadline
from app.models import Passage, Payment, Question, Usage
from app.output import RAGOutput
from app.pricing import MAX_ANSWER_TOKENS

if TYPE_CHECKING:
    from app.adapters.openai import OpenAI
    from app.ledger.spending import Admission


class Draft:
    """An answer about to be written. `passages` are those it rests on; `usage` is known once `pieces` is exhausted."""

    def __init__(self, passages: Sequence[Passage], model: str | None) -> None:
        self.passages = passages
        self.model = model
        self.usage: Usage | None = None

    def pieces(self, deadline: Deadline, output: RAGOutput, admission: Admission, *, stream: bool) -> Iterator[str]:
        """The answer as it is written; with `stream`, while it is written. What it buys goes on `admission`."""
        raise NotImplementedError


class Writer(Protocol):
    def draft(self, question: Question, passages: Sequence[Passage], *, read: bool) -> Draft:
        """`read`: whether the question was understood, so that finding nothing says something."""


class QuotingWriter:
    """Quotes the passages; costs nothing."""

    def draft(self, question: Question, passages: Sequence[Passage], *, read: bool) -> Draft:
        return _Quotation(passages, read)


class _Quotation(Draft):
    def __init__(self, passages: Sequence[Passage], read: bool) -> None:
        super().__init__(passages, None)
        self._read = read

    def pieces(self, deadline: Deadline, output: RAGOutput, admission: Admission, *, stream: bool) -> Iterator[str]:
        self.usage = Usage()
        return quotation.quote(self.passages, read=self._read)


class ModelWriter:
    """Puts the passages and the question before the model."""

    def __init__(self, openai: OpenAI) -> None:
        self._openai = openai

    def draft(self, question: Question, passages: Sequence[Passage], *, read: bool) -> Draft:
        messages, used = prompt.build(question, passages)
        return _Completion(self._openai, messages, used, len(passages) - len(used), read)


class _Completion(Draft):
    def __init__(
        self, openai: OpenAI, messages: Sequence[dict[str, str]], passages: Sequence[Passage], left_out: int, read: bool
    ) -> None:
        super().__init__(passages, openai.model)
        self._openai, self._messages, self._left_out, self._read = openai, messages, left_out, read

    def pieces(self, deadline: Deadline, output: RAGOutput, admission: Admission, *, stream: bool) -> Iterator[str]:
        if self._left_out:
            output.diagnostics.append(f"Left out the last {self._left_out} passages: the prompt was full")
        if not self.passages:
            self.model, self.usage = None, Usage()
            yield quotation.nothing(read=self._read)
            return
        call = admission.pricing.chat_call(self._openai.model, prompt.bound(self._messages))

        def pay() -> Payment:
            return admission.sent(call)

        answer = self._openai.chat(self._messages, MAX_ANSWER_TOKENS, deadline, pay=pay, stream=stream)
        yield from answer
        self.usage = answer.usage
        output.errors += answer.notes
