"""Closing the books on a call and on a question; the same for one that ends well, fails, or is found dead.

The next admission, whoever asks, closes what dead processes have left open: what had been sent counts at its
bound, the rest of the reservation is released. Nobody knows whether a process died of its question, so the
quota goes back, as often as the day's limit allows.

All but `PaidCall` runs inside a transaction of the caller's.
"""

import logging
import sqlite3
from typing import Literal, NamedTuple

from app.ledger import sql
from app.ledger.limits import read_bucket, write_bucket
from app.ledger.transaction import (
    BUDGET_NEARLY,
    BUDGET_USED_UP,
    USER_LIMIT,
    Alert,
    Moment,
    Process,
    Transaction,
)
from app.models import PlannedCall, Usage
from app.pricing import Pricing

log = logging.getLogger(__name__)

ANSWERED = "answered"
DISCONNECTED = "disconnected"
ORPHANED = "orphaned"
TIMED_OUT = "timeout_error"

CallState = Literal["settled", "charged", "free"]
"""As `calls.state` has it; `free` is a call that was certainly not billed."""

_TOKEN_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens")


class Settlement(NamedTuple):
    """What a call came to: `cost` is in nano-dollars; `usage` None means that nobody counted."""

    call_id: int
    state: CallState
    cost: int
    usage: Usage | None = None

    def write(self, db: Transaction, request_id: str) -> None:
        """Write what the call cost and release its bound, unless it was free.

        A call that was charged at its bound in the meantime (its process was taken for dead) is corrected;
        one that is settled or free stays as it is.
        """
        call = db.row(sql.CALL, call_id=self.call_id)
        if call["state"] not in ("sent", "charged"):
            return
        counts = {name: getattr(self.usage, name, None) for name in _TOKEN_COUNTS}
        db.run(sql.SETTLE_CALL, call_id=self.call_id, state=self.state, cost_nd=self.cost, **counts)
        amount = self.cost - call["cost_nd"]
        # What was not billed stays reserved for the question's next attempt.
        released = call["bound_nd"] if call["state"] == "sent" and self.state != "free" else 0
        db.run(sql.SPEND, request_id=request_id, released=released, amount=amount)
        request = db.row(sql.REQUEST, request_id=request_id)
        db.run(sql.ADD_DAY_SPENT, day=request["day"], amount=amount)
        db.add(request["day"], request["user_id"], spent_nd=amount)


class PaidCall:
    """One paid call that is made. The first of `settle` and `not_billed` counts; it goes to `pending`."""

    def __init__(
        self, pricing: Pricing, pending: list[Settlement], call_id: int, planned: PlannedCall
    ) -> None:
        self._pricing, self._pending, self._call_id, self._planned = pricing, pending, call_id, planned
        self._over = False

    def covers(self, call: PlannedCall) -> bool:
        """Whether `call` is what was committed, and costs no more."""
        return self._planned[:2] == call[:2] and call.bound <= self._planned.bound

    def settle(self, usage: Usage | None) -> None:
        """The provider answered, and counted `usage`; None: it may have billed, nobody knows how much."""
        cost = None if usage is None else self._pricing.cost(self._planned.model, usage)
        if usage is None or cost is None:
            self._close("charged", self._planned.bound)
            return
        if cost > self._planned.bound:
            # The truth is booked all the same; the next admission is refused if the day has no room left.
            log.error("%s cost %d nano-dollars, more than its bound: %s", self._planned, cost, usage)
        self._close("settled", cost, usage)

    def not_billed(self) -> None:
        """The call was certainly not billed: an error status, or no connection."""
        self._close("free", 0)

    def _close(self, state: CallState, cost: int, usage: Usage | None = None) -> None:
        if not self._over:
            self._over = True
            self._pending.append(Settlement(self._call_id, state, cost, usage))


def close_request(
    db: Transaction, request_id: str, outcome: str, latency_ms: int = 0, *, own_doing: bool = False
) -> None:
    """Close an open question: unsettled calls count at their bound, the rest of the reservation is released.

    Its quota goes back unless it was answered, an answer was paid for, or the failure was its `own_doing`;
    and not more often than the day's limit. The owner's alerts are marked.
    """
    for call in db.rows(sql.SENT_CALLS, request_id=request_id):
        Settlement(call["call_id"], "charged", call["bound_nd"]).write(db, request_id)
    db.run(sql.CLOSE_REQUEST, request_id=request_id, outcome=outcome, latency_ms=latency_ms)
    request = db.row(sql.REQUEST, request_id=request_id)
    day, user_id = request["day"], request["user_id"]
    if outcome == ANSWERED:
        db.add(day, user_id, answered=1, latency_ms_total=latency_ms)
        db.run(sql.RAISE_LATENCY_MAX, day=day, user_id=user_id, latency_ms=latency_ms)
    else:
        db.add(day, user_id, **{ORPHANED if outcome == ORPHANED else "failed": 1})
        if not own_doing and not is_paid(db, request_id):
            give_back(db, request_id)
    _mark_alerts(db, day, user_id)


def _mark_alerts(db: Transaction, day: str, user_id: str) -> None:
    """Look at the budget and at the user after a question was closed."""
    spent, budget = db.number(sql.DAY_SPENT, day=day), db.limits.daily_budget
    if spent and spent * 100 >= budget * 80:
        db.mark(Alert(day, BUDGET_NEARLY))
    if spent and spent >= budget:
        db.mark(Alert(day, BUDGET_USED_UP))
    row = db.row(sql.USER_DAY, day=day, user_id=user_id)
    if row is not None and row["admitted"] >= db.limits.daily_requests:
        db.mark(Alert(day, USER_LIMIT, user_id))


def is_paid(db: Transaction, request_id: str) -> bool:
    """Whether an answer has cost something, or may have; embeddings alone gave the caller nothing."""
    return db.number(sql.ANSWER_COST, request_id=request_id) > 0


def is_counted(db: Transaction, request_id: str) -> bool:
    """Whether a question uses up quota."""
    return not db.row(sql.REQUEST, request_id=request_id)["given_back"]


def give_back(db: Transaction, request_id: str, *, limited: bool = True) -> None:
    """Return the quota of a question, once; with `limited`, only as often a day as the user's limit says."""
    request = db.row(sql.REQUEST, request_id=request_id)
    day, user_id = request["day"], request["user_id"]
    given_back = db.row(sql.USER_DAY, day=day, user_id=user_id)["given_back"]
    if request["given_back"] or (limited and given_back >= db.limits.give_backs):
        return
    db.run(sql.GIVEN_BACK, request_id=request_id)
    db.add(day, user_id, admitted=-1, given_back=1)
    write_bucket(db, user_id, read_bucket(db, user_id).given_back())


def find_orphans(db: Transaction, query: str = sql.OPEN_REQUESTS) -> list[sqlite3.Row]:
    """Open questions (or other rows with an origin) of dead processes, and those too old to be alive.

    Age decides where the process cannot be seen (another machine, before a reboot) or has forgotten its
    question. Money is safe if that is wrong: a question taken for dead cannot send another paid call, and a
    late settlement corrects what was charged.
    """

    def is_orphan(row: sqlite3.Row) -> bool:
        # A question from the far future is one from before the clock was set back.
        age = abs(db.now.elapsed_since(Moment.stored(row)))
        return age > db.orphan_after_us or Process.stored(row).is_dead()

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
