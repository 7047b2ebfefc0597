"""Our adapters and the official clients, on the same servers: they must see the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb.errors
import openai
import pytest

from app.adapters.chroma import Chroma
from app.adapters.openai import OpenAI, chat_parameters
from app.deadline import Deadline
from app.errors import AIServiceError, DatabaseError
from app.models import Usage
from app.settings import ChromaSettings, OpenAISettings
from tests.harness.bill import Bill
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.sample_collection import chroma_client, load_sample_rules, openai_client, sample_records

pytestmark = pytest.mark.timeout(120)

QUESTIONS = ["What is a beholder?", "Who would win, an owlbear or a lizard man?", "café ☕ — 6–36"]
MESSAGES: Any = [
    {"role": "system", "content": "Answer from the passages.\n" * 300},
    {"role": "user", "content": "[1] Trolls regenerate.\n\n[2] Ünïcödé ☕\n\nWhat regenerates?"},
]


@pytest.fixture(scope="module")
def running() -> Iterator[OpenAIDouble]:
    with OpenAIDouble() as double:
        yield double


@pytest.fixture
def double(running: OpenAIDouble) -> OpenAIDouble:
    running.reset()
    return running


@pytest.fixture
def official(double: OpenAIDouble) -> Iterator[openai.OpenAI]:
    with openai_client(double.base_url, KEY) as client:
        yield client


def ours(
    double: OpenAIDouble, model: str = "gpt-6-luna", embedding: str = "text-embedding-3-small", key: str = KEY
) -> OpenAI:
    return OpenAI(OpenAISettings(double.base_url, model, embedding, key))


def long() -> Deadline:
    return Deadline(30)


# -- OpenAI ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["text-embedding-3-small", "text-embedding-3-large"])
def test_vectors_and_their_usage(double: OpenAIDouble, official: openai.OpenAI, model: str) -> None:
    theirs = official.embeddings.create(model=model, input=QUESTIONS)
    bill = Bill()
    vectors = ours(double, embedding=model).embed(QUESTIONS, long(), pay=bill.pay)
    # The official client asks for base64 and gets the very bits; decimal numbers must read back as the same.
    assert vectors == [item.embedding for item in theirs.data]
    assert [entry.usage for entry in bill.entries] == [Usage(theirs.usage.total_tokens)]


@pytest.mark.parametrize("model", ["gpt-6-luna", "gpt-5-mini", "gpt-5-nano", "gpt-4o-mini"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("limit", [500, 4])
def test_answers_and_their_usage(
    double: OpenAIDouble, official: openai.OpenAI, model: str, stream: bool, limit: int
) -> None:
    double.script_answer("Trolls do [1], and ☕ too [2].")
    if model.startswith("gpt-5"):
        limit += 16  # what the least of its thinking takes
    text, finish, usage = official_answer(official, model, stream, limit)
    double.recorder.clear()
    double.reset()  # so that the same part of the prompt is cached for both: none
    double.script_answer("Trolls do [1], and ☕ too [2].")
    answer = ours(double, model).chat(MESSAGES, limit, long(), pay=Bill().pay, stream=stream)
    assert "".join(answer) == text
    assert (answer.finish == "length") == (finish == "length") == (limit < 100)
    assert answer.usage is not None
    details = usage.prompt_tokens_details
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
    )
    assert (answer.usage.cached_tokens, answer.usage.cache_write_tokens) == (
        details.cached_tokens,
        details.cache_write_tokens or 0,
    )


def official_answer(
    client: openai.OpenAI, model: str, stream: bool, limit: int
) -> tuple[str, str | None, Any]:
    parameters: Any = {"model": model, "messages": MESSAGES, **chat_parameters(model, limit)}
    if not stream:
        whole = client.chat.completions.create(**parameters)
        return whole.choices[0].message.content or "", whole.choices[0].finish_reason, whole.usage
    text, finish, usage = "", None, None
    for chunk in client.chat.completions.create(
        **parameters, stream=True, stream_options={"include_usage": True}
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return text, finish, usage


def test_what_was_cached_is_counted_alike(double: OpenAIDouble, official: openai.OpenAI) -> None:
    official_answer(official, "gpt-6-luna", False, 500)
    _, _, usage = official_answer(official, "gpt-6-luna", False, 500)
    answer = ours(double).chat(MESSAGES, 500, long(), pay=Bill().pay, stream=False)
    list(answer)
    assert answer.usage is not None
    assert answer.usage.cached_tokens == usage.prompt_tokens_details.cached_tokens > 1_000


def test_both_send_the_same_request(double: OpenAIDouble, official: openai.OpenAI) -> None:
    official_answer(official, "gpt-6-luna", True, 500)
    list(ours(double).chat(MESSAGES, 500, long(), pay=Bill().pay, stream=True))
    theirs, own = double.requests
    assert own.body == theirs.body
    for name in ("authorization", "content-type"):
        assert own.headers[name] == theirs.headers[name]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_both_see_a_refusal(double: OpenAIDouble, official: openai.OpenAI, status: int) -> None:
    double.faults.push(Fault(status=status, times=None))
    with pytest.raises(openai.APIStatusError) as theirs:
        official.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(AIServiceError) as own:
        ours(double).embed(["x"], long(), pay=Bill().pay)
    assert theirs.value.status_code == status
    assert f"status {status}" in str(own.value)


# -- Chroma ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rules(running: OpenAIDouble) -> Iterator[tuple[ChromaServer, Any]]:
    """A server with the sample rules in it, and the official client's collection."""
    running.reset()
    with ChromaServer() as server:
        yield server, load_sample_rules(server.host, server.port, running.base_url, KEY)


def chroma(server: ChromaServer, folder: Path, collection: str = "adnd_1e") -> Chroma:
    settings = ChromaSettings(
        server.host, server.port, False, "default_tenant", "default_database", collection
    )
    return Chroma(settings, folder / "ids.json", "text-embedding-3-small")


def test_every_sample_passage_is_in_the_collection(rules: tuple[ChromaServer, Any]) -> None:
    assert rules[1].count() == len(sample_records()) >= 300


@pytest.mark.parametrize(
    "where", [None, {"type": "monster"}, {"$and": [{"type": "table"}, {"name": {"$ne": "x"}}]}, {"type": "?"}]
)
@pytest.mark.parametrize("count", [1, 15, 300])
def test_queries(
    rules: tuple[ChromaServer, Any],
    double: OpenAIDouble,
    tmp_path: Path,
    where: dict[str, Any] | None,
    count: int,
) -> None:
    server, collection = rules
    vectors = ours(double).embed(QUESTIONS, long(), pay=Bill().pay)
    theirs = collection.query(query_embeddings=vectors, n_results=count, where=where)
    own = chroma(server, tmp_path).query(vectors, count, long(), where=where)
    assert [[passage.id for passage in found] for found in own] == theirs["ids"]
    assert [[passage.distance for passage in found] for found in own] == [
        pytest.approx(found, abs=1e-6) for found in theirs["distances"]
    ]
    assert [[passage.text for passage in found] for found in own] == theirs["documents"]
    assert [[dict(passage.metadata) for passage in found] for found in own] == theirs["metadatas"]


def test_passages_by_id(rules: tuple[ChromaServer, Any], tmp_path: Path) -> None:
    server, collection = rules
    wanted = [*[record.id for record in sample_records()][:300], "nothing"]
    theirs = collection.get(ids=wanted)
    own = {passage.id: passage for passage in chroma(server, tmp_path).get(wanted, long())}
    assert set(own) == set(theirs["ids"]) == set(wanted) - {"nothing"}
    for identity, document, metadata in zip(
        theirs["ids"], theirs["documents"], theirs["metadatas"], strict=True
    ):
        assert (own[identity].text, dict(own[identity].metadata)) == (document, metadata)


def test_both_miss_a_collection_that_is_not_there(rules: tuple[ChromaServer, Any], tmp_path: Path) -> None:
    server, _ = rules
    with pytest.raises(chromadb.errors.NotFoundError):
        chroma_client(server.host, server.port).get_collection("adnd_nothing")
    with pytest.raises(DatabaseError, match="adnd_nothing"):
        chroma(server, tmp_path, "adnd_nothing").query([[0.0] * 1_536], 1, long())


def test_both_are_refused_a_vector_of_another_length(rules: tuple[ChromaServer, Any], tmp_path: Path) -> None:
    server, collection = rules
    with pytest.raises(chromadb.errors.InvalidArgumentError, match="dimension"):
        collection.query(query_embeddings=[[1.0]], n_results=1)
    with pytest.raises(DatabaseError, match="dimension"):
        chroma(server, tmp_path).query([[1.0]], 1, long())
