"""The ledger as the rest of the program sees it: every other module of this package is behind this one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from app.ledger import access_tokens, admission, alerts, orphans
from app.ledger.admission import Admission, Receipt
from app.ledger.clock import SECOND_US, Clock
from app.ledger.limits import read_quota
from app.ledger.store import Store
from app.ledger.transaction import Transactions
from app.models import FreeKind, PlannedCall, Quota, User
from app.pricing import Pricing
from app.settings import LimitSettings

__all__ = ["LEDGER_FILE", "Admission", "Ledger", "Receipt"]

LEDGER_FILE = "ledger.sqlite3"
"""Its name in DATA_DIR."""


class Ledger(Transactions):
    """One per process; making it touches no file. Any method may raise LedgerUnavailable: answer nothing.

    Money is in nano-dollars, days are UTC. `orphan_after` is in seconds, and longer than any question can
    take: a question that is open for longer is taken for dead even where its process cannot be seen.
    """

    def __init__(
        self,
        path: Path,
        limits: LimitSettings,
        pricing: Pricing,
        *,
        clock: Clock | None = None,
        orphan_after: float = 120,
        store: Store | None = None,
    ) -> None:
        super().__init__(
            store or Store(path), clock or Clock(), limits, pricing, int(orphan_after * SECOND_US)
        )

    def known_token(self, token: str) -> User | None:
        """The owner of an access token, if the auth API has accepted it lately."""
        return access_tokens.known(self, token)

    def remember_token(self, token: str, user_id: str, seconds: int) -> None:
        """Keep whose token this is for `seconds`, but not beyond its own expiry. Only its hash is stored."""
        access_tokens.remember(self, token, user_id, seconds)

    def admit(
        self,
        user_id: str,
        request_id: str,
        reserve: int = 0,
        first: PlannedCall | None = None,
        least: int = 0,
    ) -> Admission:
        """Count a question of this user and reserve `reserve` nano-dollars for it, or refuse it.

        One that may cost nothing is admitted without money, which `Admission.reserve` reserves.
        `first` is the paid call that is made first in any case: it is committed as sent with the admission.
        `least` (nano-dollars) is what must be left of the user's share of the day; how much is needed is
        known when the answer is asked for. Raises RateLimited, DailyLimitExceeded, ConcurrentRequest,
        BudgetExceeded.
        """
        return admission.admit(self, user_id, request_id, reserve, first, least)

    def admit_free(self, user_id: str, kind: FreeKind) -> AbstractContextManager[None]:
        """Something that costs neither quota nor money, while the context lasts.

        Raises RateLimited and ConcurrentRequest: it has a limit of its own, and counts among what a user has
        in flight.
        """
        # Loaded when it is needed, as for feedback: an answered question needs neither.
        from app.ledger import free

        return free.admit(self, user_id, kind)

    def give_feedback(self, user_id: str, request_id: str, rating: str, comment: str | None = None) -> None:
        """Rate an answer that this user was given, `up` or `down`; the last rating counts.

        Raises InvalidRequest, also for an answer that is not this user's or a comment of more than 2,000
        characters, and RateLimited.
        """
        from app.ledger import free

        free.give_feedback(self, user_id, request_id, rating, comment)

    def take_over(self, user_id: str, lost_id: str) -> None:
        """Close the question that a worker has lost, before it is asked again.

        Raises AIServiceError or TooMuchWork if it must not be.
        """
        orphans.take_over(self, user_id, lost_id)

    def quota(self, user_id: str) -> Quota:
        """What the user has left, using nothing up."""
        with self.reading() as db:
            return read_quota(db, user_id)

    def start_alerts(self) -> None:
        """Have due alerts mailed by a process of its own, which nobody waits for."""
        alerts.start_sender(self)

    def check(self) -> None:
        """Take the write lock and write nothing."""
        with self.writing():
            pass

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self.store.close()
