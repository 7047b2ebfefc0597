"""What the ledger's tests share: a clock that can be set, limits, prices, and a look into the file."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from app.ledger.ledger import Ledger
from app.ledger.transaction import SECOND_US, Clock, Moment
from app.models import PlannedCall, Usage  # noqa: F401  for the scripts that tests run
from app.pricing import Overrides, price_list
from app.settings import LimitSettings
from tests.harness import ROOT

CHAT, EMBEDDINGS = "gpt-6-luna", "text-embedding-3-small"
PRICING, _ = price_list(CHAT, EMBEDDINGS, Overrides())
NOON = 1_795_262_400  # 2026-11-21 12:00 UTC


class SetClock(Clock):
    """Stands still until it is told to move; `set_wall` is what an administrator or NTP does to a machine."""

    def __init__(self, wall: float = NOON, boot: str = "boot-1") -> None:
        self.wall_us, self.steady_us, self.boot = int(wall * SECOND_US), 5 * SECOND_US, boot

    def now(self) -> Moment:
        return Moment(self.wall_us, self.steady_us, self.boot)

    def advance(self, seconds: float) -> None:
        self.wall_us += int(seconds * SECOND_US)
        self.steady_us += int(seconds * SECOND_US)

    def set_wall(self, seconds: float) -> None:
        self.wall_us += int(seconds * SECOND_US)

    def reboot(self, boot: str = "boot-2") -> None:
        self.boot, self.steady_us = boot, 0


def limits(
    capacity: int = 15,
    interval_us: int = 60_000_000,
    daily: int = 30,
    in_flight: int = 0,
    budget: str = "1.00",
    **given: int,
) -> LimitSettings:
    return LimitSettings(capacity, interval_us, daily, in_flight, budget, **given)


def open_ledger(directory: Path, clock: Clock | None = None, **given: Any) -> Ledger:
    return Ledger(directory / "ledger.sqlite3", limits(**given), PRICING, clock=clock)


def query(ledger: Ledger | Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Rows as another program sees them."""
    path = ledger.store.path if isinstance(ledger, Ledger) else ledger
    db = sqlite3.connect(path, timeout=20)
    try:
        return db.execute(statement, parameters).fetchall()
    finally:
        db.close()


def integrity(path: Path) -> str:
    return str(query(path, "PRAGMA integrity_check")[0][0])


def run_module(module: str, plan: dict[str, Any], timeout: float = 120) -> Any:
    """Run `python -m module` with a plan; its last line is its result."""
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(plan)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
