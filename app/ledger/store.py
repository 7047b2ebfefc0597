"""The file: opening it, transactions, and what is said when it cannot be used.

The journal is a rollback journal, never WAL: WAL needs shared memory, which a home directory on NFS does not
give. It is truncated, not deleted, at the end of a transaction, because with synchronous=FULL SQLite then
syncs the truncation, too: a "sent" mark that was committed before a paid call cannot be undone by a power cut
after it.

Nothing here repairs or replaces a file: whatever is wrong, the request is refused and the log has the remedy.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.datadir import ensure, intruded, intrusion, refusal
from app.errors import LedgerUnavailable
from app.ledger import schema
from app.ledger.transaction import Clock, Transaction
from app.ledger.turnstile import Turnstile
from app.pricing import Pricing
from app.settings import LimitSettings

log = logging.getLogger(__name__)

BUSY_SECONDS = 10.0

# What SQLite says, and what helps. The texts are decades old; Python 3.10 gives no error codes.
_REMEDIES = {
    "not a database": "it is no SQLite file; move it away, or set DATA_DIR to another directory",
    "malformed": "it is damaged; stop the site, move it and its -journal aside, put a backup in its place or"
    " start anew",
    "disk is full": "the disk or the account's quota is full; free some space",
    "readonly": "it cannot be written; make the file and its directory writable for the account the program"
    " runs as",
    "unable to open": "it cannot be opened; make its directory exist and writable for the account the program"
    " runs as",
    "disk I/O error": "the disk or the account's quota may be full or failing; check it with df and quota",
    "locked": f"another process held it for more than {BUSY_SECONDS:g} s; find what holds it with fuser or"
    " lsof",
    "no such": "its tables are not those of a ledger; move it aside and put a backup in its place",
}
_FOREIGN = "it is another program's database; move it away, or set DATA_DIR to another directory"
_NEWER = "a newer version of this program has changed it; run that version, or put back a backup from before"
_NO_LOCKS = (
    "its file system gives no locks, as some network file systems;"
    " set DATA_DIR to a directory on a local disk"
)
_NO_DIRECTORY = (
    "DATA_DIR is no directory, or a link to nothing;"
    " move away what is there, or set DATA_DIR to another place"
)


class _Intruded(OSError):
    """Another account could have written what is there; the text says whose it is and what helps."""


class Store:
    """One ledger file, opened at the first use and kept open by this process; threads take turns."""

    def __init__(self, path: Path, migrations: Sequence[tuple[str, ...]] = schema.MIGRATIONS) -> None:
        self.path = path
        self._migrations = migrations
        self._lock = threading.Lock()
        self._journal = path.with_name(path.name + "-journal")
        self._turnstile = Turnstile(path.with_name(path.name + ".lock"))
        self._db: sqlite3.Connection | None = None
        self._opened_as: tuple[int, int, int] | None = None
        self._inherited: list[sqlite3.Connection] = []

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its first statement. Raises LedgerUnavailable."""
        with self._lock, self._turnstile.turn(), self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction whose reads all see the same moment. Raises LedgerUnavailable."""
        with self._lock, self._transaction("BEGIN") as db:
            yield db

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._close()
            self._turnstile.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            db = self._connection()
            db.execute(begin)
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, schema.ForeignFile, schema.NewerSchema) as error:
            # A connection that met an error is not trusted with money again.
            self._close()
            raise LedgerUnavailable(self._explain(error)) from error

    def _connection(self) -> sqlite3.Connection:
        if self._db is not None and self._opened_as == self._identity():
            return self._db
        if self._db is not None and self._opened_as is not None and self._opened_as[0] != os.getpid():
            # Opened by the parent of a fork: SQLite forbids using or closing it here.
            self._inherited.append(self._db)
            self._db = None
        self._close()
        self._db = self._open()
        self._opened_as = self._identity()
        return self._db

    def _identity(self) -> tuple[int, int, int] | None:
        """Who opened what: changes after a fork, and when a backup was put in the file's place."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return os.getpid(), status.st_dev, status.st_ino

    def _open(self) -> sqlite3.Connection:
        ensure(self.path.parent)
        for file in (self.path, self._journal):
            if foreign := intruded(file):
                raise _Intruded(intrusion(foreign))
        with suppress(FileExistsError):
            # SQLite would make it with whatever rights the umask leaves to others.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            log.warning("%s: new ledger, nothing is counted yet", self.path)
        self._turnstile.need_locks()
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            # In one transaction: between two looks another process may turn a blank file into a ledger.
            db.execute("BEGIN")
            current = schema.is_current(db, self._migrations)
            db.execute("COMMIT")
            # Not before the file is known to be ours: this changes a file that is in WAL mode.
            if db.execute("PRAGMA journal_mode = TRUNCATE").fetchone()[0] != "truncate":
                raise sqlite3.OperationalError("locked in WAL mode by another program")
            db.execute("PRAGMA synchronous = FULL")
            if not current:
                db.execute("BEGIN IMMEDIATE")
                schema.migrate(db, self._migrations)
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _explain(self, error: Exception) -> str:
        if isinstance(error, _Intruded):
            return f"ledger {self.path}: not used, as {error}"
        if isinstance(error, schema.ForeignFile):
            why = _FOREIGN
        elif isinstance(error, schema.NewerSchema):
            why = _NEWER
        elif "locked" not in str(error) and (refused := self._refusal()):
            why = refused
        elif isinstance(error, OSError) and error.errno == errno.ENOLCK:
            why = _NO_LOCKS
        elif isinstance(error, FileExistsError | NotADirectoryError):
            why = _NO_DIRECTORY
        elif isinstance(error, OSError):
            why = f"{error.strerror or type(error).__name__}; check DATA_DIR and the disk"
        else:
            known = (remedy for words, remedy in _REMEDIES.items() if words in str(error))
            why = next(known, "check it with scripts/cleanup_ledger.py --dry-run")
        return f"ledger {self.path}: {type(error).__name__}: {error}: {why}"

    def _refusal(self) -> str:
        """Whose files keep this account out, in words; "" when none do. SQLite itself does not say why."""
        # The journal comes second: in a directory that is closed nobody can see whether it is there.
        if refused := refusal(self.path, write=True):
            return refused
        return refusal(self._journal, write=True) if self._journal.exists() else ""


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
