"""An admitted question and its paid calls: reserve, sent, settle or release.

A question that may be answered at no cost is admitted without money, which is reserved when it turns out to
be needed; one for which there is none then is admitted no more, as if it had been refused at once.

A paid call is committed as sent before it is made, with the most that it can cost; the first one together
with the admission, as nothing comes between the two. What it did cost is written with the next commit of the
same question, which saves a transaction; if there is none, because the process died, the bound stands. So an
interruption can make the ledger say too much, never too little.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import NamedTuple

from app.errors import BudgetExceeded, DndChatError, LedgerUnavailable, is_own_doing
from app.ledger import settlement, sql
from app.ledger.limits import budget_refusal, find_refusal, read_bucket, read_quota, write_bucket
from app.ledger.settlement import PaidCall, Settlement, close_orphans
from app.ledger.store import Transactions
from app.ledger.transaction import Transaction
from app.models import PlannedCall, Quota

log = logging.getLogger(__name__)


class Receipt(NamedTuple):
    """What a closed question cost (nano-dollars) and what it left."""

    cost: int
    quota: Quota


class Admission:
    """One admitted question. As a context manager it is closed in every case: as failed, if not finished."""

    def __init__(self, ledger: Transactions, user_id: str, request_id: str, day: str, quota: Quota) -> None:
        self.request_id = request_id
        self.day = day
        """The UTC day that all of its cost belongs to, also when it ends on the next."""
        self.quota = quota
        """What the user had left right after the admission."""
        self.pricing = ledger.pricing
        self.counted = True
        """Whether the question uses up quota: yes until the ledger has closed it otherwise."""
        self.first: PaidCall | None = None
        """The call that was committed as sent with the admission, until it is made."""
        self._ledger, self._user_id = ledger, user_id
        # What the next commit writes.
        self._pending: list[Settlement] = []
        self._receipt: Receipt | None = None

    def reserve(self, reserve: int, first: PlannedCall | None = None, least: int = 0) -> None:
        """Reserve what the question can cost, see `Ledger.admit`, which need not have known it.

        Raises BudgetExceeded: then nothing is left of the admission. Raises LedgerUnavailable.
        """
        if not reserve:
            return
        with self._ledger.writing() as db:
            self._open_row(db)
            refusal = budget_refusal(db, self.day, self._user_id, bound=least, reserve=reserve)
            if refusal is not None:
                receipt = self._withdraw(db)
            else:
                db.run(sql.HOLD_MORE, request_id=self.request_id, amount=reserve)
                self.first = self.write_call(db, first) if first is not None else None
        if refusal is not None:
            # Only what is committed is true.
            self._receipt, self.counted = receipt, False
            refusal.quota = receipt.quota
            raise refusal

    def sent(self, call: PlannedCall) -> PaidCall:
        """Commit that `call` is being made; then make it.

        It uses what the question holds; what that does not cover is reserved in the same transaction. The
        call for the answer is the last, so what it leaves of the reservation is released. Raises
        BudgetExceeded when the day or the user's share of it has no room, and LedgerUnavailable, also when
        this question was taken for dead: then the call must not be made.
        """
        if self.first is not None:
            first, self.first = self.first, None
            if first.covers(call):
                return first
            first.not_billed()
        refusal: BudgetExceeded | None = None
        sent = None
        with self._ledger.writing() as db:
            self._write_pending(db)
            self._open_row(db)
            missing = call.bound - db.number(sql.UNASSIGNED, request_id=self.request_id)
            if call.kind == "chat" or missing > 0:
                refusal = budget_refusal(
                    db, self.day, self._user_id, bound=call.bound, reserve=missing, request_id=self.request_id
                )
                if refusal is None:
                    db.run(sql.HOLD_MORE, request_id=self.request_id, amount=missing)
            if refusal is None:
                sent = self.write_call(db, call)
        self._pending.clear()
        if refusal is not None:
            raise refusal
        assert sent is not None
        return sent

    def finish(self, outcome: str, latency_ms: int = 0, *, own_doing: bool = False) -> Receipt:
        """Close the question; the first call counts. Raises LedgerUnavailable: then it becomes an orphan.

        `outcome` is `answered`, `disconnected`, or the code of the error that the caller got, of which
        `own_doing` says whether the question has caused it. `counted` then says whether the quota went back.
        """
        if self._receipt is not None:
            return self._receipt
        if self.first is not None:
            self.first.not_billed()
        with self._ledger.writing() as db:
            request = db.row(sql.REQUEST, request_id=self.request_id)
            if request is None:
                raise LedgerUnavailable(f"request {self.request_id}: the ledger has lost it")
            if request["outcome"] is None:
                self._write_pending(db)
                settlement.close_request(db, self.request_id, outcome, latency_ms, own_doing=own_doing)
            else:
                log.warning("request %s: %s, after it was taken for dead", self.request_id, outcome)
                was_paid = settlement.is_paid(db, self.request_id)
                self._write_pending(db)
                if was_paid and not settlement.is_paid(db, self.request_id) and not own_doing:
                    settlement.give_back(db, self.request_id)
            counted = settlement.is_counted(db, self.request_id)
            cost = db.row(sql.REQUEST, request_id=self.request_id)["spent_nd"]
            receipt = Receipt(cost, read_quota(db, self._user_id))
        # Only what is committed is true.
        self._receipt, self.counted = receipt, counted
        self._pending.clear()
        return receipt

    def __enter__(self) -> Admission:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, DndChatError):
            outcome = error.code
        else:
            # A stream that its reader has left is closed by GeneratorExit.
            gone = isinstance(error, GeneratorExit | ConnectionError)
            outcome = settlement.DISCONNECTED if gone else DndChatError.code
        self.finish(outcome, own_doing=is_own_doing(error))

    def write_call(self, db: Transaction, call: PlannedCall) -> PaidCall:
        """Write down that `call` is being made, for the question's reservation to cover."""
        row = {"request_id": self.request_id, "kind": call.kind, "model": call.model, "bound_nd": call.bound}
        call_id = db.run(sql.ADD_CALL, **row).lastrowid
        assert call_id is not None
        return PaidCall(self.pricing, self._pending, call_id, call)

    def _open_row(self, db: Transaction) -> None:
        """Raises LedgerUnavailable where the question was closed as one whose process is dead."""
        request = db.row(sql.REQUEST, request_id=self.request_id)
        if request is None or request["outcome"] is not None:
            raise LedgerUnavailable(f"request {self.request_id}: its reservation is gone, it took too long")

    def _withdraw(self, db: Transaction) -> Receipt:
        """Undo the admission of a question that has sent nothing: all is as if it had not been asked."""
        db.run(sql.FORGET_REQUEST, request_id=self.request_id)
        db.add(self.day, self._user_id, admitted=-1)
        write_bucket(db, self._user_id, read_bucket(db, self._user_id).given_back())
        if not _has_asked(db, self.day, self._user_id):
            db.run(sql.ADD_USERS, day=self.day, amount=-1)
        return Receipt(0, read_quota(db, self._user_id))

    def _write_pending(self, db: Transaction) -> None:
        for pending in self._pending:
            pending.write(db, self.request_id)


def admit(
    ledger: Transactions, user_id: str, request_id: str, reserve: int, first: PlannedCall | None, least: int
) -> Admission:
    """See `Ledger.admit`."""
    with ledger.writing() as db:
        day = db.now.day
        close_orphans(db)
        refusal = find_refusal(db, user_id, reserve, least)
        if refusal is None:
            if not _has_asked(db, day, user_id):
                db.run(sql.ADD_USERS, day=day, amount=1)
            write_bucket(db, user_id, read_bucket(db, user_id).taken())
            db.add(day, user_id, admitted=1)
            question = {"request_id": request_id, "user_id": user_id, "day": day, "held_nd": reserve}
            db.run(sql.OPEN_REQUEST, **question, **db.origin())
        admission = Admission(ledger, user_id, request_id, day, read_quota(db, user_id))
        if refusal is None and first is not None:
            admission.first = admission.write_call(db, first)
    # Only now: raised inside, it would undo the count of refusals and the orphans' settlement.
    if refusal is not None:
        raise refusal
    return admission


def _has_asked(db: Transaction, day: str, user_id: str) -> bool:
    """Whether a question of the user was admitted on the day, whatever became of it."""
    user_day = db.row(sql.USER_DAY, day=day, user_id=user_id)
    return user_day is not None and bool(user_day["admitted"] + user_day["given_back"])
