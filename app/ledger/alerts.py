"""What the owner is told of, once a UTC day each: the budget at 80 and 100 %, every user who reaches the daily limit.

The row in the table is the mark. It is made in the transaction in which the thing happens, by whichever process that
is; `delivery.py` sends the mail later, outside any request.
"""

from __future__ import annotations

import sqlite3

from app.ledger import sql
from app.ledger.quota import day_spent
from app.settings import LimitSettings

BUDGET_NEARLY = "budget_80"
BUDGET_USED_UP = "budget_100"
USER_LIMIT = "user_daily_limit"


def mark_closed(db: sqlite3.Connection, limits: LimitSettings, day: str, user_id: str) -> None:
    """Look at the budget and at the user after a question was closed."""
    spent, budget = day_spent(db, day), limits.daily_budget
    if spent and spent * 100 >= budget * 80:
        _mark(db, day, BUDGET_NEARLY)
    if spent and spent >= budget:
        _mark(db, day, BUDGET_USED_UP)
    row = db.execute(sql.USER_DAY, {"day": day, "user_id": user_id}).fetchone()
    if row is not None and row["admitted"] >= limits.daily_requests:
        mark_user_limit(db, day, user_id)


def mark_budget_used_up(db: sqlite3.Connection, day: str) -> None:
    """A question was refused because the day has no room for what it may cost: to its users the budget is used up.

    Spend alone rarely meets the budget to the nano-dollar, as reservations are bounds.
    """
    _mark(db, day, BUDGET_USED_UP)


def mark_user_limit(db: sqlite3.Connection, day: str, user_id: str) -> None:
    _mark(db, day, USER_LIMIT, user_id)


def _mark(db: sqlite3.Connection, day: str, kind: str, subject: str = "") -> None:
    db.execute(sql.MARK_ALERT, {"day": day, "kind": kind, "subject": subject})
