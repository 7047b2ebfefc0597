"""What costs neither quota nor money, but work: it has a bucket of its own.

The pages that are found in place of an answer, the deep health report, feedback; and answers at no cost, when
there are any.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import InvalidRequest, LedgerUnavailable, RateLimited
from app.ledger import sql
from app.ledger.limits import in_flight_refusal, take_free
from app.ledger.settlement import close_orphans
from app.ledger.store import Transactions
from app.ledger.transaction import Transaction
from app.models import FreeKind

log = logging.getLogger(__name__)

MAX_COMMENT = 2000

_RATING_COLUMNS = {"up": "thumbs_up", "down": "thumbs_down"}


@contextmanager
def admit(ledger: Transactions, user_id: str, kind: FreeKind) -> Iterator[None]:
    """See `Ledger.admit_free`."""
    use_id = None
    with ledger.writing() as db:
        close_orphans(db)
        refusal = in_flight_refusal(db, user_id) or take_free(db, user_id)
        if refusal is None:
            use_id = db.run(sql.OPEN_FREE_USE, user_id=user_id, kind=kind, **db.origin()).lastrowid
    if refusal is not None:
        raise refusal
    try:
        yield
    finally:
        try:
            with ledger.writing() as db:
                db.run(sql.CLOSE_FREE_USE, use_id=use_id)
        except LedgerUnavailable as error:
            # It stays in flight until this process has ended; the work is done, and was counted.
            log.error("%s of %s cannot be closed: %s", kind, user_id, error)


def give_feedback(
    ledger: Transactions, user_id: str, request_id: str, rating: str, comment: str | None
) -> None:
    """See `Ledger.give_feedback`."""
    if rating not in _RATING_COLUMNS:
        raise InvalidRequest("rating", "The rating must be up or down.")
    if comment is not None and len(comment) > MAX_COMMENT:
        raise InvalidRequest("comment", f"The comment must have at most {MAX_COMMENT} characters.")
    error: InvalidRequest | RateLimited | None
    with ledger.writing() as db:
        error = take_free(db, user_id) or _rate(db, user_id, request_id, rating, comment)
    if error is not None:
        raise error


def _rate(
    db: Transaction, user_id: str, request_id: str, rating: str, comment: str | None
) -> InvalidRequest | None:
    answer = db.row(sql.ANSWERED_DAY, request_id=request_id, user_id=user_id)
    if answer is None:
        # The same for an unknown answer and for somebody else's: ids cannot be probed.
        return InvalidRequest("request_id", "You were given no answer with this id.")
    before = db.row(sql.RATING, request_id=request_id)
    if before is not None:
        db.add(answer["day"], user_id, **{_RATING_COLUMNS[before["rating"]]: -1})
    db.add(answer["day"], user_id, **{_RATING_COLUMNS[rating]: 1})
    key = {"request_id": request_id, "user_id": user_id, "day": answer["day"]}
    db.run(sql.SET_FEEDBACK, **key, rating=rating, comment=comment)
    return None
