"""Streaming: the words reach the client while the model writes, through every way the program is run."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.harness.apache_config import Mpm
from tests.harness.cgi_protocol import CgiReply
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY
from tests.harness.event_stream import Event, Stream, events
from tests.harness.gated import GatedAuth, GatedOpenAI
from tests.harness.program import Program
from tests.harness.relay import Relay
from tests.harness.waiting import eventually

CHAT = "*/chat/completions"
WAYS = [("event", "off"), ("prefork", "off"), ("event", "on"), ("prefork", "on")]


@pytest.fixture
def program(base: Path, auth: GatedAuth, openai: GatedOpenAI, chroma: Relay) -> Iterator[Program]:
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    with Program(base, AUTH_API_URL=auth.url, CHROMA_HOST="127.0.0.1", **settings) as made:
        yield made


@pytest.fixture(params=["cold", "warm"])
def either(program: Program, request: pytest.FixtureRequest) -> Program:
    """Answered by a process of its own, and by the worker."""
    if request.param == "warm":
        program.configure(WARM_WORKER="on")
        program.warm()
    return program


def stream(program: Program, auth: GatedAuth) -> CgiReply:
    return program.ask(auth.token_for("alice"), stream=True)


def text_of(found: list[Event]) -> str:
    return "".join(data["text"] for name, data in found if name == "delta")


# -- word by word ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mpm", "worker"), WAYS)
def test_the_first_words_arrive_while_the_model_still_writes(
    program: Program, auth: GatedAuth, openai: GatedOpenAI, mpm: Mpm, worker: str
) -> None:
    program.configure(WARM_WORKER=worker)
    openai.script_answer("An owlbear is a beast [1].")
    with program.apache(mpm) as server:
        if worker == "on":
            server.request("GET", "/health")
            program.wait_for_worker()
        openai.faults.push(Fault("stream_stall", path=CHAT, after=2))
        with Stream(server.port, auth.token_for("alice")) as client:
            assert client.status == 200
            assert client.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert client.response.headers["Cache-Control"] == "no-cache, no-transform"
            # The model says no more until these have arrived.
            first = [client.next() for _ in range(3)]
            assert [event[0] for event in first if event] == ["sources", "delta", "delta"]
            assert text_of([event for event in first if event]) == "An owlbear"
            assert not openai.gate.is_set()
            openai.gate.set()
            rest = list(client)
            assert text_of(rest) == " is a beast [1]."
            assert [name for name, _ in rest] == ["delta"] * 4 + ["done"]
            by = program.answered_by(client.response)
        assert (by in program.workers()) == (worker == "on")


def test_compression_does_not_hold_the_words_back(
    program: Program, auth: GatedAuth, openai: GatedOpenAI
) -> None:
    program.home.joinpath("public_html/index.html").write_text("<p>" + "x" * 5000)
    compress = "AddOutputFilterByType DEFLATE text/event-stream application/json text/html"
    accepts = {"Accept-Encoding": "gzip, deflate, br"}
    openai.faults.push(Fault("stream_stall", path=CHAT, after=1))
    with program.apache(extra_modules=["deflate"], extra_config=compress) as server:
        page = server.request("GET", "/index.html", headers=accepts)
        assert page.headers["Content-Encoding"] == "gzip", "this server compresses"
        with Stream(server.port, auth.token_for("alice"), headers=accepts) as client:
            assert client.response.headers["Content-Encoding"] is None
            assert [event[0] for event in (client.next(), client.next()) if event] == ["sources", "delta"]
            openai.gate.set()
            assert [name for name, _ in client][-1] == "done"


# -- order and shapes --------------------------------------------------------------------------------------------------


def test_the_events_are_those_of_the_contract(either: Program, auth: GatedAuth, openai: GatedOpenAI) -> None:
    openai.script_answer("It is a beast [1], and not a bird [1].")
    token = auth.token_for("alice")
    whole = either.ask(token).json()
    reply = either.ask(token, stream=True)
    found = events(reply.body)
    names = [name for name, _ in found]
    assert names == ["sources", *["delta"] * (len(names) - 2), "done"]
    assert len(names) > 5
    first, last = found[0][1], found[-1][1]
    assert text_of(found) == whole["answer"]
    assert {*last, "answer"} == set(whole)
    assert {*last["meta"]} == {*whole["meta"]}
    assert set(first) == {"sources"}
    assert all(set(data) == {"text"} for name, data in found if name == "delta")
    # The same passages in the same order; which are cited is known at the end.
    assert [{**source, "cited": None} for source in last["sources"]] == first["sources"]
    assert [source["n"] for source in last["sources"] if source["cited"]] == [1]
    assert last["sources"] == whole["sources"]
    assert last["usage"] == whole["usage"]
    assert last["meta"]["request_id"] == reply.id
    assert "content-length" not in reply.headers


def test_a_word_in_pieces_arrives_whole(either: Program, auth: GatedAuth, openai: GatedOpenAI) -> None:
    text = "Eulenbären – „owlbears“ ✨ – sind 🦉🐻."
    for size in (1, 2, 3, 7):
        openai.script_answer(text, times=1)
        openai.faults.push(Fault("split", path=CHAT, size=size))
        assert text_of(events(stream(either, auth).body)) == text


# -- what fails before the first word ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "fault", "status", "code"),
    [
        ("openai", Fault(path="*/embeddings", status=500, times=None), 502, "ai_service_error"),
        ("openai", Fault(path=CHAT, status=401), 502, "ai_service_error"),
        ("openai", Fault(path=CHAT, status=503, times=None), 502, "ai_service_error"),
        ("openai", Fault("stream_error", path=CHAT, after=0), 502, "ai_service_error"),
        ("openai", Fault("close_before_headers", path=CHAT, times=None), 502, "ai_service_error"),
        ("openai", Fault("close_after_headers", path=CHAT), 502, "ai_service_error"),
        ("openai", Fault("cut", path=CHAT, after=20), 502, "ai_service_error"),
        ("openai", Fault("garbage", path=CHAT), 502, "ai_service_error"),
        ("openai", Fault("garbage", path=CHAT, body='data: {"choices":[7]}\n\n'), 502, "ai_service_error"),
        (
            "openai",
            Fault("garbage", path=CHAT, body='data: {"choices":{"a":1}}\n\n'),
            502,
            "ai_service_error",
        ),
        ("openai", Fault("garbage", path=CHAT, body="data: [DONE]\n\n"), 502, "ai_service_error"),
        ("openai", Fault("stream_stall", path=CHAT, after=0), 504, "timeout_error"),
        ("openai", Fault("hang", path=CHAT), 504, "timeout_error"),
        ("chroma", Fault(path="*/query", status=400), 502, "database_error"),
        ("auth", Fault(status=500, times=None), 502, "auth_unavailable"),
    ],
    ids=lambda value: (
        f"{value.kind}-{value.status}-{value.path.strip('*/')}" if isinstance(value, Fault) else None
    ),
)
def test_what_fails_before_the_first_word_is_a_real_status(
    program: Program,
    auth: GatedAuth,
    openai: GatedOpenAI,
    chroma: Relay,
    service: str,
    fault: Fault,
    status: int,
    code: str,
) -> None:
    program.configure(REQUEST_TIMEOUT_SECONDS="3")
    {"openai": openai, "chroma": chroma, "auth": auth}[service].faults.push(fault)
    reply = stream(program, auth)
    assert (reply.status, reply.json()["error"]) == (status, code)
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["request_id"] == reply.id
    # It counts exactly where the model may have been paid; where nobody was admitted there is no ledger yet.
    assert (
        reply.json()["counted"] == (counted(program) == 1) == (service == "openai" and fault.kind != "status")
    )


# -- what fails later --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("stream_error", path=CHAT, after=3), "ai_service_error"),
        (Fault("stream_stall", path=CHAT, after=3), "timeout_error"),
        (Fault("cut", path=CHAT, after=1500), "ai_service_error"),
        (Fault("cut", path=CHAT, after=1500, reset=True), "ai_service_error"),
    ],
    ids=["error object", "stall", "cut", "reset"],
)
def test_what_fails_later_is_an_error_event(
    either: Program, auth: GatedAuth, openai: GatedOpenAI, fault: Fault, code: str
) -> None:
    either.configure(REQUEST_TIMEOUT_SECONDS="3")
    openai.script_answer("one two three four five six seven eight nine ten eleven twelve")
    openai.faults.push(fault)
    reply = stream(either, auth)
    assert reply.status == 200
    found = events(reply.body)
    names = [name for name, _ in found]
    assert names == ["sources", *["delta"] * (len(names) - 2), "error"]
    assert text_of(found).startswith("one two three"[: len(text_of(found))])
    assert text_of(found)
    error = found[-1][1]
    assert set(error) == {"error", "message", "request_id", "timestamp", "counted", "passages"}
    # The model had begun to write: it counts, in the reply as in the ledger.
    assert error["counted"] is True
    assert counted(either) == 1
    assert error["passages"][0]["text"]
    assert (error["error"], error["request_id"]) == (code, reply.id)
    assert len(openai.chats()) == 1, "words that were shown are not asked for again"


@pytest.mark.parametrize("kind", ["stream_no_usage", "stream_no_done"])
def test_an_answer_that_is_complete_but_for_its_end_is_done(
    either: Program, auth: GatedAuth, openai: GatedOpenAI, kind: str
) -> None:
    openai.script_answer("one two three")
    openai.faults.push(Fault(kind, path=CHAT))
    name, done = events(stream(either, auth).body)[-1]
    assert name == "done"
    counted = kind == "stream_no_done"
    assert (done["usage"]["completion_tokens"] is not None) == counted
    (outcome, held, calls) = booked(either, done["meta"]["request_id"])
    # Nobody knows what an uncounted answer cost: the most that it can have.
    assert (outcome, held, calls["chat"][0]) == ("answered", 0, "settled" if counted else "charged")
    assert calls["chat"][1] > 0


def booked(program: Program, request_id: str) -> tuple[str | None, int, dict[str, tuple[str, int]]]:
    """Outcome and reservation of a question, and of each kind of call its state and cost."""
    with closing(sqlite3.connect(f"file:{program.data_dir}/ledger.sqlite3?mode=ro", uri=True)) as db:
        row = db.execute(
            "SELECT outcome, held_nd FROM requests WHERE request_id = ?", (request_id,)
        ).fetchone()
        assert row, "the ledger does not know the question"
        calls = db.execute(
            "SELECT kind, state, cost_nd FROM calls WHERE request_id = ?", (request_id,)
        ).fetchall()
    return row[0], row[1], {kind: (state, cost) for kind, state, cost in calls}


def counted(program: Program) -> int:
    """How many questions of the day the ledger counts."""
    with closing(sqlite3.connect(f"file:{program.data_dir}/ledger.sqlite3?mode=ro", uri=True)) as db:
        total: int = db.execute("SELECT COALESCE(SUM(admitted), 0) FROM user_days").fetchone()[0]
    return total


# -- a client that goes away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mpm", "worker"), WAYS)
def test_a_client_that_goes_away_stops_the_model(
    program: Program, auth: GatedAuth, openai: GatedOpenAI, mpm: Mpm, worker: str
) -> None:
    program.configure(WARM_WORKER=worker, REQUEST_TIMEOUT_SECONDS="120")
    openai.script_answer("word " * 900)
    with program.apache(mpm) as server:
        if worker == "on":
            server.request("GET", "/health")
            program.wait_for_worker()
        openai.word_delay = 0.05
        with Stream(server.port, auth.token_for("alice")) as client:
            assert client.status == 200
            assert [client.next() is not None for _ in range(3)] == [True] * 3
            request_id = client.response.headers["X-Request-ID"]
        # 45 seconds of words are still to come: this is over before.
        (chat,) = openai.chats()
        eventually(lambda: chat.client_gone, seconds=30)
        if worker == "off":
            # Apache ends the program with a signal, as often as not before it has seen that nobody listens.
            # The next question, whoever asks it, closes what is left open.
            openai.word_delay = 0
            eventually(lambda: not Path(f"/proc/{program.answered_by(client.response)}/cwd").exists())
            assert program.ask(auth.token_for("bob")).status == 200
        outcome, held, calls = eventually(
            lambda: booked(program, request_id), lambda book: book[0] is not None
        )
        assert (outcome in ("disconnected", "orphaned"), held) == (True, 0)
        assert worker == "off" or outcome == "disconnected"
        assert calls["chat"][0] == "charged", "nobody knows what it cost: the most that it can have"
        assert calls["chat"][1] > 0
        if worker == "on":
            assert program.answered_by(server.request("GET", "/health")) in program.workers()
        assert "Traceback" not in program.log() + server.error_log()
        assert "failed before it was answered" not in server.error_log()


def test_a_client_that_leaves_during_the_silence_is_not_waited_for_longer_than_a_request_may_take(
    either: Program, auth: GatedAuth, openai: GatedOpenAI
) -> None:
    """Who has gone is seen only when there is something to say to him."""
    either.configure(REQUEST_TIMEOUT_SECONDS="2")
    openai.faults.push(Fault("stream_stall", path=CHAT, after=2))
    call = either.start_question(auth.token_for("alice"), stream=True)
    head = call.read_until(b"event: delta")
    assert call.process.stdout
    call.process.stdout.close()
    call.process.wait(30)
    (identity,) = re.findall(rb"X-Request-ID: (\w+)", head)
    outcome, held, calls = eventually(
        lambda: booked(either, identity.decode()), lambda book: book[0] is not None
    )
    assert (outcome in ("disconnected", "timeout_error"), held, calls["chat"][0]) == (True, 0, "charged")


def test_the_json_of_every_event_is_compact_utf8(
    program: Program, auth: GatedAuth, openai: GatedOpenAI
) -> None:
    openai.script_answer("Eulenbär ✨")
    body = stream(program, auth).body
    assert 'data: {"text":"Eulenbär"}\n\n'.encode() in body
    for line in body.split(b"\n"):
        if line.startswith(b"data: "):
            document: Any = json.loads(line[6:])
            assert json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() == line[6:]
