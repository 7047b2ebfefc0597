"""Questions whose process died: found and closed at the next admission, whoever asks.

What had been sent counts at its bound, the rest of the reservation is free again. What ended a process (a limit of the host, a
signal) may have been the question or not: its quota goes back, as often as the day's limit allows.
"""

from __future__ import annotations

import logging
import sqlite3

from app.ledger import alerts, process, sql
from app.ledger.clock import Moment
from app.ledger.process import Process
from app.ledger.settlement import ORPHANED, close_request
from app.settings import LimitSettings

log = logging.getLogger(__name__)


def find(db: sqlite3.Connection, now: Moment, after_us: int, here: str) -> list[sqlite3.Row]:
    """Open questions of dead processes, and those older than any question can be.

    Age decides where the process cannot be seen (another machine, before a reboot), and for a process that lives on
    but has forgotten its question. Money is safe if it is wrong: a question taken for dead cannot send another paid
    call, and a late settlement corrects what was charged.
    """
    return [row for row in db.execute(sql.OPEN_REQUESTS).fetchall() if _is_orphan(row, now, after_us, here)]


def clear(db: sqlite3.Connection, limits: LimitSettings, now: Moment, after_us: int, here: str) -> int:
    """Close what `find` finds, and free uses that are left open, in a transaction of the caller's; how many questions."""
    found = find(db, now, after_us, here)
    for row in db.execute(sql.OPEN_FREE_USES).fetchall():
        if _is_orphan(row, now, after_us, here):
            db.execute(sql.CLOSE_FREE_USE, {"use_id": row["use_id"]})
    for row in found:
        close_request(db, limits, now, row["request_id"], ORPHANED)
        alerts.mark_closed(db, limits, row["day"], row["user_id"])
        log.warning("request %s: its process %d is gone; what it had sent is charged", row["request_id"], row["pid"])
    return len(found)


def _is_orphan(row: sqlite3.Row, now: Moment, after_us: int, here: str) -> bool:
    if process.is_dead(Process(row["place"], row["pid"], row["pid_started"]), here):
        return True
    # A question from the far future is one from before the clock was set back.
    return abs(now.elapsed_since(row["wall_us"], row["steady_us"], row["boot"])) > after_us
