"""The ledger as the rest of the program sees it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from app.ledger import admission, takeover
from app.ledger.clock import Clock
from app.ledger.quota import read_quota
from app.ledger.spending import Admission
from app.ledger.store import Store
from app.ledger.tokens import TokenCache
from app.models import FreeKind, PlannedCall, Quota, User
from app.pricing import Pricing
from app.settings import LimitSettings

LEDGER_FILE = "ledger.sqlite3"
"""Its name in DATA_DIR."""


class Ledger:
    """One per process; making it touches no file. Every method may raise LedgerUnavailable: then answer nothing.

    `orphan_after` is in seconds, and longer than any question can take: a question that is open for longer is taken for
    dead even where its process cannot be seen.
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
        self.limits = limits
        self.pricing = pricing
        self.clock = clock or Clock()
        self.orphan_after_us = int(orphan_after * 1_000_000)
        self.store = store or Store(path)
        self._tokens = TokenCache(self.store, self.clock)

    def known_token(self, token_hash: str) -> User | None:
        """The owner of a token, if it was good lately."""
        return self._tokens.known(token_hash)

    def remember_token(self, token_hash: str, user_id: str, seconds: int, expiry: int | None = None) -> None:
        """Keep whose token this is for `seconds`, but not beyond `expiry` (seconds since 1970)."""
        self._tokens.remember(token_hash, user_id, seconds, expiry)

    def admit(self, user_id: str, request_id: str, reserve: int, first: PlannedCall | None = None, least: int = 0) -> Admission:
        """Count a question of this user and reserve `reserve` nano-dollars for it, or refuse it.

        `first` is the paid call that is made first in any case: it is committed as sent in the same transaction. `least` is
        what must be left of the user's share of the day; how much is needed is known when the answer is asked for.

        Raises RateLimited, DailyLimitExceeded, ConcurrentRequest, BudgetExceeded.
        """
        day, quota, call_id = admission.admit(
            self.store, self.clock, self.limits, self.orphan_after_us, user_id, request_id, reserve, first, least
        )
        return Admission(
            self.store,
            self.clock,
            self.limits,
            self.pricing,
            user_id=user_id,
            request_id=request_id,
            day=day,
            quota=quota,
            first=None if first is None or call_id is None else (call_id, first),
        )

    def admit_free(self, user_id: str, kind: FreeKind) -> AbstractContextManager[None]:
        """Something that costs neither quota nor money, while the context lasts.

        Raises RateLimited and ConcurrentRequest: it has a limit of its own, and counts among what a user has in flight.
        """
        # Loaded when it is needed, as feedback: an answered question needs neither.
        from app.ledger import free

        return free.admit(self.store, self.clock, self.limits, self.orphan_after_us, user_id, kind)

    def take_over(self, user_id: str, lost_id: str) -> None:
        """Close the question that a worker has lost, before it is asked again.

        Raises AIServiceError or TooMuchWork if it must not be.
        """
        takeover.take_over(self.store, self.clock, self.limits, user_id, lost_id)

    def quota(self, user_id: str) -> Quota:
        """What the user has left, using nothing up."""
        with self.store.reading() as db:
            return read_quota(db, self.limits, user_id, self.clock.now())

    def give_feedback(self, user_id: str, request_id: str, rating: str, comment: str | None = None) -> None:
        """Rate an answer that this user was given, `up` or `down`. Raises InvalidRequest, RateLimited."""
        from app.ledger import feedback

        feedback.give(self.store, self.clock, self.limits, user_id, request_id, rating, comment)

    def check(self) -> None:
        """Take the lock and write nothing."""
        with self.store.writing():
            pass

    def close(self) -> None:
        """Let go of the file."""
        self.store.close()
