"""One transaction of the ledger: its moment, its limits, and short ways to run the queries of `sql.py`."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from app.ledger import sql
from app.ledger.origin import Clock, Moment, Process
from app.ledger.store import Store
from app.pricing import Pricing
from app.settings import LimitSettings


class Alert(NamedTuple):
    """Something that the owner is mailed once a UTC day: the key of a row in `alerts`.

    `kind` is one of the three below; `subject` is a user's id, or empty.
    """

    day: str
    kind: str
    subject: str = ""


BUDGET_NEARLY = "budget_80"
BUDGET_USED_UP = "budget_100"
USER_LIMIT = "user_daily_limit"


class Transaction(NamedTuple):
    """All statements of one read or write. `now` is when it began."""

    connection: sqlite3.Connection
    now: Moment
    limits: LimitSettings
    orphan_after_us: int

    def run(self, query: str, **parameters: object) -> sqlite3.Cursor:
        """Run a query; its named parameters are the keywords."""
        return self.connection.execute(query, parameters)

    def row(self, query: str, **parameters: object) -> Any:
        """The first row, by column name; None when there is none."""
        return self.connection.execute(query, parameters).fetchone()

    def rows(self, query: str, **parameters: object) -> list[sqlite3.Row]:
        return self.connection.execute(query, parameters).fetchall()

    def number(self, query: str, **parameters: object) -> int:
        """The one number that a query gives."""
        number: int = self.connection.execute(query, parameters).fetchone()[0]
        return number

    def add(self, day: str, user_id: str, **amounts: int) -> None:
        """Add to the totals of a user's UTC day; the keywords are columns of `user_days`."""
        self.connection.execute(sql.add_user_day(*amounts), {"day": day, "user_id": user_id, **amounts})

    def mark(self, alert: Alert) -> None:
        """Let the owner be mailed (`alerts.py`), once for each mark."""
        self.run(sql.MARK_ALERT, **alert._asdict())

    def origin(self) -> dict[str, str | int]:
        """The parameters that say which process makes a row, and when."""
        return {**Process.current().parameters(), **self.now._asdict()}


class Transactions:
    """What all transactions of one ledger go by. `orphan_after_us` is in microseconds, see `Ledger`."""

    def __init__(
        self, store: Store, clock: Clock, limits: LimitSettings, pricing: Pricing, orphan_after_us: int
    ) -> None:
        self.store, self.clock, self.limits, self.pricing = store, clock, limits, pricing
        self.orphan_after_us = orphan_after_us

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that holds the write lock; an error undoes it. Raises LedgerUnavailable."""
        with self.store.writing() as connection:
            # Read under the lock: waiting for it may have taken us past midnight.
            yield Transaction(connection, self.clock.now(), self.limits, self.orphan_after_us)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction whose reads all see the same state. Raises LedgerUnavailable."""
        with self.store.reading() as connection:
            yield Transaction(connection, self.clock.now(), self.limits, self.orphan_after_us)
