"""A worker dies or falls silent under a question: it is tried once more at most, paid once, counted once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import AIServiceError, LedgerUnavailable, TooMuchWork
from app.ledger.ledger import Admission, Ledger
from app.models import PlannedCall
from tests.harness.ledgers import CHAT as MODEL
from tests.harness.ledgers import open_ledger, query


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path)


def worker(ledger: Ledger, begin: Callable[[Ledger], None]) -> None:
    """Another process does `begin` and ends."""
    ledger.quota("anne")
    ledger.close()
    if not (child := os.fork()):
        begin(ledger)
        os._exit(0)
    os.waitpid(child, 0)


def ask(ledger: Ledger) -> Admission:
    return ledger.admit("anne", "first", 1000)


def left(ledger: Ledger) -> tuple[int, int]:
    quota = ledger.quota("anne")
    return quota.daily_remaining, quota.burst_remaining


def test_a_question_that_was_not_paid_for_may_be_asked_again_and_takes_one_quota(ledger: Ledger) -> None:
    worker(ledger, lambda there: ask(there) and None)
    ledger.take_over("anne", "first")
    ledger.admit("anne", "second", 1000).finish("answered")
    assert left(ledger) == (29, 14)
    assert query(ledger, "SELECT request_id, outcome FROM requests") == [
        ("first", "orphaned"),
        ("second", "answered"),
    ]


def test_it_counts_once_also_when_nothing_more_is_given_back(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, give_backs=0)
    worker(ledger, lambda there: ask(there) and None)
    ledger.take_over("anne", "first")
    # The second process is killed, too: nobody asks a third time, and it counts.
    worker(ledger, lambda there: there.admit("anne", "second", 1000) and None)
    ledger.admit("dave", "third", 0)
    assert left(ledger) == (29, 14)


def test_a_question_that_was_paid_for_is_not_paid_for_again(ledger: Ledger) -> None:
    worker(ledger, lambda there: ask(there).sent(PlannedCall("chat", MODEL, 1000)) and None)
    with pytest.raises(AIServiceError) as caught:
        ledger.take_over("anne", "first")
    assert caught.value.counted
    assert ledger.quota("anne").day_spent == 1000, "what may have been spent counts"


def test_a_worker_that_had_not_begun_yet_comes_too_late(ledger: Ledger) -> None:
    ledger.take_over("anne", "first")
    with pytest.raises(LedgerUnavailable):
        ledger.admit("anne", "first", 1000)
    assert ledger.quota("anne").daily_remaining == 30


def test_finding_passages_does_not_keep_the_question_from_being_asked_again(ledger: Ledger) -> None:
    worker(ledger, lambda there: ask(there).sent(PlannedCall("embeddings", MODEL, 10)) and None)
    ledger.take_over("anne", "first")
    assert ledger.quota("anne").day_spent == 10


def test_a_worker_that_lives_and_says_nothing_is_not_relieved_of_its_work(ledger: Ledger) -> None:
    """It is this process: whoever lives may still be at it."""
    silent = ask(ledger)
    with pytest.raises(TooMuchWork) as caught:
        ledger.take_over("anne", "first")
    assert (caught.value.status, caught.value.code, caught.value.counted) == (504, "timeout_error", True)
    assert left(ledger) == (29, 14)
    with pytest.raises(LedgerUnavailable):
        silent.sent(PlannedCall("chat", MODEL, 1000))
    # It says so when it wakes, and that changes nothing.
    silent.finish("timeout_error")
    assert left(ledger) == (29, 14)


@pytest.mark.parametrize(("outcome", "counts"), [("database_error", False), ("timeout_error", True)])
def test_a_question_that_had_failed_is_not_asked_again(ledger: Ledger, outcome: str, counts: bool) -> None:
    def fail(there: Ledger) -> None:
        ask(there).finish(outcome, own_doing=counts)

    worker(ledger, fail)
    with pytest.raises(AIServiceError) as caught:
        ledger.take_over("anne", "first")
    assert caught.value.counted is counts
    assert ledger.quota("anne").daily_remaining == (29 if counts else 30)
