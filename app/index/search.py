"""The lexical index: full-text search over a collection's passages, and its names; read-only in a request.

One SQLite file (FTS5, Porter stemming) that `app.index.build` writes and replaces whole. It is never changed
in place, so it is opened as immutable: no locks are taken, which also works on network file systems.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from app import datadir
from app.datadir import intrusion, refusal
from app.deadline import Deadline
from app.errors import DatabaseError
from app.index import terms
from app.index.grids import Grid, from_json
from app.models import Passage

SCHEMA_VERSION = 4
# What a word counts in BM25 in the name, the hierarchy, a table's headers and row labels, and the text.
WEIGHTS = (6.0, 1.5, 2.0, 1.0)
TABLE_WEIGHTS = (3.0, 1.5, 3.0, 0.3)
# The same for a grid's title, its context, and the labels of its columns and rows.
GRID_WEIGHTS = (6.0, 1.5, 3.0, 3.0)
# How a name belongs to a passage, best first: it is its heading, another form the heading gives, a heading
# inside it, the label of a row of its table, a rare word of its heading.
NAME_KINDS = ("full", "variant", "heading", "row", "word")
# Longer words are not corrected: leaving out two of n letters makes n²/2 strings.
LONGEST_WORD = 30
# Of a longer question so many words are searched for.
_MOST_ALTERNATIVES = 200
# SQLite's limit on parameters was 999 before 3.32.
_MOST_PARAMETERS = 900
# So many owners of all names together are returned, the best kinds first.
_MOST_OWNERS = 5000
# So many words like another are returned, the most used first.
_MOST_SIMILAR = 200
# So many steps of SQLite's machine pass between two looks at the time: some 0.1 ms.
_STEPS = 5000


def index_path(data_dir: Path, collection: str) -> Path:
    """Where the index of a Chroma collection is kept."""
    return data_dir / "index" / f"collection-{datadir.file_name(collection)}.sqlite3"


class Match(NamedTuple):
    """A passage and its BM25 score; the higher, the better."""

    passage: Passage
    score: float


class Name(NamedTuple):
    """A name the collection knows. `owners`: passage id → kind of name; `types`: the types of these passages.

    `everyday`: all its words are plain English or in every other passage, so a text need not mean the name.
    """

    words: int
    everyday: bool
    owners: Mapping[str, str]
    types: frozenset[str]

    @property
    def is_heading(self) -> bool:
        """Whether it heads an entry; otherwise it is a row, a heading inside a passage, or a word of one."""
        return any(kind in ("full", "variant") for kind in self.owners.values())


class LexicalIndex:
    """Search in the index file at `path`.

    Every method raises DatabaseError when the file cannot be read, and after a deadline (`until`) TimedOut.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _File(path)
        self._deadline: Deadline | None = None

    def until(self, deadline: Deadline) -> "LexicalIndex":
        """The same index over the same connection, each search of which ends with `deadline`."""
        bound = copy(self)
        bound._deadline = deadline
        return bound

    def search(self, alternatives: Sequence[str], limit: int) -> list[Match]:
        """At most `limit` passages that have one of `alternatives` (words or phrases), best first."""
        rows = self._best(
            "passage_words", WEIGHTS, _phrases(alternatives), limit, "id, text, metadata", "passages"
        )
        return [
            Match(Passage(identity, text, json.loads(metadata)), score)
            for score, identity, text, metadata in rows
        ]

    def tables(self, alternatives: Sequence[str], limit: int) -> list[tuple[Grid, float]]:
        """At most `limit` tables that have one of `alternatives`, best first, each with its BM25 score.

        The text of their passages counts little.
        """
        rows = self._best("table_words", TABLE_WEIGHTS, _phrases(alternatives), limit, "grid", "grids")
        return [(from_json(grid), score) for score, grid in rows]

    def names(self, keys: Iterable[str]) -> dict[str, Name]:
        """Those of `keys` (see `app.index.terms.key`) that are names, with what they name."""
        rows = self._rows_in(
            "SELECT key, words, everyday, id, kind, type FROM keys JOIN names USING (key)"
            " JOIN passages ON passages.rowid = names.passage WHERE key IN ({})"
            f" ORDER BY kind, passage LIMIT {_MOST_OWNERS}",
            sorted(set(keys)),
        )
        owners: dict[str, dict[str, str]] = {}
        types: dict[str, set[str]] = {}
        for key, _, _, identity, kind, passage_type in rows:
            owners.setdefault(key, {})[identity] = NAME_KINDS[kind]
            if NAME_KINDS[kind] != "row":
                types.setdefault(key, set()).add(passage_type)
        return {
            row[0]: Name(row[1], bool(row[2]), owners[row[0]], frozenset(types.get(row[0], ())))
            for row in rows
        }

    def words(self, stems: Iterable[str]) -> dict[str, int]:
        """Those of `stems` that are known, with how many passages have them (plain English: also 0)."""
        return dict(self._rows_in("SELECT word, passages FROM words WHERE word IN ({})", sorted(set(stems))))

    def has_word_beginning(self, start: str) -> bool:
        """Whether a passage has a word that begins with `start`."""
        # Words are lower-case letters and digits: "{" is the character after "z".
        found = self._rows(
            "SELECT 1 FROM words WHERE word > ? AND word < ? AND passages > 0 LIMIT 1", (start, start + "{")
        )
        return bool(found)

    def words_like(self, firsts: str, shortest: int, longest: int) -> list[str]:
        """The known words (stems) that begin with one of the letters `firsts` and have so many letters."""
        sql = "SELECT word FROM words WHERE word >= ? AND word < ? AND length(word) BETWEEN ? AND ?"
        return [
            row[0] for first in firsts for row in self._rows(sql, (first, first + "{", shortest, longest))
        ]

    def similar_words(self, word: str) -> list[str]:
        """Words of names that share one of its `deletions` with `word`, the most used first; unchecked."""
        rows = self._rows_in(
            "SELECT DISTINCT word, passages FROM deletions WHERE deletion IN ({})", sorted(deletions(word))
        )
        return [other for other, _ in sorted(rows, key=lambda row: (-row[1], row[0]))[:_MOST_SIMILAR]]

    def passages(self, ids: Iterable[str]) -> dict[str, Passage]:
        """The passages with these ids, by id; an unknown id is left out."""
        rows = self._rows_in("SELECT id, text, metadata FROM passages WHERE id IN ({})", sorted(set(ids)))
        return {identity: Passage(identity, text, json.loads(metadata)) for identity, text, metadata in rows}

    def grids_in(self, passage_ids: Iterable[str]) -> list[Grid]:
        """The grids of which a row stands in one of these passages, whole, in the order of the books."""
        rows = self._rows_in(
            "SELECT number, grid FROM grids WHERE number IN"
            " (SELECT grid FROM grid_passages WHERE passage IN ({})) ORDER BY number",
            sorted(set(passage_ids)),
        )
        return [from_json(grid) for _, grid in sorted(dict(rows).items())]

    def shared_grids(self, passage_ids: Iterable[str]) -> list[list[str]]:
        """Of these passages those that hold rows of one grid together, a list for each such grid."""
        rows = self._rows_in(
            "SELECT grid, passage FROM grid_passages WHERE passage IN ({})", sorted(set(passage_ids))
        )
        shared: dict[int, list[str]] = {}
        for grid, identity in rows:
            shared.setdefault(grid, []).append(identity)
        return [some for some in shared.values() if len(some) > 1]

    def grids_with(self, groups: Sequence[Sequence[str]], limit: int) -> list[Grid]:
        """At most `limit` grids that have one of each of `groups` (words or phrases), best first."""
        different = dict.fromkeys(_phrases(group) for group in groups[:_MOST_ALTERNATIVES])
        matched = " AND ".join(f"({phrases})" for phrases in different)
        rows = self._best("grid_words", GRID_WEIGHTS, matched, limit, "grid", "grids")
        return [from_json(grid) for _, grid in rows]

    def has_grid_with(self, alternatives: Sequence[str]) -> bool:
        """Whether a grid has one of `alternatives` (words or phrases)."""
        matched = _phrases(alternatives)
        return bool(
            matched and self._rows("SELECT 1 FROM grid_words WHERE grid_words MATCH ? LIMIT 1", (matched,))
        )

    def close(self) -> None:
        self._file.close()

    def check(self) -> None:
        """Read one row of each table that a question reads: an index of another version lacks some."""
        for table in ("passages", "names", "keys", "words", "deletions", "grids", "grid_passages"):
            self._rows(f"SELECT 1 FROM {table} LIMIT 1", ())
        for words in ("passage_words", "table_words", "grid_words"):
            self._rows(f"SELECT 1 FROM {words} WHERE {words} MATCH 'a' LIMIT 1", ())

    def count(self) -> int:
        """How many passages it holds."""
        return int(self._rows("SELECT count(*) FROM passages", ())[0][0])

    def about(self) -> dict[str, str]:
        """What the builder wrote about the index: schema version, source, when it was built."""
        return dict(self._rows("SELECT name, value FROM about", ()))

    def _best(
        self, words: str, weights: tuple[float, ...], matched: str, limit: int, what: str, of: str
    ) -> list[Any]:
        """The BM25 score and `what` of the rows of `of` whose full text `words` matches, best first."""
        if not matched:
            return []
        return self._rows(
            f"WITH best AS (SELECT rowid AS number, -bm25({words}, ?, ?, ?, ?) AS score FROM {words}"
            f" WHERE {words} MATCH ? ORDER BY score DESC, number LIMIT ?)"
            f" SELECT score, {what} FROM best JOIN {of} ON {of}.rowid = best.number"
            " ORDER BY score DESC, best.number",
            (*weights, matched, limit),
        )

    def _rows_in(self, sql: str, values: Sequence[str]) -> list[Any]:
        rows: list[Any] = []
        for start in range(0, len(values), _MOST_PARAMETERS):
            some = values[start : start + _MOST_PARAMETERS]
            rows += self._rows(sql.format(",".join("?" * len(some))), some)
        return rows

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            return self._file.rows(sql, parameters, self._deadline)
        except sqlite3.Error as error:
            if self._deadline is not None:
                self._deadline.check("the search in the index")
            remedy = refusal(self.path) or "build it again with scripts/build_index.py"
            raise DatabaseError(f"lexical index {self.path}: {error}; {remedy}") from error


class _File:
    """The index file and the one connection to it, opened when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        # By when the statement of each thread has to be done: the connection is all threads' together.
        self._running = threading.local()

    def rows(self, sql: str, parameters: Sequence[Any], deadline: Deadline | None) -> list[Any]:
        """Raises sqlite3.Error, also after the deadline; DatabaseError where others could write the file."""
        connection = self._connection
        if connection is None:
            if open_to_others := datadir.intruded(self._path):
                raise DatabaseError(f"lexical index {self._path}: not used, as {intrusion(open_to_others)}")
            uri = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            # The dev server and the worker answer from many threads; a read-only connection may be shared.
            connection = self.use(sqlite3.connect(uri, uri=True, check_same_thread=False))
        self._running.deadline = deadline
        if self._is_late():
            raise sqlite3.OperationalError("no time left")
        return connection.execute(sql, parameters).fetchall()

    def use(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Read from `connection` from now on."""
        connection.set_progress_handler(self._is_late, _STEPS)
        # Whoever wrote the file, its views run no function that does anything.
        connection.execute("PRAGMA trusted_schema = OFF")
        self._connection = connection
        return connection

    def _is_late(self) -> bool:
        deadline: Deadline | None = getattr(self._running, "deadline", None)
        return deadline is not None and not deadline.remaining()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _phrases(alternatives: Iterable[str]) -> str:
    """What FTS5 is to match; empty for nothing."""
    # One that is there twice is searched for twice.
    different = islice(dict.fromkeys(text for text in alternatives if text.strip()), _MOST_ALTERNATIVES)
    return " OR ".join('"' + text.replace('"', " ") + '"' for text in different)


def deletions(word: str) -> set[str]:
    """`word`, its common spelling, and both without one letter, or two from nine letters on.

    Two words one edit apart share one of these, so misspellings are found by equality (the "symmetric delete"
    method). A word more than two letters longer than LONGEST_WORD is only itself.
    """
    if len(word) > LONGEST_WORD + 2:
        return {word}
    found = {word, terms.common_spelling(word)}
    for _ in range(2 if len(word) >= 8 else 1):
        found |= {text[:i] + text[i + 1 :] for text in found for i in range(len(text))}
    return found
