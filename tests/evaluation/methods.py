"""The ways of retrieval that are compared: ours, ours with one rule left out, and what others do.

`previous` is the predecessor of this program as its description has it: nearest passages, "X vs Y" told by
regular expressions and what is missing asked for on its own, the category page of the first, a cut at a gap
between distances.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.deadline import Deadline
from app.index import terms
from app.index.search import LexicalIndex
from app.models import Passage, Question
from app.retrieval.fusion import Weights
from app.retrieval.retriever import HybridRetriever, Tuning
from app.retrieval.selection import Limits
from tests.evaluation.vectors import CachedEmbedder, CorpusStore, CountingStore

Store = CorpusStore | CountingStore
Method = Callable[[Question], "Found"]

RRF_CONSTANT = 60
_FUSED = 100
_SECONDS = 120.0

# The predecessor's figures: a gap that is a cliff, and how far from the nearest a passage may be without one.
_CLIFF = 0.06
_FAR = 0.4
_COMPARISONS = (
    r"compare\s+(?:the\s+)?(.+?)\s+and\s+(?:the\s+)?(.+?)(?:\.|$|\?)",
    r"(.+?)\s+(?:vs\.?|versus)\s+(.+?)(?:\.|$|\?)",
    r"differences?\s+between\s+(?:the\s+)?(.+?)\s+and\s+(?:the\s+)?(.+?)(?:\.|$|\?)",
)

_DEFAULT = Tuning()
# A question is given less room where it names something; without names all would be given the larger one.
_NAMED_ROOM = Limits(floor_unnamed=_DEFAULT.limits.floor_named, tokens_unnamed=_DEFAULT.limits.tokens_named)
_NO_LIMITS = Limits(
    floor_named=0, tokens_named=10**6, floor_unnamed=0, tokens_unnamed=10**6, most_tokens=10**6
)
# Each rule and the tuning without it.
LEAVE_OUT: dict[str, Tuning] = {
    "vectors' weight": _DEFAULT._replace(weights=Weights(dense=0)),
    "words (BM25)": _DEFAULT._replace(weights=Weights(lexical=0)),
    "names' weight": _DEFAULT._replace(weights=Weights(name=0)),
    "slots for names, same budget": _DEFAULT._replace(guarantee_entities=False, limits=_NAMED_ROOM),
    "names altogether, same budget": _DEFAULT._replace(
        guarantee_entities=False, weights=Weights(name=0), limits=_NAMED_ROOM
    ),
    "tables": _DEFAULT._replace(weights=Weights(table=0)),
    "columns of tables": _DEFAULT._replace(weights=Weights(table_words=1)),
    "types described": _DEFAULT._replace(weights=Weights(expected=0)),
    "references": _DEFAULT._replace(follow_references=False),
    "slots for the two best": _DEFAULT._replace(limits=Limits(leading=0)),
    "shorthand": _DEFAULT._replace(write_out_shorthand=False),
    "spelling": _DEFAULT._replace(correct_spelling=False),
    "synonyms": _DEFAULT._replace(expand_synonyms=False),
    "follow-ups": _DEFAULT._replace(resolve_followups=False),
    "adaptive cut (flat 7)": _DEFAULT._replace(limits=_NO_LIMITS._replace(most_passages=7)),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Passages in the order of the context; `supported` is false when the method would say that it is in no
    book.
    """

    passages: Sequence[Passage]
    supported: bool = True


class Methods:
    """All methods over one collection; the vector ones need an `embedder` and a `store`."""

    def __init__(self, index: LexicalIndex, embedder: CachedEmbedder | None, store: Store | None) -> None:
        self._index, self._embedder, self._store = index, embedder, store

    def named(self, name: str) -> Method:
        """Raises KeyError for a name that is none, or one that needs vectors where there are none."""
        methods: dict[str, Method] = {
            "lexical": self.lexical,
            "embedded": self._ours(_DEFAULT, vectors=False),
        }
        if self._embedder is not None:
            methods |= {
                "dense": self.dense,
                "rrf": self.rrf,
                "previous": self.previous,
                "hybrid": self._ours(_DEFAULT),
            }
        return methods[name]

    def without(self, rule: str) -> Method:
        """Ours with one rule of LEAVE_OUT left out."""
        return self._ours(LEAVE_OUT[rule], vectors=self._embedder is not None)

    def requests(self) -> int:
        """Outgoing requests since this was last asked."""
        parts = [part for part in (self._embedder, self._store) if part is not None]
        count = sum(part.calls for part in parts)
        for part in parts:
            part.calls = 0
        return count

    def dense(self, question: Question) -> Found:
        return Found(self._nearest(question.text, question.k))

    def lexical(self, question: Question) -> Found:
        return Found(self._words(question.text, question.k))

    def rrf(self, question: Question) -> Found:
        """Reciprocal rank fusion of vectors and words with equal weights."""
        scores: dict[str, float] = {}
        passages: dict[str, Passage] = {}
        for ranking in (self._nearest(question.text, _FUSED), self._words(question.text, _FUSED)):
            for rank, passage in enumerate(ranking):
                scores[passage.id] = scores.get(passage.id, 0.0) + 1 / (RRF_CONSTANT + rank)
                passages[passage.id] = passage
        best = sorted(scores, key=lambda identity: -scores[identity])[: question.k]
        return Found([passages[identity] for identity in best])

    def previous(self, question: Question) -> Found:
        found = self._nearest(question.text, question.k)
        for pattern in _COMPARISONS:
            if match := re.search(pattern, question.text.lower()):
                found = self._with_compared([match[1].strip(), match[2].strip()], found)
                break
        if found and (parent := found[0].parent) and parent not in {passage.id for passage in found}:
            pages = self._index.passages([parent]).values()
            found[1:1] = [Passage(p.id, p.text, p.metadata, (found[0].distance or 0.0) + 0.05) for p in pages]
        return Found(found[: _cut_at_gap([passage.distance or 0.0 for passage in found], question.k)])

    def _with_compared(self, names: Sequence[str], found: list[Passage]) -> list[Passage]:
        front: list[Passage] = []
        missing: list[Passage] = []
        for name in names:
            same = [p for p in found if p.name.split("(")[0].strip().lower() == name]
            alike = [p for p in found if name in p.name.lower() or p.name.lower() in name]
            if same or alike:
                front.append((same or alike)[0])
            else:
                missing += self._nearest(name, 1)
        return front + [passage for passage in found if passage not in front] + missing

    def _ours(self, tuning: Tuning, *, vectors: bool = True) -> Method:
        embedder, store = (self._embedder, self._store) if vectors else (None, None)
        retriever = HybridRetriever(self._index, embedder, store, tuning)

        def retrieve(question: Question) -> Found:
            found = retriever.retrieve(question, Deadline(_SECONDS))
            return Found(found.passages, found.support.found)

        return retrieve

    def _nearest(self, text: str, count: int) -> list[Passage]:
        assert self._embedder is not None and self._store is not None
        deadline = Deadline(_SECONDS)
        return self._store.query(self._embedder.embed([text], deadline), count, deadline)[0]

    def _words(self, text: str, count: int) -> list[Passage]:
        words = [word for word in dict.fromkeys(terms.tokens(text)) if word not in terms.STOP_WORDS]
        return [match.passage for match in self._index.search(words, count)]


def _cut_at_gap(distances: Sequence[float], k: int) -> int:
    gaps = [(distances[i] - distances[i - 1], i) for i in range(2, min(len(distances), k))]
    widest, place = max(gaps, key=lambda gap: gap[0], default=(0.0, 0))
    if widest >= _CLIFF:
        kept = place
    else:
        near = [distance <= distances[0] + _FAR for distance in distances]
        kept = near.index(False) if False in near else len(near)
    return min(max(2, kept), k)
