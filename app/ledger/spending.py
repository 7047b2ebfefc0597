"""An admitted question and its paid calls: reserve, sent, settle or release.

A paid call is committed as sent before it is made, with the most that it can cost; the first one together with the admission,
as nothing comes between the two. What it did cost is written with the next commit of the same question, which saves a
transaction; if there is none, because the process died, the bound stands. So an interruption can make the ledger say too
much, never too little.
"""

from __future__ import annotations

import logging
import sqlite3
from types import TracebackType
from typing import NamedTuple

from app.errors import BudgetExceeded, DndChatError, LedgerUnavailable, is_own_doing
from app.ledger import alerts, share, sql
from app.ledger.admission import add_call, budget_refusal
from app.ledger.clock import Clock
from app.ledger.quota import read_quota
from app.ledger.settlement import DISCONNECTED, CallState, close_request, give_back, is_counted, is_paid, settle_call
from app.ledger.store import Store
from app.models import PlannedCall, Quota, Usage
from app.pricing import Pricing
from app.settings import LimitSettings

log = logging.getLogger(__name__)


class Receipt(NamedTuple):
    """What a closed question cost (nano-dollars) and what it left."""

    cost: int
    quota: Quota


class _Settlement(NamedTuple):
    call_id: int
    state: CallState
    cost: int
    usage: Usage | None = None


class PaidCall:
    """One paid call that is about to be made, or was. The first of `settle` and `free` counts."""

    def __init__(self, admission: Admission, call_id: int, planned: PlannedCall) -> None:
        self._admission = admission
        self._call_id = call_id
        self._planned = planned
        self._over = False

    def covers(self, call: PlannedCall) -> bool:
        """Whether `call` is what was committed, and costs no more."""
        return self._planned[:2] == call[:2] and call.bound <= self._planned.bound

    def settle(self, usage: Usage | None) -> None:
        """The provider answered, and counted `usage`; None: it may have been billed, but nobody knows how much."""
        cost = None if usage is None else self._admission.pricing.cost(self._planned.model, usage)
        if usage is None or cost is None:
            self._close("charged", self._planned.bound)
            return
        if cost > self._planned.bound:
            # The truth goes into the books all the same; the next admission is refused if the day has no room left.
            log.error("%s cost %d nano-dollars, more than its bound: %s", self._planned, cost, usage)
        self._close("settled", cost, usage)

    def free(self) -> None:
        """The call was certainly not billed: an error status, or no connection."""
        self._close("free", 0)

    def _close(self, state: CallState, cost: int, usage: Usage | None = None) -> None:
        if not self._over:
            self._over = True
            self._admission.pending.append(_Settlement(self._call_id, state, cost, usage))


class Admission:
    """One admitted question. As a context manager it is closed in every case: as failed, if nobody said how it went."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: LimitSettings,
        pricing: Pricing,
        *,
        user_id: str,
        request_id: str,
        day: str,
        quota: Quota,
        first: tuple[int, PlannedCall] | None = None,
    ) -> None:
        self.request_id = request_id
        self.day = day
        """The UTC day that all of its cost belongs to, also when it ends on the next."""
        self.quota = quota
        """What the user had left right after the admission."""
        self.pricing = pricing
        self.counted = True
        """Whether the question uses up quota: as the ledger has it, so yes until its books are closed otherwise."""
        self.pending: list[_Settlement] = []
        """Settlements that the next commit writes."""
        self._store, self._clock, self._limits = store, clock, limits
        self._user_id = user_id
        self._receipt: Receipt | None = None
        # The call that was committed as sent with the admission, until it is made.
        self._first = PaidCall(self, *first) if first else None

    def sent(self, call: PlannedCall) -> PaidCall:
        """Commit that `call` is being made; then make it.

        It uses what the question holds; what that does not cover is reserved in the same transaction. The call for the answer
        is the last, so of what is more than it needs the rest is let go. Raises BudgetExceeded when the day or the user's
        share of it has no room, and LedgerUnavailable, also when this question was taken for dead: then the call must not be
        made.
        """
        if self._first is not None:
            first, self._first = self._first, None
            if first.covers(call):
                return first
            first.free()
        key = {"request_id": self.request_id}
        with self._store.writing() as db:
            self._write_pending(db)
            request = db.execute(sql.REQUEST, key).fetchone()
            if request is None or request["outcome"] is not None:
                raise LedgerUnavailable(f"request {self.request_id}: its reservation is gone, it took too long")
            missing = call.bound - db.execute(sql.UNASSIGNED, key).fetchone()["amount"]
            refusal: BudgetExceeded | None = None
            added = None
            last = call.kind == "chat"
            if last or missing > 0:
                now = self._clock.now()
                refusal = share.refusal(db, self._limits, now, self.day, self._user_id, call.bound, self.request_id)
                if missing > 0:
                    refusal = refusal or budget_refusal(db, self._limits, now, self.day, self._user_id, missing)
            if refusal is None:
                if last or missing > 0:
                    db.execute(sql.HOLD_MORE, {**key, "amount": missing})
                added = add_call(db, self.request_id, call)
        self.pending.clear()
        if refusal is not None:
            raise refusal
        assert added is not None
        return PaidCall(self, added, call)

    def finish(self, outcome: str, latency_ms: int = 0, *, own_doing: bool = False) -> Receipt:
        """Close the question; the first call counts. Raises LedgerUnavailable: then its reservation stays until it is old.

        `outcome` is `answered`, `disconnected`, or the code of the error that the caller got, of which `own_doing` says whether
        the question has caused it. `counted` then says whether the quota went back.
        """
        if self._receipt is None:
            if self._first is not None:
                self._first.free()
            with self._store.writing() as db:
                now = self._clock.now()
                request = db.execute(sql.REQUEST, {"request_id": self.request_id}).fetchone()
                if request is None:
                    raise LedgerUnavailable(f"request {self.request_id}: the ledger has lost it")
                if request["outcome"] is None:
                    self._write_pending(db)
                    close_request(db, self._limits, now, self.request_id, outcome, latency_ms, own_doing=own_doing)
                    alerts.mark_closed(db, self._limits, self.day, self._user_id)
                else:
                    log.warning("request %s: %s, after it was taken for dead", self.request_id, outcome)
                    was_paid = is_paid(db, self.request_id)
                    self._write_pending(db)
                    if was_paid and not is_paid(db, self.request_id) and not own_doing:
                        give_back(db, self._limits, now, self.request_id)
                counted = is_counted(db, self.request_id)
                cost = db.execute(sql.REQUEST, {"request_id": self.request_id}).fetchone()["spent_nd"]
                receipt = Receipt(cost, read_quota(db, self._limits, self._user_id, now))
            # Only what is committed is true.
            self._receipt, self.counted = receipt, counted
            self.pending.clear()
        return self._receipt

    def __enter__(self) -> Admission:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._receipt is None:
            if isinstance(error, DndChatError):
                outcome = error.code
            else:
                # A stream that its reader has left is closed by GeneratorExit.
                gone = isinstance(error, GeneratorExit | ConnectionError)
                outcome = DISCONNECTED if gone else DndChatError.code
            self.finish(outcome, own_doing=is_own_doing(error))

    def _write_pending(self, db: sqlite3.Connection) -> None:
        for settlement in self.pending:
            settle_call(db, self.request_id, settlement.call_id, settlement.state, settlement.cost, settlement.usage)
