"""Fakes of what one question passes through, for tests of the sequence alone: all write to one `calls`.

Each says nothing but what it is given. An error that is given to one is raised where it would be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from app.answering.events import AnsweredBy, Facts
from app.answering.writers import Draft
from app.index.grids import Grid
from app.ledger.admission import Receipt
from app.models import Fact, Passage, Question, Quota, Usage
from app.retrieval.asked import Asked
from app.retrieval.facts import Stated
from app.retrieval.named import Reading
from app.retrieval.retriever import Retrieval
from app.retrieval.selection import Selected
from app.retrieval.support import Support

QUOTA = Quota(*(0 for _ in Quota._fields))
RECEIPT = Receipt(7, QUOTA)


class FakeLedger:
    """Admits everything. A question counts if it was answered, or failed after an answer was paid for."""

    def __init__(
        self, calls: list[str], *, refuses: Exception | None = None, no_free: Exception | None = None
    ) -> None:
        self.calls, self.refuses, self.no_free = calls, refuses, no_free
        self.no_money: Exception | None = None
        self.lost: Exception | None = None
        self.counted = True
        self.finished = False

    def take_over(self, user_id: str, lost_id: str) -> None:
        self.calls.append(f"take over {lost_id}")
        if self.lost:
            raise self.lost

    def admit(self, user_id: str, request_id: str, *estimate: Any) -> FakeLedger:
        self.calls.append(f"admit {user_id} {request_id} {estimate}")
        if self.refuses:
            raise self.refuses
        return self

    @contextlib.contextmanager
    def admit_free(self, user_id: str, kind: str) -> Iterator[None]:
        self.calls.append(f"admit {user_id} free {kind}")
        if self.no_free:
            raise self.no_free
        yield

    # -- the admitted question -----------------------------------------------------------------------------

    def __enter__(self) -> FakeLedger:
        return self

    def reserve(self, *estimate: Any) -> None:
        self.calls.append(f"reserve {estimate}")
        if self.no_money:
            self.counted = False
            self.finished = True
            raise self.no_money

    def sent(self, call: str) -> None:
        self.calls.append(f"pay {call}")

    def finish(self, outcome: str, latency_ms: int = 0) -> Receipt:
        self.calls.append(outcome)
        self.finished = True
        return RECEIPT

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if not self.finished:
            self.calls.append(f"failed by {kind.__name__ if kind else None}")
            self.counted = "pay chat" in self.calls


class FakeReader:
    """Knows no names, and what the books state in these passages."""

    knows_facts = True

    def __init__(self, calls: list[str], stated: Stated, *passages: Passage) -> None:
        self.calls, self.stated, self.passages = calls, stated, passages

    def read(self, question: Question, deadline: Any) -> Asked:
        self.calls.append("read")
        reading = Reading(question.text, (), (), (), {})
        return Asked(question, question.text, reading, self.stated, self.passages, None, (), ("read so",))

    def names_in(self, text: str) -> list[str]:
        self.calls.append("check")
        return []

    def grids_in(self, passage_ids: Sequence[str]) -> list[Grid]:
        return []


class FakeRetriever:
    """Finds these passages, each under its own name."""

    def __init__(
        self, calls: list[str], *passages: Passage, fails: Exception | None = None, found: bool = True
    ) -> None:
        self.calls, self.passages, self.fails, self.found = calls, passages, fails, found
        self.facts: tuple[Fact, ...] = ()

    def retrieve(
        self, question: Question, deadline: Any, admission: Any = None, asked: Any = None
    ) -> Retrieval:
        self.calls.append("retrieve" if admission else "retrieve at no cost")
        if self.fails:
            raise self.fails
        chosen = tuple(Selected(passage, "entity", 1.0, passage.name) for passage in self.passages)
        support = Support(self.found, "so it is")
        facts = asked.stated.facts if asked else self.facts
        return Retrieval(chosen, question.text, support, ("found so",), ("vectors",), facts)


class FakeWriter:
    """Says these words, as a model when it has a name; an exception among them is raised there."""

    def __init__(self, calls: list[str], *words: str | Exception, model: str | None = "a-model") -> None:
        self.calls, self.words, self.model = calls, words, model
        self.usage, self.notes = Usage(10, 5), ("the answer was cut",)

    def draft(
        self, question: Question, passages: Sequence[Passage], facts: Sequence[Fact] = (), *, read: bool
    ) -> Draft:
        about = f" and {[fact.value for fact in facts]}" if facts else ""
        self.calls.append(f"draft from {[passage.id for passage in passages]}{about}")
        by: AnsweredBy = "model" if self.model else "passages"
        found = Facts.among(facts, passages)
        return Draft(tuple(passages), found, self.model, by, self._write, ("drafted so",))

    def _write(self, admission: Any, deadline: Any, stream: bool) -> FakeWriter:
        if self.model:
            admission.sent("chat")
        return self

    def __iter__(self) -> Iterator[str]:
        try:
            for word in self.words:
                if isinstance(word, Exception):
                    raise word
                yield word
        finally:
            # Now it is known what the call has cost.
            self.calls.append("written")
