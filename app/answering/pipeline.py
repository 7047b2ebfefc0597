"""The sequence of one question: admitted, found, written, checked, settled. It knows the ledger, but no
HTTP."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from app.answering.events import Delta, Done, Events, Query, Sources
from app.answering.writers import inert, stating
from app.deadline import Deadline, blaming_own_work
from app.errors import (
    AIServiceError,
    BudgetExceeded,
    DatabaseError,
    DndChatError,
    Refused,
    TimedOut,
    TooMuchWork,
    known,
)
from app.models import Estimate

if TYPE_CHECKING:
    from app.answering.writers import Draft, Text, Writer
    from app.grounding.check import Check, Grounding
    from app.ledger.ledger import Admission, Ledger
    from app.models import Fact, Passage, Question
    from app.retrieval.asked import Asked, Reader
    from app.retrieval.retriever import Retriever

log = logging.getLogger(__name__)

# For finding passages after the question's own time is over; less than the wrapper waits longer for a worker.
FREE_SECONDS = 3
STAGES = ("admission", "retrieval", "writing", "grounding", "settlement")


class Found(NamedTuple):
    """What an answer may rest on, and the draft of it; the rest as in `Sources`, `Asked` and `Retrieval`."""

    draft: Draft
    named: Mapping[str, str]
    passages: tuple[Passage, ...]
    facts: tuple[Fact, ...]
    diagnostics: tuple[str, ...]
    degraded: tuple[str, ...]


class Checked(NamedTuple):
    """An answer without citations of nothing, the numbers it cites, and the report on what a model wrote."""

    answer: str
    cited: frozenset[int]
    grounding: Grounding | None


class Answering:
    """`outside` gives what a question needs that the `reader` alone cannot answer; it begins to connect.

    `estimate` is what such a question can cost; `free` finds passages at no cost, for when the budget is used
    up.
    """

    def __init__(
        self,
        reader: Reader,
        outside: Callable[[], tuple[Retriever, Writer]],
        ledger: Ledger,
        estimate: Callable[[Question], Estimate],
        free: Callable[[], Retriever],
    ) -> None:
        self._reader, self._outside, self._ledger = reader, outside, ledger
        self._estimate, self._free = estimate, free

    def events(self, query: Query) -> Events:
        """Answer the question, event by event.

        Raises DndChatError and nothing else, most often before the first Delta; it says whether the question
        counts. However it ends, also when nobody asks for the next event any more, the ledger is told. What
        goes wrong with an event that was given out belongs to the question: throw it in here.
        """
        try:
            if query.lost_id:
                self._ledger.take_over(query.user.id, query.lost_id)
            yield from self._counted(query)
        except DndChatError as error:
            if _shows_passages(error) and not error.passages:
                error.passages, error.facts = self._found_free(query, error)
            raise

    def _counted(self, query: Query) -> Events:
        """The one place that says of an error whether its question counts: the ledger's books say it."""
        started = time.monotonic()
        question, deadline = query.question, query.deadline
        if not self._reader.knows_facts:
            question = question._replace(exact=False)
        admission: Admission | None = None
        found: Found | None = None
        try:
            # Whether it costs anything is known when it was read, and nobody's is who is not admitted.
            cost = Estimate(0) if question.exact else self._estimate(question)
            admission = self._ledger.admit(query.user.id, query.request_id, *cost)
            with admission, blaming_own_work(deadline):
                times = [started, time.monotonic()]
                asked = self._reader.read(question, deadline)
                found = self._found(asked, deadline, admission)
                times.append(time.monotonic())
                draft = found.draft
                sources = Sources(draft.passages, found.named, draft.facts)
                yield sources
                if draft.facts.stated:
                    yield draft.facts
                text = draft.write(admission, deadline, query.stream)
                check = self._check(draft, f"{question.text}\n{asked.text}")
                answer = yield from _written(text, check)
                times.append(time.monotonic())
                checked = self._checked(answer, draft, check)
                times.append(time.monotonic())
                receipt = admission.finish("answered", round(1000 * (times[-2] - started)))
                times.append(time.monotonic())
                grounding = checked.grounding
                yield Done(
                    answer=checked.answer,
                    sources=sources,
                    answered_by=draft.by,
                    cited=checked.cited,
                    grounding=grounding,
                    model=draft.model,
                    usage=text.usage,
                    receipt=receipt,
                    diagnostics=[*found.diagnostics, *draft.diagnostics],
                    errors=[*text.notes, *(grounding.errors() if grounding else ())],
                    degraded=found.degraded,
                    seconds=dict(zip(STAGES, (e - b for b, e in itertools.pairwise(times)), strict=True)),
                )
        except Exception as error:
            ours = known(error)
            ours.counted = admission is not None and admission.counted
            if found is not None and _shows_passages(ours):
                ours.passages, ours.facts = found.passages, found.facts
            if ours is error:
                raise
            raise ours from error

    def _found(self, asked: Asked, deadline: Deadline, admission: Admission) -> Found:
        """The books' own figures where they are the answer; else what a search finds, which may cost."""
        question, facts = asked.question, asked.stated.facts
        if question.exact and asked.stated.exact:
            draft = stating(asked.passages, facts)
            return Found(draft, {}, asked.passages, facts, asked.diagnostics, asked.degraded)
        retriever, writer = self._outside()
        if question.exact:
            admission.reserve(*self._estimate(question))
        found = retriever.retrieve(question, deadline, admission, asked)
        # What the books state is in them, however strange the question's words are.
        given = found.passages if found.support.found or facts else ()
        draft = writer.draft(question, given, facts, read=found.support.read)
        named = {one.passage.id: one.entity for one in found.chosen if one.entity}
        return Found(draft, named, found.passages, facts, found.diagnostics, found.degraded)

    def _check(self, draft: Draft, question: str) -> Check | None:
        """What a model's words are held against the books with; None where no model writes."""
        if draft.model is None:
            return None
        from app.grounding.check import Check

        grids = self._reader.grids_in([passage.id for passage in draft.passages])
        return Check(draft.passages, question, grids)

    def _checked(self, answer: str, draft: Draft, check: Check | None) -> Checked:
        if check is None:
            return Checked(answer, frozenset(range(1, len(draft.passages) + 1)), None)
        grounding = check.report(self._reader.names_in(answer))
        return Checked(answer, frozenset(grounding.cited), grounding)

    def _found_free(self, query: Query, error: DndChatError) -> tuple[tuple[Passage, ...], tuple[Fact, ...]]:
        """Passages and facts to be read in place of an answer, within the limits of what costs no quota.

        Of a question that the budget refuses they are all that there is, so it is for these limits to refuse
        it then.
        """
        try:
            with self._ledger.admit_free(query.user.id, "passages"):
                found = self._free().retrieve(query.question, Deadline(FREE_SECONDS))
                return found.passages, found.facts
        except Refused as refusal:
            if isinstance(error, BudgetExceeded):
                refusal.counted = error.counted
                raise refusal from error
            log.warning("no passages in place of an answer: %s", refusal)
        except DndChatError as problem:
            # The error is what counts; it goes out without passages.
            log.warning("no passages in place of an answer: %s", problem)
        return (), ()


def _written(text: Text, check: Check | None) -> Generator[Delta, None, str]:
    """The words as the reader gets them, with nothing in them that loads or leads away; those of a model go
    through `check`. Returns the whole answer."""

    def words() -> Generator[str, None, None]:
        yield from text

    answer: list[str] = []
    # Closed here, whatever becomes of the reader: then what the call has cost is known before its books are
    # closed.
    with closing(words()) as spoken:
        for piece in check.shown(inert(spoken)) if check else inert(spoken):
            answer.append(piece)
            yield Delta(piece)
    return "".join(answer)


def _shows_passages(error: DndChatError) -> bool:
    """Whether passages are given in place of the answer. What was too much once is not tried again."""
    kinds = (BudgetExceeded, DatabaseError, AIServiceError, TimedOut)
    return isinstance(error, kinds) and not isinstance(error, TooMuchWork)
