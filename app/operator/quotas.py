"""The quotas of Chroma Cloud, and which of them a record or a collection breaks. Sends nothing, changes nothing.

Figures: docs.trychroma.com/cloud/quotas-limits, read in November 2026. A newer page says 8,182 bytes for a metadata value; the
smaller figure is the one every account has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.models import PARENT_KEYS, SECTION_KEYS
from app.operator.records import NOT_FINITE, Record, is_finite

ID_BYTES = 128
DOCUMENT_BYTES = 16_384
URI_BYTES = 256
DIMENSIONS = 4_096
METADATA_KEYS = 32
METADATA_KEY_BYTES = 36
METADATA_VALUE_BYTES = 4_096
COLLECTION_NAME_BYTES = 128
COLLECTION_METADATA_VALUE_BYTES = 256
RECORDS = 5_000_000

ORIGINAL_ID = "original_id"
"""Where a record whose id was replaced keeps its old one."""
REFERENCES = PARENT_KEYS + SECTION_KEYS
"""The metadata that refer to another record by its id."""


@dataclass(frozen=True, slots=True)
class Violation:
    """`where` is a record's id, or `(collection)`."""

    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{shown(self.where)}: {self.problem}; {self.remedy}"


def of_record(record: Record, dimensions: int | None) -> Iterator[Violation]:
    """Every quota that `record` breaks, in a collection of so many dimensions."""
    if (length := _bytes(record.id)) > ID_BYTES:
        yield _over(record.id, "id", length, ID_BYTES, "--fix-ids gives it a shorter one and keeps the old one")
    if (length := _bytes(record.document or "")) > DOCUMENT_BYTES:
        remedy = "split the section at its source and ingest it again (scripts/ingest.py splits long sections)"
        yield _over(record.id, "document", length, DOCUMENT_BYTES, remedy)
    if (length := _bytes(record.uri or "")) > URI_BYTES:
        yield _over(record.id, "URI", length, URI_BYTES, "shorten it at its source")
    width = len(record.embedding) if record.embedding is not None else dimensions or 0
    if width > DIMENSIONS:
        problem = f"embedding has {width:,} dimensions, at most {DIMENSIONS:,}"
        yield Violation(record.id, problem, "embed the collection again with a smaller model")
    if record.embedding is not None and not is_finite(record.embedding):
        yield Violation(record.id, f"embedding {NOT_FINITE}", "embed it again with scripts/ingest.py, or delete it")
    yield from _of_metadata(record.id, record.metadata or {}, METADATA_VALUE_BYTES)


def of_collection(name: str, metadata: Mapping[str, Any], records: int) -> Iterator[Violation]:
    """Every quota that the collection as such breaks."""
    where = "(collection)"
    if (length := _bytes(name)) > COLLECTION_NAME_BYTES:
        yield _over(where, "name", length, COLLECTION_NAME_BYTES, "copy it to a shorter name first")
    if records > RECORDS:
        yield Violation(where, f"{records:,} records, at most {RECORDS:,}", "split the collection")
    yield from _of_metadata(where, metadata, COLLECTION_METADATA_VALUE_BYTES)


def with_short_id(record: Record) -> Record:
    """`record` under an id that fits: the beginning of the old one and a hash of all of it; the old one goes into metadata.

    A reference to a record that gets a shorter id follows it, so families and the parts of a section stay together.
    """
    metadata = dict(record.metadata or {})
    for key in REFERENCES:
        other = metadata.get(key)
        if isinstance(other, str) and _bytes(other) > ID_BYTES:
            metadata[key] = _short(other)
    if _bytes(record.id) <= ID_BYTES:
        return replace(record, metadata=metadata or None)
    if metadata.setdefault(ORIGINAL_ID, record.id) != record.id:
        # The key is taken by something else, which must not be lost: the id is left for the check to complain about.
        return replace(record, metadata=metadata)
    return replace(record, id=_short(record.id), metadata=metadata)


def shown(identity: str) -> str:
    """An id for a person: a long one by its beginning and its length."""
    return identity if len(identity) <= 60 else f"{identity[:48]}… ({_bytes(identity)} bytes)"


def _short(identity: str) -> str:
    mark = "-" + hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return identity.encode("utf-8", "surrogatepass")[: ID_BYTES - len(mark)].decode("utf-8", "ignore") + mark


def _of_metadata(where: str, metadata: Mapping[str, Any], value_limit: int) -> Iterator[Violation]:
    if len(metadata) > METADATA_KEYS:
        problem = f"metadata has {len(metadata)} keys, at most {METADATA_KEYS}"
        yield Violation(where, problem, "drop keys at its source")
    for key, value in metadata.items():
        if (length := _bytes(key)) > METADATA_KEY_BYTES:
            yield _over(where, f"metadata key {shown(key)!r}", length, METADATA_KEY_BYTES, "rename it at its source")
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if (length := _bytes(text)) > value_limit:
            remedy = "move the text into the document, or shorten it at its source"
            yield _over(where, f"metadata value of {shown(key)!r}", length, value_limit, remedy)


def _over(where: str, what: str, length: int, limit: int, remedy: str) -> Violation:
    return Violation(where, f"{what} has {length:,} bytes, at most {limit:,}", remedy)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
