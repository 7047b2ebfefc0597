"""A question that another process is given in place of a lost worker.

The worker cannot use the old request id any more. So no answer is paid for twice, and only a question whose
worker was killed is tried again, once, at the price of one.
"""

from __future__ import annotations

from app.errors import AIServiceError, DndChatError, TooMuchWork
from app.ledger import sql
from app.ledger.settlement import ANSWERED, ORPHANED, TIMED_OUT, close_request, give_back, is_counted, is_paid
from app.ledger.store import Transactions
from app.ledger.transaction import Process


def take_over(ledger: Transactions, user_id: str, lost_id: str) -> None:
    """Close the question `lost_id`, whose worker is lost; it may be asked again where this returns.

    Raises AIServiceError when it failed or when its answer may have been paid for already, and TooMuchWork
    when its worker lives and has said nothing for longer than any question may take. Both say whether it
    counts.
    """
    error: DndChatError | None = None
    with ledger.writing() as db:
        row = db.row(sql.REQUEST, request_id=lost_id)
        if row is None:
            # The worker has not come as far as the admission; it cannot be admitted with this id any more.
            day = db.now.day
            question = {"request_id": lost_id, "user_id": user_id, "day": day, "held_nd": 0}
            db.run(sql.OPEN_REQUEST, **question, **db.origin())
            db.run(sql.CLOSE_REQUEST, request_id=lost_id, outcome=ORPHANED, latency_ms=None)
            db.run(sql.GIVEN_BACK, request_id=lost_id)
            db.add(day, user_id, orphaned=1, given_back=1)
            return
        silent = not Process.stored(row).is_dead()
        if row["outcome"] is None:
            # A worker that lives in silence was stopped by the question; why one died nobody knows.
            close_request(db, lost_id, TIMED_OUT if silent else ORPHANED, own_doing=silent)
        if is_paid(db, lost_id):
            error = AIServiceError(
                f"the warm worker was lost after it had paid for the answer to request {lost_id}"
            )
        elif silent:
            error = TooMuchWork(f"the warm worker lives and says nothing about request {lost_id}")
        elif row["outcome"] not in (None, ANSWERED):
            error = AIServiceError(
                f"the warm worker died when request {lost_id} had failed: {row['outcome']}"
            )
        else:
            # It is asked again, and must not count twice. Nobody has got an answer that cost nothing.
            give_back(db, lost_id, limited=False)
        counted = is_counted(db, lost_id)
    if error is not None:
        error.counted = counted
        raise error
