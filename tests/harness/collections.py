"""Collections for tests, written and read back with the official client: it must not be our own code that
judges our code.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api import ClientAPI

WORDS = [
    "orc",
    "owlbear",
    "dragon",
    "sword",
    "table",
    "saving",
    "throw",
    "hit",
    "dice",
    "armor",
    "class",
    "level",
    "spell",
    "½",
    "–",
    "“quoted”",
    "Ærth",
]


@dataclass
class Rows:
    """Records by column, as the official client wants them."""

    ids: list[str]
    documents: list[str]
    metadatas: list[dict[str, Any] | None]
    uris: list[str | None]
    embeddings: Any

    def __len__(self) -> int:
        return len(self.ids)


def client(url: str) -> ClientAPI:
    """The official client on a local server."""
    import chromadb

    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return chromadb.HttpClient(host=parts.hostname, port=parts.port)


def rows(count: int, dimensions: int, seed: int = 1, words: int = 300) -> Rows:
    """Records like those of a rule book: a few hundred to a few thousand bytes of text, metadata, some
    without.

    No lists in the metadata: a local server hands those of deleted collections on to new ones
    (chroma-core/chroma#7594).
    """
    chance = random.Random(seed)
    embeddings = numpy.random.default_rng(seed).standard_normal((count, dimensions)).astype("float32")
    embeddings /= numpy.linalg.norm(embeddings, axis=1, keepdims=True)
    ids = [f"r-{number:05d}" for number in range(count)]
    documents = [" ".join(chance.choices(WORDS, k=chance.randint(min(20, words), words))) for _ in ids]
    metadatas: list[dict[str, Any] | None] = [
        {
            "name": f"Entry {number}",
            "book": f"Sample Tables, p. {number % 300}",
            "page": number % 300,
            # Three digits: a server returns some doubles of 17 digits one unit in the last place away.
            "weight": round(chance.random(), 3),
            "table": number % 7 == 0,
        }
        if number % 50
        else None
        for number in range(count)
    ]
    uris = [f"https://example.test/{number}" if number % 13 == 0 else None for number in range(count)]
    return Rows(ids, documents, metadatas, uris, embeddings)


def fill(
    url: str, name: str, data: Rows, space: str = "l2", metadata: dict[str, Any] | None = None
) -> Collection:
    """A new collection with `data`, in the place of one of that name."""
    connection = client(url)
    if name in names(url):
        connection.delete_collection(name)
    collection = connection.create_collection(
        name, metadata=metadata, configuration={"hnsw": {"space": space}}, embedding_function=None
    )
    for start in range(0, len(data), 1000):
        part = slice(start, start + 1000)
        collection.add(
            ids=data.ids[part],
            documents=data.documents[part],
            metadatas=data.metadatas[part],
            uris=data.uris[part],
            embeddings=data.embeddings[part],
        )
    return collection


def names(url: str) -> set[str]:
    """The names of all collections of a server."""
    return {found.name for found in client(url).list_collections()}


def snapshot(url: str, name: str) -> dict[str, Any]:
    """All that a collection holds; two of them are equal when the collections are, bit for bit."""
    collection = client(url).get_collection(name, embedding_function=None)
    records = {}
    for page in pages(collection):
        for row in zip(
            page["ids"], page["documents"], page["metadatas"], page["uris"], page["embeddings"], strict=True
        ):
            vector = numpy.asarray(row[4], dtype="float32").tobytes()
            records[row[0]] = (row[1], row[2], row[3], hashlib.sha256(vector).hexdigest())
    return {
        "metadata": collection.metadata,
        "space": collection.configuration_json["hnsw"]["space"],
        "records": records,
    }


def pages(collection: Collection) -> Iterator[Any]:
    """Its records, 300 at a time."""
    for offset in range(0, collection.count(), 300):
        yield collection.get(
            limit=300, offset=offset, include=["documents", "metadatas", "uris", "embeddings"]
        )
