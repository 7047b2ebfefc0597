"""A reader's thumb up or down on an answer that the same reader was given; the last one counts."""

from __future__ import annotations

import sqlite3

from app.errors import InvalidRequest, RateLimited
from app.ledger import free, sql
from app.ledger.clock import Clock
from app.ledger.store import Store
from app.settings import LimitSettings

MAX_COMMENT = 2000

_COLUMNS = {"up": "thumbs_up", "down": "thumbs_down"}


def give(
    store: Store, clock: Clock, limits: LimitSettings, user_id: str, request_id: str, rating: str, comment: str | None
) -> None:
    """Store a rating, `up` or `down`. Raises InvalidRequest, also for an answer that is not this user's, and RateLimited."""
    if rating not in _COLUMNS:
        raise InvalidRequest("rating", "The rating must be up or down.")
    if comment is not None and len(comment) > MAX_COMMENT:
        raise InvalidRequest("comment", f"The comment must have at most {MAX_COMMENT} characters.")
    error: InvalidRequest | RateLimited | None
    with store.writing() as db:
        error = free.take(db, limits, clock.now(), user_id) or _give(db, user_id, request_id, rating, comment)
    # Only now: raised inside, it would undo the count.
    if error is not None:
        raise error


def _give(db: sqlite3.Connection, user_id: str, request_id: str, rating: str, comment: str | None) -> InvalidRequest | None:
    answer = db.execute(sql.ANSWERED_DAY, {"request_id": request_id, "user_id": user_id}).fetchone()
    if answer is None:
        # The same for an unknown answer and for somebody else's: ids cannot be probed.
        return InvalidRequest("request_id", "You were given no answer with this id.")
    user_day = {"user_id": user_id, "day": answer["day"]}
    counts = {_COLUMNS[rating]: 1}
    before = db.execute(sql.RATING, {"request_id": request_id}).fetchone()
    if before is not None:
        column = _COLUMNS[before["rating"]]
        counts[column] = counts.get(column, 0) - 1
    db.execute(sql.add_user_day(*counts), {**user_day, **counts})
    db.execute(sql.SET_FEEDBACK, {**user_day, "request_id": request_id, "rating": rating, "comment": comment})
    return None
