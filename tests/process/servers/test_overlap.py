"""What overlaps: the connections to OpenAI and Chroma are opened together as soon as the question was read and
the books' own figures do not answer it, and not before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.openai import KEY
from tests.harness.gated import GatedAuth, GatedOpenAI
from tests.harness.program import Program
from tests.harness.relay import Relay
from tests.harness.waiting import eventually

RTT = 80  # milliseconds


@pytest.fixture
def outside(rules: ChromaServer) -> Iterator[tuple[GatedAuth, GatedOpenAI, Relay]]:
    """All three over TLS, as far away as a data centre on another continent."""
    with (
        GatedAuth(tls=True, rtt=RTT) as auth,
        GatedOpenAI(tls=True, rtt=RTT) as openai,
        Relay(rules.url, tls=True, rtt=RTT) as chroma,
    ):
        yield auth, openai, chroma


@pytest.fixture
def program(base: Path, outside: tuple[GatedAuth, GatedOpenAI, Relay]) -> Iterator[Program]:
    auth, openai, chroma = outside
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    with Program(base, AUTH_API_URL=auth.url, CHROMA_HOST="https://127.0.0.1", **settings) as made:
        authorities = made.home / "authorities.pem"
        authorities.write_text("".join(double.ca_file.read_text() for double in outside if double.ca_file))
        authorities.chmod(0o644)
        made.environ["SSL_CERT_FILE"] = str(authorities)
        yield made


def opened(*doubles: GatedOpenAI | Relay) -> list[int]:
    """How many connections each has taken."""
    return [double.recorder.counts["accepted"] for double in doubles]


def sent(*doubles: GatedOpenAI | Relay) -> list[int]:
    """How many requests each has got."""
    return [len(double.requests) for double in doubles]


@pytest.mark.parametrize("streamed", [False, True])
def test_connections_are_opened_when_the_auth_api_has_said_yes(
    program: Program, outside: tuple[GatedAuth, GatedOpenAI, Relay], streamed: bool
) -> None:
    auth, *services = outside
    auth.gate.clear()
    call = program.start_question(auth.token_for("alice"), stream=streamed)
    eventually(auth.asked)
    # The auth API has not said a word yet.
    assert opened(*services) == [0, 0]
    auth.gate.set()
    assert call.reply().status == 200
    # Two connections have carried everything.
    assert opened(*services) == [1, 1]
    assert [request.path for request in services[0].requests] == ["/v1/embeddings", "/v1/chat/completions"]


@pytest.mark.parametrize("known", [False, True])
def test_nothing_is_opened_before_the_question_is_there(
    program: Program, outside: tuple[GatedAuth, GatedOpenAI, Relay], known: bool
) -> None:
    auth, *services = outside
    token = auth.token_for("alice")
    before = 1 if known else 0
    if known:
        assert program.ask(token).status == 200
    sent_before = sent(*services)
    question = b'{"question": "What is an owlbear?"}'
    kept_back, body = os.pipe()
    length = {"CONTENT_LENGTH": str(len(question)), "CONTENT_TYPE": "application/json"}
    with os.fdopen(kept_back, "rb") as stdin:
        call = program.start("POST", "/api/query", token=token, stdin=stdin, environ=length)
    # It may be one that the books' own figures answer: then nobody is asked.
    eventually(auth.asked)
    assert opened(*services) == [before, before]
    assert sent(*services) == sent_before
    os.write(body, question)
    os.close(body)
    assert call.reply().status == 200
    assert opened(*services) == [before + 1, before + 1]


@pytest.mark.parametrize("token", ["nobody's", "expired"])
def test_nothing_is_opened_for_a_token_that_is_not_good(
    program: Program, outside: tuple[GatedAuth, GatedOpenAI, Relay], token: str
) -> None:
    auth, *services = outside
    given = auth.token_for("alice", expires_in=-10) if token == "expired" else token.replace("'", "")
    assert program.ask(given).status == 401
    assert opened(*services) == [0, 0]
    assert auth.asked() == 1


def test_a_request_that_is_refused_at_once_opens_nothing(
    program: Program, outside: tuple[GatedAuth, GatedOpenAI, Relay]
) -> None:
    auth, *services = outside
    assert program.request("POST", "/api/query", b'{"question": "?"}').status == 401
    assert program.request("GET", "/health").status == 200
    assert opened(*services) == [0, 0]
    assert auth.recorder.counts["accepted"] == 0


def test_a_known_token_is_not_asked_about_and_the_connections_are_opened_all_the_same(
    program: Program, outside: tuple[GatedAuth, GatedOpenAI, Relay]
) -> None:
    auth, *services = outside
    token = auth.token_for("alice")
    assert [program.ask(token).status for _ in range(2)] == [200, 200]
    assert auth.asked() == 1
    assert opened(*services) == [2, 2]
    # Three of the steady state: one embedding, one query, one answer; and once the collection's id.
    assert sent(*services) == [4, 3]
