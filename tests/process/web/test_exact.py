"""Questions that the books' own figures answer: nobody outside is asked, and nothing is reserved or spent.

The whole program as Apache runs it, over a real Chroma with the sample rules; the doubles count who knocks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.index import sample_rules
from app.index.build import build
from app.index.search import index_path
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY
from tests.harness.event_stream import events
from tests.harness.gated import GatedAuth, GatedOpenAI
from tests.harness.program import Program
from tests.harness.relay import Relay

pytestmark = pytest.mark.timeout(120)

EXACT = "What is the armor class of an owlbear?"
ASKS_MORE = "Why is the armor class of an owlbear so good?"
FACT = {
    "subject": "Owlbear",
    "attribute": "ARMOR CLASS",
    "value": "5",
    "n": 1,
    "row": None,
    "column": None,
    "heading": None,
}
ANSWER = "Owlbear, armor class: **5** [1]."


@pytest.fixture
def program(base: Path, auth: GatedAuth, openai: GatedOpenAI, chroma: Relay) -> Iterator[Program]:
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    with Program(base, AUTH_API_URL=auth.url, CHROMA_HOST="127.0.0.1", **settings) as made:
        path = index_path(made.data_dir, "adnd_1e")
        build(sample_rules.passages(), path, {})
        made.account.owns(made.data_dir)
        yield made


@pytest.fixture
def token(auth: GatedAuth) -> str:
    return auth.token_for("alice")


def rows(program: Program, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{program.data_dir}/ledger.sqlite3?mode=ro", uri=True)) as db:
        return db.execute(statement).fetchall()


def knocked(*doubles: GatedOpenAI | Relay) -> int:
    """Connections that were opened, whether or not a request came over them."""
    return sum(double.recorder.counts["accepted"] for double in doubles)


@pytest.mark.parametrize("worker", ["off", "on"])
def test_an_exact_answer_asks_nobody_and_costs_nothing(
    program: Program, openai: GatedOpenAI, chroma: Relay, token: str, worker: str
) -> None:
    if worker == "on":
        program.configure(WARM_WORKER="on")
        program.warm()
    document = program.ask(token, EXACT).json()
    assert document["answer"] == ANSWER
    assert document["facts"] == [FACT]
    assert [(source["n"], source["name"], source["cited"]) for source in document["sources"]] == [
        (1, "Owlbear", True)
    ]
    meta = document["meta"]
    assert (meta["answered_by"], meta["model"], meta["grounding"], meta["degraded"]) == (
        "facts",
        None,
        None,
        [],
    )
    assert meta["cost"]["query_cost"] == meta["cost"]["daily_total"] == 0
    assert document["usage"]["total_tokens"] == 0 and document["errors"] == []
    assert "no language model was asked" in document["diagnostics"][-1]
    assert knocked(openai, chroma) == 0
    assert rows(program, "SELECT outcome, held_nd, spent_nd FROM requests") == [("answered", 0, 0)]
    assert rows(program, "SELECT * FROM calls") == []
    assert rows(program, "SELECT admitted, answered FROM user_days") == [(1, 1)]


def test_a_stream_has_the_facts_before_the_first_word(
    program: Program, openai: GatedOpenAI, chroma: Relay, token: str
) -> None:
    found = events(program.ask(token, EXACT, stream=True).body)
    assert [name for name, _ in found] == ["sources", "facts", "delta", "done"]
    assert found[1][1] == {"facts": [FACT]}
    assert found[2][1] == {"text": ANSWER}
    assert found[3][1]["facts"] == [FACT] and found[3][1]["meta"]["answered_by"] == "facts"
    assert knocked(openai, chroma) == 0
    # Where a model answers they come as early.
    openai.script_answer("So it is [1].")
    found = events(program.ask(token, ASKS_MORE, stream=True).body)
    assert [name for name, _ in found][:3] == ["sources", "facts", "delta"]
    [fact] = found[1][1]["facts"]
    assert found[0][1]["sources"][fact["n"] - 1]["name"] == "Owlbear"


@pytest.mark.parametrize("question", [{"question": EXACT, "exact": False}, {"question": ASKS_MORE}])
def test_whoever_wants_the_model_or_asks_for_more_gets_it_with_the_facts(
    program: Program, openai: GatedOpenAI, chroma: Relay, token: str, question: dict[str, Any]
) -> None:
    openai.script_answer("It is 5 [1].")
    document = program.ask(token, **question, debug=True).json()
    assert (document["meta"]["answered_by"], document["answer"]) == ("model", "It is 5 [1].")
    [fact] = document["facts"]
    assert fact == FACT | {"n": fact["n"]}
    assert document["sources"][fact["n"] - 1]["name"] == "Owlbear"
    assert any(line.startswith("Facts: ") for line in document["diagnostics"])
    [chat] = [request.body for request in openai.requests if request.path.endswith("/chat/completions")]
    last = chat["messages"][-1]["content"]
    assert f"\n\nThe books state:\n> Owlbear | ARMOR CLASS | 5 [{fact['n']}]\n\nQuestion: " in last
    assert document["meta"]["cost"]["query_cost"] > 0 and len(chroma.requests) > 0


def test_an_exact_answer_needs_no_budget_and_nobody_outside(
    program: Program, openai: GatedOpenAI, chroma: Relay, token: str
) -> None:
    program.configure(DAILY_BUDGET_USD="0.001")
    assert program.ask(token, EXACT).json()["answer"] == ANSWER
    refused = program.ask(token, ASKS_MORE)
    assert (refused.status, refused.json()["error"], refused.json()["counted"]) == (
        503,
        "budget_exceeded",
        False,
    )
    assert refused.json()["facts"] == [FACT | {"n": refused.json()["facts"][0]["n"]}]
    assert openai.requests == [] and chroma.requests == []
    # What the budget refused has used up nothing: the exact answer alone counts.
    assert rows(program, "SELECT admitted, given_back, refused_budget FROM user_days") == [(1, 0, 1)]
    assert rows(program, "SELECT outcome FROM requests") == [("answered",)]
    openai.close()
    chroma.close()
    program.configure(DAILY_BUDGET_USD="1.00")
    assert program.ask(token, EXACT).json()["answer"] == ANSWER
    failed = program.ask(token, ASKS_MORE)
    assert failed.status == 502
    assert failed.json()["facts"][0]["value"] == "5"
    assert failed.json()["passages"][failed.json()["facts"][0]["n"] - 1]["name"] == "Owlbear"


def test_an_exact_answer_counts_as_a_question(program: Program, auth: GatedAuth, token: str) -> None:
    program.configure(TOKEN_BUCKET_CAPACITY="2", DAILY_USER_REQUEST_LIMIT="3")
    left = [program.ask(token, EXACT).json()["meta"]["rate_limit"] for _ in range(2)]
    assert left == [
        {"remaining_burst": 1, "daily_remaining": 2},
        {"remaining_burst": 0, "daily_remaining": 1},
    ]
    refused = program.ask(token, EXACT)
    assert (refused.status, refused.json()["error"]) == (429, "rate_limited")
    assert "facts" not in refused.json()
    program.configure(TOKEN_BUCKET_CAPACITY="0")
    assert program.ask(token, EXACT).status == 200
    assert program.ask(token, EXACT).json()["error"] == "daily_limit_exceeded"
    assert program.ask("nobody's", EXACT).status == 401


def test_where_nothing_can_be_counted_nothing_is_answered(program: Program, token: str) -> None:
    assert program.ask(token, EXACT).status == 200
    program.data_dir.joinpath("ledger.sqlite3").write_text("this is no ledger")
    refused = program.ask(token, EXACT)
    assert (refused.status, refused.json()["error"]) == (500, "ledger_unavailable")
    assert not {"facts", "passages", "answer"} & refused.json().keys()


def test_a_stream_that_breaks_off_ends_with_the_facts(
    program: Program, openai: GatedOpenAI, token: str
) -> None:
    openai.script_answer("one two three four")
    openai.faults.push(Fault("stream_error", path="*/chat/completions", after=2))
    name, said = events(program.ask(token, ASKS_MORE, stream=True).body)[-1]
    assert (name, said["error"], said["counted"]) == ("error", "ai_service_error", True)
    assert said["passages"][said["facts"][0]["n"] - 1]["name"] == "Owlbear"


def test_without_keys_the_answer_begins_with_the_fact(base: Path, auth: GatedAuth, token: str) -> None:
    with Program(base, AUTH_API_URL=auth.url) as program:
        assert program.ask(token, EXACT).json()["meta"]["answered_by"] == "facts"
        document = program.ask(token, ASKS_MORE).json()
        number = document["facts"][0]["n"]
        assert document["answer"].startswith(f"Owlbear, armor class: **5** [{number}].\n\nNo language model")
        assert document["meta"]["answered_by"] == "passages"
        assert len(document["sources"]) > 1


def test_without_an_index_there_are_no_facts(program: Program, openai: GatedOpenAI, token: str) -> None:
    index_path(program.data_dir, "adnd_1e").unlink()
    openai.script_answer("It is 5 [1].")
    document = program.ask(token, EXACT).json()
    assert (document["facts"], document["meta"]["answered_by"]) == ([], "model")
