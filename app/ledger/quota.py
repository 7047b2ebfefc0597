"""What a user has left: the bucket as it is stored, and the whole picture as clients see it."""

from __future__ import annotations

import sqlite3

from app.ledger import sql
from app.ledger.bucket import Bucket
from app.ledger.clock import Moment
from app.models import Quota
from app.settings import LimitSettings


def read_bucket(db: sqlite3.Connection, limits: LimitSettings, user_id: str, now: Moment) -> Bucket:
    """The user's bucket at this moment; a full one for somebody new."""
    return _read(db, sql.BUCKET, Bucket(limits.bucket_capacity, limits.refill_interval_us), user_id, now)


def write_bucket(db: sqlite3.Connection, user_id: str, bucket: Bucket, now: Moment) -> None:
    _write(db, sql.SET_BUCKET, user_id, bucket, now)


def read_free_bucket(db: sqlite3.Connection, limits: LimitSettings, user_id: str, now: Moment) -> Bucket:
    """The same for what costs no quota."""
    return _read(db, sql.FREE_BUCKET, Bucket(limits.free_capacity, limits.free_interval_us), user_id, now)


def write_free_bucket(db: sqlite3.Connection, user_id: str, bucket: Bucket, now: Moment) -> None:
    _write(db, sql.SET_FREE_BUCKET, user_id, bucket, now)


def _read(db: sqlite3.Connection, statement: str, full: Bucket, user_id: str, now: Moment) -> Bucket:
    row = db.execute(statement, {"user_id": user_id}).fetchone()
    if row is None:
        return full
    stored = Bucket(full.capacity, full.interval_us, row["missing_us"])
    return stored.after(now.elapsed_since(row["wall_us"], row["steady_us"], row["boot"]))


def _write(db: sqlite3.Connection, statement: str, user_id: str, bucket: Bucket, now: Moment) -> None:
    values = {"user_id": user_id, "missing_us": bucket.missing_us}
    db.execute(statement, {**values, "wall_us": now.wall_us, "steady_us": now.steady_us, "boot": now.boot})


def read_quota(db: sqlite3.Connection, limits: LimitSettings, user_id: str, now: Moment) -> Quota:
    """What the user has left of the day and the burst, and what the day has cost; uses nothing up."""
    bucket = read_bucket(db, limits, user_id, now)
    user_day = db.execute(sql.USER_DAY, {"day": now.day, "user_id": user_id}).fetchone()
    admitted, user_spent = (user_day["admitted"], user_day["spent_nd"]) if user_day else (0, 0)
    return Quota(
        burst_capacity=bucket.capacity,
        burst_window=bucket.window_seconds,
        burst_remaining=bucket.remaining,
        burst_reset=bucket.next_token_seconds,
        daily_limit=limits.daily_requests,
        # A limit that was lowered during the day leaves nobody with less than nothing.
        daily_remaining=max(0, limits.daily_requests - admitted),
        daily_reset=now.seconds_to_midnight,
        user_spent=user_spent,
        day_spent=day_spent(db, now.day),
        day_budget=limits.daily_budget,
    )


def day_spent(db: sqlite3.Connection, day: str) -> int:
    """Nano-dollars settled on a UTC day."""
    row = db.execute(sql.DAY_SPENT, {"day": day}).fetchone()
    return row["spent_nd"] if row else 0


def day_held(db: sqlite3.Connection, day: str) -> int:
    """Nano-dollars that open questions of a UTC day hold."""
    held: int = db.execute(sql.DAY_HELD, {"day": day}).fetchone()[0]
    return held
