"""The sequence of one question, with fakes around it: what a call has cost is known before its books are closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from app.answering.events import Delta, Done, Events, Query, Sources
from app.answering.pipeline import Answering
from app.answering.writers import Draft
from app.deadline import Deadline
from app.errors import AIServiceError, DndChatError
from app.models import Estimate, Passage, Question, Usage, User
from app.retrieval.retriever import Retrieval
from app.retrieval.selection import Selected
from app.retrieval.support import Support

PASSAGE = Passage("mm-owlbear", "An owlbear hugs.", {"name": "Owlbear"})


class Fakes:
    """Ledger, admission, retriever, writer and text in one; `told` is what happened, in order."""

    def __init__(self, words: Sequence[str | Exception]) -> None:
        self.words, self.told = words, []
        self.usage, self.notes, self.counted = Usage(7, 3), ["cut short"], True
        self.answering = Answering(self, self, self, lambda question: Estimate(5), lambda: self)  # type: ignore[arg-type]

    def events(self) -> Events:
        return self.answering.events(Query(Question("owlbear?"), User("u"), "r", Deadline(60), stream=True))

    def admit(self, *_: Any) -> Fakes:
        self.told.append("admitted")
        return self

    def __enter__(self) -> Fakes:
        return self

    def __exit__(self, kind: Any, error: Any, _: Any) -> None:
        if "answered" not in self.told:
            self.told.append(kind.__name__)

    def finish(self, outcome: str, milliseconds: int) -> str:
        self.told.append(outcome)
        return "receipt"

    def retrieve(self, *_: Any) -> Retrieval:
        self.told.append("found")
        chosen = (Selected(PASSAGE, "named", 10, "owlbear"),)
        return Retrieval(chosen, "owlbear?", Support(True, ""), ("found it",), ("slow",), ("vectors",))

    def names_in(self, text: str) -> list[str]:
        self.told.append(f"checked {text}")
        return []

    def draft(self, question: Question, passages: Sequence[Passage], *, read: bool) -> Draft:
        return Draft(tuple(passages), "model", lambda *_: self, ("left out",))

    def __iter__(self) -> Iterator[str]:
        self.told.append("asked")
        try:
            for word in self.words:
                if isinstance(word, Exception):
                    raise word
                yield word
        finally:
            self.told.append("paid")


def test_each_step_takes_what_the_one_before_returns() -> None:
    fakes = Fakes(["It hugs [1]", "[9]."])
    sources, *deltas, done = fakes.events()
    assert sources == Sources((PASSAGE,), {"mm-owlbear": "owlbear"})
    assert "".join(delta.text for delta in deltas if isinstance(delta, Delta)) == "It hugs [1]."
    assert isinstance(done, Done)
    assert (done.answer, done.cited, done.model, done.usage) == ("It hugs [1].", {1}, "model", Usage(7, 3))
    assert (done.receipt, done.degraded) == ("receipt", ("vectors",))
    assert done.diagnostics == ["found it", "left out"]
    removed = "The answer cited passages that do not exist; removed: [9]"
    assert done.errors == ["slow", "cut short", removed]
    assert fakes.told == ["admitted", "found", "asked", "paid", "checked It hugs [1][9].", "answered"]


def leave(events: Events) -> None:
    events.close()


def fail_with_the_event(events: Events) -> None:
    with pytest.raises(DndChatError):
        events.throw(ValueError("no JSON"))


@pytest.mark.parametrize(("end", "outcome"), [(leave, "GeneratorExit"), (fail_with_the_event, "ValueError")])
def test_a_reader_that_leaves_ends_the_call_before_the_books_are_closed(end: Callable[[Events], None], outcome: str) -> None:
    fakes = Fakes(["It hugs. ", "It bites. ", "And so on."])
    events = fakes.events()
    while not isinstance(next(events), Delta):
        pass
    end(events)
    assert fakes.told == ["admitted", "found", "asked", "paid", outcome]


def test_what_was_found_is_given_in_place_of_an_answer_that_failed() -> None:
    fakes = Fakes(["It hugs. ", AIServiceError("gone")])
    with pytest.raises(AIServiceError) as caught:
        list(fakes.events())
    assert (caught.value.passages, caught.value.counted) == ((PASSAGE,), True)
    assert fakes.told == ["admitted", "found", "asked", "paid", "AIServiceError"]
