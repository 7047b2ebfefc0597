"""What an unfinished copy has done so far: one SQLite file in DATA_DIR, written through to the disk after
every batch.

A batch is marked as sent after the server has acknowledged it, so a process that dies at any moment sends
again at most what was under way. One file per source and target; it goes when the copy is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app import datadir
from app.operator.problems import OperatorError, SourceChanged
from app.operator.records import Record

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, digest BLOB NOT NULL, reading INTEGER NOT NULL,
                                    sent INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


# Records that changed are to be removed from the target, also when they are not marked as sent: they may have
# been under way when the last run died.
CHANGED = "INSERT OR REPLACE INTO stale SELECT id FROM records WHERE id = ? AND digest <> ?"
TAKE = """
INSERT INTO records (id, digest, reading) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE
SET sent = sent AND digest = excluded.digest, digest = excluded.digest, reading = excluded.reading
"""


class Reading(NamedTuple):
    """How the source compares with what the journal knew."""

    records: int
    changed: int
    vanished: int


class Journal:
    """What a `with` opens, for one process at a time; with nothing in it, its end deletes the file.

    Every method raises OperatorError when the disk cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._explained():
            datadir.ensure(path.parent)
            self._guard = path.with_suffix(".lock").open("a")
            try:
                fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._guard.close()
                raise OperatorError(
                    "The same copy is running in another process; wait for it to end."
                ) from None
            self._connection = sqlite3.connect(path, isolation_level="IMMEDIATE", check_same_thread=False)
            # A rollback journal and FULL: a commit is on the disk before its batch counts as sent.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(SCHEMA)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            # A batch that was given up may be about to be marked, in a thread of its own.
            with self._lock, self._explained():
                empty = not self.state() and not self.count()
                self._connection.close()
                if empty:
                    self.path.unlink(missing_ok=True)
                self._guard.close()
        except OperatorError:
            # What stopped the copy says more than what the same full disk does to the closing.
            if kind is None:
                raise

    def state(self) -> dict[str, str]:
        """Which staging collection, which phase, what is replaced."""
        with self._explained():
            return dict(self._connection.execute("SELECT key, value FROM state").fetchall())

    def note(self, **values: str) -> None:
        """Set values of the state, all at once."""
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items())

    def forget(self) -> None:
        """The copy is complete, or begins anew: nothing is sent, nothing is known."""
        with self._transaction() as connection:
            for table in ("state", "records", "stale"):
                connection.execute(f"DELETE FROM {table}")

    def read(self, pages: Iterable[Sequence[Record]]) -> Reading:
        """Take the source as it is now. Records that changed since the last reading, or are gone, become
        stale."""
        reading = int(self.state().get("reading", "0")) + 1
        # Noted first: a reading that dies half-way must not be taken for part of the next one.
        self.note(reading=str(reading))
        total = changed = 0
        for page in pages:
            taken = [(record.id, record.digest()) for record in page]
            with self._transaction() as connection:
                changed += connection.executemany(CHANGED, taken).rowcount
                connection.executemany(TAKE, ((*record, reading) for record in taken))
            total += len(page)
        with self._transaction() as connection:
            gone = "FROM records WHERE reading < ?"
            connection.execute(f"INSERT OR IGNORE INTO stale SELECT id {gone}", (reading,))
            vanished = connection.execute(f"DELETE {gone}", (reading,)).rowcount
        return Reading(total, changed, vanished)

    def watch(self, pages: Iterable[list[Record]]) -> Iterator[list[Record]]:
        """The pages. Raises SourceChanged at the first record that differs from what `read` took."""
        total = 0
        for page in pages:
            known = dict(self._column("digest", page))
            for record in page:
                if known.get(record.id) != record.digest():
                    raise _changed(f"record {record.id} {'changed' if record.id in known else 'appeared'}")
            total += len(page)
            yield page
        if total != (expected := self.count()):
            raise _changed(f"{expected:,} records before, {total:,} now")

    def unsent(self, page: Sequence[Record]) -> list[Record]:
        """Those records of `page` that the target has not acknowledged."""
        sent = {identity for identity, done in self._column("sent", page) if done}
        return [record for record in page if record.id not in sent]

    def mark_sent(self, ids: Sequence[str]) -> None:
        with self._transaction() as connection:
            connection.executemany("UPDATE records SET sent = 1 WHERE id = ?", zip(ids, strict=True))

    def mark_wrong(self, ids: Sequence[str]) -> None:
        """Records that are wrong in the target: the next run removes them there and sends them again."""
        with self._transaction() as connection:
            connection.executemany("UPDATE records SET sent = 0 WHERE id = ?", zip(ids, strict=True))
            connection.executemany("INSERT OR IGNORE INTO stale VALUES (?)", zip(ids, strict=True))

    def mark_none_sent(self) -> None:
        """The staging collection is gone: everything is to be sent."""
        with self._transaction() as connection:
            connection.execute("UPDATE records SET sent = 0")
            connection.execute("DELETE FROM stale")

    def stale(self, size: int) -> Iterator[list[str]]:
        """The ids that are to be removed from the target before anything is sent, so many at a time.

        Those that came are forgotten when the next ones are due.
        """
        with self._explained():
            while rows := self._connection.execute("SELECT id FROM stale LIMIT ?", (size,)).fetchall():
                yield [row[0] for row in rows]
                with self._transaction() as connection:
                    connection.executemany("DELETE FROM stale WHERE id = ?", rows)

    def count(self, *, sent: bool = False) -> int:
        """How many records the source has, or how many of them are sent."""
        with self._explained():
            where = " WHERE sent" if sent else ""
            return int(self._connection.execute(f"SELECT count(*) FROM records{where}").fetchone()[0])

    def _column(self, column: str, page: Sequence[Record]) -> list[tuple[str, Any]]:
        """Id and `column` of those records of `page` that are known."""
        known = f"SELECT id, {column} FROM records WHERE id IN ({','.join('?' * len(page))})"
        with self._explained():
            return self._connection.execute(known, [record.id for record in page]).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained(), self._connection:
            yield self._connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if type(error) is sqlite3.DatabaseError:
                raise OperatorError(
                    f"{self.path} is damaged ({error}). Delete it and run the same command again, with "
                    "--restart: the upload begins anew, and what was left of it is removed."
                ) from error
            raise OperatorError(
                f"Cannot write {self.path} ({error}): make room on the disk or make DATA_DIR writable, then "
                "run the same command again; what is uploaded already is not sent twice."
            ) from error


def _changed(how: str) -> SourceChanged:
    return SourceChanged(
        f"The source was written to while it was copied: {how}. Nothing was switched; run the same command "
        "again, it takes up the change."
    )


def journal_path(data_dir: Path, *parts: str) -> Path:
    """The journal of the copy that `parts` (source and target, by address and name) describe."""
    mark = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return data_dir / "copies" / f"{datadir.file_name(parts[-1][:80])}-{mark}.sqlite3"
