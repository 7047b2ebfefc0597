"""One collection on a Chroma server: pages of records in, pages of records out, its name and metadata."""

from __future__ import annotations

import json
from collections.abc import Collection as Sized
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

from app.adapters.http import Reply
from app.operator.chroma_api import ChromaApi, ReplyTooLarge
from app.operator.parallel import batched
from app.operator.problems import OperatorError, SourceChanged
from app.operator.quotas import MAX_RECORDS, RECORDS
from app.operator.records import About, Ids, Page, Record, checked, floats, to_base64

# A parsed float takes 32 bytes: several larger pages with embeddings at a time would be 100 MB.
MAX_FLOATS_A_PAGE = 100 * 1536
# A server refuses calls of more than 40 MB, which 100 records with the longest metadata have.
MAX_BYTES_A_WRITE = 16_000_000
COLUMNS = ["documents", "metadatas", "uris"]


class StoredCollection:
    """One collection on a server, by its id: it stays the same one when its name changes."""

    def __init__(self, api: ChromaApi, document: Mapping[str, Any]) -> None:
        try:
            # The id goes into addresses: nothing but a UUID may.
            identity = str(UUID(str(document["id"])))
            rest = [document.get(key) for key in ("metadata", "configuration_json", "dimension")]
            about = About.checked(identity, document["name"], 0, *rest)
        except (KeyError, ValueError) as error:
            raise api.error("a collection has not the documented shape.") from error
        self.api, self.id, self.name = api, identity, about.name
        self.metadata, self.configuration, self.dimension = (
            about.metadata,
            about.configuration,
            about.dimension,
        )
        self._page = MAX_RECORDS
        """How many records are requested at a time; fewer once a page was more than a reply may have."""

    def about(self) -> About:
        """What the collection is now. Raises SourceChanged when it is another one than it was."""
        now = find(self.api, self.name)
        if now is None or now.id != self.id:
            raise SourceChanged(
                f"{self.name} was deleted or replaced while it was read. Run the same command again."
            )
        if (now.metadata, now.configuration) != (self.metadata, self.configuration):
            raise SourceChanged(
                f"The metadata of {self.name} changed while it was read. Run the same command again."
            )
        return About(now.id, now.name, self.count(), now.metadata, now.configuration, self.dimension)

    def count(self) -> int:
        """How many records there are now."""
        count = self.api.on_collection(self.id, "count", method="GET")
        if not (type(count) is int and 0 <= count < 2**63):
            raise self.api.error(f"the count of {self.name} is no number of records.")
        return count

    def pages(self, *, embeddings: bool) -> Iterator[Page]:
        """All records in the order of their insertion, at most 300 at a time."""
        yield from self._walk(COLUMNS + ["embeddings"] * embeddings)

    def ids(self) -> Iterator[list[str]]:
        """The ids of all records, at most 300 at a time."""
        for page in self._walk([]):
            yield [record.id for record in page]

    def _walk(self, include: list[str]) -> Iterator[Page]:
        """Page after page. Pages that go round in circles, or on for ever, are given up."""
        offset = 0
        with closing(Ids()) as ids:
            while page := self._get({"offset": offset}, include):
                ids.add(page, self.name)
                yield page
                offset += len(page)
                if offset > RECORDS:
                    raise self.api.error(f"{self.name} has more than {RECORDS:,} records, or does not end.")

    def get(self, ids: Sequence[str], *, embeddings: bool) -> Page:
        """Those of at most 300 records that are there."""
        return self._get({"ids": list(ids)}, COLUMNS + ["embeddings"] * embeddings)

    def upsert(self, records: Sequence[Record]) -> None:
        """Write at most 300 records with their embeddings.

        Keys of an older metadata and an older document that the new record has not would stay: `remove` first
        where a record may be there in another version.
        """
        if len(records) > 1 and sum(map(_size, records)) > MAX_BYTES_A_WRITE:
            half = len(records) // 2
            self.upsert(records[:half])
            self.upsert(records[half:])
            return
        payload = {
            "ids": [record.id for record in records],
            "embeddings": [self._on_the_wire(record) for record in records],
            "documents": [record.document for record in records],
            "metadatas": [record.metadata for record in records],
            "uris": [record.uri for record in records],
        }
        self.api.on_collection(self.id, "upsert", payload)

    def _on_the_wire(self, record: Record) -> str | list[float]:
        if record.embedding is None:
            raise OperatorError(f"Record {record.id} has no embedding; embed it first: an upload never does.")
        return to_base64(record.embedding) if self.api.takes_base64 else record.embedding.tolist()

    def remove(self, ids: Sized[str]) -> None:
        """Delete at most 300 records; it is no error when some are gone already."""
        self.api.on_collection(self.id, "delete", {"ids": list(ids)})

    def empty(self, batch_size: int = MAX_RECORDS) -> int:
        """Delete all records, so many at a time; returns how many there were."""
        removed, last = 0, ""
        while page := self._get({}, [], batch_size):
            if page[0].id == last:
                raise self.api.error(f"record {last} of {self.name} is still there after it was deleted.")
            last = page[0].id
            self.remove([record.id for record in page])
            removed += len(page)
        return removed

    def change(self, *, name: str | None = None, metadata: Mapping[str, Any] | None = None) -> None:
        """Give it a new name, or a new metadata in the place of the old one."""
        payload: dict[str, Any] = {"new_name": name} if name else {}
        if metadata is not None:
            payload["new_metadata"] = dict(metadata)
        self.api.on_collection(self.id, "", payload, method="PUT")
        self.name = name or self.name

    def _get(self, which: Mapping[str, Any], include: list[str], most: int = MAX_RECORDS) -> Page:
        limit = min(self._page, most)
        if "embeddings" in include and self.dimension:
            limit = max(1, min(limit, MAX_FLOATS_A_PAGE // self.dimension))
        if "ids" in which and len(which["ids"]) > limit:
            pages = batched(which["ids"], limit)
            return [record for ids in pages for record in self._get({"ids": ids}, include)]
        try:
            document = self.api.on_collection(self.id, "get", {**which, "limit": limit, "include": include})
        except ReplyTooLarge:
            if limit == 1:
                raise
            self._page = min(self._page, limit // 2)
            return self._get(which, include, most)
        try:
            ids = document["ids"]
            if not isinstance(ids, list) or len(ids) > limit:
                raise ValueError("no list of ids, or of more than were requested")
            nothing = [None] * len(ids)
            columns = [document.get(name) or nothing for name in COLUMNS]
            vectors = document.get("embeddings") if "embeddings" in include else None
            rows = zip(ids, *columns, vectors or nothing, strict=True)
            return [checked(i, d, m, u, None if v is None else floats(v)) for i, d, m, u, v in rows]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self.api.error("a page of records has not the documented shape.") from error


def find(api: ChromaApi, name: str) -> StoredCollection | None:
    """The collection of this name, or None."""
    reply = api.call("GET", f"{api.base}/collections/{api.segment(name)}")
    return None if reply.status == 404 else stored(api, name, reply, f"collection {name}")


def stored(api: ChromaApi, name: str, reply: Reply, what: str) -> StoredCollection:
    """The collection that a reply describes; OperatorError when it is not the one of this name."""
    found = StoredCollection(api, api.document(reply, what))
    if found.name != name:
        raise api.error(f"instead of the collection {name!r}, it gave another one ({found.name!r}).")
    return found


def _size(record: Record) -> int:
    """Bytes on the wire, about: what is not ASCII is escaped there."""
    return len(json.dumps([record.document, record.metadata])) + 6 * len(record.embedding or ())
