"""The quotas of Chroma Cloud, which of them a collection breaks, and what copying it will take. Sends
nothing.

Figures: docs.trychroma.com/cloud/quotas-limits, read in November 2026. A newer page says 8,182 bytes for a
metadata value; the smaller figure is the one every account has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.models import PARENT_KEYS, SECTION_KEYS
from app.operator.console import duration, size
from app.operator.problems import OperatorError
from app.operator.records import NOT_FINITE, About, Page, Record, Source, is_finite

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
MAX_RECORDS = 300
"""Of one call, in and out; a get without a limit may be cut silently."""

GIB = 2**30
# docs.trychroma.com/cloud/pricing, November 2026, in dollars.
WRITTEN_PER_GIB = 2.50
RETURNED_PER_GIB = 0.09
STORED_PER_GIB_MONTH = 0.33
# For the estimate of time: a slow home line; a round trip across an ocean and the server's work.
LINE_BYTES_PER_SECOND = 10e6 / 8
SECONDS_PER_WRITE = 0.4

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
    where, embedding = record.id, record.embedding
    yield from _over(where, "id", where, ID_BYTES, "--fix-ids gives it a shorter one and keeps the old one")
    remedy = "split the section at its source and ingest it again (scripts/ingest.py splits long sections)"
    yield from _over(where, "document", record.document or "", DOCUMENT_BYTES, remedy)
    yield from _over(where, "URI", record.uri or "", URI_BYTES, "shorten it at its source")
    width = len(embedding) if embedding is not None else dimensions or 0
    if width > DIMENSIONS:
        problem = f"embedding has {width:,} dimensions, at most {DIMENSIONS:,}"
        yield Violation(where, problem, "embed the collection again with a smaller model")
    if embedding is not None and not is_finite(embedding):
        remedy = "embed it again with scripts/ingest.py, or delete it"
        yield Violation(where, f"embedding {NOT_FINITE}", remedy)
    yield from _of_metadata(where, record.metadata or {}, METADATA_VALUE_BYTES)


def of_collection(name: str, metadata: Mapping[str, Any], records: int) -> Iterator[Violation]:
    """Every quota that the collection as such breaks."""
    where = "(collection)"
    yield from _over(where, "name", name, COLLECTION_NAME_BYTES, "copy it to a shorter name first")
    if records > RECORDS:
        yield Violation(where, f"{records:,} records, at most {RECORDS:,}", "split the collection")
    yield from _of_metadata(where, metadata, COLLECTION_METADATA_VALUE_BYTES)


def refuse(violations: Sequence[Violation], say: Callable[[str], None], consequence: str) -> None:
    """Raises OperatorError, after each of them is said, when there are any."""
    for violation in violations:
        say(f"   ✗ {violation}")
    if count := len(violations):
        raise OperatorError(f"{count} violation{'s'[: count > 1]} of Chroma Cloud's quotas; {consequence}.")


def with_short_id(record: Record) -> Record:
    """`record` under an id that fits: the beginning of the old one and a hash of all of it; the old one goes
    into metadata.

    A reference to a record that gets a shorter id follows it, so families and the parts of a section stay
    together.
    """
    metadata = dict(record.metadata or {})
    for key in REFERENCES:
        other = metadata.get(key)
        if isinstance(other, str) and _bytes(other) > ID_BYTES:
            metadata[key] = _short(other)
    if _bytes(record.id) <= ID_BYTES:
        return replace(record, metadata=metadata or None)
    if metadata.setdefault(ORIGINAL_ID, record.id) != record.id:
        # Something else has taken the key, and must not be lost: the check will report the id.
        return replace(record, metadata=metadata)
    return replace(record, id=_short(record.id), metadata=metadata)


@dataclass
class ShortIds:
    """Another source with its too long ids replaced. `replaced`: old and new, of the latest reading."""

    source: Source
    replaced: list[tuple[str, str]] = field(default_factory=list)

    def about(self) -> About:
        return self.source.about()

    def pages(self, *, embeddings: bool) -> Iterator[Page]:
        self.replaced.clear()
        for page in self.source.pages(embeddings=embeddings):
            changed = [with_short_id(record) for record in page]
            pairs = zip(page, changed, strict=True)
            self.replaced += [(old.id, new.id) for old, new in pairs if old.id != new.id]
            yield changed


@dataclass
class Plan:
    """What an upload would send, and what forbids it."""

    dimensions: int
    records: int = 0
    logical_bytes: int = 0
    wire_bytes: int = 0
    returned_bytes: int = 0
    """What comes back when all of it is compared: embeddings as decimal text."""
    violations: list[Violation] = field(default_factory=list)

    @property
    def dollars(self) -> float:
        """What Chroma Cloud charges for writing it and reading it back once."""
        return self.logical_bytes / GIB * (WRITTEN_PER_GIB + RETURNED_PER_GIB)

    def estimate(self, batch_size: int, workers: int) -> tuple[str, str]:
        """Two sentences for a person: how much, and how long and how dear."""
        line = (self.wire_bytes + self.returned_bytes) / LINE_BYTES_PER_SECOND
        seconds = line + -(-self.records // batch_size) * SECONDS_PER_WRITE / workers
        monthly = self.logical_bytes / GIB * STORED_PER_GIB_MONTH
        return (
            f"To send: {size(self.wire_bytes)}, and to read back and compare: {size(self.returned_bytes)}",
            f"About {duration(seconds)} on a 10 Mbit/s line, ${self.dollars:.4f} once and "
            f"${monthly:.4f} a month to store",
        )


def plan(name: str, about: About, pages: Iterable[Page]) -> Plan:
    """Read all pages and return what they come to. Nothing stops at the first violation: all are listed."""
    made = Plan(dimensions=about.dimension or 0)
    made.violations += of_collection(name, about.metadata, about.count)
    for page in pages:
        for record in page:
            made.violations += of_record(record, about.dimension)
            metadata = json.dumps(record.metadata or {}, ensure_ascii=False)
            text = sum(map(_bytes, (record.id, record.document or "", metadata)))
            made.logical_bytes += text + 4 * made.dimensions
            # Base64 makes four characters of three bytes; quotes, commas and column names are some 20 more.
            made.wire_bytes += text + 16 * made.dimensions // 3 + 20
            made.returned_bytes += text + 13 * made.dimensions + 20
        made.records += len(page)
    return made


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
        what, text = shown(key), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield from _over(where, f"metadata key {what!r}", key, METADATA_KEY_BYTES, "rename it at its source")
        remedy = "move the text into the document, or shorten it at its source"
        yield from _over(where, f"metadata value of {what!r}", text, value_limit, remedy)


def _over(where: str, what: str, text: str, limit: int, remedy: str) -> Iterator[Violation]:
    if (length := _bytes(text)) > limit:
        yield Violation(where, f"{what} has {length:,} bytes, at most {limit:,}", remedy)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
