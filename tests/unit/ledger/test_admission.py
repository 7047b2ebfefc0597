"""Limits as one user meets them: refusals with the time to wait, quota given back, clocks that misbehave."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from app.errors import (
    BudgetExceeded,
    ConcurrentRequest,
    DailyLimitExceeded,
    InvalidRequest,
    LedgerUnavailable,
    RateLimited,
)
from app.ledger.ledger import Ledger
from app.models import PlannedCall, Usage
from app.web.flask_app import rate_limit_headers as headers
from app.web.replies import error_details, receipt_meta
from tests.harness.ledgers import CHAT, EMBEDDINGS, SetClock, open_ledger, query

HOUR = 3600
MIDNIGHT = 12 * HOUR
NUMBERS = itertools.count()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def ask(ledger: Ledger, times: int = 1, user: str = "gary") -> None:
    for _ in range(times):
        ledger.admit(user, f"r{next(NUMBERS)}", 0).finish("answered")


def test_one_token_comes_back_every_60_seconds_exactly(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, daily=1000)
    ask(ledger, 15)
    with pytest.raises(RateLimited) as caught:
        ask(ledger)
    assert (caught.value.status, caught.value.code) == (429, "rate_limited")
    assert error_details(caught.value) == {"rate_info": {"daily_remaining": 985, "retry_after": 60}}
    assert caught.value.retry_after == 60
    clock.advance(59.999999)
    with pytest.raises(RateLimited) as caught:
        ask(ledger)
    # A millionth of a second is rounded up; a wait of 0 would be a lie.
    assert caught.value.retry_after == 1
    clock.advance(0.000001)
    ask(ledger)
    with pytest.raises(RateLimited) as caught:
        ask(ledger)
    assert caught.value.retry_after == 60
    clock.advance(10_000)
    assert ledger.quota("gary").burst_remaining == 15


def test_the_bucket_is_not_refilled_at_midnight_but_the_day_is(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock)
    ask(ledger, 10)
    clock.advance(MIDNIGHT - 30)
    assert ledger.quota("gary").daily_reset == 30
    ask(ledger, 15)
    clock.advance(30)
    quota = ledger.quota("gary")
    assert (quota.burst_remaining, quota.daily_remaining, quota.burst_reset) == (0, 30, 30)


def test_the_daily_limit_waits_for_midnight_utc(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, capacity=0)
    ask(ledger, 30)
    with pytest.raises(DailyLimitExceeded) as caught:
        ask(ledger)
    assert (caught.value.status, caught.value.code) == (429, "daily_limit_exceeded")
    assert error_details(caught.value) == {"rate_info": {"daily_remaining": 0, "retry_after": None}}
    assert caught.value.retry_after == MIDNIGHT
    ask(ledger, user="someone else")
    clock.advance(MIDNIGHT)
    ask(ledger)


def test_questions_in_flight_are_limited_for_each_user(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, in_flight=2)
    first = ledger.admit("gary", "a", 0)
    ledger.admit("gary", "b", 0)
    with pytest.raises(ConcurrentRequest) as caught:
        ledger.admit("gary", "c", 0)
    assert (caught.value.status, caught.value.code) == (429, "concurrent_request")
    assert error_details(caught.value)["rate_info"] == {
        "daily_remaining": 28,
        "retry_after": caught.value.retry_after,
    }
    assert caught.value.retry_after > 0
    ledger.admit("someone else", "d", 0)
    first.finish("answered")
    ledger.admit("gary", "e", 0)


def test_a_refused_question_costs_no_quota(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, in_flight=1)
    ledger.admit("gary", "a", 0)
    before = ledger.quota("gary")
    with pytest.raises(ConcurrentRequest):
        ledger.admit("gary", "b", 0)
    with pytest.raises(BudgetExceeded):
        ledger.admit("dave", "c", 2_000_000_000)
    assert ledger.quota("gary") == before
    assert ledger.quota("dave").daily_remaining == 30


def test_the_budget_refuses_what_does_not_fit(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.01")
    held = ledger.admit("gary", "a", 6_000_000)
    with pytest.raises(BudgetExceeded) as caught:
        ledger.admit("dave", "b", 6_000_000)
    assert (caught.value.status, caught.value.code) == (503, "budget_exceeded")
    # It may fit in a moment: nothing is spent yet.
    assert error_details(caught.value) == {
        "budget_info": {"daily_total": 0.0, "daily_budget": 0.01, "percent_used": 0.0}
    }
    assert caught.value.retry_after < 60
    held.sent(PlannedCall("chat", CHAT, 6_000_000)).settle(None)
    held.finish("answered")
    with pytest.raises(BudgetExceeded) as caught:
        ledger.admit("dave", "c", 6_000_000)
    assert error_details(caught.value) == {
        "budget_info": {"daily_total": 0.006, "daily_budget": 0.01, "percent_used": 60.0}
    }
    assert caught.value.retry_after == MIDNIGHT
    # What costs nothing is answered all the same, and tomorrow everything is.
    ledger.admit("dave", "free", 0).finish("answered")
    clock.advance(MIDNIGHT)
    ledger.admit("dave", "d", 6_000_000)


def test_a_second_attempt_needs_a_reservation_of_its_own(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.010")
    admission = ledger.admit("gary", "a", 4_000_000)
    admission.sent(PlannedCall("chat", CHAT, 4_000_000)).settle(None)
    second = admission.sent(PlannedCall("chat", CHAT, 4_000_000))
    assert query(ledger, "SELECT held_nd, spent_nd FROM requests") == [(4_000_000, 4_000_000)]
    with pytest.raises(BudgetExceeded):
        admission.sent(PlannedCall("chat", CHAT, 4_000_000))
    assert query(ledger, "SELECT COUNT(*) FROM calls") == [(2,)]
    second.settle(Usage(100, 100))
    assert admission.finish("answered").cost == 4_000_000 + 100 * 100 + 100 * 500


def test_an_attempt_that_was_free_leaves_its_reservation_to_the_next(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, budget="0.004")
    admission = ledger.admit("gary", "a", 4_000_000)
    for _ in range(3):
        admission.sent(PlannedCall("chat", CHAT, 4_000_000)).not_billed()
    admission.sent(PlannedCall("chat", CHAT, 4_000_000)).settle(
        Usage(1000, 100, cached_tokens=400, cache_write_tokens=200)
    )
    assert admission.finish("answered").cost == 400 * 100 + 400 * 10 + 200 * 125 + 100 * 500


@pytest.mark.parametrize(
    ("calls", "outcome", "cost", "given_back"),
    [
        ([], "answered", 0, False),
        ([], "database_error", 0, True),
        ([("embeddings", Usage(10))], "database_error", 200, True),
        ([("embeddings", Usage(10)), ("chat", "free")], "ai_service_error", 200, True),
        ([("embeddings", Usage(10)), ("chat", None)], "timeout_error", 200 + 5_000_000, False),
        ([("embeddings", Usage(10)), ("chat", Usage(10, 20))], "internal_error", 200 + 11_000, False),
        ([("embeddings", Usage(10)), ("chat", "unsettled")], "disconnected", 200 + 5_000_000, False),
        ([("embeddings", "unsettled")], "disconnected", 1000, True),
        ([("embeddings", Usage(10)), ("chat", Usage(10, 20))], "answered", 200 + 11_000, False),
        # Counts that no model can have had are no counts.
        ([("chat", Usage(10**15, 1))], "answered", 5_000_000, False),
        ([("chat", Usage(-5, 1))], "answered", 5_000_000, False),
    ],
)
def test_what_a_question_costs_and_whether_its_quota_comes_back(
    tmp_path: Path, clock: SetClock, calls: list[tuple[Any, Any]], outcome: str, cost: int, given_back: bool
) -> None:
    ledger = open_ledger(tmp_path, clock)
    admission = ledger.admit("gary", "a", 5_001_000)
    for kind, end in calls:
        model, bound = (EMBEDDINGS, 1000) if kind == "embeddings" else (CHAT, 5_000_000)
        call = admission.sent(PlannedCall(kind, model, bound))
        if end == "free":
            call.not_billed()
        elif end != "unsettled":
            call.settle(end)
    receipt = admission.finish(outcome, 1500)
    left = (15, 30) if given_back else (14, 29)
    assert (receipt.cost, receipt.quota.burst_remaining, receipt.quota.daily_remaining) == (cost, *left)
    assert receipt.quota == ledger.quota("gary")
    assert receipt.quota.day_spent == receipt.quota.user_spent == cost
    assert query(ledger, "SELECT held_nd, outcome, spent_nd FROM requests") == [(0, outcome, cost)]
    # Ending it again changes nothing.
    assert admission.finish("answered") == receipt
    assert ledger.quota("gary") == receipt.quota


@pytest.mark.parametrize(
    ("end", "cost"),
    [
        ("settled", 20),
        ("unsettled", 1000),
        ("free", 0),
        ("never made", 0),
        ("larger than planned", 2000),
        ("process died", 1000),
    ],
)
def test_the_first_call_is_committed_with_the_admission(
    tmp_path: Path, clock: SetClock, end: str, cost: int
) -> None:
    ledger = open_ledger(tmp_path, clock)
    admission = ledger.admit("gary", "a", 5_001_000, PlannedCall("embeddings", EMBEDDINGS, 1000))
    # Whatever happens from here on, the books have it.
    assert query(ledger, "SELECT kind, state, bound_nd FROM calls") == [("embeddings", "sent", 1000)]
    if end == "process died":
        clock.advance(HOUR)
        ledger.admit("dave", "b", 0)
    elif end == "larger than planned":
        admission.sent(PlannedCall("embeddings", EMBEDDINGS, 2000))
        assert query(ledger, "SELECT state, cost_nd FROM calls") == [("free", 0), ("sent", 0)]
    elif end != "never made":
        call = admission.sent(PlannedCall("embeddings", EMBEDDINGS, 900))
        assert query(ledger, "SELECT count(*) FROM calls") == [(1,)]
        if end == "settled":
            call.settle(Usage(1, 0))
        elif end == "free":
            call.not_billed()
    if end != "process died":
        admission.finish("database_error")
    assert query(ledger, "SELECT held_nd, spent_nd FROM requests WHERE request_id = 'a'") == [(0, cost)]
    # No answer was paid for.
    assert ledger.quota("gary").daily_remaining == 30


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InvalidRequest("k", "no"), "invalid_request"),
        (ZeroDivisionError(), "internal_error"),
        (GeneratorExit(), "disconnected"),
        (BrokenPipeError(), "disconnected"),
        (KeyboardInterrupt(), "internal_error"),
    ],
)
def test_a_question_that_ends_in_an_error_is_closed(
    tmp_path: Path, error: BaseException, outcome: str
) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(type(error)), ledger.admit("gary", "a", 1000):
        raise error
    assert query(ledger, "SELECT outcome, held_nd FROM requests") == [(outcome, 0)]
    assert ledger.quota("gary").daily_remaining == 30


def test_a_bill_over_the_bound_is_booked_as_it_is(
    tmp_path: Path, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = open_ledger(tmp_path, clock)
    admission = ledger.admit("gary", "a", 1000)
    admission.sent(PlannedCall("chat", CHAT, 1000)).settle(Usage(1000, 1000))
    assert admission.finish("answered").cost == 600_000
    assert "more than its bound" in caplog.text


def test_midnight_between_admission_and_settlement(tmp_path: Path, clock: SetClock) -> None:
    """A question belongs wholly to the day of its admission: its cost, its quota, and what it gives back."""
    ledger = open_ledger(tmp_path, clock, budget="0.01")
    clock.advance(MIDNIGHT - 1)
    answered, failed = ledger.admit("gary", "a", 5_000_000), ledger.admit("gary", "b", 5_000_000)
    clock.advance(2)
    # Yesterday's reservations take nothing from today.
    ledger.admit("dave", "c", 10_000_000)
    call = answered.sent(PlannedCall("chat", CHAT, 5_000_000))
    call.settle(Usage(1000, 1000))
    assert answered.finish("answered").quota.daily_remaining == 30
    failed.finish("database_error")
    days = "SELECT day, user_id, admitted, given_back, spent_nd FROM user_days ORDER BY day, user_id"
    assert query(ledger, days) == [("2026-11-21", "gary", 1, 1, 600_000), ("2026-11-22", "dave", 1, 0, 0)]
    assert query(ledger, "SELECT day, spent_nd FROM days") == [("2026-11-21", 600_000), ("2026-11-22", 0)]


# Clocks.


@pytest.mark.parametrize("step", [-HOUR, -24 * HOUR, HOUR, 30 * 24 * HOUR])
def test_setting_the_clock_neither_gives_nor_takes_burst(tmp_path: Path, clock: SetClock, step: int) -> None:
    ledger = open_ledger(tmp_path, clock, daily=1000)
    ask(ledger, 12)
    clock.set_wall(step)
    assert (ledger.quota("gary").burst_remaining, ledger.quota("gary").burst_reset) == (3, 60)
    clock.advance(60)
    assert ledger.quota("gary").burst_remaining == 4
    ask(ledger, 4)
    clock.set_wall(-step)
    with pytest.raises(RateLimited) as caught:
        ask(ledger)
    assert caught.value.retry_after == 60


def test_after_a_reboot_the_wall_clock_counts_but_never_backwards(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, daily=1000)
    ask(ledger, 15)
    clock.reboot("boot-2")
    clock.advance(120)
    assert ledger.quota("gary").burst_remaining == 2
    ask(ledger)
    clock.reboot("boot-3")
    clock.set_wall(-HOUR)
    assert (ledger.quota("gary").burst_remaining, ledger.quota("gary").burst_reset) == (1, 60)


def test_a_clock_set_back_over_midnight_gives_no_second_day(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, capacity=0, budget="0.01")
    ask(ledger, 30)
    clock.advance(MIDNIGHT + 60)
    ask(ledger, 29)
    spender = ledger.admit("dave", "d", 10_000_000)
    spender.sent(PlannedCall("chat", CHAT, 10_000_000)).settle(None)
    spender.finish("answered")
    clock.set_wall(-HOUR)
    with pytest.raises(DailyLimitExceeded):
        ask(ledger)
    clock.set_wall(HOUR)
    ask(ledger)
    with pytest.raises(DailyLimitExceeded):
        ask(ledger)
    with pytest.raises(BudgetExceeded):
        ledger.admit("dave", "e", 1)


# Orphans.


def test_a_question_that_is_open_for_too_long_is_closed_by_age(tmp_path: Path, clock: SetClock) -> None:
    """Its process cannot be seen from here, or lives on and has forgotten it."""
    ledger = open_ledger(tmp_path, clock, in_flight=1)
    forgotten = ledger.admit("gary", "a", 2_000_000)
    call = forgotten.sent(PlannedCall("chat", CHAT, 1_000_000))
    clock.advance(120)
    with pytest.raises(ConcurrentRequest):
        ledger.admit("gary", "b", 0)
    clock.advance(1)
    ledger.admit("gary", "c", 0)
    assert query(ledger, "SELECT outcome, spent_nd FROM requests WHERE request_id = 'a'") == [
        ("orphaned", 1_000_000)
    ]
    # It was only slow: it may not send anything more, and what it did send is corrected.
    with pytest.raises(LedgerUnavailable):
        forgotten.sent(PlannedCall("chat", CHAT, 1_000_000))
    call.settle(Usage(100, 100))
    assert forgotten.finish("answered").cost == 60_000
    assert query(ledger, "SELECT spent_nd FROM days") == [(60_000,)]
    assert query(ledger, "SELECT outcome, spent_nd, held_nd FROM requests WHERE request_id = 'a'") == [
        ("orphaned", 60_000, 0)
    ]


def test_a_clock_set_back_does_not_keep_orphans_of_another_machine(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock, in_flight=1)
    clock.boot = "another machine"
    ledger.admit("gary", "a", 1000)
    clock.reboot("this machine")
    clock.set_wall(-HOUR)
    ledger.admit("gary", "b", 1000)
    assert query(ledger, "SELECT outcome, spent_nd FROM requests WHERE request_id = 'a'") == [("orphaned", 0)]
    assert ledger.quota("gary").daily_remaining == 29


# What clients see.


def test_headers_of_the_contract(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock)
    ask(ledger)
    assert headers(ledger.quota("gary")) == {
        "RateLimit-Policy": '"burst";q=15;w=900, "daily";q=30;w=86400',
        "RateLimit": f'"burst";r=14;t=60, "daily";r=29;t={MIDNIGHT}',
    }
    assert headers(open_ledger(tmp_path, clock, capacity=0).quota("gary")) == {
        "RateLimit-Policy": '"daily";q=30;w=86400',
        "RateLimit": f'"daily";r=29;t={MIDNIGHT}',
    }


def test_the_meta_of_an_answer(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock)
    for number in range(2):
        admission = ledger.admit("gary", f"r{number}", 5_000_000)
        admission.sent(PlannedCall("chat", CHAT, 5_000_000)).settle(Usage(1620, 324))
        receipt = admission.finish("answered")
    assert receipt_meta(receipt) == {
        "rate_limit": {"remaining_burst": 13, "daily_remaining": 28},
        "cost": {"query_cost": 0.000324, "daily_total": 0.000648, "daily_budget": 1.0},
    }


def test_feedback_is_for_answers_one_was_given_and_the_last_counts(tmp_path: Path, clock: SetClock) -> None:
    ledger = open_ledger(tmp_path, clock)
    ledger.admit("gary", "good", 0).finish("answered")
    ledger.admit("gary", "failed", 0).finish("database_error")
    for request_id, user in (("good", "dave"), ("failed", "gary"), ("none", "gary")):
        with pytest.raises(InvalidRequest) as caught:
            ledger.give_feedback(user, request_id, "up")
        assert error_details(caught.value) == {"field": "request_id"}
    with pytest.raises(InvalidRequest):
        ledger.give_feedback("gary", "good", "sideways")
    with pytest.raises(InvalidRequest):
        ledger.give_feedback("gary", "good", "up", "x" * 2001)
    ledger.give_feedback("gary", "good", "up", "thanks")
    ledger.give_feedback("gary", "good", "up", "thanks again")
    assert query(ledger, "SELECT thumbs_up, thumbs_down FROM user_days WHERE user_id = 'gary'") == [(1, 0)]
    ledger.give_feedback("gary", "good", "down")
    assert query(ledger, "SELECT thumbs_up, thumbs_down FROM user_days WHERE user_id = 'gary'") == [(0, 1)]
    assert query(ledger, "SELECT * FROM feedback") == [("good", "gary", "2026-11-21", "down", None)]


# -- money that is reserved when it turns out to be needed


def test_a_question_that_costs_nothing_is_admitted_when_the_budget_is_used_up(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, budget="0.00", capacity=3)
    assert ledger.admit("gary", "exact").finish("answered").cost == 0
    assert query(ledger, "SELECT held_nd, spent_nd FROM requests") == [(0, 0)]
    quota = ledger.quota("gary")
    assert (quota.burst_remaining, quota.daily_remaining) == (2, 29)


def test_a_question_for_which_there_is_no_money_after_all_is_as_if_it_had_not_been_asked(
    tmp_path: Path,
) -> None:
    ledger = open_ledger(tmp_path, SetClock(), budget="0.001", in_flight=1)
    before = ledger.quota("gary")
    with pytest.raises(BudgetExceeded) as caught, ledger.admit("gary", "dear") as admission:
        admission.reserve(2_000_000, PlannedCall("embeddings", EMBEDDINGS, 1))
    assert admission.counted is False
    assert caught.value.quota == ledger.quota("gary") == before
    assert query(ledger, "SELECT * FROM requests") == query(ledger, "SELECT * FROM calls") == []
    # It took none of the failures that are given back, and nothing is in flight.
    assert query(ledger, "SELECT given_back, failed, refused_budget FROM user_days") == [(0, 0, 1)]
    assert query(ledger, "SELECT users FROM days") == [(0,)]
    ledger.admit("gary", "next")


def test_money_that_is_reserved_later_is_held_and_spent_as_if_it_had_been_at_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    call = PlannedCall("embeddings", EMBEDDINGS, 400)
    with ledger.admit("gary", "late") as admission:
        admission.reserve(1000, call)
        assert query(ledger, "SELECT held_nd FROM requests") == [(1000,)]
        assert query(ledger, "SELECT kind, state, bound_nd FROM calls") == [("embeddings", "sent", 400)]
        admission.sent(call).settle(Usage(10))
        assert admission.finish("answered").cost == 200
    assert query(ledger, "SELECT held_nd, spent_nd FROM requests") == [(0, 200)]


def test_nothing_is_reserved_for_a_question_that_was_taken_for_dead(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock)
    admission = ledger.admit("gary", "slow")
    clock.advance(121)
    ledger.admit("dave", "visitor").finish("answered")
    with pytest.raises(LedgerUnavailable):
        admission.reserve(1000)
    assert query(ledger, "SELECT SUM(held_nd) FROM requests") == [(0,)]
