"""For cron: closing what requests leave undone, deleting what is too old to keep, rotating the log.

All of it is idempotent, and safe beside live traffic. Days have running totals, kept in the same transactions
as the rows they are made of, and these stay for ever. Rows are deleted only after they were added up once
more and agree with the totals; a day that does not is left alone and reported.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app import datadir
from app.ledger import sql
from app.ledger.limits import full_buckets
from app.ledger.settlement import close_orphans, find_orphans
from app.ledger.store import Transactions
from app.ledger.transaction import DAY_US, Transaction

log = logging.getLogger(__name__)

LOCK_FILE = "cleanup.lock"
MAX_LOG_BYTES = 5_000_000
LOG_GENERATIONS = 5


class AlreadyRunning(Exception):
    """Another cleanup is at work."""


@dataclass
class Counts:
    """What was done, or would be. `integrity`: `ok` or what SQLite found; `wrong_days`: do not add up."""

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


def clean(ledger: Transactions, keep_days: int, *, dry_run: bool = False) -> Counts:
    """Close orphans, delete expired tokens and all older than `keep_days`; with `dry_run` only count them.

    Raises LedgerUnavailable.
    """

    def delete(db: Transaction, rows: str, **parameters: object) -> int:
        if dry_run:
            return db.number(sql.count(rows), **parameters)
        return db.run(sql.delete(rows), **parameters).rowcount

    counts = Counts()
    with ledger.reading() as db:
        counts.integrity = "; ".join(str(row[0]) for row in db.rows(sql.INTEGRITY))
    if counts.integrity != "ok" and not dry_run:
        # Deleting from a damaged file can only make it worse.
        return counts
    begin = ledger.reading if dry_run else ledger.writing
    with begin() as db:
        now = db.now
        before = now.days_before(keep_days)
        counts.orphans = len(find_orphans(db)) if dry_run else close_orphans(db)
        counts.tokens = delete(db, sql.EXPIRED_TOKENS, now_us=now.wall_us)
        counts.alert_marks = delete(db, sql.OLD_ALERTS, before=before)
        buckets = full_buckets(ledger.limits)
        # Buckets untouched since then are full, whatever clocks have done, and so need no row.
        idle_us = max(keep_days * DAY_US, *(2 * bucket.window_us for bucket in buckets))
        for bucket in buckets:
            counts.buckets += delete(db, sql.idle_buckets(bucket.table), before_us=now.wall_us - idle_us)
        old_days = [row["day"] for row in db.rows(sql.OLD_DAYS, before=before)]
    for day in old_days:
        # A transaction for each day, so that questions get their turn in between.
        with begin() as db:
            if not _adds_up(db, day):
                log.error("the totals of %s do not add up with its rows, which are kept", day)
                counts.wrong_days.append(day)
                continue
            delete(db, sql.FEEDBACK_OF_DAY, day=day)
            delete(db, sql.CALLS_OF_DAY, day=day)
            counts.requests += delete(db, sql.REQUESTS_OF_DAY, day=day)
    return counts


def _adds_up(db: Transaction, day: str) -> bool:
    return not db.rows(sql.WRONG_TOTALS, day=day) and not db.rows(sql.WRONG_DAY, day=day)


def is_rotation_due(log_file: Path, max_bytes: int = MAX_LOG_BYTES) -> bool:
    """Whether the log has grown beyond `max_bytes`."""
    try:
        return log_file.stat().st_size > max_bytes
    except FileNotFoundError:
        return False


def rotate(log_file: Path) -> None:
    """`dndchat.log` becomes `dndchat.log.1`, that becomes `.2`, and the sixth is lost. Raises OSError.

    No process need be told: `app.logs` looks for each line whether the file is still there, and begins the
    next one.
    """
    older = log_file.with_name(f"{log_file.name}.{LOG_GENERATIONS}")
    for number in reversed(range(LOG_GENERATIONS)):
        newer = log_file.with_name(f"{log_file.name}.{number}") if number else log_file
        if newer.exists():
            newer.replace(older)
        older = newer
