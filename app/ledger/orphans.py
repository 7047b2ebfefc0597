"""Questions whose process has died or fallen silent.

The next admission, whoever asks, closes what dead processes have left open: what had been sent counts at its
bound, the rest of the reservation is released. Nobody knows whether a process died of its question, so the
quota goes back, as often as the day's limit allows.

A question that another process is given instead of a lost worker is taken over: the worker cannot use the old
request id any more. So no answer is paid for twice, and only a question whose worker was killed is tried
again, once, at the price of one.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from functools import cache
from pathlib import Path
from typing import NamedTuple

from app.errors import AIServiceError, DndChatError, TooMuchWork
from app.ledger import sql
from app.ledger.clock import Moment
from app.ledger.settlement import ANSWERED, ORPHANED, TIMED_OUT, close_request, give_back, is_counted, is_paid
from app.ledger.transaction import Transaction, Transactions

log = logging.getLogger(__name__)

_PROC = Path("/proc")


class Process(NamedTuple):
    """A process, told apart from a later one of the same number, as /proc shows it.

    `namespace` is the machine's boot and the process namespace in it (empty if unknown: then nothing can be
    said about the process), `started` the start time in clock ticks since boot (0 if unknown).
    """

    namespace: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> Process:
        """The process that calls this, also after a fork."""
        return cls(_namespace(), os.getpid(), _started(os.getpid()) or 0)

    @classmethod
    def stored(cls, row: sqlite3.Row) -> Process:
        """The process in a row."""
        return cls(row["place"], row["pid"], row["pid_started"])

    def parameters(self) -> dict[str, str | int]:
        """For a query; the column of the namespace is called `place`."""
        return {"place": self.namespace, "pid": self.pid, "pid_started": self.started}

    def is_dead(self, namespace: str) -> bool:
        """Whether it has certainly ended; False also when that cannot be known from `namespace`."""
        if not self.namespace or self.namespace != namespace or not self.started:
            return False
        started = _started(self.pid)
        return started is None or started not in (0, self.started)


def origin(db: Transaction) -> dict[str, str | int]:
    """The parameters that say which process makes a row, and when."""
    return {**Process.current().parameters(), **db.now._asdict()}


def find_orphans(db: Transaction, query: str = sql.OPEN_REQUESTS) -> list[sqlite3.Row]:
    """Open questions (or other rows with an origin) of dead processes, and those too old to be alive.

    Age decides where the process cannot be seen (another machine, before a reboot) or has forgotten its
    question. Money is safe if that is wrong: a question taken for dead cannot send another paid call, and a
    late settlement corrects what was charged.
    """
    here = _namespace()

    def is_orphan(row: sqlite3.Row) -> bool:
        # A question from the far future is one from before the clock was set back.
        age = abs(db.now.elapsed_since(Moment.stored(row)))
        return age > db.orphan_after_us or Process.stored(row).is_dead(here)

    return [row for row in db.rows(query) if is_orphan(row)]


def close_orphans(db: Transaction) -> int:
    """Close the questions and free uses of dead processes; returns how many questions."""
    found = find_orphans(db)
    for row in find_orphans(db, sql.OPEN_FREE_USES):
        db.run(sql.CLOSE_FREE_USE, use_id=row["use_id"])
    for row in found:
        close_request(db, row["request_id"], ORPHANED)
        log.warning(
            "request %s: its process %d is gone; what it had sent is charged", row["request_id"], row["pid"]
        )
    return len(found)


def take_over(ledger: Transactions, user_id: str, lost_id: str) -> None:
    """Close the question `lost_id`, whose worker is lost. Returns where it may be asked again.

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
            db.run(sql.OPEN_REQUEST, **question, **origin(db))
            db.run(sql.CLOSE_REQUEST, request_id=lost_id, outcome=ORPHANED, latency_ms=None)
            db.run(sql.GIVEN_BACK, request_id=lost_id)
            db.add(day, user_id, orphaned=1, given_back=1)
            return
        silent = not Process.stored(row).is_dead(_namespace())
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


@cache
def _namespace() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_bytes().strip().decode()
        # Containers share the machine's boot, but the numbers of their processes mean nothing to each other.
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot; None: the process is gone or waits to be reaped; 0: unknown."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return 0
    # The name in brackets may itself hold brackets and blanks: the fields count from behind the last one.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19])
