"""A collection's records and what it is beside them; when two records are the same."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import sqlite3
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.operator.problems import OperatorError, SourceChanged

# Chroma stores 32-bit floats. L2 and inner-product collections give them back bit for bit; cosine collections
# scale them on the way in and out, which costs up to 1.4e-7 relative a hop (measured on 1.5.9, 2,213 records
# of 1,536 dimensions).
TOLERANCE = 1e-6
# Chroma's servers read decimal numbers fast rather than exactly: one in ten of the doubles in metadata with
# 16 or 17 digits comes back one unit in the last place away (2e-16 relative, measured on 1.5.9).
METADATA_TOLERANCE = 1e-15
NOT_FINITE = "has numbers that are none (NaN or Infinity)"
"""The end of a sentence about an embedding that `is_finite` refuses."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Chroma returns it; `embedding` is None where it was not requested."""

    id: str
    document: str | None
    metadata: dict[str, Any] | None
    uri: str | None
    embedding: array[float] | None = None

    def digest(self) -> bytes:
        """A hash over document, metadata and URI, whatever the order of keys."""
        content = [self.document, self.metadata, self.uri]
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


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

    @classmethod
    def checked(
        cls, identity: str, name: Any, count: int, metadata: Any, configuration: Any, dimension: Any
    ) -> About:
        """What a server or a file says of a collection. Raises ValueError for what describes none."""
        # The name is checked as an id is.
        record = checked(name, None, metadata, None)
        if not (dimension is None or (type(dimension) is int and 0 <= dimension < 2**31)):
            raise ValueError("a dimension that is none")
        if not isinstance(configuration or {}, dict):
            raise ValueError("a configuration that is none")
        return cls(identity, record.id, count, dict(record.metadata or {}), configuration or {}, dimension)

    @property
    def space(self) -> str:
        """The distance function: l2, cosine or ip."""
        return space(self.configuration, self.metadata)


class Source(Protocol):
    """What a collection is copied from. Readers keep no more than a page of it."""

    def about(self) -> About:
        """Read anew each time: the count may have changed. Raises SourceChanged when anything else has."""

    def pages(self, *, embeddings: bool) -> Iterator[Page]:
        """All records, always in the same order, at most 300 at a time."""


class Ids:
    """The ids of records read so far, in a temporary file that SQLite deletes: memory does not grow."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.execute("CREATE TABLE ids (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, page: Sequence[Record], name: str) -> None:
        """Raises SourceChanged when a record of the collection `name` comes twice."""
        try:
            self._connection.execute("BEGIN")
            for record in page:
                self._connection.execute("INSERT INTO ids VALUES (?)", (record.id,))
            self._connection.execute("COMMIT")
        except sqlite3.IntegrityError:
            raise SourceChanged(
                f"{name} is being written to: record {record.id} came twice. Run again when it rests."
            ) from None
        except sqlite3.Error as error:
            raise OperatorError(f"Cannot write a temporary file ({error}): make room on the disk.") from error

    def close(self) -> None:
        self._connection.close()

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that were not added."""
        marks = ",".join("?" * len(ids))
        known = {row[0] for row in self._connection.execute(f"SELECT id FROM ids WHERE id IN ({marks})", ids)}
        return [identity for identity in ids if identity not in known]


def space(configuration: dict[str, Any], metadata: dict[str, Any]) -> str:
    """The distance function of a collection: Cloud keeps it under `spann`, a local server under `hnsw`."""
    for index in ("hnsw", "spann"):
        part = configuration.get(index)
        if isinstance(part, dict) and part.get("space"):
            return str(part["space"])
    return str(metadata.get("hnsw:space") or "l2")


def checked(
    identity: Any, document: Any, metadata: Any, uri: Any, embedding: array[float] | None = None
) -> Record:
    """A record made of what a server or a file says. Raises ValueError for what no record is made of."""
    texts = [identity, document or "", uri or ""]
    if not all(isinstance(text, str) for text in texts) or not identity:
        raise ValueError("id, document or URI is no text")
    if not (metadata is None or (isinstance(metadata, dict) and all(map(_is_value, metadata.values())))):
        raise ValueError("metadata is nested, or holds a number that is none")
    # Halves of characters cannot be stored or sent: raises UnicodeEncodeError, a ValueError.
    json.dumps([*texts, metadata], ensure_ascii=False).encode()
    return Record(identity, document, metadata, uri, embedding)


def _is_value(value: Any, depth: int = 2) -> bool:
    """One of Chroma's scalars, null; a list of these; an object of these (a sparse vector)."""
    if isinstance(value, list | dict):
        parts = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_value(part, depth - 1) for part in parts)
    return value is None or is_scalar(value)


def is_scalar(value: Any) -> bool:
    """Whether it is a text, a number of 64 bits that is one, true or false."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def floats(numbers: Sequence[float | None]) -> array[float]:
    """32-bit floats, as Chroma keeps them; JSON has null for NaN and Infinity. Raises TypeError."""
    if None in numbers:
        numbers = [math.nan if number is None else number for number in numbers]
    return array("f", numbers)  # type: ignore[arg-type]  # no None is left


def is_finite(embedding: array[float]) -> bool:
    """Whether every number is one: Chroma takes no other, and nothing compares with them."""
    # In 64 bits the sum of so few 32-bit floats cannot overflow; NaN and Infinity stay what they are.
    return math.isfinite(sum(embedding))


def to_base64(embedding: array[float]) -> str:
    """The little-endian bytes in base64: bit-exact, and 2.4 times smaller on the wire than decimal text."""
    if sys.byteorder == "big":
        embedding = array("f", embedding)
        embedding.byteswap()
    return base64.b64encode(embedding.tobytes()).decode()


def from_base64(text: str) -> array[float]:
    """Raises ValueError when `text` is no base64 of whole floats."""
    embedding = array("f")
    embedding.frombytes(base64.b64decode(text, validate=True))
    if sys.byteorder == "big":
        embedding.byteswap()
    return embedding


def same_content(left: Record, right: Record) -> bool:
    """Document, metadata and URI are equal; fractions in metadata within METADATA_TOLERANCE."""
    if left.digest() == right.digest():
        return True
    if (left.document, left.uri) != (right.document, right.uri):
        return False
    return _same_value(left.metadata or {}, right.metadata or {})


def _same_value(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return math.isclose(left, right, rel_tol=METADATA_TOLERANCE)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same_value(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same_value, left, right))
    return bool(left == right)


def same_embedding(left: array[float] | None, right: array[float] | None) -> bool:
    """Equal in every dimension within TOLERANCE of the larger of the two values."""
    if left is None or right is None:
        return left is right
    if len(left) != len(right):
        return False
    # Equal bytes are the rule, and comparing them costs a hundredth of the loop.
    return left == right or all(
        abs(x - y) <= TOLERANCE * max(abs(x), abs(y)) for x, y in zip(left, right, strict=True)
    )
