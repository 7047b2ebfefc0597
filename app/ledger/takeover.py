"""A question whose worker died or froze under it, and that another process is about to answer instead.

What the worker may still do with the old request id ends here: its reservation is closed, and where it has not come as far
as that, the id is used up. So whatever happens to the worker, there is no second paid answer to one question.
"""

from __future__ import annotations

from app.errors import AIServiceError
from app.ledger import process, sql
from app.ledger.clock import Clock
from app.ledger.settlement import ANSWERED, ORPHANED, close_request, give_back
from app.ledger.store import Store
from app.settings import LimitSettings


def take_over(store: Store, clock: Clock, limits: LimitSettings, user_id: str, lost_id: str) -> None:
    """Close the question `lost_id`. Raises AIServiceError when its answer may have been paid for already, which counts."""
    key = {"request_id": lost_id}
    with store.writing() as db:
        now = clock.now()
        row = db.execute(sql.REQUEST, key).fetchone()
        if row is None:
            me = process.current()
            place = {"place": me.place, "pid": me.pid, "pid_started": me.started}
            since = {"wall_us": now.wall_us, "steady_us": now.steady_us, "boot": now.boot}
            db.execute(sql.OPEN_REQUEST, {**key, "user_id": user_id, "day": now.day, "held_nd": 0, **place, **since})
            db.execute(sql.CLOSE_REQUEST, {**key, "outcome": ORPHANED, "latency_ms": None})
            counts = {"orphaned": 1, "given_back": 1}
            db.execute(sql.add_user_day(*counts), {"day": now.day, "user_id": user_id, **counts})
        elif row["outcome"] is None:
            close_request(db, limits, now, lost_id, ORPHANED)
        paid = db.execute(sql.ANSWER_COST, key).fetchone()[0]
        if row is not None and row["outcome"] == ANSWERED and not paid:
            # Nobody has the answer: it must not count beside the one that is about to be given.
            give_back(db, limits, now, lost_id)
    if paid:
        error = AIServiceError(f"the warm worker died after it had paid for the answer to request {lost_id}")
        error.counted = True
        raise error
