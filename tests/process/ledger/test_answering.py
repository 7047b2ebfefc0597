"""Questions through the whole application over HTTP: who pays for what, in which way ever they end.

The OpenAI and auth APIs are the doubles; only the vector database is replaced, by the sample rules' own
index.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from app import settings
from app.answering.pipeline import Answering
from app.answering.writers import ModelWriter
from app.bootstrap import Container, create_app
from app.deadline import Deadline
from app.errors import DatabaseError
from app.models import Passage, Question
from app.retrieval.asked import Reader
from app.retrieval.retriever import HybridRetriever
from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.ledgers import query

pytestmark = pytest.mark.timeout(60)

QUESTION = {"question": "What is an owlbear?"}


class SampleVectors:
    """Stands in for Chroma behind the real retriever: finds by words, may be out of order."""

    def __init__(self, container: TestContainer) -> None:
        self._container = container
        self.broken = False

    def query(
        self, embeddings: Any, count: int, deadline: Deadline, where: Any = None, *, texts: bool = True
    ) -> list[list[Passage]]:
        if self.broken:
            raise DatabaseError("out of order")
        question = Question("owlbear", min(count, 3))
        return [list(self._container._lexical().retrieve(question, deadline).passages)]

    def get(self, ids: Any, deadline: Deadline) -> list[Passage]:
        raise AssertionError("all have their texts")


class TestContainer(Container):
    __test__ = False

    @cached_property
    def vectors(self) -> SampleVectors:
        return SampleVectors(self)

    @cached_property
    def answering(self) -> Answering:
        retriever = HybridRetriever(None, self._openai, self.vectors)
        outside = retriever, ModelWriter(self._openai)
        return Answering(Reader(None), lambda: outside, self.ledger, self._estimate, self._lexical)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Readers that leave are what some tests are about."""


class Site:
    """The application on a real port, with its doubles."""

    def __init__(self, directory: Path, openai: OpenAIDouble, auth: AuthDouble, **values: str) -> None:
        self.openai, self.auth = openai, auth
        self.token = auth.token_for("alice")
        environ = {
            "DATA_DIR": str(directory),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": openai.base_url,
            "AUTH_API_URL": auth.url,
            "CORS_ORIGINS": "https://page.example",
            **values,
        }
        self.services = TestContainer(settings.load(environ, root=directory))
        self.path = directory / "ledger.sqlite3"
        self._server = make_server(
            "127.0.0.1", 0, create_app(self.services.settings, services=self.services), Server, Quiet
        )
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.services.close()

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        reply = Reply(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return reply

    def ask(self, stream: bool = False, token: str | None = None) -> Reply:
        return self.call("POST", "/api/query", {**QUESTION, "stream": stream}, token)

    @property
    def spent(self) -> int:
        rows = query(self.path, "SELECT spent_nd FROM days")
        return int(rows[0][0]) if rows else 0

    def requests(self) -> list[tuple[Any, ...]]:
        return query(self.path, "SELECT outcome, held_nd, spent_nd FROM requests")


class Reply:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[tuple[str, Any]]:
        parts = [frame.split("\ndata: ", 1) for frame in self.body.decode().strip().split("\n\n")]
        return [(name.removeprefix("event: "), json.loads(data)) for name, data in parts]


@pytest.fixture
def doubles() -> Iterator[tuple[OpenAIDouble, AuthDouble]]:
    with OpenAIDouble() as openai, AuthDouble() as auth:
        yield openai, auth


@pytest.fixture
def site(tmp_path: Path, doubles: tuple[OpenAIDouble, AuthDouble]) -> Iterator[Site]:
    made = Site(tmp_path, *doubles)
    yield made
    made.close()


def test_an_answer_says_what_it_cost_and_what_is_left(site: Site) -> None:
    reply = site.ask()
    assert reply.status == 200
    billed = site.openai.spend["nano_usd"]
    assert site.spent == billed > 0
    meta = reply.json["meta"]
    assert meta["rate_limit"] == {"remaining_burst": 14, "daily_remaining": 29}
    assert meta["cost"] == {"query_cost": billed / 1e9, "daily_total": billed / 1e9, "daily_budget": 1.0}
    assert reply.headers["RateLimit-Policy"] == '"burst";q=15;w=900, "daily";q=30;w=86400'
    # A busy machine may take some seconds to answer.
    assert re.match(r'"burst";r=14;t=(?:60|5[0-9]), "daily";r=29;t=[0-9]+$', reply.headers["RateLimit"])
    assert site.requests() == [("answered", 0, billed)]
    # A stream says the same in its last event, and its second question costs another token.
    streamed = site.ask(stream=True)
    name, done = streamed.events[-1]
    assert name == "done"
    assert done["meta"]["rate_limit"] == {"remaining_burst": 13, "daily_remaining": 28}
    assert done["meta"]["cost"]["daily_total"] == site.spent / 1e9 == site.openai.spend["nano_usd"] / 1e9
    assert streamed.headers["RateLimit"].startswith('"burst";r=13;')


EMBED, CHAT = "/v1/embeddings", "/v1/chat/completions"

NO_WORDS = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]
}

OUTCOMES = {
    # name: (faults, streamed, status, error, quota back, money)
    "nothing wrong": ([], False, 200, None, False, "as billed"),
    "chat 500, always": ([Fault(path=CHAT, times=None)], False, 502, "ai_service_error", True, "as billed"),
    "chat 500, once": ([Fault(path=CHAT)], False, 200, None, False, "as billed"),
    "chat 429, once, streamed": (
        [Fault(path=CHAT, status=429, retry_after=0)],
        True,
        200,
        None,
        False,
        "as billed",
    ),
    "chat 400": ([Fault(path=CHAT, status=400)], False, 502, "ai_service_error", True, "as billed"),
    "chat 401": ([Fault(path=CHAT, status=401)], True, 502, "ai_service_error", True, "as billed"),
    "chat 429, always": (
        [Fault(path=CHAT, status=429, retry_after=0, times=None)],
        False,
        502,
        "ai_service_error",
        True,
        "as billed",
    ),
    "embeddings hang": ([Fault("hang", path=EMBED)], False, 504, "timeout_error", True, "bound"),
    "no words": (
        [Fault("garbage", path=CHAT, body=NO_WORDS)],
        False,
        502,
        "ai_service_error",
        False,
        "bound",
    ),
    "no words, streamed": (
        [Fault("garbage", path=CHAT, body="data: [DONE]\n\n")],
        True,
        502,
        "ai_service_error",
        False,
        "bound",
    ),
    "embeddings 500, always": (
        [Fault(path=EMBED, times=None)],
        False,
        502,
        "ai_service_error",
        True,
        "nothing",
    ),
    "embeddings garbage": ([Fault("garbage", path=EMBED)], False, 502, "ai_service_error", True, "bound"),
    "chat hangs": ([Fault("hang", path=CHAT)], False, 504, "timeout_error", False, "bound"),
    "chat hangs before work": (
        [Fault("hang", path=CHAT, before_work=True)],
        False,
        504,
        "timeout_error",
        False,
        "bound",
    ),
    "chat garbage": ([Fault("garbage", path=CHAT)], False, 502, "ai_service_error", False, "bound"),
    "chat cut": ([Fault("cut", path=CHAT, times=None)], False, 502, "ai_service_error", False, "bound"),
    "chat lost once": ([Fault("close_before_headers", path=CHAT)], False, 200, None, False, "bound"),
    "no usage in the stream": ([Fault("stream_no_usage", path=CHAT)], True, 200, None, False, "bound"),
    "stream breaks off": (
        [Fault("stream_error", path=CHAT, after=2)],
        True,
        200,
        "ai_service_error",
        False,
        "bound",
    ),
    "stream stalls": (
        [Fault("stream_stall", path=CHAT, after=2)],
        True,
        200,
        "timeout_error",
        False,
        "bound",
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_who_pays_for_what_goes_wrong(
    tmp_path: Path, doubles: tuple[OpenAIDouble, AuthDouble], name: str
) -> None:
    faults, streamed, status, error, quota_back, money = OUTCOMES[name]
    site = Site(tmp_path, *doubles, REQUEST_TIMEOUT_SECONDS="4")
    try:
        site.openai.faults.push(*faults)
        reply = site.ask(stream=streamed)
        assert reply.status == status
        if error:
            event, said = reply.events[-1] if status == 200 else ("error", reply.json)
            assert (event, said["error"]) == ("error", error)
            # What the reply says, what the ledger says (below), and what is there to read in place of an
            # answer.
            assert said["counted"] is not quota_back
            assert said["passages"][0]["name"] == "Owlbear"
            assert "hug" in said["passages"][0]["text"].lower()
        left = site.services.ledger.quota(site.auth.users["alice"].profile()["id"])
        assert (left.burst_remaining, left.daily_remaining) == ((15, 30) if quota_back else (14, 29))
        billed = site.openai.spend["nano_usd"]
        [(outcome, held, spent)] = site.requests()
        assert (outcome, held) == (error or "answered", 0)
        assert site.spent == spent
        if money == "nothing":
            assert spent == billed == 0
        elif money == "as billed":
            assert spent == billed > 0
        else:
            assert spent > billed
            bounds = query(site.path, "SELECT SUM(bound_nd) FROM calls WHERE state = 'charged'")[0][0]
            settled = query(site.path, "SELECT COALESCE(SUM(cost_nd), 0) FROM calls WHERE state = 'settled'")[
                0
            ][0]
            assert spent == bounds + settled
    finally:
        site.close()


def test_a_provider_that_cannot_be_reached_costs_nothing(
    tmp_path: Path, doubles: tuple[OpenAIDouble, AuthDouble]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        site = Site(tmp_path, *doubles, OPENAI_BASE_URL=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        try:
            assert site.ask().json["error"] == "ai_service_error"
            assert site.requests() == [("ai_service_error", 0, 0)]
            assert site.call("GET", "/api/me").json["rate_limit"]["daily_remaining"] == 30
        finally:
            site.close()


def completion(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    usage = {"prompt_tokens": 900, "completion_tokens": 7, "total_tokens": 907}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}


NOTHING = {
    "declined": (completion({"content": None, "refusal": "I won't."}), "I won't."),
    "filtered": (completion({"content": ""}, "content_filter"), "content filter"),
    "all for thinking": (completion({"content": "<think>Hm"}, "length"), "thinking"),
    "empty": (completion({"content": ""}), "empty"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_an_answer_that_came_to_nothing_says_why_and_stays_counted(site: Site, name: str) -> None:
    body, told = NOTHING[name]
    site.openai.faults.push(Fault("garbage", path=CHAT, body=body))
    reply = site.ask()
    assert (reply.status, reply.json["error"]) == (502, "ai_service_error")
    assert told in reply.json["message"] and "try again" not in reply.json["message"]
    left = site.services.ledger.quota(site.auth.users["alice"].profile()["id"])
    assert (left.burst_remaining, left.daily_remaining) == (14, 29)
    assert query(site.path, "SELECT state, prompt_tokens FROM calls WHERE kind = 'chat'") == [
        ("settled", 900)
    ]


def test_what_a_model_thinks_is_neither_shown_nor_checked(site: Site) -> None:
    site.openai.script_answer("<think>Strahd has 99 hit points [9]</think>\n\nOwlbears hug [1].")
    for stream in (False, True):
        reply = site.ask(stream=stream)
        done = reply.events[-1][1] if stream else reply.json
        shown = (
            "".join(data["text"] for name, data in reply.events if name == "delta")
            if stream
            else done["answer"]
        )
        assert shown == "Owlbears hug [1]."
        assert "99" not in json.dumps(done["meta"]["grounding"]) and "Strahd" not in json.dumps(
            done["meta"]["grounding"]
        )
        assert done["meta"]["grounding"]["removed_citations"] == []


def test_what_a_provider_refuses_costs_one_request_once_and_no_money(site: Site) -> None:
    refusal = {"error": {"message": "base64 encoding is not supported", "type": "BadRequestError"}}
    site.openai.faults.push(Fault(path=EMBED, status=400, body=refusal))
    for _ in range(2):
        assert site.ask().status == 200
    asked = [request.body["encoding_format"] for request in site.openai.requests if request.path == EMBED]
    assert asked == ["base64", "float", "float"]
    assert site.spent == site.openai.spend["nano_usd"]
    # The next process knows it, too.
    assert "float" in (site.path.parent / "openai-servers.json").read_text(encoding="utf-8")


def test_vectors_that_are_no_numbers_end_the_question_before_the_answer_is_paid_for(site: Site) -> None:
    site.openai.faults.push(
        Fault("garbage", path=EMBED, body='{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}')
    )
    reply = site.ask()
    assert (reply.status, reply.json["error"]) == (502, "ai_service_error")
    assert [request.path for request in site.openai.requests] == [EMBED]


def test_a_database_out_of_order_gives_the_quota_back(site: Site) -> None:
    site.services.vectors.broken = True
    reply = site.ask()
    assert (reply.status, reply.json["error"]) == (502, "database_error")
    # The embedding was bought and counts, but the caller got nothing for it.
    assert site.requests() == [("database_error", 0, site.openai.spend["nano_usd"])]
    assert site.call("GET", "/api/me").json["rate_limit"]["daily_remaining"] == 30


def test_an_invalid_question_costs_no_quota(site: Site) -> None:
    reply = site.call("POST", "/api/query", {"question": ""})
    assert reply.status == 400
    assert reply.headers["RateLimit"].startswith('"burst";r=15;t=0, "daily";r=30;t=')


def test_a_reader_who_leaves_in_mid_answer_pays(site: Site) -> None:
    site.openai.word_delay = 0.2
    site.openai.script_answer("An owlbear is a beast. " * 20)
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        body = json.dumps({**QUESTION, "stream": True}).encode()
        head = f"POST /api/query HTTP/1.0\r\nAuthorization: Bearer {site.token}\r\n"
        head += "Content-Type: application/json\r\n"
        client.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        received = b""
        while b"event: delta" not in received:
            received += client.recv(4096)
    give_up = time.monotonic() + 10
    while site.requests()[0][0] is None and time.monotonic() < give_up:
        time.sleep(0.05)
    [(outcome, held, spent)] = site.requests()
    assert (outcome, held) == ("disconnected", 0)
    assert spent >= site.openai.spend["nano_usd"] > 0
    me = site.call("GET", "/api/me").json
    assert me["rate_limit"]["daily_remaining"] == 29
    assert me["cost"]["daily_total"] == spent / 1e9


@pytest.mark.parametrize(
    ("asked", "index", "writing"),
    [
        # The admission with the first call, one before the second, the end.
        ({}, False, 3),
        ({"stream": True}, False, 3),
        ({"exact": False}, True, 3),
        # Nobody knew at the admission that it would cost something.
        ({}, True, 4),
        # The admission and the end.
        ({"question": "What is the armor class of an owlbear?"}, True, 2),
    ],
)
def test_how_often_a_question_waits_for_the_ledger(
    site: Site, asked: dict[str, Any], index: bool, writing: int
) -> None:
    """Each transaction that writes waits for the disk five times."""
    site.ask()
    if index:
        site.services.answering._reader = Reader(site.services._sample_index)
    said: list[str] = []
    db = site.services.ledger.store._db
    assert db is not None
    db.set_trace_callback(said.append)
    assert site.call("POST", "/api/query", {**QUESTION, **asked}).status == 200
    assert (said.count("BEGIN IMMEDIATE"), said.count("BEGIN")) == (writing, 2)


def test_limits_reach_the_caller(tmp_path: Path, doubles: tuple[OpenAIDouble, AuthDouble]) -> None:
    site = Site(tmp_path, *doubles, TOKEN_BUCKET_CAPACITY="2", DAILY_USER_REQUEST_LIMIT="3")
    try:
        assert [site.ask().status for _ in range(2)] == [200, 200]
        limited = site.ask()
        assert (limited.status, limited.json["error"]) == (429, "rate_limited")
        wait = limited.json["rate_info"]["retry_after"]
        assert limited.json["rate_info"] == {"daily_remaining": 1, "retry_after": wait}
        assert 50 < wait <= 60
        assert limited.headers["Retry-After"] == str(wait)
        assert re.match(r'"burst";r=0;t=(?:60|5[0-9]), "daily";r=1;t=[0-9]+$', limited.headers["RateLimit"])
        # Somebody else is not concerned.
        assert site.ask(token=site.auth.token_for("bob")).status == 200
    finally:
        site.close()
    site = Site(tmp_path, *doubles, TOKEN_BUCKET_CAPACITY="0", DAILY_USER_REQUEST_LIMIT="3")
    try:
        assert site.ask().status == 200
        refused = site.ask()
        assert (refused.status, refused.json["error"]) == (429, "daily_limit_exceeded")
        assert refused.json["rate_info"] == {"daily_remaining": 0, "retry_after": None}
        assert 0 < int(refused.headers["Retry-After"]) <= 86_400
        assert refused.headers["RateLimit"].startswith('"daily";r=0;t=')
    finally:
        site.close()


def test_a_second_question_at_once_is_refused(
    tmp_path: Path, doubles: tuple[OpenAIDouble, AuthDouble]
) -> None:
    site = Site(tmp_path, *doubles, MAX_IN_FLIGHT_PER_USER="1")
    try:
        site.openai.word_delay = 0.05
        first = threading.Thread(target=site.ask)
        first.start()
        give_up = time.monotonic() + 10
        while (
            not (site.path.exists() and site.services.ledger.store and site.requests())
            and time.monotonic() < give_up
        ):
            time.sleep(0.02)
        refused = site.ask()
        assert (refused.status, refused.json["error"]) == (429, "concurrent_request")
        assert int(refused.headers["Retry-After"]) == refused.json["rate_info"]["retry_after"] > 0
        first.join()
        assert site.ask().status == 200
    finally:
        site.close()


@pytest.mark.parametrize("stream", [False, True])
def test_without_budget_the_pages_to_read_are_sent(
    tmp_path: Path, doubles: tuple[OpenAIDouble, AuthDouble], stream: bool
) -> None:
    site = Site(tmp_path, *doubles, DAILY_BUDGET_USD="0.001")
    try:
        reply = site.ask(stream=stream)
        assert (reply.status, reply.json["error"]) == (503, "budget_exceeded")
        assert reply.json["budget_info"] == {"daily_total": 0.0, "daily_budget": 0.001, "percent_used": 0.0}
        assert 0 < int(reply.headers["Retry-After"]) <= 86_400
        first = reply.json["passages"][0]
        assert first["name"] == "Owlbear"
        assert first["n"] == 1
        assert "hug" in first["text"].lower()
        assert site.openai.requests == []
        assert site.call("GET", "/api/me").json["rate_limit"]["daily_remaining"] == 30
    finally:
        site.close()


def test_the_budget_that_is_asked_for_lets_the_longest_question_through(
    tmp_path: Path, doubles: tuple[OpenAIDouble, AuthDouble]
) -> None:
    longest = {"question": "🐉" * 2000, "history": [{"role": "user", "content": "x" * 8000}]}
    too_small = Site(tmp_path, *doubles, DAILY_BUDGET_USD="0.000001")
    try:
        # Strangers are told only that there is something to look at.
        components = too_small.call("GET", "/health?deep=1").json["components"]
        warning = next(text for text in components["settings"] if text.startswith("DAILY_BUDGET_USD"))
        least = re.search(r"give ([0-9.]+) or more", warning)
        assert least
    finally:
        too_small.close()
    for budget, status in ((f"{float(least[1]) - 0.000001:.6f}", 503), (least[1], 200)):
        site = Site(tmp_path, *doubles, DAILY_BUDGET_USD=budget)
        try:
            assert site.call("POST", "/api/query", longest).status == status
        finally:
            site.close()


def test_a_ledger_that_cannot_be_used_answers_nothing(site: Site) -> None:
    site.path.write_text("this is no ledger")
    for method, path in (("POST", "/api/query"), ("GET", "/api/me")):
        reply = site.call(method, path, QUESTION if method == "POST" else None)
        assert (reply.status, reply.json["error"]) == (500, "ledger_unavailable")
        assert str(site.path) not in reply.body.decode()
    assert site.openai.requests == []
    assert site.path.read_text() == "this is no ledger"


def test_a_token_is_checked_once_and_a_bad_one_too(site: Site) -> None:
    for _ in range(3):
        assert site.call("GET", "/api/me").status == 200
    assert len(site.auth.requests) == 1
    bad = site.auth.token_for("alice", expires_in=-10)
    for _ in range(5):
        assert site.call("GET", "/api/me", token=bad).status == 401
    assert len(site.auth.requests) == 2
    # Not knowing is no verdict: nothing is remembered.
    site.auth.faults.push(Fault(status=503, times=2))
    other = site.auth.token_for("bob")
    assert site.call("GET", "/api/me", token=other).status == 502
    assert site.call("GET", "/api/me", token=other).status == 200


def test_me_uses_nothing_up(site: Site) -> None:
    site.ask()
    replies = [site.call("GET", "/api/me") for _ in range(3)]
    assert len({json.dumps(reply.json["rate_limit"]) for reply in replies}) <= 2
    me = replies[-1].json
    assert me["user_id"] == site.auth.users["alice"].profile()["id"]
    assert (me["rate_limit"]["remaining_burst"], me["rate_limit"]["daily_remaining"]) == (14, 29)
    assert me["cost"]["user_total"] == me["cost"]["daily_total"] == site.spent / 1e9
    assert site.call("GET", "/api/me", token="x").status == 401


def test_feedback_over_http(site: Site) -> None:
    request_id = site.ask().json["meta"]["request_id"]
    given = {"request_id": request_id, "rating": "up", "comment": "  the hug!  "}
    assert site.call("POST", "/api/feedback", given).status == 200
    assert query(site.path, "SELECT request_id, rating, comment FROM feedback") == [
        (request_id, "up", "the hug!")
    ]
    foreign = site.call("POST", "/api/feedback", given, token=site.auth.token_for("bob"))
    assert (foreign.status, foreign.json["field"]) == (400, "request_id")
    for wrong in (
        {"rating": "up"},
        {**given, "rating": "great"},
        {**given, "comment": 5},
        {**given, "comment": "x" * 2001},
    ):
        assert site.call("POST", "/api/feedback", wrong).status == 400
    assert query(site.path, "SELECT COUNT(*) FROM feedback") == [(1,)]


def test_deep_health_names_the_ledger(site: Site) -> None:
    components = site.call("GET", "/api/health?deep=1").json["components"]
    assert components["ledger"]["status"] == "ok"
    assert components["models"] == "ok"
