"""The tables, as numbered migrations.

Rules for the next one: append, never change one that was released; only add (tables, indexes, columns with a
default), so that a program of the version before goes on working beside the new one during a deployment. A
step that older programs could not live with also raises `oldest_program` in the table `meta`; they then
refuse to work instead of miscounting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

# "dndL": tells the ledger from any other SQLite file.
APPLICATION_ID = 0x646E644C

MIGRATIONS: Sequence[tuple[str, ...]] = (
    # 1: limits, reservations and spend. Money is in nano-dollars (`_nd`), moments in microseconds (`_us`),
    # days are UTC.
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "INSERT INTO meta (name, value) VALUES ('oldest_program', '1')",
        # What is missing from a user's bucket, as the time it takes to come back, at a moment.
        """CREATE TABLE buckets (
            user_id TEXT PRIMARY KEY,
            missing_us INTEGER NOT NULL CHECK (missing_us >= 0),
            wall_us INTEGER NOT NULL,
            steady_us INTEGER NOT NULL,
            boot TEXT NOT NULL
        ) WITHOUT ROWID""",
        # Running totals; they are what admission reads, and they stay for ever.
        "CREATE TABLE days (day TEXT PRIMARY KEY, spent_nd INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
        """CREATE TABLE user_days (
            day TEXT NOT NULL,
            user_id TEXT NOT NULL,
            admitted INTEGER NOT NULL DEFAULT 0,
            given_back INTEGER NOT NULL DEFAULT 0,
            answered INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            orphaned INTEGER NOT NULL DEFAULT 0,
            refused_burst INTEGER NOT NULL DEFAULT 0,
            refused_daily INTEGER NOT NULL DEFAULT 0,
            refused_in_flight INTEGER NOT NULL DEFAULT 0,
            refused_budget INTEGER NOT NULL DEFAULT 0,
            spent_nd INTEGER NOT NULL DEFAULT 0,
            latency_ms_total INTEGER NOT NULL DEFAULT 0,
            latency_ms_max INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (day, user_id)
        ) WITHOUT ROWID""",
        # One row for each admitted question; open while `outcome` is NULL. `held_nd` is what it has reserved
        # and not yet settled.
        """CREATE TABLE requests (
            request_id TEXT PRIMARY KEY,
            user_id TEXT NOT NULL,
            day TEXT NOT NULL,
            place TEXT NOT NULL,
            pid INTEGER NOT NULL,
            pid_started INTEGER NOT NULL,
            wall_us INTEGER NOT NULL,
            steady_us INTEGER NOT NULL,
            boot TEXT NOT NULL,
            held_nd INTEGER NOT NULL CHECK (held_nd >= 0),
            spent_nd INTEGER NOT NULL DEFAULT 0,
            outcome TEXT,
            latency_ms INTEGER
        )""",
        # Only open rows are in it, so it stays as small as what is in flight.
        "CREATE INDEX requests_open ON requests (user_id) WHERE outcome IS NULL",
        "CREATE INDEX requests_by_day ON requests (day)",
        # One row for each paid call: sent, then settled (with the provider's count), charged (at its bound,
        # as nobody knows) or free (certainly not billed).
        """CREATE TABLE calls (
            call_id INTEGER PRIMARY KEY,
            request_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('sent', 'settled', 'charged', 'free')),
            bound_nd INTEGER NOT NULL CHECK (bound_nd >= 0),
            cost_nd INTEGER NOT NULL DEFAULT 0,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            cached_tokens INTEGER,
            cache_write_tokens INTEGER
        )""",
        "CREATE INDEX calls_by_request ON calls (request_id)",
    ),
    # 2: tokens seen lately, by hash; `user_id` is NULL for one that is known to be bad.
    (
        """CREATE TABLE tokens (
            token_hash TEXT PRIMARY KEY,
            user_id TEXT,
            stored_us INTEGER NOT NULL,
            expires_us INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX tokens_by_expiry ON tokens (expires_us)",
    ),
    # 3: what readers thought of an answer.
    (
        """CREATE TABLE feedback (
            request_id TEXT PRIMARY KEY,
            user_id TEXT NOT NULL,
            day TEXT NOT NULL,
            rating TEXT NOT NULL CHECK (rating IN ('up', 'down')),
            comment TEXT
        ) WITHOUT ROWID""",
        "ALTER TABLE user_days ADD COLUMN thumbs_up INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE user_days ADD COLUMN thumbs_down INTEGER NOT NULL DEFAULT 0",
    ),
    # 4: alerts, each once a day; the row is the mark, and claiming it makes one process the sender.
    (
        """CREATE TABLE alerts (
            day TEXT NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            claimed_us INTEGER NOT NULL DEFAULT 0,
            delivered_us INTEGER,
            PRIMARY KEY (day, kind, subject)
        ) WITHOUT ROWID""",
    ),
    # 5: limits for those who do not mean well. `days.users`: how many asked something that day;
    # `requests.given_back`: 1 where the question does not count.
    (
        "INSERT INTO days (day) SELECT DISTINCT day FROM user_days WHERE true ON CONFLICT (day) DO NOTHING",
        "ALTER TABLE days ADD COLUMN users INTEGER NOT NULL DEFAULT 0",
        """UPDATE days SET users = (
            SELECT COUNT(*) FROM user_days WHERE user_days.day = days.day AND admitted + given_back > 0)""",
        "ALTER TABLE requests ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0",
        # What costs no quota: as `buckets`, and what is going on at the moment.
        """CREATE TABLE free_buckets (
            user_id TEXT PRIMARY KEY,
            missing_us INTEGER NOT NULL CHECK (missing_us >= 0),
            wall_us INTEGER NOT NULL,
            steady_us INTEGER NOT NULL,
            boot TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE free_uses (
            use_id INTEGER PRIMARY KEY,
            user_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            place TEXT NOT NULL,
            pid INTEGER NOT NULL,
            pid_started INTEGER NOT NULL,
            wall_us INTEGER NOT NULL,
            steady_us INTEGER NOT NULL,
            boot TEXT NOT NULL
        )""",
        "ALTER TABLE user_days ADD COLUMN free INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE user_days ADD COLUMN refused_free INTEGER NOT NULL DEFAULT 0",
    ),
)


class ForeignFile(Exception):
    """The file is a database, but not a ledger."""


class NewerSchema(Exception):
    """The ledger was changed by a newer program in a way that this one cannot work with."""


def is_current(db: sqlite3.Connection, migrations: Sequence[tuple[str, ...]] = MIGRATIONS) -> bool:
    """Whether the file can be used as it is; False: migrations are missing. Raises ForeignFile, NewerSchema.

    To be called inside a transaction.
    """
    application: int = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        if application or version or db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise ForeignFile
        return False
    if version > len(migrations):
        oldest = db.execute("SELECT value FROM meta WHERE name = 'oldest_program'").fetchone()
        if oldest is None or int(oldest[0]) > len(migrations):
            raise NewerSchema
    return version >= len(migrations)


def migrate(db: sqlite3.Connection, migrations: Sequence[tuple[str, ...]] = MIGRATIONS) -> None:
    """Bring the file up to date, inside a transaction of the caller's. Raises ForeignFile, NewerSchema."""
    # Asked again, now that nobody else can write: another process may have migrated meanwhile.
    if is_current(db, migrations):
        return
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    for statements in migrations[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(migrations)}")
