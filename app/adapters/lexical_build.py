"""Writes the lexical index. Readers see the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

from app import datadir, terms
from app.adapters.lexical import NAME_KINDS, SCHEMA_VERSION, deletions
from app.adapters.lexical_names import full_names, run_in_headings, variants
from app.adapters.lexical_tables import TableText, read_table
from app.models import Passage

# A key is a name brought to one form (`app.terms.key`); an
# `everyday` one may be said without meaning it. `words` are stems; `deletions` lead from what is left of a misspelt word to the
# words of names as they are written. `passages` counts those with the word.
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE passages (id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, hierarchy TEXT NOT NULL, labels TEXT NOT NULL,
                       text TEXT NOT NULL, metadata TEXT NOT NULL, type TEXT NOT NULL);
CREATE VIRTUAL TABLE passage_words USING fts5(
    name, hierarchy, labels, text, content='passages', tokenize='porter unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE table_words USING fts5(
    name, hierarchy, labels, text, content='', tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE names (key TEXT, passage INTEGER, kind INTEGER, PRIMARY KEY (key, passage)) WITHOUT ROWID;
CREATE TABLE keys (key TEXT PRIMARY KEY, words INTEGER NOT NULL, everyday INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE words (word TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE deletions (deletion TEXT, word TEXT, passages INTEGER NOT NULL, PRIMARY KEY (deletion, word)) WITHOUT ROWID;
"""
# A run-in heading that more passages have than this is a field of a form ("Hit Dice:"), not a name.
_MOST_HEADINGS = 4
_SHORTEST_RARE = 5
# A single word taken out of a longer heading that more passages than this say is an everyday word.
_OFTEN_WORD = 3
# A name that more than this part of the passages say is an everyday word of the game ("damage"), except those of people.
_OFTEN = 0.06
_WORD = NAME_KINDS.index("word")
_PEOPLE = frozenset({"class", "race"})
# Longer n-grams of a text are not counted as mentions of a name.
_LONGEST_NAME = 6
# Shorter words are not corrected, and no word is corrected into one of them.
_SHORTEST_CORRECTED = 4


def build(passages: Iterable[Passage], path: Path, facts: Mapping[str, str]) -> int:
    """Write `passages` to the index at `path`, with `facts` about their source; returns how many there are.

    Raises OSError or sqlite3.Error, and then leaves an index that was there as it was.
    """
    rows = list(passages)
    fresh = datadir.new_beside(path)
    try:
        with contextlib.closing(sqlite3.connect(fresh)) as connection:
            # Nobody reads the file before it is complete, and a lost build is repeated: no journal is needed.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.executescript(_SCHEMA)
            _write_passages(connection, rows)
            _write_names(connection, rows)
            built = datetime.now(timezone.utc).isoformat(timespec="seconds")
            about = {"schema_version": str(SCHEMA_VERSION), "built": built, **facts}
            connection.executemany("INSERT INTO facts VALUES (?, ?)", about.items())
            connection.commit()
            connection.execute("VACUUM")
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return len(rows)


def _write_passages(connection: sqlite3.Connection, rows: Sequence[Passage]) -> None:
    for number, passage in enumerate(rows, start=1):
        table = read_table(passage.text)
        labels = "\n".join([table.caption, *table.headers, *table.rows]) if table else ""
        connection.execute(
            "INSERT INTO passages (rowid, id, name, hierarchy, labels, text, metadata, type) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                passage.id,
                passage.name,
                passage.hierarchy,
                labels,
                passage.text,
                json.dumps(dict(passage.metadata), ensure_ascii=False),
                passage.type,
            ),
        )
    connection.execute(
        "INSERT INTO table_words (rowid, name, hierarchy, labels, text)"
        " SELECT rowid, name, hierarchy, labels, text FROM passages WHERE labels != ''"
    )
    connection.execute("INSERT INTO passage_words (passage_words) VALUES ('rebuild')")
    connection.execute("INSERT INTO passage_words (passage_words) VALUES ('optimize')")
    connection.execute("INSERT INTO table_words (table_words) VALUES ('optimize')")


def _write_names(connection: sqlite3.Connection, rows: Sequence[Passage]) -> None:
    names = _names(rows)
    mentions: Counter[str] = Counter()
    frequency: Counter[str] = Counter()
    written: set[str] = set()
    for passage in rows:
        words = [terms.bare(word) for word in terms.tokens(f"{passage.name}\n{passage.text}")]
        written.update(words)
        stems = [terms.stem(word) for word in words]
        frequency.update(set(stems))
        mentions.update(_ngrams(stems) & names.keys())
    plain = {terms.stem(word) for word in common_words()} | terms.STOP_WORDS
    keys: list[tuple[str, int, bool]] = []
    named: set[str] = set()
    for key, (stems_of_name, owners) in names.items():
        # A class or a race is said in half the passages of a book and still always meant.
        people = any(rows[number - 1].type in _PEOPLE and kind <= 1 for number, kind in owners.items())
        most = _OFTEN_WORD if set(owners.values()) == {_WORD} else _OFTEN * len(rows)
        everyday = not people and (mentions[key] > most or plain.issuperset(stems_of_name))
        keys.append((key, len(stems_of_name), everyday))
        named.update(stems_of_name)
    # A misspelling is corrected into a word that is written somewhere: "zombei" into "zombie", not into its stem.
    spelt = {word for word in written if terms.stem(word) in named and len(word) >= _SHORTEST_CORRECTED and word.isalpha()}
    connection.executemany(
        "INSERT INTO names VALUES (?, ?, ?)",
        ((key, number, kind) for key, (_, owners) in names.items() for number, kind in owners.items()),
    )
    connection.executemany("INSERT INTO keys VALUES (?, ?, ?)", keys)
    # A common English word counts as known even where the collection never uses it: it is not a misspelt monster.
    connection.executemany(
        "INSERT INTO words VALUES (?, ?)",
        ((word, frequency[word]) for word in frequency.keys() | plain | named),
    )
    connection.executemany(
        "INSERT INTO deletions VALUES (?, ?, ?)",
        ((deletion, word, frequency[terms.stem(word)]) for word in spelt for deletion in deletions(word)),
    )


def _names(rows: Sequence[Passage]) -> dict[str, tuple[tuple[str, ...], dict[int, int]]]:
    """For every key the stems of the name and its owners: row number of the passage → the best kind of name it is there."""
    found: dict[str, tuple[tuple[str, ...], dict[int, int]]] = {}

    def add(name: str, number: int, kind: str) -> None:
        stems = tuple(terms.stems(name))
        key = "".join(stems)
        if len(key) < 3 or len(stems) > 2 * _LONGEST_NAME or all(_says_nothing(stem) for stem in stems):
            return
        owners = found.setdefault(key, (stems, {}))[1]
        owners[number] = min(owners.get(number, 99), NAME_KINDS.index(kind))

    has_children = {passage.parent for passage in rows}
    parents = {passage.id: passage.name for passage in rows}
    headings: dict[str, list[int]] = defaultdict(list)
    common = common_words()
    for number, passage in enumerate(rows, start=1):
        # The table of a spell may be headed as the spell is; the name is the spell's.
        above = {terms.key(name) for name in full_names(parents.get(passage.parent or "", ""))}
        for name in full_names(passage.name):
            add(name, number, "variant" if terms.key(name) in above else "full")
        head, colon, _ = passage.name.partition(":")
        if colon and passage.id in has_children:
            # "Paladin: Class Features", which "Paladin: Lay on Hands" and the rest belong to, is what "paladin" means.
            add(head, number, "variant")
        parent = str(passage.metadata.get("parent_category") or parents.get(passage.parent or "", ""))
        for name in variants(passage.name, parent, common):
            add(name, number, "variant")
        if table := read_table(passage.text):
            _add_rows(add, table, number, common)
        for heading in set(run_in_headings(passage.text)):
            headings[heading].append(number)
    _add_rare_words(add, rows, common)
    for heading, numbers in headings.items():
        if len(numbers) <= _MOST_HEADINGS:
            for number in numbers:
                add(heading, number, "heading")
    return found


def _add_rows(add: Callable[[str, int, str], None], table: TableText, number: int, common: frozenset[str]) -> None:
    for row in table.rows:
        for name in (*full_names(row), *variants(row, "", common)):
            add(name, number, "row")


def _add_rare_words(add: Callable[[str, int, str], None], rows: Sequence[Passage], common: frozenset[str]) -> None:
    """A word that only one heading has stands for it: "tyrannosaurus" for Tyrannosaurus Rex."""
    headings: dict[str, set[str]] = defaultdict(set)
    for passage in rows:
        for word in terms.tokens(passage.name):
            headings[terms.stem(word)].add(passage.name)
    unique = {stem for stem, names in headings.items() if len(names) == 1 and len(stem) >= _SHORTEST_RARE}
    for number, passage in enumerate(rows, start=1):
        words = terms.tokens(passage.name)
        for word in words:
            if len(words) > 1 and terms.stem(word) in unique and word not in common and not any(c.isdigit() for c in word):
                add(word, number, "word")


def _says_nothing(stem: str) -> bool:
    return stem.isdigit() or stem in terms.GENERIC or stem in terms.STOP_WORDS


def _ngrams(stems: Sequence[str]) -> set[str]:
    return {
        "".join(stems[start : start + size]) for size in range(1, _LONGEST_NAME + 1) for start in range(len(stems) - size + 1)
    }


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """English words that are no names by themselves, whatever rule book they stand in."""
    return frozenset((Path(__file__).parent / "common_words.txt").read_text(encoding="utf-8").split())
