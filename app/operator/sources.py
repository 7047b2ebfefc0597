"""Where records come from when a collection is copied: another collection, seen as a stream of pages.

Everything that copies or compares reads a `Source` from its beginning to its end and keeps no more than a page of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.operator import quotas
from app.operator.problems import SourceChanged
from app.operator.records import Record
from app.operator.store import StoredCollection

Page = list[Record]


@dataclass(frozen=True)
class About:
    """What a collection is beside its records."""

    identity: str
    """Changes when the source is another one under the same name."""
    name: str
    count: int
    metadata: dict[str, Any]
    configuration: dict[str, Any]
    dimension: int | None

    @property
    def space(self) -> str:
        """The distance function: l2, cosine or ip."""
        return space(self.configuration, self.metadata)


class Source(Protocol):
    def about(self) -> About:
        """Asked anew each time: the count may have changed. Raises SourceChanged when anything else has."""

    def pages(self, *, embeddings: bool) -> Iterator[Page]:
        """All records, always in the same order, at most 300 at a time."""


class CollectionSource:
    """A collection on a server."""

    def __init__(self, collection: StoredCollection) -> None:
        self._collection = collection

    def about(self) -> About:
        stored = self._collection
        now = stored.database.find(stored.name)
        if now is None or now.id != stored.id:
            raise SourceChanged(f"{stored.name} was deleted or replaced while it was read. Run the same command again.")
        if (now.metadata, now.configuration) != (stored.metadata, stored.configuration):
            raise SourceChanged(f"The metadata of {stored.name} changed while it was read. Run the same command again.")
        return About(stored.id, stored.name, stored.count(), stored.metadata, stored.configuration, stored.dimension)

    def pages(self, *, embeddings: bool) -> Iterator[Page]:
        return self._collection.pages(embeddings=embeddings)


@dataclass
class ShortIds:
    """Another source, its too long ids replaced; the replaced ones of the latest reading are listed, old and new."""

    source: Source
    replaced: list[tuple[str, str]] = field(default_factory=list)

    def about(self) -> About:
        return self.source.about()

    def pages(self, *, embeddings: bool) -> Iterator[Page]:
        self.replaced.clear()
        for page in self.source.pages(embeddings=embeddings):
            changed = [quotas.with_short_id(record) for record in page]
            self.replaced += [(old.id, new.id) for old, new in zip(page, changed, strict=True) if old.id != new.id]
            yield changed


def space(configuration: dict[str, Any], metadata: dict[str, Any]) -> str:
    """The distance function a collection was made with. Cloud keeps it under `spann`, a local server under `hnsw`."""
    for index in ("hnsw", "spann"):
        part = configuration.get(index)
        if isinstance(part, dict) and part.get("space"):
            return str(part["space"])
    return str(metadata.get("hnsw:space") or "l2")
