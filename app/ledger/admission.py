"""Whether a question is admitted: every limit and the reservation, in one transaction.

The order is by how long a refusal lasts: who has used up the day is told so, not to wait a minute.
"""

from __future__ import annotations

import sqlite3

from app.errors import BudgetExceeded, ConcurrentRequest, DailyLimitExceeded, RateLimited, Refused
from app.ledger import alerts, orphans, process, share, sql
from app.ledger.clock import Clock, Moment
from app.ledger.quota import day_held, day_spent, read_bucket, read_quota, write_bucket
from app.ledger.store import Store
from app.models import PlannedCall, Quota
from app.settings import LimitSettings

# Nobody knows when an answer in flight will be complete; asking again costs nothing.
IN_FLIGHT_RETRY_SECONDS = 2


def admit(
    store: Store,
    clock: Clock,
    limits: LimitSettings,
    orphan_after_us: int,
    user_id: str,
    request_id: str,
    reserve: int,
    first: PlannedCall | None = None,
    least: int = 0,
) -> tuple[str, Quota, int | None]:
    """Open a question that holds `reserve` nano-dollars, `first` among them.

    Returns its UTC day, what the user has left, and the id of the first call, which is committed as sent.

    Raises the errors under Refused, and LedgerUnavailable.
    """
    me = process.current()
    call_id = None
    with store.writing() as db:
        # Read under the lock: waiting for it may have taken us past midnight.
        now = clock.now()
        orphans.clear(db, limits, now, orphan_after_us, me.place)
        refusal = _refusal(db, limits, now, user_id, reserve, least)
        if refusal is None:
            user_day = db.execute(sql.USER_DAY, {"day": now.day, "user_id": user_id}).fetchone()
            if user_day is None or not user_day["admitted"] + user_day["given_back"]:
                db.execute(sql.ADD_USER, {"day": now.day})
            bucket = read_bucket(db, limits, user_id, now)
            write_bucket(db, user_id, bucket.taken(), now)
            db.execute(sql.add_user_day("admitted"), {"day": now.day, "user_id": user_id, "admitted": 1})
            place = {"place": me.place, "pid": me.pid, "pid_started": me.started}
            since = {"wall_us": now.wall_us, "steady_us": now.steady_us, "boot": now.boot}
            request = {"request_id": request_id, "user_id": user_id, "day": now.day, "held_nd": reserve}
            db.execute(sql.OPEN_REQUEST, {**request, **place, **since})
            if first is not None:
                call_id = add_call(db, request_id, first)
        quota = read_quota(db, limits, user_id, now)
    # Only now: raised inside, it would undo the count of refusals and the orphans' settlement.
    if refusal is not None:
        raise refusal
    return now.day, quota, call_id


def add_call(db: sqlite3.Connection, request_id: str, call: PlannedCall) -> int:
    """Write down that `call` is being made, for the question's reservation to cover; returns its id."""
    row = {"request_id": request_id, "kind": call.kind, "model": call.model, "bound_nd": call.bound}
    number = db.execute(sql.ADD_CALL, row).lastrowid
    assert number is not None
    return number


def budget_refusal(
    db: sqlite3.Connection, limits: LimitSettings, now: Moment, day: str, user_id: str, amount: int
) -> BudgetExceeded | None:
    """The refusal, counted and marked, if `amount` more nano-dollars do not fit into the budget of `day`."""
    spent, held = day_spent(db, day), day_held(db, day)
    budget = limits.daily_budget
    if amount == 0 or spent + held + amount <= budget:
        return None
    db.execute(sql.add_user_day("refused_budget"), {"day": day, "user_id": user_id, "refused_budget": 1})
    used_up = spent + amount > budget
    if used_up:
        alerts.mark_budget_used_up(db, day)
    return BudgetExceeded(
        f"budget of {day}: {spent} nano-dollars spent, {held} reserved, {amount} more asked for, {budget} allowed",
        # While open questions hold the rest, one that ends may leave room.
        retry_after=now.seconds_to_midnight if used_up else IN_FLIGHT_RETRY_SECONDS,
        quota=read_quota(db, limits, user_id, now),
        spent=spent,
        budget=budget,
    )


def _refusal(
    db: sqlite3.Connection, limits: LimitSettings, now: Moment, user_id: str, reserve: int, least: int
) -> Refused | None:
    """Why the question cannot be admitted, counted in the user's day."""
    quota = read_quota(db, limits, user_id, now)
    refusal: Refused
    if not quota.daily_remaining:
        column, wait = "refused_daily", quota.daily_reset
        refusal = DailyLimitExceeded("daily limit", retry_after=wait, quota=quota)
        alerts.mark_user_limit(db, now.day, user_id)
    elif quota.burst_capacity and not quota.burst_remaining:
        column = "refused_burst"
        refusal = RateLimited("burst limit", retry_after=quota.burst_reset, quota=quota)
    elif (crowded := in_flight_refusal(db, limits, user_id, quota)) is not None:
        column, refusal = "refused_in_flight", crowded
    else:
        return share.refusal(db, limits, now, now.day, user_id, least) or budget_refusal(
            db, limits, now, now.day, user_id, reserve
        )
    db.execute(sql.add_user_day(column), {"day": now.day, "user_id": user_id, column: 1})
    return refusal


def in_flight_refusal(db: sqlite3.Connection, limits: LimitSettings, user_id: str, quota: Quota) -> ConcurrentRequest | None:
    """The refusal if the user has as much in flight as may be, questions and what costs no quota together."""
    in_flight: int = db.execute(sql.IN_FLIGHT, {"user_id": user_id}).fetchone()[0]
    if not limits.max_in_flight or in_flight < limits.max_in_flight:
        return None
    return ConcurrentRequest(f"{in_flight} in flight", retry_after=IN_FLIGHT_RETRY_SECONDS, quota=quota)
