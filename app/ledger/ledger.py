"""The ledger as the rest of the program sees it: every other module of this package is behind this one."""

from __future__ import annotations

import binascii
import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path

from app.ledger import admission, sql
from app.ledger.admission import Admission, Receipt
from app.ledger.limits import read_quota
from app.ledger.store import Store, Transactions
from app.ledger.transaction import SECOND_US, Clock
from app.models import FreeKind, PlannedCall, Quota, User
from app.pricing import Pricing
from app.settings import LimitSettings

__all__ = ["LEDGER_FILE", "Admission", "Ledger", "Receipt"]

LEDGER_FILE = "ledger.sqlite3"
"""Its name in DATA_DIR."""
MAX_TOKENS = 1000
"""Access tokens whose owner is remembered; the oldest make room."""


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
        """The owner of an access token, if the auth API has accepted it lately.

        Those that it has refused are remembered outside the ledger (app/seen.py), so that strangers cannot
        make it write.
        """
        with self.reading() as db:
            row = db.row(sql.TOKEN, token_hash=token_hash(token))
        # An entry from the future was made before the clock was set back: nobody knows how old it is.
        if row is None or not row["stored_us"] <= db.now.wall_us < row["expires_us"]:
            return None
        # An earlier version of this program kept bad ones here, too, without an owner.
        return User(row["user_id"]) if row["user_id"] is not None else None

    def remember_token(self, token: str, user_id: str, seconds: int) -> None:
        """Keep whose token this is for `seconds`, but not beyond its own expiry. Only its hash is stored."""
        now_us = self.clock.now().wall_us
        expires_us = now_us + seconds * SECOND_US
        if (expiry := token_expiry(token)) is not None:
            expires_us = min(expires_us, expiry * SECOND_US)
        if expires_us <= now_us:
            return
        with self.writing() as db:
            db.run(sql.delete(sql.EXPIRED_TOKENS), now_us=now_us)
            db.run(
                sql.SET_TOKEN,
                token_hash=token_hash(token),
                user_id=user_id,
                stored_us=now_us,
                expires_us=expires_us,
            )
            db.run(sql.TRIM_TOKENS, keep=MAX_TOKENS)

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
        from app.ledger import takeover

        takeover.take_over(self, user_id, lost_id)

    def quota(self, user_id: str) -> Quota:
        """What the user has left, using nothing up."""
        with self.reading() as db:
            return read_quota(db, user_id)

    def start_alerts(self) -> None:
        """Have due alerts mailed by a process of its own, which nobody waits for."""
        from app.ledger import alerts

        alerts.start_sender(self)

    def check(self) -> None:
        """Take the write lock and write nothing."""
        with self.writing():
            pass

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self.store.close()


def token_hash(token: str) -> str:
    """What stands for an access token in the ledger."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_expiry(token: str) -> int | None:
    """`exp` of a JWT, in seconds since 1970, unverified: it can only shorten how long it is remembered."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1].replace("-", "+").replace("_", "/") + "=" * (-len(parts[1]) % 4)
        claims = json.loads(binascii.a2b_base64(padded.encode("ascii")))
    except (ValueError, RecursionError):
        return None
    expiry = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(expiry, bool) or not isinstance(expiry, int | float) or not abs(expiry) < 1e12:
        return None
    return int(expiry)
