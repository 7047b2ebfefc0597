"""Cleaning up, for cron: what requests leave undone, and what is too old to keep. Idempotent, and safe beside live traffic.

Days have running totals, kept in the same transactions as the rows they are made of, and these stay for ever. Rows are deleted
only after they were added up once more and agree with the totals; a day that does not is left alone and reported.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app import datadir
from app.ledger import orphans, process, sql
from app.ledger.clock import DAY_US, Moment
from app.ledger.ledger import Ledger

log = logging.getLogger(__name__)

LOCK_FILE = "cleanup.lock"


class AlreadyRunning(Exception):
    """Another cleanup is at work."""


@dataclass
class Counts:
    """What was done, or would be. `integrity` is `ok` or what SQLite found; `wrong_days` have totals that do not add up."""

    orphans: int = 0
    tokens: int = 0
    requests: int = 0
    alert_marks: int = 0
    buckets: int = 0
    wrong_days: list[str] = field(default_factory=list)
    integrity: str = ""


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Keep a second cleanup out. Raises AlreadyRunning, OSError."""
    lock = os.open(datadir.ensure(data_dir) / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        yield
    finally:
        os.close(lock)


def look(ledger: Ledger, keep_days: int) -> Counts:
    """What `clean` would do, without doing it. Raises LedgerUnavailable."""
    counts = Counts()
    with ledger.store.reading() as db:
        now = ledger.clock.now()
        counts.orphans = len(orphans.find(db, now, ledger.orphan_after_us, process.current().place))
        counts.tokens = _count(db, sql.EXPIRED_TOKENS, {"now_us": now.wall_us})
        counts.alert_marks = _count(db, sql.OLD_ALERTS, {"before": now.days_before(keep_days)})
        idle_since = {"before_us": _idle_since(ledger, now, keep_days)}
        counts.buckets = _count(db, sql.IDLE_BUCKETS, idle_since) + _count(db, sql.IDLE_FREE_BUCKETS, idle_since)
        for day in _old_days(db, now, keep_days):
            if _adds_up(db, day):
                counts.requests += _count(db, sql.OLD_REQUESTS, {"day": day})
            else:
                counts.wrong_days.append(day)
        counts.integrity = _integrity(db)
    return counts


def clean(ledger: Ledger, keep_days: int) -> Counts:
    """Close orphans, forget expired tokens and what is older than `keep_days` days. Raises LedgerUnavailable."""
    counts = Counts()
    with ledger.store.reading() as db:
        counts.integrity = _integrity(db)
    if counts.integrity != "ok":
        # Deleting from a damaged file can only make it worse.
        return counts
    with ledger.store.writing() as db:
        now = ledger.clock.now()
        counts.orphans = orphans.clear(db, ledger.limits, now, ledger.orphan_after_us, process.current().place)
        counts.tokens = db.execute(sql.DELETE_EXPIRED_TOKENS, {"now_us": now.wall_us}).rowcount
        counts.alert_marks = db.execute(sql.DELETE_ALERTS, {"before": now.days_before(keep_days)}).rowcount
        idle_since = {"before_us": _idle_since(ledger, now, keep_days)}
        counts.buckets = db.execute(sql.DELETE_IDLE_BUCKETS, idle_since).rowcount
        counts.buckets += db.execute(sql.DELETE_IDLE_FREE_BUCKETS, idle_since).rowcount
        old_days = _old_days(db, now, keep_days)
    for day in old_days:
        # A transaction for each day, so that questions get their turn in between.
        with ledger.store.writing() as db:
            if not _adds_up(db, day):
                log.error("the totals of %s do not add up with its rows, which are kept", day)
                counts.wrong_days.append(day)
                continue
            db.execute(sql.DELETE_FEEDBACK, {"day": day})
            db.execute(sql.DELETE_CALLS, {"day": day})
            counts.requests += db.execute(sql.DELETE_REQUESTS, {"day": day}).rowcount
    return counts


def _old_days(db: sqlite3.Connection, now: Moment, keep_days: int) -> list[str]:
    return [row["day"] for row in db.execute(sql.OLD_DAYS, {"before": now.days_before(keep_days)}).fetchall()]


def _adds_up(db: sqlite3.Connection, day: str) -> bool:
    key = {"day": day}
    return not db.execute(sql.WRONG_TOTALS, key).fetchall() and not db.execute(sql.WRONG_DAY, key).fetchall()


def _idle_since(ledger: Ledger, now: Moment, keep_days: int) -> int:
    """Buckets untouched since then are full, whatever clocks have done, and so need no row."""
    limits = ledger.limits
    window = max(limits.bucket_capacity * limits.refill_interval_us, limits.free_capacity * limits.free_interval_us)
    return now.wall_us - max(keep_days * DAY_US, 2 * window)


def _integrity(db: sqlite3.Connection) -> str:
    return "; ".join(str(row[0]) for row in db.execute(sql.INTEGRITY).fetchall())


def _count(db: sqlite3.Connection, statement: str, parameters: Mapping[str, object]) -> int:
    counted: int = db.execute(statement, parameters).fetchone()[0]
    return counted
