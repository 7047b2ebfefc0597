"""Finding the passages for a question: vectors in Chroma and words, names and tables in the lexical index, weighed together.

No model is asked here. Two outgoing calls, one after the other: all texts are embedded in one, all vectors queried in one;
meanwhile the index is searched. A third fetches passages that are newer than the index. Without a vector store the same
pipeline runs on the index alone, without an index on the vectors alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from app.deadline import Deadline
from app.errors import DatabaseError, TimedOut
from app.index import terms
from app.index.search import LexicalIndex, Match
from app.models import Passage, Pay, Payment, Question, Usage
from app.pricing import MAX_EMBEDDED_TOKENS, TOKENS_PER_MESSAGE, last_tokens, token_bound
from app.retrieval import glossary, query_must, shorthand
from app.retrieval.background import Background
from app.retrieval.entities import read
from app.retrieval.fusion import REFERENCE, Candidate, Pool, Weights
from app.retrieval.intent import ROW_WANTED, described_types, wants_table
from app.retrieval.named import Reading
from app.retrieval.requirements import required
from app.retrieval.selection import Limits, Selected, select
from app.retrieval.support import Support, support

if TYPE_CHECKING:
    from app.ledger.spending import Admission

log = logging.getLogger(__name__)

# How many passages are fetched for one text, over what is needed, so that query_must can drop many without another call. Where
# they bring their texts along (some 50 kB), no more than are evidence.
NEAREST, NEAREST_WITH_TEXTS = 100, REFERENCE
WORD_MATCHES = 60
TABLE_MATCHES = 20
_DEBUG_LINES = 40
# So many passages are fetched for the names in a question, of each name the same share: those that it heads come first.
_MOST_OWNERS = 300
# For the names in an answer, which is there already.
_NAMES_SECONDS = 2.0
# Why there is no index, by whether there is one that cannot be read.
_WITHOUT_INDEX = (
    "No lexical index for this collection: vectors alone; build one with scripts/build_index.py",
    "The lexical index cannot be read: vectors alone; the log says why",
)
# Corrected spellings can make a text longer, by a letter or two in a word of five: by less than this factor.
_SPELLING = 2


class Embedder(Protocol):
    @property
    def embedding_model(self) -> str: ...

    def embed(self, texts: Sequence[str], deadline: Deadline, *, pay: Pay) -> list[list[float]]: ...


class VectorStore(Protocol):
    def query(
        self, embeddings: Sequence[Sequence[float]], count: int, deadline: Deadline, *, texts: bool = True
    ) -> list[list[Passage]]: ...

    def get(self, ids: Sequence[str], deadline: Deadline) -> list[Passage]: ...


class Tuning(NamedTuple):
    """All that can be measured with and without."""

    weights: Weights = Weights()
    limits: Limits = Limits()
    resolve_followups: bool = True
    write_out_shorthand: bool = True
    correct_spelling: bool = True
    guarantee_entities: bool = True
    expand_glossary: bool = True
    follow_references: bool = True


class Retrieval(NamedTuple):
    """What was found for a question.

    `chosen`: the passages in prompt order, each with the reason it was chosen; `question`: the question as it was searched,
    with what it left to the conversation; `support`: whether the collection has anything on it at all.
    `diagnostics` tell people how it was found, `errors` what went wrong without stopping it; `degraded`: of `embeddings`,
    `vectors`, `index`, what was not used because it failed.
    """

    chosen: tuple[Selected, ...]
    question: str
    support: Support
    diagnostics: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(selected.passage for selected in self.chosen)


class Retriever(Protocol):
    def names_in(self, text: str) -> list[str]:
        """The names in `text` that the collection knows, as they stand there; none without an index."""

    def retrieve(self, question: Question, deadline: Deadline, admission: Admission | None = None) -> Retrieval:
        """At most `question.k` passages, best first, and how they were found. Raises DndChatError.

        What it buys goes on `admission`; one that buys nothing needs none.
        """


class _Words(NamedTuple):
    """What the index found."""

    matches: Sequence[Match] = ()
    tables: Sequence[Match] = ()
    owners: Mapping[str, Passage] = MappingProxyType({})
    parents: Mapping[str, Passage] = MappingProxyType({})
    # What the named entries refer to.
    referred: Mapping[str, Passage] = MappingProxyType({})


class HybridRetriever:
    """Retrieval from `index` and, where an `embedder` and a `store` are given, from vectors. One of the two must be there."""

    def __init__(
        self,
        index: LexicalIndex | None,
        embedder: Embedder | None = None,
        store: VectorStore | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._index, self._embedder, self._store = index, embedder, store
        self._tuning = tuning or Tuning()

    def retrieve(self, question: Question, deadline: Deadline, admission: Admission | None = None) -> Retrieval:
        index, degraded = self._usable_index(deadline)
        diagnostics = [_WITHOUT_INDEX[bool(degraded)]] if index is None else []
        written = (
            shorthand.written_out(question.text) if self._tuning.write_out_shorthand else shorthand.Written(question.text, {})
        )
        text = written.text
        if question.history and self._tuning.resolve_followups:
            from app.retrieval import followup

            text = followup.resolve(text, question.history, index)
        reading = read(text, index, correct=self._tuning.correct_spelling)
        if text != written.text:
            diagnostics.append(f"Understood from the conversation as: {text}")
        if read_as := {**written.changes, **reading.corrected}:
            diagnostics.append("Read " + ", ".join(f"{word} as {other}" for word, other in read_as.items()))
        nearest = Background(lambda: self._nearest(reading.searched(), index is None, deadline, admission))
        folded = terms.fold(reading.searched())
        table_wanted = wants_table(folded)
        described = described_types(folded) if not reading.has_subject and table_wanted < ROW_WANTED else frozenset()
        found = self._words(reading, table_wanted, index) if index is not None else _Words()
        dense, newer = self._complete(nearest.result(), index, deadline)
        if newer:
            diagnostics.append(f"{newer} passages are newer than the lexical index: scripts/build_index.py")
        deadline.check("finding passages")
        ranked = self._ranked(reading, described, table_wanted, found, dense)
        deadline.check("weighing the passages")
        asked = f"{question.text}\n{text}\n{reading.searched()}\n{shorthand.level_first(text)}"
        candidates = [c for c in ranked if query_must.satisfied(c.passage.metadata, asked)]
        needed = required(candidates, reading, table_wanted, found.referred) if self._tuning.guarantee_entities else []
        selection = select(candidates, needed, question.k, self._tuning.limits, named=bool(needed) and not described)
        evidence = support(reading, candidates, index)
        diagnostics.append(
            f"Retrieved {len(selection.chosen)} passages (about {selection.tokens} tokens) of {len(ranked)} candidates,"
            f" {len(ranked) - len(candidates)} of them dropped by query_must; cut: {selection.reason}"
        )
        if question.debug:
            chosen = {selected.passage.id: selected for selected in selection.chosen}
            diagnostics += [f"Named: {e.text}{'' if e.certain else ' (uncertain)'}" for e in reading.entities]
            diagnostics.append(f"Support: {evidence.reason}")
            diagnostics += [_line(c, chosen.get(c.passage.id)) for c in candidates[:_DEBUG_LINES]]
        return Retrieval(selection.chosen, text, evidence, tuple(diagnostics), degraded=degraded)

    def names_in(self, text: str) -> list[str]:
        try:
            index = self._index.until(Deadline(_NAMES_SECONDS)) if self._index is not None else None
            return [entity.text for entity in read(text, index, correct=False).entities if entity.certain]
        except (DatabaseError, TimedOut) as error:
            log.warning("names of an answer were not looked up: %s", error)
            return []

    def _usable_index(self, deadline: Deadline) -> tuple[LexicalIndex | None, tuple[str, ...]]:
        """The index until `deadline`, if there is one that can be read; and what is `degraded` without it."""
        if self._index is None:
            return None, ()
        try:
            self._index.check()
            return self._index.until(deadline), ()
        except DatabaseError as error:
            if self._store is None:
                raise
            log.error("%s: vectors alone", error)
            return None, ("index",)

    def _nearest(self, text: str, texts: bool, deadline: Deadline, admission: Admission | None) -> list[Passage]:
        """The passages nearest to `text`, nearest first; with their `texts` or, where the index has those, without."""
        embedder, store = self._embedder, self._store
        if embedder is None or store is None:
            return []
        # A question of emoji has four bytes a character. What it took from the conversation stands before it.
        text = last_tokens(text, MAX_EMBEDDED_TOKENS - TOKENS_PER_MESSAGE)

        def pay() -> Payment:
            if admission is None:
                return unpaid()
            return admission.sent(admission.pricing.embeddings_call(embedder.embedding_model, token_bound(text)))

        count = NEAREST_WITH_TEXTS if texts else NEAREST
        return store.query(embedder.embed([text], deadline, pay=pay), count, deadline, texts=texts)[0]

    def _complete(
        self, nearest: Sequence[Passage], index: LexicalIndex | None, deadline: Deadline
    ) -> tuple[list[Passage], int]:
        """`nearest` with their texts, and how many of these are newer than the index, which has the texts of all others."""
        bare = [passage.id for passage in nearest if not passage.text]
        if index is None or self._store is None or not bare:
            return list(nearest), 0
        known = index.passages(bare)
        if newer := [identity for identity in bare if identity not in known]:
            known |= {passage.id: passage for passage in self._store.get(newer, deadline)}
        complete = [
            passage if passage.text else known[passage.id]._replace(distance=passage.distance)
            for passage in nearest
            if passage.text or passage.id in known
        ]
        return complete, len(newer)

    def _words(self, reading: Reading, table_wanted: float, index: LexicalIndex) -> _Words:
        alternatives = reading.content() + (glossary.expand(reading.words) if self._tuning.expand_glossary else [])
        share = max(1, _MOST_OWNERS // max(1, len(reading.entities)))
        owners = index.passages(identity for entity in reading.entities for identity in islice(entity.owners, share))
        entries = [
            owners[identity]
            for entity in reading.entities
            if entity.certain and not entity.is_people
            for identity, kind in entity.owners.items()
            if kind in ("full", "variant") and identity in owners
        ]
        return _Words(
            index.search(alternatives, WORD_MATCHES),
            index.search(alternatives, TABLE_MATCHES, tables=True) if table_wanted else (),
            owners,
            index.passages(parent for passage in owners.values() if (parent := passage.parent)),
            self._referred(entries, index),
        )

    def _referred(self, entries: Sequence[Passage], index: LexicalIndex) -> Mapping[str, Passage]:
        if not entries or not self._tuning.follow_references:
            return {}
        from app.retrieval.references import references

        return index.passages(references(entries, index))

    def _ranked(
        self, reading: Reading, described: frozenset[str], table_wanted: float, found: _Words, dense: Sequence[Passage]
    ) -> list[Candidate]:
        pool = Pool(self._tuning.weights)
        pool.add_lexical(found.matches)
        pool.add_tables(found.tables, reading, table_wanted)
        for entity in reading.entities:
            owners = [found.owners[identity] for identity in entity.owners if identity in found.owners]
            pool.add_names(entity, owners, found.parents, reading, table_wanted)
        pool.add_dense(dense)
        pool.add_references(found.referred.values())
        pool.expect(described)
        return pool.ranked()


def embedding_tokens(question: Question) -> int:
    """No fewer model tokens than the text has that will be embedded for `question`, with what its history adds."""
    carried = 0
    if question.history:
        from app.retrieval import followup

        carried = followup.MOST_BYTES
    return _SPELLING * (token_bound(question.text) + shorthand.MOST_GROWTH) + carried


class _Unpaid:
    def settle(self, usage: Usage | None) -> None: ...

    def free(self) -> None: ...


def unpaid() -> Payment:
    """A payment that nobody keeps an account of: for measuring, with a server of one's own."""
    return _Unpaid()


def _line(candidate: Candidate, selected: Selected | None) -> str:
    c = candidate
    distance = f"{c.passage.distance:.4f}" if c.passage.distance is not None else "     -"
    return (
        f"{c.score:5.2f} = dense {c.dense:.2f} ({distance}) words {c.lexical:.2f} table {c.table:.2f} name {c.name:.2f}"
        f" type {c.expected:.0f} | {selected.role if selected else 'left out'} | {c.passage.id}"
    )
