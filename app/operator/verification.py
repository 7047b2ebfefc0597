"""Is a collection the same as its source? Counts and content of every record, the collection's own facts, and
what is extra.

Both sides are read in pages; only ids are kept, in a private temporary database, so memory does not grow with
the collection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from app.operator.parallel import in_order
from app.operator.problems import OperatorError
from app.operator.quotas import shown
from app.operator.records import About, Page, Record, same_content, same_embedding, space
from app.operator.stored_collection import StoredCollection

EXAMPLES = 5


@dataclass
class Tally:
    """How many records have some fault, and the first of them by id."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, ids: Sequence[str]) -> None:
        self.count += len(ids)
        self.ids += ids[: EXAMPLES - len(self.ids)]

    def line(self, what: str) -> str:
        more = f" and {self.count - len(self.ids):,} more" if self.count > len(self.ids) else ""
        return f"{self.count:,} {what}: {', '.join(map(shown, self.ids))}{more}"


@dataclass
class Comparison:
    """What was found. `same` is the one answer; the rest is for explaining it."""

    source_count: int = 0
    target_count: int = 0
    missing: Tally = field(default_factory=Tally)
    different: Tally = field(default_factory=Tally)
    extra: Tally = field(default_factory=Tally)
    collection: list[str] = field(default_factory=list)
    """Differences of the collections as such."""

    @property
    def same(self) -> bool:
        return self.source_count == self.target_count and not self.lines()

    def lines(self) -> list[str]:
        """Every kind of difference in one line each."""
        kinds = (
            (self.missing, "missing in the target"),
            (self.different, "different in the target"),
            (self.extra, "only in the target"),
        )
        return [tally.line(what) for tally, what in kinds if tally.count] + self.collection


def compare(
    about: About,
    pages: Iterable[Page],
    target: StoredCollection,
    *,
    workers: int = 1,
    wrong: Callable[[Sequence[str]], None] = lambda ids: None,
) -> Comparison:
    """Compare every record of `pages` (with embeddings) with `target`. `wrong` gets the ids of all records
    with a fault.

    Raises OperatorError when one of the two cannot be read.
    """
    found = Comparison(collection=_about(about, target))

    def look_up(page: Page) -> tuple[Page, dict[str, Record]]:
        return page, {record.id: record for record in target.get([r.id for r in page], embeddings=True)}

    with closing(_private_database()) as ids:
        for page, stored in in_order(look_up, pages, workers, target.api.http.stopping):
            _keep(ids, page)
            missing = [record.id for record in page if record.id not in stored]
            different = [r.id for r in page if r.id in stored and not _same(r, stored[r.id])]
            found.missing.add(missing)
            found.different.add(different)
            wrong(missing + different)
            found.source_count += len(page)
        found.target_count = target.count()
        if found.target_count != found.source_count - found.missing.count:
            for extra in _extra(ids, target):
                found.extra.add(extra)
                wrong(extra)
    return found


def _same(left: Record, right: Record) -> bool:
    return same_content(left, right) and same_embedding(left.embedding, right.embedding)


def _about(source: About, target: StoredCollection) -> list[str]:
    lines = []
    if (source.metadata or None) != (target.metadata or None):
        keys = [
            k
            for k in sorted({*source.metadata, *target.metadata})
            if source.metadata.get(k) != target.metadata.get(k)
        ]
        lines.append(f"collection metadata differs in {', '.join(keys)}")
    theirs = space(target.configuration, target.metadata)
    if source.space != theirs:
        lines.append(f"distance function: {source.space} in the source, {theirs} in the target")
    if source.configuration.get("embedding_function") != target.configuration.get("embedding_function"):
        lines.append("the embedding function of the configuration differs")
    return lines


def _private_database() -> sqlite3.Connection:
    """SQLite keeps a database without a name in a temporary file, and deletes it."""
    connection = sqlite3.connect("", isolation_level=None)
    connection.execute("CREATE TABLE ids (id TEXT PRIMARY KEY) WITHOUT ROWID")
    return connection


def _keep(ids: sqlite3.Connection, page: Page) -> None:
    try:
        ids.execute("BEGIN")
        ids.executemany("INSERT INTO ids VALUES (?)", ((record.id,) for record in page))
        ids.execute("COMMIT")
    except sqlite3.IntegrityError:
        raise OperatorError(
            "The source is being written to: a record came twice. Run again when it rests."
        ) from None
    except sqlite3.Error as error:
        raise OperatorError(f"Cannot write a temporary file ({error}): make room on the disk.") from error


def _extra(ids: sqlite3.Connection, target: StoredCollection) -> Iterator[list[str]]:
    for page in target.ids():
        marks = ",".join("?" * len(page))
        known = {row[0] for row in ids.execute(f"SELECT id FROM ids WHERE id IN ({marks})", page)}
        if extra := [identity for identity in page if identity not in known]:
            yield extra
