"""Is a collection the same as its source? Counts and content of every record, the collection's own facts, and
what is extra.

Both sides are read in pages, so memory does not grow with the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from app.operator.parallel import in_order
from app.operator.quotas import shown
from app.operator.records import About, Ids, Page, Record, same_content, same_embedding, space
from app.operator.stored_collection import StoredCollection

EXAMPLES = 5
MISSING, DIFFERENT, EXTRA = "missing in the target", "different in the target", "only in the target"


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

    collection: list[str]
    """Differences of the collections as such."""
    source_count: int = 0
    target_count: int = 0
    faults: dict[str, Tally] = field(
        default_factory=lambda: {MISSING: Tally(), DIFFERENT: Tally(), EXTRA: Tally()}
    )

    @property
    def same(self) -> bool:
        return self.source_count == self.target_count and not self.lines()

    def of_records(self) -> list[str]:
        """Every kind of fault that records have in one line each."""
        return [tally.line(what) for what, tally in self.faults.items() if tally.count]

    def lines(self) -> list[str]:
        """Every kind of difference in one line each."""
        return self.of_records() + self.collection


def compare(
    about: About,
    pages: Iterable[Page],
    target: StoredCollection,
    workers: int = 1,
    wrong: Callable[[Sequence[str]], None] = lambda ids: None,
) -> Comparison:
    """Compare every record of `pages` (with embeddings) with `target`. `wrong` gets the ids of all records
    with a fault.

    Raises OperatorError when one of the two cannot be read.
    """
    found = Comparison(_about(about, target))

    def look_up(page: Page) -> tuple[Page, dict[str, Record]]:
        return page, {record.id: record for record in target.get([r.id for r in page], embeddings=True)}

    def note(fault: str, ids: Sequence[str]) -> None:
        if ids:
            found.faults[fault].add(ids)
            wrong(ids)

    with closing(Ids()) as ids:
        for page, stored in in_order(look_up, pages, workers, target.api.http.stopping):
            ids.add(page, about.name)
            note(MISSING, [record.id for record in page if record.id not in stored])
            there = [record for record in page if record.id in stored]
            note(DIFFERENT, [record.id for record in there if not _same(record, stored[record.id])])
            found.source_count += len(page)
        found.target_count = target.count()
        if found.target_count != found.source_count - found.faults[MISSING].count:
            for some in target.ids():
                note(EXTRA, ids.unknown(some))
    return found


def _same(left: Record, right: Record) -> bool:
    return same_content(left, right) and same_embedding(left.embedding, right.embedding)


def _about(source: About, target: StoredCollection) -> list[str]:
    lines = []
    if (source.metadata or None) != (target.metadata or None):
        ours, theirs = source.metadata, target.metadata
        keys = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
        lines.append(f"collection metadata differs in {', '.join(keys)}")
    distance = space(target.configuration, target.metadata)
    if source.space != distance:
        lines.append(f"distance function: {source.space} in the source, {distance} in the target")
    if source.configuration.get("embedding_function") != target.configuration.get("embedding_function"):
        lines.append("the embedding function of the configuration differs")
    return lines
