"""Writes the lexical index. Readers see the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from app import datadir
from app.adapters.lexical import SCHEMA_VERSION
from app.models import Passage

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE passages (id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, hierarchy TEXT NOT NULL, text TEXT NOT NULL,
                       metadata TEXT NOT NULL);
CREATE VIRTUAL TABLE passage_words USING fts5(
    name, hierarchy, text, content='passages', tokenize='porter unicode61 remove_diacritics 2');
"""


def build(passages: Iterable[Passage], path: Path, facts: Mapping[str, str]) -> int:
    """Write `passages` to the index at `path`, with `facts` about their source; returns how many there are.

    Raises OSError or sqlite3.Error, and then leaves an index that was there as it was.
    """
    fresh = datadir.new_beside(path)
    try:
        with contextlib.closing(sqlite3.connect(fresh)) as connection:
            # Nobody reads the file before it is complete, and a lost build is repeated: no journal is needed.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.executescript(_SCHEMA)
            connection.executemany(
                "INSERT INTO passages (id, name, hierarchy, text, metadata) VALUES (?, ?, ?, ?, ?)",
                ((p.id, p.name, p.hierarchy, p.text, json.dumps(dict(p.metadata), ensure_ascii=False)) for p in passages),
            )
            connection.execute("INSERT INTO passage_words (passage_words) VALUES ('rebuild')")
            connection.execute("INSERT INTO passage_words (passage_words) VALUES ('optimize')")
            built = datetime.now(timezone.utc).isoformat(timespec="seconds")
            about = {"schema_version": str(SCHEMA_VERSION), "built": built, **facts}
            connection.executemany("INSERT INTO facts VALUES (?, ?)", about.items())
            connection.commit()
            count = int(connection.execute("SELECT count(*) FROM passages").fetchone()[0])
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return count
