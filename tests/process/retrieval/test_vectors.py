"""Retrieval with vectors: a real Chroma server, and the OpenAI double for the embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.chroma import Chroma
from app.adapters.openai import OpenAI
from app.deadline import Deadline
from app.errors import AIServiceError
from app.index import sample_rules
from app.index.search import LexicalIndex
from app.models import Question, Turn
from app.retrieval.retriever import HybridRetriever, Retrieval
from app.settings import load
from tests.harness.books import index_of
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.relay import Relay
from tests.harness.sample_collection import load_sample_rules


@dataclass(frozen=True)
class Outside:
    openai: OpenAIDouble
    relay: Relay
    chroma: Chroma
    embedder: OpenAI

    def calls(self) -> int:
        """Requests that went out since the last `reset`."""
        return len(self.openai.requests) + len(self.relay.requests)

    def reset(self) -> None:
        self.openai.reset()
        self.relay.reset()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    home = tmp_path_factory.mktemp("home")
    with ChromaServer() as server, OpenAIDouble() as openai, Relay(server.url) as relay:
        load_sample_rules(server.host, server.port, openai.base_url, KEY)
        settings = load(
            {
                "OPENAI_API_KEY": KEY,
                "OPENAI_BASE_URL": openai.base_url,
                "CHROMA_HOST": "127.0.0.1",
                "CHROMA_PORT": str(relay.port),
                "AUTH_API_URL": "http://127.0.0.1:1",
                "DATA_DIR": str(home),
            },
            home,
        )
        embedder = OpenAI(settings.openai)
        chroma = Chroma(settings.chroma, home / "ids.json", settings.openai.embedding_model)
        yield Outside(openai, relay, chroma, embedder)


def ask(outside: Outside, index: LexicalIndex | None, question: Question) -> Retrieval:
    return HybridRetriever(index, outside.embedder, outside.chroma).retrieve(question, Deadline(30))


@pytest.mark.parametrize(
    "question",
    [
        Question("Who would win, an owlbear or a troll?"),
        Question("Compare the red dragon, the white dragon, the lich and the owlbear", 8),
        Question(
            "and its armour class?",
            history=(Turn("user", "What is an owlbear?"), Turn("assistant", "A beast.")),
        ),
    ],
    ids=["two", "four", "follow-up"],
)
def test_one_call_for_the_embedding_and_one_for_the_vectors(
    outside: Outside, sample_index: LexicalIndex, question: Question
) -> None:
    ask(outside, sample_index, question)
    outside.reset()
    found = ask(outside, sample_index, question)
    assert outside.calls() == 2
    assert "sb-owlbear" in {passage.id for passage in found.passages}


def test_the_texts_come_from_the_index_where_there_is_one(
    outside: Outside, sample_index: LexicalIndex
) -> None:
    """A hundred passages are some 90 kB, several round trips on a new connection."""
    for index, included in ((sample_index, ["distances"]), (None, ["documents", "metadatas", "distances"])):
        outside.reset()
        found = ask(outside, index, Question("Who would win, an owlbear or a troll?"))
        assert all(passage.text and passage.name for passage in found.passages)
        assert outside.relay.requests[-1].body["include"] == included


def test_passages_that_the_index_does_not_know_yet_are_fetched(
    outside: Outside, sample_index: LexicalIndex, tmp_path: Path
) -> None:
    older = [p for p in sample_rules.passages() if p.id != "sb-owlbear"]
    index = index_of(older, tmp_path / "older.sqlite3")
    outside.reset()
    found = ask(outside, index, Question("owlbear"))
    assert outside.calls() == 3
    owlbear = next(passage for passage in found.passages if passage.id == "sb-owlbear")
    assert owlbear.text.startswith("## Owlbear")
    assert owlbear.distance is not None
    assert any("build_index" in line for line in found.diagnostics)


def test_passages_carry_their_distance_where_vectors_found_them(
    outside: Outside, sample_index: LexicalIndex
) -> None:
    found = ask(outside, sample_index, Question("What is an owlbear?"))
    owlbear = next(passage for passage in found.passages if passage.id == "sb-owlbear")
    assert owlbear.distance is not None
    assert owlbear.distance >= 0


def test_without_an_index_vectors_alone_answer_and_it_says_so(outside: Outside, tmp_path: Path) -> None:
    for index in (None, LexicalIndex(tmp_path / "never-built.sqlite3")):
        found = ask(outside, index, Question("owlbear"))
        assert found.passages
        assert found.support.found
        assert any("index" in line and "vectors alone" in line for line in found.diagnostics)


def test_a_failed_embedding_is_the_callers_error(outside: Outside, sample_index: LexicalIndex) -> None:
    outside.reset()
    outside.openai.api_keys.clear()
    try:
        with pytest.raises(AIServiceError):
            ask(outside, sample_index, Question("What is an owlbear?"))
    finally:
        outside.openai.api_keys.add(KEY)
