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
from dataclasses import dataclass
from pathlib import Path

from app import datadir
from app.operator.problems import OperatorError, SourceChanged
from app.operator.records import Record

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, digest BLOB NOT NULL, reading INTEGER NOT NULL,
                                    sent INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Reading:
    """How the source compares with what the journal knew."""

    records: int
    changed: int
    vanished: int


class Journal:
    """Opened by one process at a time. Every method raises OperatorError when the disk cannot be written."""

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
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # A rollback journal and FULL: a commit is on the disk before its batch counts as sent.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """Let go of the file; a journal with nothing in it is deleted."""
        # A batch that was given up may be about to be marked, in a thread of its own.
        with self._lock, self._explained():
            empty = not self.state() and not self.count()
            self._connection.close()
            if empty:
                self.path.unlink(missing_ok=True)
            self._guard.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
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
        stale.

        Raises SourceChanged when a record comes twice: something was inserted or deleted while the pages were
        read.
        """
        reading = int(self.state().get("reading", "0")) + 1
        # Noted first: a reading that dies half-way must not be taken for part of the next one.
        self.note(reading=str(reading))
        total = changed = 0
        for page in pages:
            with self._transaction() as connection:
                for record in page:
                    changed += self._take(connection, record, reading)
            total += len(page)
        with self._transaction() as connection:
            gone = "FROM records WHERE reading < ?"
            connection.execute(f"INSERT OR IGNORE INTO stale SELECT id {gone}", (reading,))
            vanished = connection.execute(f"DELETE {gone}", (reading,)).rowcount
        return Reading(total, changed, vanished)

    def _take(self, connection: sqlite3.Connection, record: Record, reading: int) -> bool:
        digest = record.digest()
        known = connection.execute(
            "SELECT digest, reading, sent FROM records WHERE id = ?", (record.id,)
        ).fetchone()
        if known is None:
            connection.execute("INSERT INTO records VALUES (?, ?, ?, 0)", (record.id, digest, reading))
            return False
        old_digest, old_reading, sent = known
        if old_reading == reading:
            raise SourceChanged(
                f"The source is being written to: record {record.id} came twice. Run again when it rests."
            )
        same = old_digest == digest
        if not same:
            # Also when it is not marked as sent: it may have been under way when the last run died.
            connection.execute("INSERT OR IGNORE INTO stale VALUES (?)", (record.id,))
        connection.execute(
            "UPDATE records SET digest = ?, reading = ?, sent = ? WHERE id = ?",
            (digest, reading, int(sent and same), record.id),
        )
        return not same

    def watch(self, pages: Iterable[list[Record]]) -> Iterator[list[Record]]:
        """The pages. Raises SourceChanged at the first record that differs from what `read` took."""
        total = 0
        for page in pages:
            known = self._digests([record.id for record in page])
            for record in page:
                if known.get(record.id) != record.digest():
                    what = "changed" if record.id in known else "appeared"
                    raise SourceChanged(
                        f"The source was written to while it was copied: record {record.id} {what}. Nothing "
                        "was switched; run the same command again, it takes up the change."
                    )
            total += len(page)
            yield page
        if total != (expected := self.count()):
            raise SourceChanged(
                f"The source was written to while it was copied: {expected:,} records before, {total:,} now. "
                "Nothing was switched; run the same command again, it takes up the change."
            )

    def unsent(self, page: Sequence[Record]) -> list[Record]:
        """Those records of `page` that the target has not acknowledged."""
        sent = {identity for identity, done in self._column("sent", [record.id for record in page]) if done}
        return [record for record in page if record.id not in sent]

    def mark_sent(self, ids: Sequence[str]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE records SET sent = 1 WHERE id = ?", ((identity,) for identity in ids)
            )

    def mark_wrong(self, ids: Sequence[str]) -> None:
        """Records that are wrong in the target: the next run removes them there and sends them again."""
        with self._transaction() as connection:
            rows = [(identity,) for identity in ids]
            connection.executemany("UPDATE records SET sent = 0 WHERE id = ?", rows)
            connection.executemany("INSERT OR IGNORE INTO stale VALUES (?)", rows)

    def mark_none_sent(self) -> None:
        """The staging collection is gone: everything is to be sent."""
        with self._transaction() as connection:
            connection.execute("UPDATE records SET sent = 0")
            connection.execute("DELETE FROM stale")

    def stale(self, limit: int) -> list[str]:
        """Some of the ids that are to be removed from the target before anything is sent."""
        with self._explained():
            return [row[0] for row in self._connection.execute("SELECT id FROM stale LIMIT ?", (limit,))]

    def not_stale(self, ids: Sequence[str]) -> None:
        with self._transaction() as connection:
            connection.executemany("DELETE FROM stale WHERE id = ?", ((identity,) for identity in ids))

    def count(self, *, sent: bool = False) -> int:
        """How many records the source has, or how many of them are sent."""
        with self._explained():
            where = " WHERE sent" if sent else ""
            return int(self._connection.execute(f"SELECT count(*) FROM records{where}").fetchone()[0])

    def _digests(self, ids: Sequence[str]) -> dict[str, bytes]:
        return dict(self._column("digest", ids))

    def _column(self, column: str, ids: Sequence[str]) -> list[tuple[str, bytes]]:
        marks = ",".join("?" * len(ids))
        with self._explained():
            return self._connection.execute(
                f"SELECT id, {column} FROM records WHERE id IN ({marks})", ids
            ).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

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


def journal_path(data_dir: Path, *parts: str) -> Path:
    """The journal of the copy that `parts` (source and target, by address and name) describe."""
    mark = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return data_dir / "copies" / f"{datadir.file_name(parts[-1][:80])}-{mark}.sqlite3"
