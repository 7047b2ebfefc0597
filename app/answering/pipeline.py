"""The sequence of one question: admitted, found, written, checked, settled. It knows the ledger, but no
HTTP."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from app.answering.events import Delta, Done, Events, Query, Sources
from app.answering.writers import inert
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

if TYPE_CHECKING:
    from app.answering.writers import Draft, Text, Writer
    from app.grounding.check import Grounding
    from app.ledger.ledger import Admission, Ledger
    from app.models import Estimate, Passage, Question
    from app.retrieval.asked import Reader
    from app.retrieval.retriever import Retriever

log = logging.getLogger(__name__)

# For finding passages after the question's own time is over; less than the wrapper waits longer for a worker.
FREE_SECONDS = 3
STAGES = ("admission", "retrieval", "writing", "grounding", "settlement")


class Checked(NamedTuple):
    """An answer without citations of nothing, the numbers it cites, and the report on what a model wrote."""

    answer: str
    cited: frozenset[int]
    grounding: Grounding | None


class Answering:
    """`estimate` is what a question can cost; `free` finds passages at no cost, for when the budget is
    used up."""

    def __init__(
        self,
        reader: Reader,
        retriever: Retriever,
        writer: Writer,
        ledger: Ledger,
        estimate: Callable[[Question], Estimate],
        free: Callable[[], Retriever],
    ) -> None:
        self._reader, self._retriever, self._writer, self._ledger = reader, retriever, writer, ledger
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
            if _shows_passages(error):
                error.passages = error.passages or self._found_free(query, error)
            raise

    def _counted(self, query: Query) -> Events:
        """The one place that says of an error whether its question counts: the ledger's books say it."""
        started = time.monotonic()
        question, deadline = query.question, query.deadline
        admission: Admission | None = None
        found: tuple[Passage, ...] = ()
        try:
            admission = self._ledger.admit(query.user.id, query.request_id, *self._estimate(question))
            with admission, blaming_own_work(deadline):
                times = [started, time.monotonic()]
                asked = self._reader.read(question, deadline)
                retrieval = self._retriever.retrieve(question, deadline, admission, asked)
                found = retrieval.passages
                times.append(time.monotonic())
                support = retrieval.support
                draft = self._writer.draft(question, found if support.found else (), read=support.read)
                named = {one.passage.id: one.entity for one in retrieval.chosen if one.entity}
                sources = Sources(draft.passages, named)
                yield sources
                text = draft.write(admission, deadline, query.stream)
                answer = yield from _written(text, draft)
                times.append(time.monotonic())
                checked = self._checked(answer, draft, f"{question.text}\n{retrieval.question}")
                times.append(time.monotonic())
                receipt = admission.finish("answered", round(1000 * (times[-2] - started)))
                times.append(time.monotonic())
                grounding = checked.grounding
                yield Done(
                    answer=checked.answer,
                    sources=sources,
                    cited=checked.cited,
                    grounding=grounding,
                    model=draft.model,
                    usage=text.usage,
                    receipt=receipt,
                    diagnostics=[*retrieval.diagnostics, *draft.diagnostics],
                    errors=[*text.notes, *(grounding.errors() if grounding else ())],
                    degraded=retrieval.degraded,
                    seconds=dict(zip(STAGES, (e - b for b, e in itertools.pairwise(times)), strict=True)),
                )
        except Exception as error:
            ours = known(error)
            ours.counted = admission is not None and admission.counted
            if _shows_passages(ours):
                ours.passages = found
            if ours is error:
                raise
            raise ours from error

    def _checked(self, answer: str, draft: Draft, question: str) -> Checked:
        """Look the answer up in its passages: report what has no support, remove citations of nothing."""
        if draft.model is None:
            return Checked(answer, frozenset(range(1, len(draft.passages) + 1)), None)
        from app.grounding.check import ground

        names = self._reader.names_in(answer)
        cleaned, grounding = ground(answer, draft.passages, question, names)
        return Checked(cleaned, frozenset(grounding.cited), grounding)

    def _found_free(self, query: Query, error: DndChatError) -> tuple[Passage, ...]:
        """Passages to be read in place of an answer, within the limits of what costs no quota.

        Of a question that the budget refuses they are all that there is, so it is for these limits to refuse
        it then.
        """
        try:
            with self._ledger.admit_free(query.user.id, "passages"):
                return self._free().retrieve(query.question, Deadline(FREE_SECONDS)).passages
        except Refused as refusal:
            if isinstance(error, BudgetExceeded):
                refusal.counted = error.counted
                raise refusal from error
            log.warning("no passages in place of an answer: %s", refusal)
        except DndChatError as problem:
            # The error is what counts; it goes out without passages.
            log.warning("no passages in place of an answer: %s", problem)
        return ()


def _written(text: Text, draft: Draft) -> Generator[Delta, None, str]:
    """The words as the reader gets them, with nothing in them that loads or leads away. Returns the whole
    answer.

    Citations of nothing are in what is returned, for the report; the reader does not get them.
    """

    def words() -> Generator[str, None, None]:
        yield from text

    # Closed here, whatever becomes of the reader: then what the call has cost is known before its books are
    # closed.
    with closing(words()) as spoken:
        answer, shown = itertools.tee(inert(spoken))
        if draft.model is not None:
            from app.grounding.check import existing_citations

            shown = existing_citations(shown, len(draft.passages))
        for piece in shown:
            yield Delta(piece)
        return "".join(answer)


def _shows_passages(error: DndChatError) -> bool:
    """Whether passages are given in place of the answer. What was too much once is not tried again."""
    kinds = (BudgetExceeded, DatabaseError, AIServiceError, TimedOut)
    return isinstance(error, kinds) and not isinstance(error, TooMuchWork)
