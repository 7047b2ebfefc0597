"""Whether a question counts is said with its error as the ledger has it, also where the ledger itself or this program fails.

What goes wrong outside is in `test_answering.OUTCOMES`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.answering.events import Delta, Done, Sources
from app.deadline import Deadline
from app.errors import AIServiceError, DndChatError, LedgerUnavailable
from app.ledger import store, turnstile
from app.ledger.ledger import Ledger
from app.models import Question, User
from app.web import replies
from tests.doubles.auth_api import AuthDouble
from tests.doubles.delivery import Reply
from tests.doubles.faults import Fault
from tests.doubles.openai import OpenAIDouble
from tests.doubles.recording import RecordedRequest
from tests.ledger.support import CHAT as MODEL
from tests.ledger.support import EMBEDDINGS, open_ledger, query
from tests.ledger.test_answering import CHAT, EMBED, Site

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


def test_a_defect_in_writing_the_reply_belongs_to_the_question(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "EXCERPT_CHARACTERS", None)
    for number, stream in enumerate((False, True), 1):
        body = said(site.ask(stream=stream))
        assert (body["error"], body["counted"]) == ("internal_error", True)
        assert counted(site) == number
    # Of the stream the sources could not be sent: nobody has had the answer, but it was paid for.
    assert [(outcome, held) for outcome, held, _ in site.requests()] == [("answered", 0), ("internal_error", 0)]


@pytest.mark.parametrize(("kind", "counts"), [(Sources, False), (Delta, True), (Done, True)])
def test_what_is_thrown_at_an_event_ends_its_question(site: Site, kind: type, counts: bool) -> None:
    events = site.services.answering.events(Question("owlbear"), User("anne"), "first", Deadline(20), stream=True)
    next(event for event in events if isinstance(event, kind))
    with pytest.raises(DndChatError) as caught:
        events.throw(ValueError("no such thing"))
    assert (caught.value.code, caught.value.counted) == ("internal_error", counts)
    assert counted(site) == int(counts)
    assert [row[1] for row in site.requests()] == [0]


# -- a worker that is lost ---------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path)


def test_an_answer_that_a_lost_worker_has_paid_for_is_counted(ledger: Ledger) -> None:
    ledger.admit("anne", "first", 1000).sent("chat", MODEL, 1000)
    with pytest.raises(AIServiceError) as caught:
        ledger.take_over("anne", "first")
    assert caught.value.counted is True
    assert ledger.quota("anne").daily_remaining == 29


def test_an_answer_at_no_cost_that_nobody_has_got_counts_once(ledger: Ledger) -> None:
    ledger.admit("anne", "first", 0).finish("answered")
    ledger.take_over("anne", "first")
    ledger.admit("anne", "second", 0).finish("answered")
    assert (ledger.quota("anne").daily_remaining, ledger.quota("anne").burst_remaining) == (29, 14)


def test_whether_a_lost_worker_has_counted_it_is_not_said_where_nobody_knows(site: Site) -> None:
    site.path.write_text("this is no ledger")
    answering = site.services.answering
    events = answering.events(Question("owlbear"), User("anne"), "second", Deadline(20), stream=False, lost_id="first")
    with pytest.raises(LedgerUnavailable) as caught:
        next(events)
    assert caught.value.counted is None


@pytest.mark.parametrize(("paid", "counts"), [(False, False), (True, True)])
def test_a_question_that_was_taken_for_dead_and_is_not(ledger: Ledger, paid: bool, counts: bool) -> None:
    """Charged when it was taken over; the provider had refused it, or had not."""
    admission = ledger.admit("anne", "first", 1000)
    call = admission.sent("chat", MODEL, 1000)
    with pytest.raises(AIServiceError):
        ledger.take_over("anne", "first")
    if not paid:
        call.free()
    admission.finish("ai_service_error")
    assert admission.counted is counts
    left = ledger.quota("anne")
    assert (left.daily_remaining, left.burst_remaining) == ((29, 14) if counts else (30, 15))
    assert left.day_spent == (1000 if paid else 0)


def test_it_is_counted_until_its_books_are_closed(ledger: Ledger) -> None:
    admission = ledger.admit("anne", "first", 1000)
    assert admission.counted
    admission.sent("embeddings", EMBEDDINGS, 10)
    admission.finish("database_error")
    assert not admission.counted
