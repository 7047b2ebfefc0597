"""One transaction of the ledger: its moment, its limits, and short ways to run the queries of `sql.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from app.ledger import sql
from app.ledger.clock import Clock, Moment
from app.ledger.store import Store
from app.pricing import Pricing
from app.settings import LimitSettings


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
