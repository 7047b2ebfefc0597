"""Limits and budget hold however many processes ask at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness.ledgers import integrity, open_ledger, query, run_module
from tests.process.ledger.watcher import Watcher, witness, witnessed

pytestmark = pytest.mark.timeout(150)

NO_BUCKET = {"capacity": 0}


def swarm(path: Path, processes: int, users: list[str], limits: dict[str, Any], **plan: Any) -> Any:
    arguments = {"path": str(path), "processes": processes, "users": users, "limits": limits, **plan}
    result = run_module("tests.process.ledger.swarm", arguments)
    print(result["said"], "refusals before that:", result["refused"], "seconds:", result["seconds"])
    assert result["failed"] == 0, result["said"]
    return result


def test_of_200_processes_at_once_the_bucket_admits_exactly_15(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    # Not even the file is there: the 200 also race to make it.
    result = swarm(path, 200, ["gary"], {})
    assert result["said"] == {"admitted": 15, "rate_limited": 185}
    # The first token is back 60 s after the first was taken: the seconds that the swarm took have passed
    # already.
    assert all(60 - result["seconds"] - 2 <= seconds <= 60 for seconds in result["retry_after"])
    assert query(path, "SELECT admitted, answered, refused_burst FROM user_days") == [(15, 15, 185)]
    assert integrity(path) == "ok"


def test_the_limits_do_not_depend_on_the_queue(tmp_path: Path) -> None:
    """Where nobody can queue, SQLite's own locks must be enough; they only take longer."""
    path = tmp_path / "ledger.sqlite3"
    (tmp_path / "ledger.sqlite3.lock").mkdir()
    result = swarm(path, 60, ["gary"], {})
    assert result["said"] == {"admitted": 15, "rate_limited": 45}


def test_with_the_bucket_off_exactly_the_daily_limit_is_admitted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    result = swarm(path, 200, ["gary"], NO_BUCKET)
    assert result["said"] == {"admitted": 30, "daily_limit_exceeded": 170}
    assert query(path, "SELECT admitted, answered, refused_daily FROM user_days") == [(30, 30, 170)]


def test_with_an_in_flight_limit_of_2_never_more_than_2_are_open(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.quota("gary")
    witness(ledger.store.path)
    with Watcher(ledger.store.path) as watcher:
        plan = {"reserve": 1_000_000, "hold_ms": 20, "until": 110}
        limits = {**NO_BUCKET, "in_flight": 2, "daily": 1000, "budget": "5.00"}
        # All are admitted in the end, two at a time: more would wait for longer than the ledger lets anybody
        # wait.
        result = swarm(ledger.store.path, 100, ["gary"], limits, **plan)
    print(watcher.seen, witnessed(ledger.store.path))
    assert result["said"] == {"admitted": 100}
    assert result["refused"] > 100
    assert witnessed(ledger.store.path)["open_of_one"] == 2
    assert watcher.seen["open_of_one"] == 2
    # How many it sees depends on the machine; a few say that it watched.
    assert watcher.seen["states"] > 20


def test_twenty_users_at_once_get_exactly_their_own(tmp_path: Path) -> None:
    users = [f"player-{number}" for number in range(20)]
    result = swarm(tmp_path / "ledger.sqlite3", 200, users, {"capacity": 4})
    assert result["by_user"] == {user: {"admitted": 4, "rate_limited": 6} for user in users}


def test_a_budget_of_7_reservations_is_never_exceeded_by_200_processes(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.quota("gary")
    path = ledger.store.path
    witness(path)
    reserve, budget = 10_000_000, 75_000_000
    with Watcher(path) as watcher:
        users = [f"player-{number}" for number in range(200)]
        limits = {"budget": "0.075"}
        result = swarm(path, 200, users, limits, reserve=reserve, hold_ms=60, until=90)
    peaks = witnessed(path)
    print(watcher.seen, peaks)
    assert set(result["said"]) == {"admitted", "spent"}
    assert result["said"]["admitted"] > 7
    # On a busy machine some have ended before the last of the seven begins.
    assert 3 <= peaks["open"] <= 7
    assert budget - reserve < peaks["money"] <= budget
    assert watcher.seen["money"] <= budget
    assert watcher.seen["open"] <= 7
    # How many it sees depends on the machine; a few say that it watched.
    assert watcher.seen["states"] > 20
    # What the processes were told they cost is what the books say, and nothing is left reserved.
    assert query(path, "SELECT spent_nd FROM days") == [(result["cost"],)]
    assert query(path, "SELECT SUM(spent_nd) FROM user_days") == [(result["cost"],)]
    assert query(path, "SELECT COUNT(*) FROM requests WHERE outcome IS NULL OR held_nd <> 0") == [(0,)]
