"""Writes the lexical index. Readers see the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from app import datadir
from app.index import terms
from app.index.grids import Grid, TableLabels, labels_of, to_json
from app.index.labels import attribute
from app.index.names import collect_names, common_words, ngrams
from app.index.reader import Reading, read
from app.index.search import NAME_KINDS, SCHEMA_VERSION, deletions
from app.models import Passage

# A key is a name brought to one form (`terms.key`); an `everyday` one may be used without meaning the name.
# `words` are stems; `deletions` lead from what is left of a misspelt word to the words of names as they are
# written. Both have the number of passages with the word.
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE passages (
    id TEXT NOT NULL UNIQUE, text TEXT NOT NULL, metadata TEXT NOT NULL, type TEXT NOT NULL);
CREATE VIRTUAL TABLE passage_words USING fts5(
    name, hierarchy, labels, text, content='', tokenize='porter unicode61 remove_diacritics 1');
CREATE VIRTUAL TABLE table_words USING fts5(
    title, context, labels, text, content='', tokenize='porter unicode61 remove_diacritics 1');
CREATE TABLE grids (number INTEGER PRIMARY KEY, grid TEXT NOT NULL);
CREATE TABLE grid_passages (passage TEXT, grid INTEGER, PRIMARY KEY (passage, grid)) WITHOUT ROWID;
CREATE VIRTUAL TABLE grid_words USING fts5(
    title, context, columns, rows, content='', tokenize='porter unicode61 remove_diacritics 1');
CREATE TABLE names (key TEXT, passage INTEGER, kind INTEGER, PRIMARY KEY (key, passage)) WITHOUT ROWID;
CREATE TABLE keys (key TEXT PRIMARY KEY, words INTEGER NOT NULL, everyday INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE words (word TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE deletions (
    deletion TEXT, word TEXT, passages INTEGER NOT NULL, PRIMARY KEY (deletion, word)) WITHOUT ROWID;
"""
# A name that more than this part of the passages use is an everyday word of the game ("damage"), except those
# of people; so is a single word taken out of a longer heading that more passages than this use.
_OFTEN = 0.06
_OFTEN_WORD = 3
# A longer cell is no name of its row.
_LONGEST_MEANT = 60
_WORD = NAME_KINDS.index("word")
_PEOPLE = frozenset({"class", "race"})
# Shorter words are not corrected, and no word is corrected into one of them.
_SHORTEST_CORRECTED = 4


def build(passages: Iterable[Passage], path: Path, about: Mapping[str, str]) -> Reading:
    """Write `passages` to the index at `path`, with what to say `about` their source.

    Returns what they state.

    Raises OSError or sqlite3.Error, and then leaves an index that was there as it was.
    """
    rows = list(passages)
    fresh = datadir.new_beside(path)
    try:
        with contextlib.closing(sqlite3.connect(fresh)) as connection:
            # Nobody reads the file before it is complete, and a lost build is repeated: no journal is needed.
            connection.execute("PRAGMA journal_mode = OFF")
            reading = _fill(connection, rows, about)
            connection.execute("VACUUM")
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return reading


def in_memory(passages: Iterable[Passage], about: Mapping[str, str]) -> sqlite3.Connection:
    """The same index without a file, for where none can be written. Raises sqlite3.Error."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    _fill(connection, list(passages), about)
    return connection


def _fill(connection: sqlite3.Connection, rows: Sequence[Passage], about: Mapping[str, str]) -> Reading:
    reading = read(rows)
    tables = labels_of(reading.grids)
    connection.executescript(_SCHEMA)
    _write_passages(connection, rows, tables)
    _write_names(connection, rows, tables, reading.grids)
    _write_grids(connection, rows, reading.grids)
    built = datetime.now(timezone.utc).isoformat(timespec="seconds")
    own = {"schema_version": str(SCHEMA_VERSION), "built": built}
    connection.executemany("INSERT INTO about VALUES (?, ?)", (own | dict(about)).items())
    connection.commit()
    return reading


def _write_passages(
    connection: sqlite3.Connection, rows: Sequence[Passage], tables: Mapping[str, TableLabels]
) -> None:
    """The passages as they are shown, and their words in the form that questions are read in."""
    for number, passage in enumerate(rows, start=1):
        metadata = json.dumps(dict(passage.metadata), ensure_ascii=False)
        connection.execute(
            "INSERT INTO passages (rowid, id, text, metadata, type) VALUES (?, ?, ?, ?, ?)",
            (number, passage.id, passage.text, metadata, passage.type),
        )
        table = tables.get(passage.id)
        labels = "\n".join((*table.headers, *table.rows)) if table else ""
        searched = (passage.name, passage.hierarchy, labels, terms.both_readings(passage.text))
        connection.execute(
            "INSERT INTO passage_words (rowid, name, hierarchy, labels, text) VALUES (?, ?, ?, ?, ?)",
            (number, *map(terms.fold, searched)),
        )
    connection.execute("INSERT INTO passage_words (passage_words) VALUES ('optimize')")


def _write_grids(connection: sqlite3.Connection, rows: Sequence[Passage], grids: Sequence[Grid]) -> None:
    """The grids, which passages they stand in, and the words by which they are meant.

    Whether a table is about something is told by its labels, and by the text in which they stand.
    """
    texts = {passage.id: passage.text for passage in rows}
    for number, grid in enumerate(grids, start=1):
        connection.execute("INSERT INTO grids VALUES (?, ?)", (number, to_json(grid)))
        connection.executemany(
            "INSERT INTO grid_passages VALUES (?, ?)", ((identity, number) for identity in grid.passages)
        )
        columns, labels = map("\n".join, _meant_by(grid))
        connection.execute(
            "INSERT INTO grid_words (rowid, title, context, columns, rows) VALUES (?, ?, ?, ?, ?)",
            (number, *map(_in_both_forms, (grid.title, grid.context, columns, labels))),
        )
        if grid.kind == "table":
            of_rows = (row.cells[0] for row in grid.rows)
            text = terms.both_readings("\n".join(texts[identity] for identity in grid.passages))
            words = (grid.title, grid.context, "\n".join((*grid.columns, *of_rows)), text)
            connection.execute(
                "INSERT INTO table_words (rowid, title, context, labels, text) VALUES (?, ?, ?, ?, ?)",
                (number, *map(terms.fold, words)),
            )
    for table in ("grid_words", "table_words"):
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")


def _meant_by(grid: Grid) -> tuple[list[str], list[str]]:
    """The texts by which its columns are meant, also by their common names, and its rows: all short ones."""
    columns = [name for label in grid.columns for name in (label, *map(attribute, label.split("/")))]
    return columns, [
        cell
        for row in (grid.rows if grid.kind == "table" else ())
        for place, cell in enumerate(row.cells)
        if place == 0 or (len(cell) <= _LONGEST_MEANT and not cell.isdigit())
    ]


def _in_both_forms(text: str) -> str:
    """`text` folded, and stems that are no words of it: a question has "elf" where the book has "elves"."""
    tokens = terms.tokens(text)
    others = {terms.stem(token): None for token in tokens}.keys() - set(tokens)
    return "\n".join((terms.fold(text), *sorted(others)))


def _write_names(
    connection: sqlite3.Connection,
    rows: Sequence[Passage],
    tables: Mapping[str, TableLabels],
    grids: Sequence[Grid],
) -> None:
    names = collect_names(rows, tables, grids)
    mentions: Counter[str] = Counter()
    frequency: Counter[str] = Counter()
    written: set[str] = set()
    for passage in rows:
        words = [
            terms.bare(word) for word in terms.tokens(f"{passage.name}\n{terms.both_readings(passage.text)}")
        ]
        written.update(words)
        stems = [terms.stem(word) for word in words]
        frequency.update(set(stems))
        mentions.update(ngrams(stems) & names.keys())
    plain = {terms.stem(word) for word in common_words()} | terms.STOP_WORDS
    keys: list[tuple[str, int, bool]] = []
    # A label that is misspelt is corrected as a name is.
    labels = (text for grid in grids for texts in ([grid.title], *_meant_by(grid)) for text in texts)
    named = {stem for text in labels for stem in terms.stems(text)}
    for key, (stems_of_name, owners) in names.items():
        # A class or a race stands in half the passages of a book and is still always meant.
        people = any(rows[number - 1].type in _PEOPLE and kind <= 1 for number, kind in owners.items())
        most = _OFTEN_WORD if set(owners.values()) == {_WORD} else _OFTEN * len(rows)
        everyday = not people and (mentions[key] > most or plain.issuperset(stems_of_name))
        keys.append((key, len(stems_of_name), everyday))
        named.update(stems_of_name)
    # A misspelling is corrected into a written word: "zombei" into "zombie", not into its stem.
    spelt = {
        word
        for word in written
        if terms.stem(word) in named and len(word) >= _SHORTEST_CORRECTED and word.isalpha()
    }
    connection.executemany(
        "INSERT INTO names VALUES (?, ?, ?)",
        ((key, number, kind) for key, (_, owners) in names.items() for number, kind in owners.items()),
    )
    connection.executemany("INSERT INTO keys VALUES (?, ?, ?)", keys)
    # A common English word that the collection never uses is known, too: it is no misspelt monster.
    connection.executemany(
        "INSERT INTO words VALUES (?, ?)",
        ((word, frequency[word]) for word in frequency.keys() | plain | named),
    )
    connection.executemany(
        "INSERT INTO deletions VALUES (?, ?, ?)",
        ((deletion, word, frequency[terms.stem(word)]) for word in spelt for deletion in deletions(word)),
    )
