"""What a question asks, as far as the index alone says: the names in it, and what the books state on it.

This comes before all that costs a call outside. For a question that the books' own figures answer it is all.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from app.deadline import Deadline
from app.errors import DatabaseError, TimedOut
from app.index.grids import Grid
from app.index.search import LexicalIndex
from app.models import Passage, Question
from app.retrieval import facts, shorthand
from app.retrieval.entities import read
from app.retrieval.facts import Stated
from app.retrieval.named import Reading

log = logging.getLogger(__name__)

_Found = TypeVar("_Found")

# For what an answer is checked with, which is there already.
_ANSWER_SECONDS = 2.0
# Why there is no index, by whether there is one that cannot be read.
_WITHOUT_INDEX = (
    "No lexical index for this collection: vectors alone; build one with scripts/build_index.py",
    "The lexical index cannot be read: vectors alone; the log says why",
)


class Asked(NamedTuple):
    """A question as it was read.

    `text`: it as one that stands alone, shorthand written out; `reading`: the names in it; `stated`: what the
    books state on it, in `passages`. `lexical` is the index, None where none can be read; then it may be
    `degraded`. `diagnostics` tell people what was understood how.
    """

    question: Question
    text: str
    reading: Reading
    stated: Stated = Stated()
    passages: tuple[Passage, ...] = ()
    lexical: LexicalIndex | None = None
    degraded: tuple[str, ...] = ()
    diagnostics: tuple[str, ...] = ()


class Reader:
    """Reads questions with `index`; one that is `needed` must be there. The rest is to measure without it."""

    def __init__(
        self,
        index: LexicalIndex | None,
        *,
        needed: bool = False,
        followups: bool = True,
        written_out: bool = True,
        spelling: bool = True,
        facts: bool = True,
    ) -> None:
        self._index, self._needed, self._facts = index, needed, facts
        self._followups, self._written_out, self._spelling = followups, written_out, spelling

    @property
    def knows_facts(self) -> bool:
        """Whether a question can be answered from facts at all."""
        return self._index is not None and self._facts

    def read(self, question: Question, deadline: Deadline) -> Asked:
        """Raises DatabaseError when the index cannot be read, and TimedOut."""
        index, degraded = self._usable_index(deadline)
        notes = [_WITHOUT_INDEX[bool(degraded)]] if index is None else []
        text, changes = shorthand.Written(question.text, {})
        if self._written_out:
            text, changes = shorthand.written_out(question.text)
        alone = text
        if question.history and self._followups:
            from app.retrieval import followup

            text = followup.resolve(text, question.history, index)
            if text != alone:
                notes.append(f"Understood from the conversation as: {text}")
        reading = read(text, index, correct=self._spelling)
        if read_as := {**changes, **reading.corrected}:
            notes.append("Read " + ", ".join(f"{word} as {other}" for word, other in read_as.items()))
        asked = Asked(question, text, reading, Stated(), (), index, degraded, tuple(notes))
        if index is None or not self.knows_facts:
            return asked
        stated = facts.find(reading, index, deadline, history=question.history if text != alone else ())
        owners = dict.fromkeys(fact.passage for fact in stated.facts)
        known = index.passages(owners)
        if len(known) < len(owners):
            stated = Stated(reason="the index lacks a passage of it")
        if question.debug:
            notes.append(f"Facts: {stated.reason}")
        passages = tuple(known[identity] for identity in owners) if stated.facts else ()
        return asked._replace(stated=stated, passages=passages, diagnostics=tuple(notes))

    def names_in(self, text: str) -> list[str]:
        """The names in `text` that the collection knows, as they stand there; none without an index."""
        return self._of_answer(
            lambda index: [one.text for one in read(text, index, correct=False).entities if one.certain]
        )

    def grids_in(self, passage_ids: Sequence[str]) -> list[Grid]:
        """What stands in these passages as tables and blocks; nothing without an index."""
        return self._of_answer(lambda index: index.grids_in(passage_ids))

    def _of_answer(self, look_up: Callable[[LexicalIndex], list[_Found]]) -> list[_Found]:
        """What an answer is checked with. It is given without, if need be."""
        if self._index is None:
            return []
        try:
            return look_up(self._index.until(Deadline(_ANSWER_SECONDS)))
        except (DatabaseError, TimedOut) as error:
            log.warning("an answer was checked without the index: %s", error)
            return []

    def _usable_index(self, deadline: Deadline) -> tuple[LexicalIndex | None, tuple[str, ...]]:
        """The index until `deadline`, if there is one that can be read; and what is `degraded` without it."""
        if self._index is None:
            return None, ()
        try:
            self._index.check()
            return self._index.until(deadline), ()
        except DatabaseError as error:
            if self._needed:
                raise
            log.error("%s: vectors alone", error)
            return None, ("index",)
