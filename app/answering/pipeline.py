"""The sequence of one question: admit, retrieve, write, settle. It knows the ledger, but nothing of HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.answering.events import Delta, Done, Event, Sources
from app.rag.citations import cited
from app.rag.output import RAGOutput

if TYPE_CHECKING:
    from app.answering.writers import Writer
    from app.deadline import Deadline
    from app.ledger.unlimited import UnlimitedLedger
    from app.models import Question, User
    from app.rag.retrieval import Retriever


class Answering:
    def __init__(self, retriever: Retriever, writer: Writer, ledger: UnlimitedLedger) -> None:
        self._retriever, self._writer, self._ledger = retriever, writer, ledger

    def events(self, question: Question, user: User, deadline: Deadline, *, stream: bool) -> Iterator[Event]:
        """Answer `question`, event by event; with `stream`, the words while the model writes them.

        Raises DndChatError, most often before the first Delta.
        """
        admission = self._ledger.admit(user.id)
        settled = False
        try:
            output = RAGOutput()
            started = time.monotonic()
            found = self._retriever.retrieve(question, deadline, output)
            retrieved = time.monotonic()
            draft = self._writer.draft(question, found)
            passages = tuple(draft.passages)
            yield Sources(passages)
            for piece in draft.pieces(deadline, output, stream=stream):
                output.answer += piece
                yield Delta(piece)
            written = time.monotonic()
            admission.settle(draft.usage)
            settled = True
            numbers = cited(output.answer)
            existing = frozenset(range(1, len(passages) + 1))
            if unknown := sorted(numbers - existing):
                output.errors.append(f"The answer cites passages that do not exist: {unknown}")
            seconds = {"retrieval_seconds": retrieved - started, "writing_seconds": written - retrieved}
            yield Done(output, passages, frozenset(numbers & existing), draft.model, draft.usage, seconds)
        finally:
            if not settled:
                admission.release()
