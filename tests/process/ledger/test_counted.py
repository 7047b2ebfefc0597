"""An error says whether its question counts, as the ledger has it, also where ledger or program fails.

What goes wrong outside is in `test_answering.OUTCOMES`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.answering.events import Delta, Done, Query, Sources
from app.deadline import Deadline, blaming_own_work
from app.errors import AIServiceError, DndChatError, LedgerUnavailable, TimedOut, TooMuchWork
from app.ledger import store, turnstile
from app.ledger.ledger import Ledger
from app.models import PlannedCall, Question, User
from app.retrieval.retriever import HybridRetriever
from app.web import replies
from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.doubles.delivery import Reply
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import OpenAIDouble
from tests.harness.doubles.recording import RecordedRequest
from tests.harness.ledgers import CHAT as MODEL
from tests.harness.ledgers import EMBEDDINGS, SetClock, open_ledger, query
from tests.process.ledger.test_answering import CHAT, EMBED, Site
from tests.process.ledger.test_takeover import worker

pytestmark = pytest.mark.timeout(60)


class LockingOpenAI(OpenAIDouble):
    """Before it answers a request for `path`, another program takes the ledger's lock and keeps it."""

    ledger: Path
    path = ""
    lock: sqlite3.Connection | None = None

    def answer(self, request: RecordedRequest) -> Reply:
        if request.path == self.path and self.lock is None:
            self.lock = sqlite3.connect(self.ledger, check_same_thread=False, isolation_level=None)
            self.lock.execute("BEGIN IMMEDIATE")
        return super().answer(request)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(turnstile, "WAIT_SECONDS", 0.1)
    with LockingOpenAI() as openai, AuthDouble() as auth:
        openai.ledger = tmp_path / "ledger.sqlite3"
        made = Site(tmp_path, openai, auth)
        try:
            yield made
        finally:
            if openai.lock is not None:
                openai.lock.close()
            made.close()


def counted(site: Site) -> int:
    """How many questions of the day the ledger counts."""
    return sum(row[0] for row in query(site.path, "SELECT admitted FROM user_days"))


def said(reply: Any) -> dict[str, Any]:
    body: dict[str, Any] = reply.events[-1][1] if reply.status == 200 else reply.json
    return body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (EMBED, None),
        (CHAT, None),
        (CHAT, Fault("close_before_headers", path=CHAT, times=None)),
        (CHAT, Fault("cut", path=CHAT)),
    ],
    ids=["before the answer", "answered", "no reply", "broke off"],
)
def test_a_question_whose_books_cannot_be_closed_is_counted_as_they_say(
    site: Site, path: str, fault: Fault | None, stream: bool
) -> None:
    assert isinstance(site.openai, LockingOpenAI)
    if fault:
        site.openai.faults.push(fault)
    site.openai.path = path
    body = said(site.ask(stream=stream))
    assert (body["error"], body["counted"]) == ("ledger_unavailable", True)
    assert "passages" not in body
    assert counted(site) == 1


def test_a_ledger_that_cannot_be_used_counts_nothing(site: Site) -> None:
    site.path.write_text("this is no ledger")
    assert site.ask().json["counted"] is False


def test_what_fails_before_the_admission_is_not_counted(site: Site) -> None:
    site.auth.faults.push(Fault(status=503, times=None))
    reply = site.ask()
    assert (reply.json["error"], reply.json["counted"]) == ("auth_unavailable", False)


def test_a_defect_in_writing_the_reply_belongs_to_the_question(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "EXCERPT_CHARACTERS", None)
    for number, stream in enumerate((False, True), 1):
        body = said(site.ask(stream=stream))
        assert (body["error"], body["counted"]) == ("internal_error", True)
        assert counted(site) == number
    # Of the stream the sources could not be sent: nobody has had the answer, but it was paid for.
    assert [(outcome, held) for outcome, held, _ in site.requests()] == [
        ("answered", 0),
        ("internal_error", 0),
    ]


@pytest.mark.parametrize(("kind", "counts"), [(Sources, False), (Delta, True), (Done, True)])
def test_what_is_thrown_at_an_event_ends_its_question(site: Site, kind: type, counts: bool) -> None:
    events = site.services.answering.events(
        Query(Question("owlbear"), User("anne"), "first", Deadline(20), stream=True)
    )
    next(event for event in events if isinstance(event, kind))
    with pytest.raises(DndChatError) as caught:
        events.throw(ValueError("no such thing"))
    assert (caught.value.code, caught.value.counted) == ("internal_error", counts)
    assert counted(site) == int(counts)
    assert [row[1] for row in site.requests()] == [0]


# -- a worker that is lost
# ---------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path)


def test_an_answer_that_a_lost_worker_has_paid_for_is_counted(ledger: Ledger) -> None:
    ledger.admit("anne", "first", 1000).sent(PlannedCall("chat", MODEL, 1000))
    with pytest.raises(AIServiceError) as caught:
        ledger.take_over("anne", "first")
    assert caught.value.counted is True
    assert ledger.quota("anne").daily_remaining == 29


def test_an_answer_at_no_cost_that_nobody_has_got_counts_once(ledger: Ledger) -> None:
    worker(ledger, lambda there: there.admit("anne", "first", 0).finish("answered") and None)
    ledger.take_over("anne", "first")
    ledger.admit("anne", "second", 0).finish("answered")
    assert (ledger.quota("anne").daily_remaining, ledger.quota("anne").burst_remaining) == (29, 14)


def test_whether_a_lost_worker_has_counted_it_is_not_said_where_nobody_knows(site: Site) -> None:
    site.path.write_text("this is no ledger")
    answering = site.services.answering
    events = answering.events(
        Query(Question("owlbear"), User("anne"), "second", Deadline(20), lost_id="first")
    )
    with pytest.raises(LedgerUnavailable) as caught:
        next(events)
    assert caught.value.counted is None


@pytest.mark.parametrize(("paid", "counts"), [(False, False), (True, True)])
def test_a_question_that_was_taken_for_dead_and_is_not(ledger: Ledger, paid: bool, counts: bool) -> None:
    """Charged when it was taken over; the provider had refused it, or had not."""
    admission = ledger.admit("anne", "first", 1000)
    call = admission.sent(PlannedCall("chat", MODEL, 1000))
    with pytest.raises(AIServiceError):
        ledger.take_over("anne", "first")
    if not paid:
        call.not_billed()
    admission.finish("ai_service_error")
    assert admission.counted is counts
    left = ledger.quota("anne")
    assert (left.daily_remaining, left.burst_remaining) == ((29, 14) if counts else (30, 15))
    assert left.day_spent == (1000 if paid else 0)


def test_it_is_counted_until_its_books_are_closed(ledger: Ledger) -> None:
    admission = ledger.admit("anne", "first", 1000)
    assert admission.counted
    admission.sent(PlannedCall("embeddings", EMBEDDINGS, 10))
    admission.finish("database_error")
    assert not admission.counted


# -- by whose fault it fails
# -------------------------------------------------------------------------------------------

TOO_LONG = {"error": {"message": "no", "type": "invalid_request_error", "code": "context_length_exceeded"}}
NOT_ALLOWED = {"error": {"message": "triggering the content management policy", "code": "content_filter"}}
UNKNOWN_OPTION = {
    "error": {
        "message": "Unsupported parameter",
        "type": "invalid_request_error",
        "code": "unsupported_parameter",
    }
}
SLOW_DOWN = {"error": {"message": "Reduce the length of the messages or wait", "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [EMBED, CHAT])
@pytest.mark.parametrize(
    ("status", "body", "counts"),
    [
        (400, TOO_LONG, True),
        (400, NOT_ALLOWED, True),
        (413, {}, True),
        (
            500,
            {"error": {"message": "input is too large to process. increase the physical batch size"}},
            True,
        ),
        (400, UNKNOWN_OPTION, False),
        (429, SLOW_DOWN, False),
        (401, TOO_LONG, False),
    ],
)
def test_what_the_provider_refuses_for_the_question_counts(
    site: Site, status: int, body: Any, counts: bool, path: str, stream: bool
) -> None:
    site.openai.faults.push(Fault(path=path, status=status, body=body, times=None, retry_after=0))
    reply = site.ask(stream=stream)
    assert (reply.status, reply.json["error"], reply.json["counted"]) == (502, "ai_service_error", counts)
    assert ("this question" in reply.json["message"]) is counts
    assert counted(site) == int(counts)
    assert reply.json["passages"]


class Laborious(HybridRetriever):
    """Computes for longer than half of the time, as a question can make it do; then it goes on."""

    memory = False

    def retrieve(
        self, question: Question, deadline: Deadline, admission: Any = None, asked: Any = None
    ) -> Any:
        if self.memory:
            bytearray(2**62)
        end = time.thread_time() + 0.6 * deadline.seconds
        while time.thread_time() < end:
            pass
        # The clock on the wall has gone on for longer.
        time.sleep(deadline.remaining())
        return super().retrieve(question, deadline, admission, asked)


@pytest.mark.parametrize(("memory", "status"), [(False, 504), (True, 500)])
def test_the_time_and_the_memory_that_a_question_takes_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bool, status: int
) -> None:
    monkeypatch.setattr(Laborious, "memory", memory)
    with OpenAIDouble() as openai, AuthDouble() as auth:
        site = Site(tmp_path, openai, auth, REQUEST_TIMEOUT_SECONDS="1")
        answering = site.services.answering
        outside = Laborious(None, site.services._openai, site.services.vectors), answering._outside()[1]
        answering._outside = lambda: outside
        tried = []
        answering._free = lambda: tried.append(1) or site.services._lexical()
        try:
            reply = site.ask()
            assert (reply.status, reply.json["counted"]) == (status, True)
            assert counted(site) == 1
            # What was too much once is not tried again for the pages.
            assert tried == []
        finally:
            site.close()


def test_waiting_for_somebody_else_is_not_the_questions_doing() -> None:
    with pytest.raises(TimedOut) as caught, blaming_own_work(Deadline(0.2)):
        time.sleep(0.3)
        raise TimedOut("too slow")
    assert not caught.value.own_doing
    with pytest.raises(TooMuchWork):
        Deadline(0).check("spelling")


@pytest.mark.parametrize("stream", [False, True])
def test_giving_back_has_an_end(tmp_path: Path, stream: bool) -> None:
    with OpenAIDouble() as openai, AuthDouble() as auth:
        site = Site(tmp_path, openai, auth, DAILY_GIVE_BACK_LIMIT="3")
        openai.faults.push(Fault(path=CHAT, status=401, times=None))
        try:
            said = [site.ask(stream=stream).json["counted"] for _ in range(6)]
            assert said == [False] * 3 + [True] * 3
            left = site.call("GET", "/api/me").json["rate_limit"]
            assert (left["daily_remaining"], left["remaining_burst"]) == (27, 12)
            assert query(site.path, "SELECT admitted, given_back, failed FROM user_days") == [(3, 3, 6)]
            # Somebody else has as many.
            assert site.ask(token=auth.token_for("bob")).json["counted"] is False
        finally:
            site.close()


def test_processes_that_are_killed_give_back_as_often_and_no_more(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, give_backs=2, capacity=0)
    for number in range(4):
        worker(ledger, lambda there, number=number: there.admit("anne", f"r{number}", 1000) and None)  # type: ignore[misc]
        ledger.admit("visitor", f"v{number}", 0).finish("answered")
    assert ledger.quota("anne").daily_remaining == 28
    assert query(ledger, "SELECT admitted, given_back, orphaned FROM user_days WHERE user_id = 'anne'") == [
        (2, 2, 4)
    ]


def test_a_day_starts_with_all_of_them_again(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock, give_backs=1)
    for number, counts in enumerate((False, True, False, True)):
        if number == 2:
            clock.advance(86_400)
        admission = ledger.admit("anne", f"r{number}", 0)
        admission.finish("database_error")
        assert admission.counted is counts
