"""The sequence of one question, with fakes on all sides: admitted, found, written, checked, settled.

Each failure at each step: what the ledger is told, and what the caller gets. That the parts do what the fakes
do is for their own tests; in `tests/process/ledger/test_answering.py` all of them are real.
"""

from __future__ import annotations

from typing import Any

import pytest

from app.answering.events import Delta, Done, Event, Facts, Query, Sources
from app.answering.pipeline import Answering
from app.deadline import Deadline
from app.errors import (
    AIServiceError,
    BudgetExceeded,
    DatabaseError,
    DndChatError,
    LedgerUnavailable,
    RateLimited,
    TimedOut,
    TooMuchWork,
)
from app.models import Estimate, Fact, Passage, Question, User
from app.retrieval.facts import Stated
from tests.harness.fakes import QUOTA, RECEIPT, FakeLedger, FakeReader, FakeRetriever, FakeWriter

ORC = Passage("orc", "## Orc\n\nArmor class 6.", {"name": "Orc"})
WORDS = ("Armor class ", "6 [1]", " [2].")
FREE = ["admit elf free passages", "retrieve at no cost"]
ADMIT = f"admit elf r1 {tuple(Estimate(0))}"
READ = [ADMIT, "read"]
RESERVE = f"reserve {tuple(Estimate(9))}"
STEPS = [*READ, "outside", RESERVE, "retrieve", "draft from ['orc']"]
FACT = Fact("Orc", "Armor class", "6", "orc")
STATED = Stated((FACT,), True)
UNSURE = Stated((FACT,), False)


def used_up() -> BudgetExceeded:
    return BudgetExceeded("used up", retry_after=1, quota=QUOTA, spent=1, budget=1)


def slowly() -> RateLimited:
    return RateLimited("slowly", retry_after=1, quota=QUOTA)


class Asked:
    """One question through the pipeline; `calls` is what its parts were asked, in order."""

    def __init__(self, **fakes: Any) -> None:
        self.calls: list[str] = []
        self.ledger = FakeLedger(self.calls, refuses=fakes.get("refuses"), no_free=fakes.get("no_free"))
        self.ledger.lost, self.ledger.no_money = fakes.get("lost"), fakes.get("no_money")
        stated = fakes.get("stated", Stated())
        retriever = FakeRetriever(
            self.calls, ORC, fails=fakes.get("retrieval"), found=fakes.get("found", True)
        )
        writer = FakeWriter(self.calls, *fakes.get("words", WORDS), model=fakes.get("model", "a-model"))
        self.writer = writer
        free = FakeRetriever(self.calls, ORC)
        free.facts = stated.facts

        def outside() -> Any:
            self.calls.append("outside")
            return retriever, writer

        self.pipeline = Answering(
            FakeReader(self.calls, stated, *([ORC] if stated.facts else [])),  # type: ignore[arg-type]
            outside,
            self.ledger,  # type: ignore[arg-type]
            lambda question: Estimate(9),
            lambda: free,
        )
        self.exact = fakes.get("exact", True)

    def events(self, lost_id: str = "") -> Any:
        question = Question("What is an orc?", exact=self.exact)
        return self.pipeline.events(
            Query(question, User("elf"), "r1", Deadline(60), stream=True, lost_id=lost_id)
        )

    def fails(self, lost_id: str = "") -> tuple[list[Event], DndChatError]:
        """What came before the error, and the error."""
        given: list[Event] = []
        with pytest.raises(DndChatError) as raised:
            given += self.events(lost_id)
        return given, raised.value


def test_an_answer_passes_each_step_once_and_is_settled_before_its_end_is_given_out() -> None:
    asked = Asked()
    events = list(asked.events())
    assert asked.calls == [*STEPS, "pay chat", "written", "check", "answered"]
    sources, *deltas, done = events
    assert sources == Sources((ORC,), {"orc": "Orc"})
    assert "".join(delta.text for delta in deltas if isinstance(delta, Delta)) == "Armor class 6 [1]."
    assert isinstance(done, Done)
    assert (done.answer, done.sources, done.cited) == ("Armor class 6 [1].", sources, {1})
    assert (done.model, done.usage, done.receipt) == ("a-model", asked.writer.usage, RECEIPT)
    assert list(done.diagnostics) == ["found so", "drafted so"]
    removed = "The answer cited passages that do not exist; removed: [2]"
    assert list(done.errors) == ["the answer was cut", removed]
    assert list(done.degraded) == ["vectors"]


def test_nothing_is_asked_of_anybody_before_the_question_is_admitted_or_the_reader_asks() -> None:
    asked = Asked()
    events = asked.events()
    assert asked.calls == []
    assert isinstance(next(events), Sources)
    assert asked.calls == STEPS
    events.close()
    assert asked.calls[len(STEPS) :] == ["failed by GeneratorExit"]


def test_a_reader_who_leaves_among_the_words_ends_the_call_before_its_books_are_closed() -> None:
    asked = Asked()
    events = asked.events()
    while not isinstance(next(events), Delta):
        pass
    events.close()
    assert asked.calls[len(STEPS) :] == ["pay chat", "written", "failed by GeneratorExit"]


def test_an_error_that_is_thrown_in_belongs_to_the_question() -> None:
    asked = Asked()
    events = asked.events()
    while not isinstance(next(events), Delta):
        pass
    with pytest.raises(DndChatError) as raised:
        events.throw(ValueError("cannot be sent"))
    assert (raised.value.code, raised.value.counted) == ("internal_error", True)
    assert asked.calls[len(STEPS) :] == ["pay chat", "written", "failed by ValueError"]


def test_without_a_model_all_passages_are_cited_and_nothing_is_checked() -> None:
    asked = Asked(model=None)
    done = list(asked.events())[-1]
    assert asked.calls == [*STEPS, "written", "answered"]
    assert (done.answer, done.cited, done.grounding) == ("".join(WORDS), {1}, None)


def test_passages_that_support_nothing_are_not_put_before_the_writer() -> None:
    asked = Asked(found=False)
    assert next(asked.events()) == Sources((), {"orc": "Orc"})
    assert "draft from []" in asked.calls


def test_what_a_model_writes_loads_nothing_and_leads_nowhere() -> None:
    done = list(
        Asked(
            words=(
                "See ![x",
                "](https://e.example) <b>",
            )
        ).events()
    )[-1]
    assert "![" not in done.answer and "](" not in done.answer and "<b" not in done.answer


# -- what fails --------------------------------------------------------------------------------------------


def test_a_refused_question_reaches_nobody_else() -> None:
    asked = Asked(refuses=slowly())
    given, error = asked.fails()
    assert (given, error.code, error.counted, error.passages) == ([], "rate_limited", False, ())
    assert asked.calls == [ADMIT]


def test_a_ledger_that_cannot_be_written_lets_nothing_happen() -> None:
    asked = Asked(refuses=LedgerUnavailable("disk full"))
    given, error = asked.fails()
    assert (given, error.code, error.counted) == ([], "ledger_unavailable", False)
    assert asked.calls == [ADMIT]


def test_a_budget_that_is_used_up_shows_the_passages_at_no_cost() -> None:
    asked = Asked(no_money=used_up())
    given, error = asked.fails()
    assert (given, error.code, error.counted, list(error.passages)) == ([], "budget_exceeded", False, [ORC])
    assert asked.calls == [*READ, "outside", RESERVE, *FREE]


def test_a_budget_that_is_used_up_for_one_who_wants_the_model_is_known_at_once() -> None:
    asked = Asked(refuses=used_up(), stated=STATED, exact=False)
    given, error = asked.fails()
    assert (given, error.code, list(error.passages)) == ([], "budget_exceeded", [ORC])
    assert list(error.facts) == [FACT]
    assert asked.calls == [f"admit elf r1 {tuple(Estimate(9))}", *FREE]


def test_when_these_are_refused_too_that_is_what_the_caller_gets() -> None:
    asked = Asked(no_money=used_up(), no_free=slowly())
    given, error = asked.fails()
    assert (given, error.code, error.counted) == ([], "rate_limited", False)
    assert asked.calls == [*READ, "outside", RESERVE, FREE[0]]


@pytest.mark.parametrize("problem", [DatabaseError("down"), AIServiceError("no vectors"), TimedOut("late")])
def test_retrieval_that_fails_gives_the_quota_back_and_shows_passages(problem: DndChatError) -> None:
    asked = Asked(retrieval=problem)
    given, error = asked.fails()
    assert (given, error, error.counted, list(error.passages)) == ([], problem, False, [ORC])
    assert asked.calls == [*STEPS[:-1], f"failed by {type(problem).__name__}", *FREE]


def test_passages_in_place_of_an_answer_that_are_refused_leave_the_error_as_it_is() -> None:
    asked = Asked(retrieval=DatabaseError("down"), no_free=slowly())
    _, error = asked.fails()
    assert (error.code, list(error.passages)) == ("database_error", [])


def test_what_was_too_much_work_is_not_tried_again() -> None:
    asked = Asked(retrieval=TooMuchWork("ours"))
    _, error = asked.fails()
    assert list(error.passages) == []
    assert asked.calls == [*STEPS[:-1], "failed by TooMuchWork"]


def test_a_defect_is_an_internal_error_and_closes_the_books() -> None:
    asked = Asked(retrieval=KeyError("secret"))
    _, error = asked.fails()
    assert (error.code, error.counted, list(error.passages)) == ("internal_error", False, [])
    assert asked.calls == [*STEPS[:-1], "failed by KeyError"]


@pytest.mark.parametrize("words", [(), ("Armor ",)])
def test_a_model_that_fails_is_paid_and_counted_and_what_was_found_is_shown(words: tuple[str, ...]) -> None:
    asked = Asked(words=(*words, AIServiceError("broke off")))
    given, error = asked.fails()
    assert given == [Sources((ORC,), {"orc": "Orc"}), *(Delta(word.strip()) for word in words)]
    assert (error.code, error.counted, list(error.passages)) == ("ai_service_error", True, [ORC])
    assert asked.calls == [*STEPS, "pay chat", "written", "failed by AIServiceError"]


def test_a_budget_that_ends_before_the_answer_shows_what_was_found() -> None:
    asked = Asked()
    asked.ledger.sent = _refuse  # type: ignore[method-assign]
    given, error = asked.fails()
    assert (len(given), error.code, error.counted, list(error.passages)) == (
        1,
        "budget_exceeded",
        False,
        [ORC],
    )
    assert asked.calls == [*STEPS, "failed by BudgetExceeded"]


def test_a_settlement_that_fails_leaves_no_end_and_the_question_counts() -> None:
    asked = Asked()

    def finish(outcome: str, latency_ms: int = 0) -> Any:
        raise LedgerUnavailable("locked")

    asked.ledger.finish = finish  # type: ignore[method-assign]
    given, error = asked.fails()
    assert not isinstance(given[-1], Done)
    assert (error.code, error.counted) == ("ledger_unavailable", True)
    assert asked.calls[-1] == "failed by LedgerUnavailable"


# -- what the books state ----------------------------------------------------------------------------------


def test_a_question_that_the_books_answer_costs_nothing_and_asks_nobody() -> None:
    asked = Asked(stated=STATED)
    events = list(asked.events())
    assert asked.calls == [*READ, "answered"]
    answer = "Orc, Armor class: **6** [1]."
    assert events[:-1] == [Sources((ORC,), {}, Facts(((1, FACT),))), Facts(((1, FACT),)), Delta(answer)]
    done = events[-1]
    assert (done.answer, done.answered_by, done.cited) == (answer, "facts", {1})
    assert (done.sources.facts, done.model, done.grounding) == (Facts(((1, FACT),)), None, None)
    assert done.diagnostics[0] == "read so" and "no language model" in done.diagnostics[1]


def test_who_wants_the_model_gets_it_with_the_facts_and_money_is_reserved_at_once() -> None:
    asked = Asked(stated=STATED, exact=False)
    events = list(asked.events())
    steps = [
        f"admit elf r1 {tuple(Estimate(9))}",
        "read",
        "outside",
        "retrieve",
        "draft from ['orc'] and ['6']",
    ]
    assert asked.calls == [*steps, "pay chat", "written", "check", "answered"]
    assert events[1] == Facts(((1, FACT),))
    assert events[-1].answered_by == "model"


def test_facts_that_are_not_the_whole_answer_come_first_and_go_to_the_writer() -> None:
    asked = Asked(stated=UNSURE)
    events = list(asked.events())
    assert asked.calls[: len(STEPS)] == [*STEPS[:-1], "draft from ['orc'] and ['6']"]
    assert [type(event) for event in events[:3]] == [Sources, Facts, Delta]
    assert events[-1].sources.facts == Facts(((1, FACT),))


def test_what_the_books_state_is_in_them_however_strange_the_words_are() -> None:
    asked = Asked(stated=UNSURE, found=False)
    assert next(asked.events()).passages == (ORC,)


@pytest.mark.parametrize("money", [None, used_up()])
def test_what_fails_shows_the_facts_beside_the_passages(money: DndChatError | None) -> None:
    asked = Asked(stated=UNSURE, no_money=money, words=(AIServiceError("down"),))
    _, error = asked.fails()
    assert (list(error.passages), list(error.facts)) == ([ORC], [FACT])


def test_a_refused_question_is_not_read() -> None:
    asked = Asked(stated=STATED, refuses=slowly())
    _, error = asked.fails()
    assert (asked.calls, error.code, list(error.facts)) == ([ADMIT], "rate_limited", [])


# -- a question that a worker has lost ---------------------------------------------------------------------


def test_a_lost_question_is_closed_before_it_is_asked_again() -> None:
    asked = Asked()
    list(asked.events("r0"))
    assert asked.calls[:2] == ["take over r0", ADMIT]


def test_a_lost_question_that_was_paid_for_is_not_asked_again() -> None:
    asked = Asked(lost=AIServiceError("it was paid for"))
    given, error = asked.fails("r0")
    assert (given, error.code, list(error.passages)) == ([], "ai_service_error", [ORC])
    assert asked.calls == ["take over r0", *FREE]


def _refuse(call: str) -> None:
    raise used_up()
