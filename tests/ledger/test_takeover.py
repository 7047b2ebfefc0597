"""A worker that dies or freezes under a question: another process answers it, and nobody pays twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import AIServiceError, LedgerUnavailable
from app.ledger.ledger import Ledger
from tests.ledger.support import CHAT as MODEL
from tests.ledger.support import open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path)


def test_a_question_that_was_not_paid_for_may_be_asked_again_and_takes_one_quota(ledger: Ledger) -> None:
    before = ledger.quota("anne").daily_remaining
    frozen = ledger.admit("anne", "first", 1000)
    ledger.take_over("anne", "first")
    ledger.admit("anne", "second", 1000).finish("answered")
    assert ledger.quota("anne").daily_remaining == before - 1
    with pytest.raises(LedgerUnavailable):
        frozen.sent("chat", MODEL, 1000)


def test_a_question_that_was_paid_for_is_not_paid_for_again(ledger: Ledger) -> None:
    ledger.admit("anne", "first", 1000).sent("chat", MODEL, 1000)
    with pytest.raises(AIServiceError):
        ledger.take_over("anne", "first")
    assert ledger.quota("anne").day_spent == 1000, "what may have been spent counts"


def test_a_worker_that_had_not_begun_yet_comes_too_late(ledger: Ledger) -> None:
    ledger.take_over("anne", "first")
    with pytest.raises(LedgerUnavailable):
        ledger.admit("anne", "first", 1000)
    assert ledger.quota("anne").daily_remaining == 30


def test_finding_passages_does_not_keep_the_question_from_being_asked_again(ledger: Ledger) -> None:
    ledger.admit("anne", "first", 1000).sent("embeddings", MODEL, 10)
    ledger.take_over("anne", "first")
    assert ledger.quota("anne").day_spent == 10
