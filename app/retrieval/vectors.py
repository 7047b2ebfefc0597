"""The vector half of retrieval, beside the search in the index: embed the question, get the nearest passages.

Two calls, one after the other; a third fetches the texts of passages that are newer than the index.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from app.deadline import Deadline
from app.index.search import LexicalIndex
from app.models import Passage, Pay, Payment, Question, Usage
from app.pricing import MAX_EMBEDDED_TOKENS, TOKENS_PER_MESSAGE, last_tokens, token_bound
from app.retrieval import shorthand
from app.retrieval.fusion import REFERENCE

if TYPE_CHECKING:
    from app.ledger.ledger import Admission

# How many passages are fetched, over what is needed, so that query_must can drop many without another call.
# Where they bring their texts along (some 50 kB), no more than are evidence.
_NEAREST, _NEAREST_WITH_TEXTS = 100, REFERENCE
# Corrected spellings can make a text longer, by a letter or two in a word of five: by less than this factor.
_SPELLING = 2

T = TypeVar("T")


class Embedder(Protocol):
    @property
    def embedding_model(self) -> str: ...

    def embed(self, texts: Sequence[str], deadline: Deadline, *, pay: Pay) -> list[list[float]]: ...


class VectorStore(Protocol):
    def query(
        self, embeddings: Sequence[Sequence[float]], count: int, deadline: Deadline, *, texts: bool = True
    ) -> list[list[Passage]]: ...

    def get(self, ids: Sequence[str], deadline: Deadline) -> list[Passage]: ...


class Background(Generic[T]):
    """`call`, begun at once in a thread; one whose result nobody wants ends with the process.

    A plain thread: an executor takes 10 ms to import.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No thread to spare on this host (`ulimit -u`): then here and now.
            self._thread = None
            self._run()

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        """What the call returned, once it has; raises what it raised."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value


class VectorSearch:
    """The passages nearest to a text."""

    def __init__(self, embedder: Embedder, store: VectorStore) -> None:
        self._embedder, self._store = embedder, store

    def nearest(
        self, text: str, deadline: Deadline, admission: Admission | None, *, texts: bool
    ) -> Background[list[Passage]]:
        """Nearest first; with their `texts` or, where an index has those, without. The embedding goes on
        `admission`.

        The result raises AIServiceError, DatabaseError, TimedOut.
        """
        embedder = self._embedder
        # A question of emoji has four bytes a character. What it took from the conversation stands before it.
        text = last_tokens(text, MAX_EMBEDDED_TOKENS - TOKENS_PER_MESSAGE)

        def pay() -> Payment:
            if admission is None:
                return unpaid()
            return admission.sent(
                admission.pricing.embeddings_call(embedder.embedding_model, token_bound(text))
            )

        def call() -> list[Passage]:
            count = _NEAREST_WITH_TEXTS if texts else _NEAREST
            return self._store.query(embedder.embed([text], deadline, pay=pay), count, deadline, texts=texts)[
                0
            ]

        return Background(call)

    def complete(
        self, nearest: Sequence[Passage], index: LexicalIndex, deadline: Deadline
    ) -> tuple[list[Passage], int]:
        """`nearest` with their texts, and how many are newer than the index, which has all other texts.

        Raises DatabaseError, TimedOut.
        """
        bare = [passage.id for passage in nearest if not passage.text]
        known = index.passages(bare)
        newer = [identity for identity in bare if identity not in known]
        if newer:
            known |= {passage.id: passage for passage in self._store.get(newer, deadline)}
        complete = [
            passage if passage.text else known[passage.id]._replace(distance=passage.distance)
            for passage in nearest
            if passage.text or passage.id in known
        ]
        return complete, len(newer)


def embedding_tokens(question: Question) -> int:
    """No fewer tokens than the provider counts for `question` as it is embedded, with its history."""
    carried = 0
    if question.history:
        from app.retrieval import followup

        carried = followup.MOST_BYTES
    return _SPELLING * (token_bound(question.text) + shorthand.MOST_GROWTH) + carried


class _Unpaid:
    def settle(self, usage: Usage | None) -> None: ...

    def not_billed(self) -> None: ...


def unpaid() -> Payment:
    """A payment without an account: for measuring, with a server of one's own."""
    return _Unpaid()
