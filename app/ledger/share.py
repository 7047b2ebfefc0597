"""A user's part of a day's money, so that a few cannot use up what all are to have.

The day's budget is divided by the number of users of a day, and a quarter more for those who come anew. That number is the
most that asked on one day of the last week, today included: who comes at midnight finds the shares as they were.
"""

from __future__ import annotations

import sqlite3

from app.errors import BudgetExceeded
from app.ledger import sql
from app.ledger.clock import Moment
from app.ledger.quota import day_spent, read_quota
from app.settings import LimitSettings

PUBLIC = (
    "Your share of today's budget for answers is used up; here are the pages to read instead. It starts anew at midnight UTC."
)
# A question of the same user that is being answered may cost less than its bound.
RETRY_SECONDS = 2


def of_each(db: sqlite3.Connection, limits: LimitSettings, now: Moment, day: str) -> int:
    """Nano-dollars that one user may spend on `day`."""
    if not limits.share_days:
        return limits.daily_budget
    users: int = db.execute(sql.MOST_USERS, {"since": now.days_before(limits.share_days), "day": day}).fetchone()[0]
    return limits.daily_budget // max(1, users + users // 4)


def refusal(
    db: sqlite3.Connection, limits: LimitSettings, now: Moment, day: str, user_id: str, amount: int, request_id: str = ""
) -> BudgetExceeded | None:
    """The refusal, counted, if `amount` more nano-dollars for `request_id` do not fit into the user's share of `day`.

    Counted are what was spent and the bounds of the calls under way, not what open questions hold beyond these. A user's only
    question of a day is not refused, however small the shares are.
    """
    key = {"day": day, "user_id": user_id}
    row = db.execute(sql.USER_DAY, key).fetchone()
    spent = row["spent_nd"] if row else 0
    committed = spent + db.execute(sql.SENT_OF_USER, key).fetchone()[0]
    own = db.execute(sql.COMMITTED_OF_REQUEST, {"request_id": request_id}).fetchone()
    share = of_each(db, limits, now, day)
    if not amount or committed == (own[0] if own else 0) or committed + amount <= share:
        return None
    db.execute(sql.add_user_day("refused_budget"), {**key, "refused_budget": 1})
    total, budget = day_spent(db, day), limits.daily_budget
    return BudgetExceeded(
        f"share of {day}: {committed} nano-dollars spent or sent by the user, {amount} more asked for, {share} allowed",
        retry_after=now.seconds_to_midnight if spent + amount > share else RETRY_SECONDS,
        quota=read_quota(db, limits, user_id, now),
        spent=total,
        budget=budget,
        of_share=(spent, share),
        public=PUBLIC,
    )
