"""Finding the passages for a question, by vectors in Chroma and by the lexical index, ranked together.

No model is asked here. The index is searched while the vectors are under way. Without a vector store the same
pipeline runs on the index alone, without an index on the vectors alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from app.deadline import Deadline
from app.index import terms
from app.index.search import LexicalIndex
from app.models import Fact, Passage, Question
from app.retrieval import vocabulary
from app.retrieval.asked import Asked, Reader
from app.retrieval.fusion import Candidate, Pool, Weights
from app.retrieval.lookup import Found, look_up
from app.retrieval.named import Reading
from app.retrieval.selection import Limits, Selected, required, select
from app.retrieval.support import Support, support
from app.retrieval.tables import look_alikes

if TYPE_CHECKING:
    from app.ledger.ledger import Admission
    from app.retrieval.vectors import Embedder, VectorStore

_DEBUG_LINES = 40


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
    look_for_facts: bool = True


class Retrieval(NamedTuple):
    """What was found for a question.

    `chosen`: the passages in prompt order, each with the reason it was chosen; `question`: the question as it
    was searched, with what it left to the conversation; `support`: whether the collection has anything on it
    at all. `diagnostics` tell people how it was found; `degraded`: of `embeddings`, `vectors`, `index`, what
    was not used because it failed. `facts`: what the books state on exactly what was asked.
    """

    chosen: tuple[Selected, ...]
    question: str
    support: Support
    diagnostics: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(selected.passage for selected in self.chosen)


class Retriever(Protocol):
    def retrieve(
        self,
        question: Question,
        deadline: Deadline,
        admission: "Admission | None" = None,
        asked: Asked | None = None,
    ) -> Retrieval:
        """At most `question.k` passages, best first, and how they were found. Raises DndChatError.

        What it buys goes on `admission`; one that buys nothing needs none. `asked` is the question as it was
        read, where it was.
        """


class HybridRetriever:
    """Retrieval from `index`, and from vectors with an `embedder` and a `store`; one must be there."""

    def __init__(
        self,
        index: LexicalIndex | None,
        embedder: "Embedder | None" = None,
        store: "VectorStore | None" = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._vectors = None
        self._tuning = tuning = tuning or Tuning()
        self._reader = Reader(
            index,
            needed=embedder is None,
            followups=tuning.resolve_followups,
            written_out=tuning.write_out_shorthand,
            spelling=tuning.correct_spelling,
            facts=tuning.look_for_facts,
        )
        if embedder is not None and store is not None:
            from app.retrieval.vectors import VectorSearch

            self._vectors = VectorSearch(embedder, store)

    def retrieve(
        self,
        question: Question,
        deadline: Deadline,
        admission: "Admission | None" = None,
        asked: Asked | None = None,
    ) -> Retrieval:
        asked = asked or self._reader.read(question, deadline)
        text, reading, index, diagnostics = asked.text, asked.reading, asked.lexical, list(asked.diagnostics)
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
        ranked = self._ranked(reading, described, table_wanted, found, dense, asked.passages)
        deadline.check("weighing the passages")
        stating = {passage.id for passage in asked.passages}
        dropped = _unmet(
            [c.passage for c in ranked if c.passage.id not in stating],
            f"{question.text} | {text} | {searched}",
        )
        needed, open_ = (
            required(ranked, reading, table_wanted, found, stating, dropped)
            if self._tuning.guarantee_entities
            else ([], 1.0)
        )
        spared: set[str] = set()
        if index is not None:
            ids = [c.passage.id for c in ranked]
            spared = look_alikes(ids, found.tables, index.shared_grids(ids))
        candidates = [c for c in ranked if c.passage.id not in dropped and c.passage.id not in spared]
        named = any(item.role != "table" for item in needed) and not described
        selection = select(candidates, needed, question.k, self._tuning.limits, named=named, open_=open_)
        evidence = support(reading, candidates, index)
        diagnostics.append(
            f"Retrieved {len(selection.chosen)} passages (about {selection.tokens} tokens)"
            f" of {len(ranked)} candidates, {len(dropped)} of them dropped by query_must;"
            f" cut: {selection.reason}"
        )
        if question.debug:
            diagnostics += _trace(asked, evidence, candidates, selection.chosen)
        facts = asked.stated.facts
        return Retrieval(selection.chosen, text, evidence, tuple(diagnostics), asked.degraded, facts)

    def _look_up(self, reading: Reading, table_wanted: float, index: LexicalIndex) -> Found:
        synonyms = vocabulary.expand(reading.words) if self._tuning.expand_synonyms else []
        follow = self._tuning.follow_references
        return look_up(
            reading,
            synonyms,
            index,
            wanted=bool(table_wanted and self._tuning.weights.table),
            follow_references=follow,
        )

    def _ranked(
        self,
        reading: Reading,
        described: frozenset[str],
        table_wanted: float,
        found: Found,
        dense: Sequence[Passage],
        stating: Sequence[Passage],
    ) -> list[Candidate]:
        pool = Pool(self._tuning.weights)
        pool.add_lexical(found.matches)
        pool.add_tables(found.tables, found.tabled, len(reading.content()), table_wanted)
        for entity in reading.entities:
            owners = [found.owners[identity] for identity in entity.owners if identity in found.owners]
            pool.add_names(entity, owners, found.headed, table_wanted)
        pool.add_dense(dense)
        pool.add([*found.categories.values(), *found.referred.values(), *stating])
        pool.expect(described)
        return pool.ranked()


def _unmet(passages: Sequence[Passage], forms: str) -> set[str]:
    """The ids of the passages that demand what is in no form of the question."""
    demanding = [passage for passage in passages if passage.metadata.get("query_must")]
    if not demanding:
        return set()
    # Most collections demand nothing.
    from app.retrieval import query_must

    return {passage.id for passage in demanding if not query_must.satisfied(passage.metadata, forms)}


def _trace(
    asked: Asked, evidence: Support, candidates: Sequence[Candidate], chosen: Sequence[Selected]
) -> list[str]:
    """For `debug`: the names, the support, and the evidence for the best candidates."""
    roles = {selected.passage.id: selected.role for selected in chosen}
    named = asked.reading.entities
    lines = [f"Named: {entity.text}{'' if entity.certain else ' (uncertain)'}" for entity in named]
    lines.append(f"Support: {evidence.reason}")
    for c in candidates[:_DEBUG_LINES]:
        distance = f"{c.passage.distance:.4f}" if c.passage.distance is not None else "     -"
        lines.append(
            f"{c.score:5.2f} = dense {c.dense:.2f} ({distance}) words {c.lexical:.2f} table {c.table:.2f}"
            f" name {c.name:.2f} type {c.expected:.0f}"
            f" | {roles.get(c.passage.id, 'left out')} | {c.passage.id}"
        )
    return lines
