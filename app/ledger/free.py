"""What costs neither quota nor money, but work: it has a bucket of its own and counts among what a user has in flight.

The pages that are found in place of an answer, the deep health report, feedback; and answers at no cost, when there are any.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import LedgerUnavailable, RateLimited, Refused
from app.ledger import orphans, process, sql
from app.ledger.admission import in_flight_refusal
from app.ledger.clock import Clock, Moment
from app.ledger.quota import read_free_bucket, read_quota, write_free_bucket
from app.ledger.store import Store
from app.models import FreeKind
from app.settings import LimitSettings

log = logging.getLogger(__name__)

PUBLIC = "You have asked for this many times in a short time; please wait a little."


@contextmanager
def admit(
    store: Store, clock: Clock, limits: LimitSettings, orphan_after_us: int, user_id: str, kind: FreeKind
) -> Iterator[None]:
    """Count a use and have it in flight until the context ends. Raises RateLimited, ConcurrentRequest, LedgerUnavailable."""
    me = process.current()
    use_id = None
    with store.writing() as db:
        now = clock.now()
        orphans.clear(db, limits, now, orphan_after_us, me.place)
        refusal: Refused | None = in_flight_refusal(db, limits, user_id, read_quota(db, limits, user_id, now))
        if refusal is None:
            refusal = take(db, limits, now, user_id)
        else:
            _count(db, now, user_id, "refused_in_flight")
        if refusal is None:
            place = {"place": me.place, "pid": me.pid, "pid_started": me.started}
            since = {"wall_us": now.wall_us, "steady_us": now.steady_us, "boot": now.boot}
            use_id = db.execute(sql.OPEN_FREE_USE, {"user_id": user_id, "kind": kind, **place, **since}).lastrowid
    # Only now: raised inside, it would undo the count.
    if refusal is not None:
        raise refusal
    try:
        yield
    finally:
        try:
            with store.writing() as db:
                db.execute(sql.CLOSE_FREE_USE, {"use_id": use_id})
        except LedgerUnavailable as error:
            # It stays in flight until this process has ended; the work is done, and was counted.
            log.error("%s of %s cannot be closed: %s", kind, user_id, error)


def take(db: sqlite3.Connection, limits: LimitSettings, now: Moment, user_id: str) -> RateLimited | None:
    """Take one from the user's bucket, inside a transaction of the caller's; the refusal, counted, if there is none."""
    bucket = read_free_bucket(db, limits, user_id, now)
    if bucket.may_take:
        write_free_bucket(db, user_id, bucket.taken(), now)
        _count(db, now, user_id, "free")
        return None
    _count(db, now, user_id, "refused_free")
    refusal = RateLimited(
        "limit of what costs no quota", retry_after=bucket.next_token_seconds, quota=read_quota(db, limits, user_id, now)
    )
    refusal.public = PUBLIC
    return refusal


def _count(db: sqlite3.Connection, now: Moment, user_id: str, column: str) -> None:
    db.execute(sql.add_user_day(column), {"day": now.day, "user_id": user_id, column: 1})
