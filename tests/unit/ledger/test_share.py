"""A user's part of a day's money: all of it for a user who is alone, an equal part among many."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from app.errors import BudgetExceeded
from app.ledger import schema
from app.ledger.ledger import Ledger
from app.ledger.store import Store
from app.models import PlannedCall, Usage
from app.web.replies import error_details
from tests.harness.ledgers import CHAT, EMBEDDINGS, SetClock, open_ledger, query

DAY = 86_400
NUMBERS = itertools.count()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def spend(ledger: Ledger, user: str, amount: int) -> None:
    admission = ledger.admit(user, f"r{next(NUMBERS)}", amount, least=1)
    admission.sent(PlannedCall("chat", CHAT, amount)).settle(None)
    admission.finish("answered")


def others_ask(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.admit(f"other-{number}", f"r{next(NUMBERS)}", 0).finish("answered")


def test_who_is_alone_has_the_whole_day(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.010")
    for _ in range(10):
        spend(ledger, "gary", 1_000_000)
    assert ledger.quota("gary").day_spent == 10_000_000


def test_a_share_is_the_day_by_the_users_and_a_quarter_more(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.100", capacity=0)
    others_ask(ledger, 7)
    # Eight with gary, ten shares.
    for _ in range(10):
        spend(ledger, "gary", 1_000_000)
    with pytest.raises(BudgetExceeded) as caught:
        spend(ledger, "gary", 1_000_000)
    assert (caught.value.status, caught.value.code) == (503, "budget_exceeded")
    assert caught.value.public.startswith("Your share of today's budget")
    assert error_details(caught.value)["budget_info"] == {
        "daily_total": 0.01, "daily_budget": 0.1, "percent_used": 10.0,
        "user_total": 0.01, "user_budget": 0.01,
    }  # fmt: skip
    assert caught.value.retry_after == DAY // 2
    assert query(ledger, "SELECT refused_budget FROM user_days WHERE user_id = 'gary'") == [(1,)]
    # It is not the day's budget that is used up: nobody is told so, and the others have theirs.
    assert query(ledger, "SELECT kind FROM alerts") == []
    spend(ledger, "other-1", 10_000_000)
    # What costs nothing is answered all the same, and tomorrow everything is.
    ledger.admit("gary", "free", 0).finish("answered")
    clock.advance(DAY)
    spend(ledger, "gary", 10_000_000)


def test_at_midnight_the_shares_are_as_they_were_and_a_week_later_as_they_are(
    tmp_path: Path, clock: SetClock
) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.100", capacity=0)
    others_ask(ledger, 16)
    clock.advance(7 * DAY)
    spend(ledger, "gary", 4_000_000)
    with pytest.raises(BudgetExceeded):
        spend(ledger, "gary", 4_000_000)
    clock.advance(DAY)
    spend(ledger, "gary", 50_000_000)
    spend(ledger, "gary", 50_000_000)


def test_the_only_question_of_a_day_is_answered_however_small_the_shares_are(
    tmp_path: Path, clock: SetClock
) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.100")
    others_ask(ledger, 100)
    first = PlannedCall("embeddings", EMBEDDINGS, 10)
    with ledger.admit("gary", "a", 5_000_000, first, 700_000) as admission:
        admission.sent(PlannedCall("embeddings", EMBEDDINGS, 10)).settle(Usage(1))
        admission.sent(PlannedCall("chat", CHAT, 4_000_000)).settle(Usage(100, 100))
        admission.finish("answered")
    with pytest.raises(BudgetExceeded):
        ledger.admit("gary", "b", 5_000_000, first, 900_000)


def test_what_an_answer_needs_is_looked_at_when_it_is_asked_for(tmp_path: Path, clock: SetClock) -> None:
    """An ordinary question reserves many times what it costs: that must not keep it from being asked."""
    ledger = open_ledger(tmp_path, clock, budget="0.100")
    others_ask(ledger, 7)
    spend(ledger, "gary", 8_000_000)
    small, large = (ledger.admit("gary", name, 6_000_000, least=700_000) for name in ("small", "large"))
    small.sent(PlannedCall("chat", CHAT, 1_500_000))
    with pytest.raises(BudgetExceeded) as caught:
        large.sent(PlannedCall("chat", CHAT, 1_500_000))
    # The first may cost less than its bound.
    assert caught.value.retry_after < 60
    small.finish("answered")


def test_what_the_answer_does_not_need_is_let_go(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.010")
    held = ledger.admit("gary", "a", 6_000_000)
    with pytest.raises(BudgetExceeded):
        ledger.admit("dave", "b", 6_000_000)
    held.sent(PlannedCall("chat", CHAT, 1_000_000))
    ledger.admit("dave", "c", 6_000_000)
    assert query(ledger, "SELECT request_id, held_nd FROM requests") == [("a", 1_000_000), ("c", 6_000_000)]


def test_shares_can_be_switched_off(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.100", share_days=0)
    others_ask(ledger, 10)
    for _ in range(10):
        spend(ledger, "gary", 10_000_000)


def test_users_of_the_days_before_are_known_to_a_ledger_of_an_older_version(
    tmp_path: Path, clock: SetClock
) -> None:
    path = tmp_path / "ledger.sqlite3"
    with Store(path, schema.MIGRATIONS[:4]).writing() as db:
        for number in range(8):
            db.execute(
                "INSERT INTO user_days (day, user_id, given_back) VALUES ('2026-11-20', ?, 1)",
                (f"other-{number}",),
            )
        db.execute("INSERT INTO user_days (day, user_id, refused_daily) VALUES ('2026-11-20', 'refused', 1)")
        db.execute("INSERT INTO days (day, spent_nd) VALUES ('2026-11-20', 7)")
    ledger = open_ledger(tmp_path, clock, budget="0.100")
    spend(ledger, "gary", 10_000_000)
    with pytest.raises(BudgetExceeded):
        spend(ledger, "gary", 10_000_000)
    assert query(path, "SELECT * FROM days") == [("2026-11-20", 7, 8), ("2026-11-21", 10_000_000, 1)]
