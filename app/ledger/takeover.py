"""A question whose worker died or fell silent under it, and that another process has been given instead.

What the worker may still do with the old request id ends here: its reservation is closed, and where it has not come as far
as that, the id is used up. So whatever happens to the worker, there is no second paid answer to one question; and no second
attempt but where the worker was killed in the middle, once, at the price of one question.
"""

from __future__ import annotations

from app.errors import AIServiceError, DndChatError, TooMuchWork
from app.ledger import process, sql
from app.ledger.clock import Clock
from app.ledger.process import Process
from app.ledger.settlement import ANSWERED, ORPHANED, TIMED_OUT, close_request, give_back, is_counted, is_paid
from app.ledger.store import Store
from app.settings import LimitSettings


def take_over(store: Store, clock: Clock, limits: LimitSettings, user_id: str, lost_id: str) -> None:
    """Close the question `lost_id`. Returns where it may be asked again.

    Raises AIServiceError when it failed or when its answer may have been paid for already, and TooMuchWork when its worker
    lives and has said nothing for longer than any question may take. Both say whether it counts.
    """
    key = {"request_id": lost_id}
    error: DndChatError | None = None
    with store.writing() as db:
        now = clock.now()
        me = process.current()
        row = db.execute(sql.REQUEST, key).fetchone()
        if row is None:
            place = {"place": me.place, "pid": me.pid, "pid_started": me.started}
            since = {"wall_us": now.wall_us, "steady_us": now.steady_us, "boot": now.boot}
            db.execute(sql.OPEN_REQUEST, {**key, "user_id": user_id, "day": now.day, "held_nd": 0, **place, **since})
            db.execute(sql.CLOSE_REQUEST, {**key, "outcome": ORPHANED, "latency_ms": None})
            db.execute(sql.GIVEN_BACK, key)
            counts = {"orphaned": 1, "given_back": 1}
            db.execute(sql.add_user_day(*counts), {"day": now.day, "user_id": user_id, **counts})
            return
        silent = not process.is_dead(Process(row["place"], row["pid"], row["pid_started"]), me.place)
        if row["outcome"] is None:
            # One that a worker works on without a word is taken for the cause; of a worker's death nobody knows the cause.
            close_request(db, limits, now, lost_id, TIMED_OUT if silent else ORPHANED, own_doing=silent)
        if is_paid(db, lost_id):
            error = AIServiceError(f"the warm worker was lost after it had paid for the answer to request {lost_id}")
        elif silent:
            error = TooMuchWork(f"the warm worker lives and says nothing about request {lost_id}")
        elif row["outcome"] not in (None, ANSWERED):
            error = AIServiceError(f"the warm worker died when request {lost_id} had failed: {row['outcome']}")
        else:
            # It is about to be asked again, and must not count twice. Nobody has an answer that had cost nothing.
            give_back(db, limits, now, lost_id, limited=False)
        counted = is_counted(db, lost_id)
    if error is not None:
        error.counted = counted
        raise error
