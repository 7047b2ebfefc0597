"""Closing the books on a call and on a question; the same for one that ends well, fails, or is found dead.

These functions run inside a transaction of the caller's.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

from app.ledger import sql
from app.ledger.clock import Moment
from app.ledger.quota import read_bucket, write_bucket
from app.models import Usage
from app.settings import LimitSettings

ANSWERED = "answered"
DISCONNECTED = "disconnected"
ORPHANED = "orphaned"
TIMED_OUT = "timeout_error"

CallState = Literal["settled", "charged", "free"]

_UNCOUNTED = {"prompt_tokens": None, "completion_tokens": None, "cached_tokens": None, "cache_write_tokens": None}


def settle_call(
    db: sqlite3.Connection, request_id: str, call_id: int, state: CallState, cost: int, usage: Usage | None = None
) -> None:
    """Write what a call cost in nano-dollars and let go of its bound, unless it was free.

    A call that was charged at its bound in the meantime (its process was taken for dead) is corrected; one that is
    settled or free stays as it is.
    """
    call = db.execute(sql.CALL, {"call_id": call_id}).fetchone()
    request = db.execute(sql.REQUEST, {"request_id": request_id}).fetchone()
    if call["state"] not in ("sent", "charged"):
        return
    counts = _UNCOUNTED if usage is None else {name: getattr(usage, name) for name in _UNCOUNTED}
    db.execute(sql.SETTLE_CALL, {"call_id": call_id, "state": state, "cost_nd": cost, **counts})
    amount = cost - call["cost_nd"]
    # What was not billed stays reserved for the question's next attempt.
    released = call["bound_nd"] if call["state"] == "sent" and state != "free" else 0
    db.execute(sql.SPEND, {"request_id": request_id, "released": released, "amount": amount})
    day = {"day": request["day"]}
    db.execute(sql.ADD_DAY_SPENT, {**day, "amount": amount})
    db.execute(sql.add_user_day("spent_nd"), {**day, "user_id": request["user_id"], "spent_nd": amount})


def close_request(
    db: sqlite3.Connection,
    limits: LimitSettings,
    now: Moment,
    request_id: str,
    outcome: str,
    latency_ms: int = 0,
    *,
    own_doing: bool = False,
) -> None:
    """Close an open question: unsettled calls count at their bound, the rest of the reservation is free again.

    Its quota goes back unless it was answered, an answer was paid for, or the failure was its `own_doing`; and not more often
    than the day's limit.
    """
    key = {"request_id": request_id}
    for call in db.execute(sql.SENT_CALLS, key).fetchall():
        settle_call(db, request_id, call["call_id"], "charged", call["bound_nd"])
    request = db.execute(sql.REQUEST, key).fetchone()
    db.execute(sql.CLOSE_REQUEST, {**key, "outcome": outcome, "latency_ms": latency_ms})

    user_day = {"day": request["day"], "user_id": request["user_id"]}
    if outcome == ANSWERED:
        counts = {"answered": 1, "latency_ms_total": latency_ms}
        db.execute(sql.RAISE_LATENCY_MAX, {**user_day, "latency_ms": latency_ms})
    else:
        counts = {ORPHANED if outcome == ORPHANED else "failed": 1}
    db.execute(sql.add_user_day(*counts), {**user_day, **counts})
    if outcome != ANSWERED and not own_doing and not is_paid(db, request_id):
        give_back(db, limits, now, request_id)


def is_paid(db: sqlite3.Connection, request_id: str) -> bool:
    """Whether an answer to a question has cost something, or may have.

    What finding passages cost (a few nano-dollars for embeddings) is not enough: the caller got nothing for it.
    """
    return bool(db.execute(sql.ANSWER_COST, {"request_id": request_id}).fetchone()[0])


def is_counted(db: sqlite3.Connection, request_id: str) -> bool:
    """Whether a question uses up quota."""
    return not db.execute(sql.REQUEST, {"request_id": request_id}).fetchone()["given_back"]


def give_back(db: sqlite3.Connection, limits: LimitSettings, now: Moment, request_id: str, *, limited: bool = True) -> None:
    """Let the user ask as often again as if this question had not been; once for each, and so often a day as the limit says."""
    request = db.execute(sql.REQUEST, {"request_id": request_id}).fetchone()
    user_day = {"day": request["day"], "user_id": request["user_id"]}
    if request["given_back"] or (limited and db.execute(sql.USER_DAY, user_day).fetchone()["given_back"] >= limits.give_backs):
        return
    db.execute(sql.GIVEN_BACK, {"request_id": request_id})
    counts = {"admitted": -1, "given_back": 1}
    db.execute(sql.add_user_day(*counts), {**user_day, **counts})
    bucket = read_bucket(db, limits, request["user_id"], now)
    write_bucket(db, request["user_id"], bucket.given_back(), now)
