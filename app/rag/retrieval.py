"""Finding the passages for a question: by vectors in Chroma, or by words in the lexical index. No model is asked here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.adapters.chroma import Chroma
from app.adapters.lexical import LexicalIndex
from app.adapters.openai import OpenAI
from app.deadline import Deadline
from app.models import Passage, Payment, Question
from app.rag import tokens
from app.rag.output import RAGOutput

if TYPE_CHECKING:
    from app.ledger.spending import Admission

# Without a model every passage is read by a person: few, and none much weaker than the best.
LEXICAL_MOST = 5
LEXICAL_FLOOR = 0.45


class Retriever(Protocol):
    def retrieve(
        self, question: Question, deadline: Deadline, output: RAGOutput, admission: Admission | None = None
    ) -> list[Passage]:
        """At most `question.k` passages, best first; tells `output` how it found them. Raises DndChatError.

        What it buys goes on `admission`; one that buys nothing needs none.
        """


class LexicalRetriever:
    def __init__(self, index: LexicalIndex) -> None:
        self._index = index

    def retrieve(
        self, question: Question, deadline: Deadline, output: RAGOutput, admission: Admission | None = None
    ) -> list[Passage]:
        matches = self._index.search(question.text, question.k)
        floor = matches[0].score * LEXICAL_FLOOR if matches else 0.0
        kept = [match for match in matches if match.score >= floor][:LEXICAL_MOST]
        output.diagnostics.append(f"Retrieved {len(kept)} of {len(matches)} passages by their words")
        if question.debug:
            output.diagnostics += [f"{match.score:7.2f} {match.passage.id}" for match in matches]
        return [match.passage for match in kept]


class DenseRetriever:
    def __init__(self, openai: OpenAI, chroma: Chroma) -> None:
        self._openai, self._chroma = openai, chroma

    def retrieve(
        self, question: Question, deadline: Deadline, output: RAGOutput, admission: Admission | None = None
    ) -> list[Passage]:
        assert admission is not None

        def pay() -> Payment:
            model = self._openai.embedding_model
            return admission.sent("embeddings", model, admission.pricing.bound(model, embedding_tokens(question)))

        vectors = self._openai.embed([question.text], deadline, pay=pay)
        passages = self._chroma.query(vectors, question.k, deadline)[0]
        output.diagnostics.append(f"Retrieved {len(passages)} passages by vector distance")
        if question.debug:
            output.diagnostics += [f"{passage.distance:7.4f} {passage.id}" for passage in passages]
        return passages


def embedding_tokens(question: Question) -> int:
    """No fewer tokens than the provider will count for embedding `question`."""
    return tokens.bound(question.text) + tokens.TOKENS_PER_MESSAGE
