"""The sequence of one question: admit, retrieve, write, settle. It knows the ledger, but nothing of HTTP."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from app.answering.events import Delta, Done, Events, Sources
from app.answering.inert import inert
from app.deadline import Deadline, blaming_own_work
from app.errors import AIServiceError, BudgetExceeded, DatabaseError, DndChatError, Refused, TimedOut, TooMuchWork
from app.output import RAGOutput

if TYPE_CHECKING:
    from app.answering.writers import Draft, Writer
    from app.grounding.check import Grounding
    from app.ledger.ledger import Ledger
    from app.ledger.spending import Admission
    from app.models import Estimate, Passage, Question, User
    from app.retrieval.retriever import Retriever

log = logging.getLogger(__name__)

# For finding passages after the question's own time is over; less than the wrapper waits longer for a worker.
FREE_SECONDS = 3


class Answering:
    """`estimate` is what a question can cost; `free` finds passages at no cost, for when the budget is used up."""

    def __init__(
        self,
        retriever: Retriever,
        writer: Writer,
        ledger: Ledger,
        estimate: Callable[[Question], Estimate],
        free: Callable[[], Retriever],
    ) -> None:
        self._retriever, self._writer, self._ledger = retriever, writer, ledger
        self._estimate, self._free = estimate, free

    def events(
        self, question: Question, user: User, request_id: str, deadline: Deadline, *, stream: bool, lost_id: str = ""
    ) -> Events:
        """Answer `question`, event by event; with `stream`, the words while the model writes them.

        `lost_id` is the request under which a worker has begun to answer this question and then died.
        Raises DndChatError and nothing else, most often before the first Delta; it says whether the question counts. However
        it ends, also when nobody asks for the next event any more, the ledger is told. What goes wrong with an event that was
        given out belongs to the question: throw it in here.
        """
        found: list[Passage] = []
        try:
            if lost_id:
                self._ledger.take_over(user.id, lost_id)
            yield from self._counted(question, user, request_id, deadline, found, stream=stream)
        except (BudgetExceeded, DatabaseError, AIServiceError, TimedOut) as error:
            # What was too much once is not tried again.
            if not isinstance(error, TooMuchWork):
                error.passages = found or self._found_free(question, user, error)
            raise

    def _counted(
        self, question: Question, user: User, request_id: str, deadline: Deadline, found: list[Passage], *, stream: bool
    ) -> Events:
        """The one place that says of an error whether its question counts: what is raised gets it from the ledger's books."""
        started = time.monotonic()
        admission = None
        try:
            admission = self._ledger.admit(user.id, request_id, *self._estimate(question))
            yield from self._answered(admission, question, deadline, started, found, stream=stream)
        except Exception as error:
            # What is not one of ours is a defect; its caller is told as much about it as of any other error.
            known = error if isinstance(error, DndChatError) else DndChatError(type(error).__name__)
            known.counted = admission is not None and admission.counted
            if known is error:
                raise
            raise known from error

    def _answered(
        self,
        admission: Admission,
        question: Question,
        deadline: Deadline,
        started: float,
        found: list[Passage],
        *,
        stream: bool,
    ) -> Events:
        """`found` takes the passages as soon as they are there: they can be read in place of an answer."""
        with admission, blaming_own_work(deadline):
            admitted = time.monotonic()
            retrieval = self._retriever.retrieve(question, deadline, admission)
            output = RAGOutput("", list(retrieval.diagnostics), list(retrieval.errors), list(retrieval.degraded))
            found += retrieval.passages
            retrieved = time.monotonic()
            draft = self._writer.draft(
                question, retrieval.passages if retrieval.support.found else (), read=retrieval.support.read
            )
            sources = Sources(tuple(draft.passages), {s.passage.id: s.entity for s in retrieval.chosen if s.entity})
            yield sources
            for words in self._written(draft.pieces(deadline, output, admission, stream=stream), draft, output):
                yield Delta(words)
            written = time.monotonic()
            grounding = None
            if draft.model is None:
                cited = frozenset(range(1, len(sources.passages) + 1))
            else:
                grounding = self._ground(output, sources, f"{question.text}\n{retrieval.question}")
                cited = frozenset(grounding.cited)
            grounded = time.monotonic()
            receipt = admission.finish("answered", round(1000 * (written - started)))
            seconds = {
                "admission_seconds": admitted - started,
                "retrieval_seconds": retrieved - admitted,
                "writing_seconds": written - retrieved,
                "grounding_seconds": grounded - written,
                "settlement_seconds": time.monotonic() - grounded,
            }
            yield Done(output, sources, cited, grounding, draft.model, draft.usage, receipt, seconds)

    def _written(self, pieces: Iterator[str], draft: Draft, output: RAGOutput) -> Iterator[str]:
        """`pieces` as the reader gets them, with nothing in them that loads or leads away; with citations of nothing, which the
        reader does not get, they are kept in `output`."""

        def kept() -> Iterator[str]:
            for piece in inert(pieces):
                output.answer += piece
                yield piece

        if draft.model is None:
            return kept()
        from app.grounding.check import existing_citations

        return existing_citations(kept(), len(draft.passages))

    def _ground(self, output: RAGOutput, sources: Sources, question: str) -> Grounding:
        """Look the answer up in its passages; what has no support is reported, citations of nothing are removed."""
        from app.grounding.check import ground

        names = self._retriever.names_in(output.answer)
        output.answer, grounding = ground(output.answer, sources.passages, question, names)
        output.errors += grounding.errors()
        return grounding

    def _found_free(self, question: Question, user: User, error: DndChatError) -> list[Passage]:
        """Passages to be read in place of an answer, within the limits of what costs no quota.

        Of a question that the budget refuses they are all that there is, so it is for these limits to refuse it then.
        """
        try:
            with self._ledger.admit_free(user.id, "passages"):
                return list(self._free().retrieve(question, Deadline(FREE_SECONDS)).passages)
        except Refused as refusal:
            if isinstance(error, BudgetExceeded):
                refusal.counted = error.counted
                raise refusal from error
            log.warning("no passages in place of an answer: %s", refusal)
        except DndChatError as problem:
            # The error is what counts; it goes out without passages.
            log.warning("no passages in place of an answer: %s", problem)
        return []
