"""Vectors for measuring: fetched once from an OpenAI-compatible server and kept on disk, compared here or by
a real Chroma.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from array import array
from collections.abc import Callable, Sequence
from operator import mul
from pathlib import Path

from app.deadline import Deadline
from app.models import Passage, Pay
from app.retrieval.vectors import Embedder, VectorStore, unpaid

# A model that runs on the processor needs seconds for this many passages.
BATCH = 16
_SECONDS = 120.0


class CachedEmbedder:
    """`embedder` with its vectors kept in the SQLite file `path`, by model and text. Counts the calls a user
    would wait for.
    """

    def __init__(self, embedder: Embedder, path: Path) -> None:
        self._embedder = embedder
        self.embedding_model = embedder.embedding_model
        self.calls = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL)"
        )

    def embed(self, texts: Sequence[str], deadline: Deadline, *, pay: Pay = unpaid) -> list[list[float]]:
        self.calls += 1
        known = {text: vector for text in texts if (vector := self._known(text)) is not None}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            for text, values in zip(missing, self._embedder.embed(missing, deadline, pay=pay), strict=True):
                known[text] = array("f", values)
                self._connection.execute(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?)", (self._key(text), known[text].tobytes())
                )
        return [list(known[text]) for text in texts]

    def embed_all(self, texts: Sequence[str], progress: Callable[[int, int], None]) -> list[list[float]]:
        """As `embed`, in batches; `progress` is told how many of how many are done."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            vectors += self.embed(texts[start : start + BATCH], Deadline(_SECONDS))
            progress(len(vectors), len(texts))
        self.calls = 0
        return vectors

    def close(self) -> None:
        self._connection.close()

    def _known(self, text: str) -> array[float] | None:
        row = self._connection.execute(
            "SELECT vector FROM vectors WHERE key = ?", (self._key(text),)
        ).fetchone()
        if row is None:
            return None
        vector = array("f")
        with contextlib.suppress(ValueError):
            vector.frombytes(row[0])
        return vector or None

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{self.embedding_model}\0{text}".encode()).hexdigest()


class CorpusStore:
    """The nearest passages of a corpus by squared L2 distance, as Chroma counts by default; exact. Counts its
    calls.
    """

    def __init__(self, passages: Sequence[Passage], vectors: Sequence[Sequence[float]]) -> None:
        self._passages = passages
        self._vectors = [array("f", vector) for vector in vectors]
        self._squares = [sum(map(mul, vector, vector)) for vector in self._vectors]
        self._memory: dict[tuple[float, ...], list[tuple[float, int]]] = {}
        self.calls = 0

    def query(
        self, embeddings: Sequence[Sequence[float]], count: int, deadline: Deadline, *, texts: bool = True
    ) -> list[list[Passage]]:
        self.calls += 1
        return [
            [self._at(number, distance) for distance, number in self._ordered(embedding)[:count]]
            for embedding in embeddings
        ]

    def get(self, ids: Sequence[str], deadline: Deadline) -> list[Passage]:
        self.calls += 1
        return [passage for passage in self._passages if passage.id in ids]

    def _ordered(self, embedding: Sequence[float]) -> list[tuple[float, int]]:
        # Every method asks with the same vector.
        asked = tuple(embedding)
        if asked not in self._memory:
            square = sum(map(mul, asked, asked))
            distances = (
                (square + own - 2 * sum(map(mul, asked, vector)), number)
                for number, (vector, own) in enumerate(zip(self._vectors, self._squares, strict=True))
            )
            self._memory[asked] = sorted(distances)
        return self._memory[asked]

    def _at(self, number: int, distance: float) -> Passage:
        passage = self._passages[number]
        return Passage(passage.id, passage.text, passage.metadata, distance)


class CountingStore:
    """A real collection, with its calls counted."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self.calls = 0

    def query(
        self, embeddings: Sequence[Sequence[float]], count: int, deadline: Deadline, *, texts: bool = True
    ) -> list[list[Passage]]:
        self.calls += 1
        return self._store.query(embeddings, count, deadline, texts=texts)

    def get(self, ids: Sequence[str], deadline: Deadline) -> list[Passage]:
        self.calls += 1
        return self._store.get(ids, deadline)
