"""Looks at a ledger from outside while others use it, with nothing of the program's own code.

`Watcher` polls in a process of its own: what it reads was committed. `witness` goes further and lets the file
itself note the highest values ever written, by triggers, so that no moment between two looks is missed.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

COMMITTED = """
    SELECT (SELECT COALESCE(SUM(spent_nd), 0) FROM days)
         + (SELECT COALESCE(SUM(held_nd), 0) FROM requests WHERE outcome IS NULL)"""
OPEN = "SELECT COUNT(*) FROM requests WHERE outcome IS NULL"
OPEN_OF_ONE = (
    f"SELECT COALESCE(MAX(n), 0) FROM ({OPEN.replace('COUNT(*)', 'COUNT(*) AS n')} GROUP BY user_id)"
)
PEAKS = {"money": COMMITTED, "open": OPEN, "open_of_one": OPEN_OF_ONE}


def witness(path: Path) -> None:
    """Let every later change of requests and days note its peaks."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE peaks (name TEXT PRIMARY KEY, value INTEGER, changes INTEGER)")
    db.executemany("INSERT INTO peaks VALUES (?, 0, 0)", [(name,) for name in PEAKS])
    notes = " ".join(
        f"UPDATE peaks SET changes = changes + 1, value = MAX(value, ({query})) WHERE name = '{name}';"
        for name, query in PEAKS.items()
    )
    for table in ("requests", "days"):
        for change in ("INSERT", "UPDATE"):
            db.execute(f"CREATE TRIGGER note_{table}_{change} AFTER {change} ON {table} BEGIN {notes} END")
    db.commit()
    db.close()


def witnessed(path: Path) -> dict[str, int]:
    """The peaks, and how many changes were looked at."""
    db = sqlite3.connect(path)
    rows = db.execute("SELECT name, value, changes FROM peaks").fetchall()
    db.close()
    return {**{name: value for name, value, _ in rows}, "changes": rows[0][2]}


class Watcher:
    """`with Watcher(path) as watcher: ...; watcher.seen` has the peaks and how many states were looked at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen: dict[str, Any] = {}

    def __enter__(self) -> Watcher:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self._path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self._process.stdout.readline()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        told, _nothing = self._process.communicate("", timeout=30)
        if kind is None:
            self.seen = json.loads(told)


def main() -> None:
    import select
    import time

    db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
    peaks = dict.fromkeys(PEAKS, 0)
    versions = set()
    print("watching", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        db.execute("BEGIN")
        for name, query in PEAKS.items():
            peaks[name] = max(peaks[name], db.execute(query).fetchone()[0])
        versions.add(db.execute("PRAGMA data_version").fetchone()[0])
        db.execute("COMMIT")
        # A reader that never lets go would be the one thing that keeps writers from committing.
        time.sleep(0.002)
    print(json.dumps({**peaks, "states": len(versions)}))


if __name__ == "__main__":
    main()
