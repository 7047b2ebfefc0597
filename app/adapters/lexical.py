"""The lexical index: full-text search over a collection's passages, read-only at request time.

One SQLite file (FTS5, Porter stemming) that `app.adapters.lexical_build` writes and replaces whole. It is never changed in
place, so it is opened as immutable: no locks are taken, which also works on network file systems.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import DatabaseError
from app.models import Passage

SCHEMA_VERSION = 1
# What a word in the name counts against one in the hierarchy and one in the text, in BM25.
NAME_WEIGHT, HIERARCHY_WEIGHT, TEXT_WEIGHT = 6.0, 1.5, 1.0

# Words of questions, not of rules. Short on purpose: BM25 already discounts what is everywhere.
_STOP_WORDS = (
    "a about all am an and any are as at be been but by can could did do does for from get give had has have he her "
    "him his how i if in into is it its know let like make many may me much must my need of on or our s say she "
    "should so tell than that the their them then there these they this those to up us versus vs was we were what "
    "when where which who whom whose why will with would you your "
)
STOP_WORDS = frozenset(_STOP_WORDS.split())


def index_path(data_dir: Path, collection: str) -> Path:
    """Where the index of a Chroma collection is kept."""
    return data_dir / "index" / f"collection-{collection}.sqlite3"


@dataclass(frozen=True, slots=True)
class Match:
    """A passage and its BM25 score; the higher, the better."""

    passage: Passage
    score: float


class LexicalIndex:
    """Search in the index file at `path`. Every method raises DatabaseError when the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def search(self, text: str, limit: int) -> list[Match]:
        """At most `limit` passages that share a word with `text`, best first; none when it has only stop words."""
        terms = query_terms(text)
        if not terms:
            return []
        rows = self._rows(
            "SELECT p.id, p.text, p.metadata, -bm25(passage_words, ?, ?, ?) AS score FROM passage_words"
            " JOIN passages p ON p.rowid = passage_words.rowid WHERE passage_words MATCH ?"
            " ORDER BY score DESC, p.rowid LIMIT ?",
            (NAME_WEIGHT, HIERARCHY_WEIGHT, TEXT_WEIGHT, " OR ".join(f'"{term}"' for term in terms), limit),
        )
        return [Match(Passage(identity, text, json.loads(metadata)), score) for identity, text, metadata, score in rows]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def check(self) -> None:
        """Read one row of each table that a question reads."""
        self._rows("SELECT count(*) FROM passages WHERE rowid = 1", ())
        self._rows("SELECT count(*) FROM passage_words WHERE passage_words MATCH 'a' LIMIT 1", ())

    def count(self) -> int:
        """How many passages it holds."""
        return int(self._rows("SELECT count(*) FROM passages", ())[0][0])

    def facts(self) -> dict[str, str]:
        """What the builder wrote about the index: schema version, source, when it was built."""
        return dict(self._rows("SELECT name, value FROM facts", ()))

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            if self._connection is None:
                uri = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
                # The dev server and the worker answer from many threads; a read-only connection may be shared.
                self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise DatabaseError(f"lexical index {self.path}: {error}; build it again with scripts/build_index.py") from error


def query_terms(text: str) -> list[str]:
    """The words of `text` worth searching for, each once, in order."""
    words: Iterable[str] = re.findall(r"\w+", text.lower())
    return list(dict.fromkeys(word for word in words if word not in STOP_WORDS))
