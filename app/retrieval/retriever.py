"""Finding the passages for a question, by vectors in Chroma and by the lexical index, ranked together.

No model is asked here. The index is searched while the vectors are under way. Without a vector store the same
pipeline runs on the index alone, without an index on the vectors alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from app.deadline import Deadline
from app.errors import DatabaseError, TimedOut
from app.index import terms
from app.index.search import LexicalIndex
from app.models import Passage, Question
from app.retrieval import query_must, shorthand, vocabulary
from app.retrieval.entities import read
from app.retrieval.fusion import Candidate, Pool, Weights
from app.retrieval.lookup import Found, look_up
from app.retrieval.named import Reading
from app.retrieval.selection import Limits, Selected, required, select
from app.retrieval.support import Support, support

if TYPE_CHECKING:
    from app.ledger.ledger import Admission
    from app.retrieval.vectors import Embedder, VectorStore

log = logging.getLogger(__name__)

_DEBUG_LINES = 40
# For the names in an answer, which is there already.
_NAMES_SECONDS = 2.0
# Why there is no index, by whether there is one that cannot be read.
_WITHOUT_INDEX = (
    "No lexical index for this collection: vectors alone; build one with scripts/build_index.py",
    "The lexical index cannot be read: vectors alone; the log says why",
)


class Tuning(NamedTuple):
    """All that can be measured with and without."""

    weights: Weights = Weights()
    limits: Limits = Limits()
    resolve_followups: bool = True
    write_out_shorthand: bool = True
    correct_spelling: bool = True
    guarantee_entities: bool = True
    expand_synonyms: bool = True
    follow_references: bool = True


class Retrieval(NamedTuple):
    """What was found for a question.

    `chosen`: the passages in prompt order, each with the reason it was chosen; `question`: the question as it
    was searched, with what it left to the conversation; `support`: whether the collection has anything on it
    at all. `diagnostics` tell people how it was found; `degraded`: of `embeddings`, `vectors`, `index`, what
    was not used because it failed.
    """

    chosen: tuple[Selected, ...]
    question: str
    support: Support
    diagnostics: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(selected.passage for selected in self.chosen)


class Retriever(Protocol):
    def names_in(self, text: str) -> list[str]:
        """The names in `text` that the collection knows, as they stand there; none without an index."""

    def retrieve(
        self, question: Question, deadline: Deadline, admission: Admission | None = None
    ) -> Retrieval:
        """At most `question.k` passages, best first, and how they were found. Raises DndChatError.

        What it buys goes on `admission`; one that buys nothing needs none.
        """


class HybridRetriever:
    """Retrieval from `index`, and from vectors with an `embedder` and a `store`; one must be there."""

    def __init__(
        self,
        index: LexicalIndex | None,
        embedder: Embedder | None = None,
        store: VectorStore | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._index, self._vectors = index, None
        self._tuning = tuning or Tuning()
        if embedder is not None and store is not None:
            from app.retrieval.vectors import VectorSearch

            self._vectors = VectorSearch(embedder, store)

    def retrieve(
        self, question: Question, deadline: Deadline, admission: Admission | None = None
    ) -> Retrieval:
        index, degraded = self._usable_index(deadline)
        diagnostics = [_WITHOUT_INDEX[bool(degraded)]] if index is None else []
        text, reading, notes = self._read(question, index)
        diagnostics += notes
        searched = reading.searched()
        underway = self._vectors and self._vectors.nearest(searched, deadline, admission, texts=index is None)
        table_wanted = vocabulary.wants_table(terms.fold(searched))
        found = self._look_up(reading, table_wanted, index) if index is not None else Found()
        dense = underway.result() if underway else []
        if self._vectors and index is not None:
            dense, newer = self._vectors.complete(dense, index, deadline)
            if newer:
                diagnostics.append(
                    f"{newer} passages are newer than the lexical index: scripts/build_index.py"
                )
        deadline.check("finding passages")
        described: frozenset[str] = frozenset()
        if not reading.has_subject and table_wanted < vocabulary.ROW_WANTED:
            described = vocabulary.described_types(terms.fold(searched))
        ranked = self._ranked(reading, described, table_wanted, found, dense)
        deadline.check("weighing the passages")
        forms = f"{question.text} | {text} | {searched}"
        candidates = [c for c in ranked if query_must.satisfied(c.passage.metadata, forms)]
        needed = (
            required(candidates, reading, table_wanted, found.referred)
            if self._tuning.guarantee_entities
            else []
        )
        selection = select(
            candidates, needed, question.k, self._tuning.limits, named=bool(needed) and not described
        )
        evidence = support(reading, candidates, index)
        diagnostics.append(
            f"Retrieved {len(selection.chosen)} passages (about {selection.tokens} tokens)"
            f" of {len(ranked)} candidates, {len(ranked) - len(candidates)} of them dropped by query_must;"
            f" cut: {selection.reason}"
        )
        if question.debug:
            diagnostics += _trace(reading, evidence, candidates, selection.chosen)
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
            if self._vectors is None:
                raise
            log.error("%s: vectors alone", error)
            return None, ("index",)

    def _read(self, question: Question, index: LexicalIndex | None) -> tuple[str, Reading, list[str]]:
        """The question as one that stands alone, what the index reads in it, and what was understood how."""
        text, changes = shorthand.Written(question.text, {})
        if self._tuning.write_out_shorthand:
            text, changes = shorthand.written_out(question.text)
        notes = []
        if question.history and self._tuning.resolve_followups:
            from app.retrieval import followup

            whole = followup.resolve(text, question.history, index)
            if whole != text:
                notes.append(f"Understood from the conversation as: {whole}")
            text = whole
        reading = read(text, index, correct=self._tuning.correct_spelling)
        if read_as := {**changes, **reading.corrected}:
            notes.append("Read " + ", ".join(f"{word} as {other}" for word, other in read_as.items()))
        return text, reading, notes

    def _look_up(self, reading: Reading, table_wanted: float, index: LexicalIndex) -> Found:
        synonyms = vocabulary.expand(reading.words) if self._tuning.expand_synonyms else []
        follow = self._tuning.follow_references
        return look_up(reading, synonyms, index, tables=bool(table_wanted), follow_references=follow)

    def _ranked(
        self,
        reading: Reading,
        described: frozenset[str],
        table_wanted: float,
        found: Found,
        dense: Sequence[Passage],
    ) -> list[Candidate]:
        pool = Pool(self._tuning.weights)
        pool.add_lexical(found.matches)
        pool.add_tables(found.tables, reading, table_wanted)
        for entity in reading.entities:
            owners = [found.owners[identity] for identity in entity.owners if identity in found.owners]
            pool.add_names(entity, owners, reading, table_wanted)
        pool.add_dense(dense)
        pool.add([*found.categories.values(), *found.referred.values()])
        pool.expect(described)
        return pool.ranked()


def _trace(
    reading: Reading, evidence: Support, candidates: Sequence[Candidate], chosen: Sequence[Selected]
) -> list[str]:
    """For `debug`: the names, the support, and the evidence for the best candidates."""
    roles = {selected.passage.id: selected.role for selected in chosen}
    lines = [f"Named: {entity.text}{'' if entity.certain else ' (uncertain)'}" for entity in reading.entities]
    lines.append(f"Support: {evidence.reason}")
    for c in candidates[:_DEBUG_LINES]:
        distance = f"{c.passage.distance:.4f}" if c.passage.distance is not None else "     -"
        lines.append(
            f"{c.score:5.2f} = dense {c.dense:.2f} ({distance}) words {c.lexical:.2f} table {c.table:.2f}"
            f" name {c.name:.2f} type {c.expected:.0f}"
            f" | {roles.get(c.passage.id, 'left out')} | {c.passage.id}"
        )
    return lines
