"""Ranking passages by the evidence for each: vector distance, words, names, the headers of tables.

Every kind of evidence is brought to 0…1 and multiplied by its weight; the sum orders the passages. Distances
count relative to the nearest and the `REFERENCE`-th passage of the same list, so that neither the metric
(squared L2 or cosine) nor the embedding model changes the scale.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from app.index.search import Match
from app.models import Passage
from app.retrieval.named import Entity
from app.retrieval.tables import Table

# The rank whose distance counts as no evidence.
REFERENCE = 60
# The evidence for a passage that is headed by a name, by another form of it, that has it as a heading inside,
# as one word of its heading, as a row.
KIND = {"full": 1.0, "variant": 0.9, "heading": 0.7, "word": 0.6, "row": 0.4}


class Weights(NamedTuple):
    """What each kind of evidence counts; measured on three rule books: docs/retrieval-figures.md."""

    dense: float = 1.0
    lexical: float = 0.6
    table: float = 0.8
    name: float = 0.5
    # The share of BM25 in the evidence of a table; the rest is how much of the question its labels cover.
    table_words: float = 0.5
    # A name that is as likely an everyday word.
    uncertain: float = 0.25
    # A row of a table when the question does not sound like one for a table.
    row_unwanted: float = 0.4
    # A passage of the type that a question describes without naming one.
    expected: float = 0.25
    # A later part of a split section, which has the same name.
    later_part: float = 0.5


class Candidate:
    """A passage and the evidence for it, each 0 to 1; `entity`: the first certain name that names it."""

    __slots__ = ("dense", "entity", "expected", "lexical", "name", "passage", "score", "table")

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.dense = self.lexical = self.table = self.name = self.expected = self.score = 0.0
        self.entity: str | None = None


class Pool:
    """The candidates for one question."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.candidates: dict[str, Candidate] = {}

    def add_dense(self, nearest: Sequence[Passage]) -> None:
        """The passages nearest to the question, nearest first; one without a distance has no evidence."""
        candidates = [self._candidate(passage) for passage in nearest]
        known = [(c, p.distance) for c, p in zip(candidates, nearest, strict=True) if p.distance is not None]
        if not known:
            return
        reference, least = known[min(REFERENCE, len(known)) - 1][1], known[0][1]
        width = reference - least
        for candidate, distance in known:
            candidate.dense = max(0.0, (reference - distance) / width) if width > 0 else 1.0

    def add_lexical(self, matches: Sequence[Match]) -> None:
        for match in matches:
            self._candidate(match.passage).lexical = match.score / matches[0].score

    def add_tables(
        self, found: Sequence[Table], passages: Mapping[str, Passage], words: int, wanted: float
    ) -> None:
        """The `passages` of tables that match, as far as one is `wanted` (0 to 1), for so many `words`."""
        share = self._weights.table_words
        for table in found:
            evidence = wanted * (share * table.score + (1 - share) * len(table.covered) / max(1, words))
            for identity in table.passages:
                if identity in passages:
                    candidate = self._candidate(passages[identity])
                    candidate.table = max(candidate.table, evidence)

    def add_names(
        self,
        entity: Entity,
        owners: Iterable[Passage],
        headed: Mapping[str, float],
        table_wanted: float,
    ) -> None:
        """The passages that `entity` names. `headed`: see `app.retrieval.lookup.Found`."""
        for passage in owners:
            kind = entity.owners[passage.id]
            evidence = KIND[kind]
            if kind == "row" and table_wanted:
                # Of a table of which a row is named: most where its title or a column has the rest.
                evidence += (1 - evidence) * headed.get(passage.id, 0.0)
            elif kind == "row":
                evidence *= self._weights.row_unwanted
            if not entity.certain:
                evidence *= self._weights.uncertain
            if passage.part > 1:
                evidence *= self._weights.later_part
            candidate = self._candidate(passage)
            candidate.name = max(candidate.name, evidence)
            if entity.certain and candidate.entity is None:
                candidate.entity = entity.text

    def add(self, passages: Iterable[Passage]) -> None:
        """Passages without evidence of their own, for which `app.retrieval.selection` may have slots."""
        for passage in passages:
            self._candidate(passage)

    def expect(self, types: Iterable[str]) -> None:
        """Prefer passages of these types."""
        wanted = frozenset(types)
        for candidate in self.candidates.values():
            candidate.expected = float(candidate.passage.type in wanted)

    def ranked(self) -> list[Candidate]:
        """All candidates with their `score`, best first; equal ones in the order they were found."""
        w = self._weights
        for c in self.candidates.values():
            c.score = w.dense * c.dense + w.lexical * c.lexical + w.table * c.table
            c.score += w.name * c.name + w.expected * c.expected
        return sorted(self.candidates.values(), key=lambda candidate: -candidate.score)

    def _candidate(self, passage: Passage) -> Candidate:
        known = self.candidates.get(passage.id)
        if known is None:
            known = self.candidates[passage.id] = Candidate(passage)
        elif known.passage.distance is None and passage.distance is not None:
            known.passage = passage
        return known
