"""The doubles themselves: what they record, what they break on demand, what they charge, and the auth API."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from tests.harness.doubles import jwt
from tests.harness.doubles.auth_api import SIGNING_KEY, AuthDouble, User
from tests.harness.doubles.faults import Fault, FaultScript
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.doubles.openai_errors import OUT_OF_MONEY
from tests.harness.doubles.openai_text import embed
from tests.harness.doubles.process import DoubleProcess
from tests.harness.waiting import eventually

pytestmark = pytest.mark.timeout(60)
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
EMBED = {"model": "text-embedding-3-small", "input": "owlbear"}
CHAT = {
    "model": "gpt-6-luna",
    "reasoning_effort": "none",
    "messages": [{"role": "user", "content": "[1] Owlbear\nhas a beak\n[2]\nTroll\n\nWhat has a beak?"}],
}
ANSWER = "The books say:\n\n- Owlbear [1]\n- Troll [2]"


@pytest.fixture
def openai() -> Iterator[OpenAIDouble]:
    with OpenAIDouble() as double:
        yield double


@pytest.fixture
def auth() -> Iterator[AuthDouble]:
    with AuthDouble() as double:
        yield double


@pytest.fixture
def http_pool() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        yield pool


def post(pool: urllib3.PoolManager, double: OpenAIDouble, path: str, body: Any) -> urllib3.BaseHTTPResponse:
    return pool.request("POST", double.base_url + path, body=json.dumps(body), headers=HEADERS)


# Recording


def test_every_request_is_recorded_with_its_connection(
    openai: OpenAIDouble, http_pool: urllib3.PoolManager
) -> None:
    before = time.time()
    post(http_pool, openai, "/embeddings", EMBED)
    http_pool.request("GET", openai.url + "/v1/models?limit=1", headers=HEADERS)
    first, second = openai.requests
    assert (first.number, first.method, first.path, first.body, first.status) == (
        1,
        "POST",
        "/v1/embeddings",
        EMBED,
        200,
    )
    assert (second.number, second.path, second.query, second.body) == (2, "/v1/models", "limit=1", None)
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert before <= first.at <= second.at <= time.time()
    assert first.connection == second.connection == openai.connections == 1


def test_control_calls_and_idle_connections_are_not_counted(
    openai: OpenAIDouble, http_pool: urllib3.PoolManager
) -> None:
    with socket.create_connection(("127.0.0.1", openai.port)):
        info = http_pool.request("GET", openai.url + "/_control/info").json()
    assert info["requests"] == info["connections"] == 0
    assert info["accepted"] == 2


def test_body_in_chunks_is_read(openai: OpenAIDouble) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", openai.port, timeout=5)
    halves = json.dumps(EMBED).encode().partition(b"model")
    connection.request("POST", "/v1/embeddings", iter(halves), HEADERS, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert openai.requests[0].body == EMBED


def test_http_1_0_client_gets_a_stream_without_chunks(openai: OpenAIDouble) -> None:
    body = json.dumps({**CHAT, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", openai.port), timeout=5) as connection:
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"chunked" not in answer
    assert answer.endswith(b"data: [DONE]\n\n")


def test_client_that_went_away_is_noted_and_charged(openai: OpenAIDouble) -> None:
    openai.script_answer("word " * 20_000)
    openai.faults.push(Fault("delay", delay=0.2))
    body = json.dumps({**CHAT, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", openai.port)) as connection:
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        eventually(lambda: openai.spend["calls"] == 1)
    eventually(lambda: openai.requests[0].client_gone)
    assert openai.spend["models"]["gpt-6-luna"]["completion"] == 25_000


def test_many_clients_at_once_are_all_counted(openai: OpenAIDouble) -> None:
    openai.faults.push(Fault(status=500, times=25))

    def client(_: int) -> list[int]:
        with urllib3.PoolManager(retries=False, timeout=20) as pool:
            return [post(pool, openai, "/chat/completions", CHAT).status for _ in range(10)]

    with ThreadPoolExecutor(10) as threads:
        statuses = [status for answers in threads.map(client, range(10)) for status in answers]
    assert (statuses.count(500), statuses.count(200)) == (25, 75)
    assert (openai.spend["calls"], len(openai.requests), openai.connections) == (75, 100, 10)


def test_a_defect_of_the_double_fails_the_test(http_pool: urllib3.PoolManager) -> None:
    with pytest.raises(AssertionError, match="the double itself failed"), OpenAIDouble() as double:
        double.script_answer(lambda body: body["no such key"])
        assert post(http_pool, double, "/chat/completions", CHAT).status == 500


# Faults


def test_faults_strike_in_order_and_are_used_up(openai: OpenAIDouble, http_pool: urllib3.PoolManager) -> None:
    openai.faults.push(
        Fault("status", path="/v1/chat/*", status=503),
        Fault(path="/v1/embeddings", status=429, retry_after=2, times=2),
        Fault(path="/v1/embeddings", status=429, body=OUT_OF_MONEY),
    )
    answers = [post(http_pool, openai, "/embeddings", EMBED) for _ in range(4)]
    assert [answer.status for answer in answers] == [429, 429, 429, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["2", "2", None, None]
    assert [answer.json()["error"]["code"] for answer in answers[:3]] == [
        "rate_limit_exceeded",
        "rate_limit_exceeded",
        "insufficient_quota",
    ]
    assert [fault.path for fault in openai.faults.pending()] == ["/v1/chat/*"]
    assert openai.spend["calls"] == 1


def test_probability_is_seeded() -> None:
    def drawn(seed: int) -> list[bool]:
        script = FaultScript(seed)
        script.push(Fault(probability=0.3, times=None))
        return [script.take("GET", "/") is not None for _ in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 40 < sum(drawn(1)) < 80


def test_skip_and_method() -> None:
    script = FaultScript()
    script.push(Fault(method="POST", skip=1))
    assert [script.take(method, "/") is not None for method in ("GET", "POST", "POST", "POST")] == [
        0,
        0,
        1,
        0,
    ]


@pytest.mark.parametrize("wrong", [{"kind": "explode"}, {"times": 0}, {"kind": "cut", "before_work": True}])
def test_senseless_fault_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Fault(**wrong)


def test_delay(openai: OpenAIDouble, http_pool: urllib3.PoolManager) -> None:
    openai.faults.push(Fault("delay", delay=0.2))
    assert timed(lambda: post(http_pool, openai, "/embeddings", EMBED)) >= 0.2


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(("before_work", "calls"), [(False, 1), (True, 0)])
def test_close_before_headers(
    openai: OpenAIDouble, http_pool: urllib3.PoolManager, before_work: bool, calls: int, reset: bool
) -> None:
    openai.faults.push(Fault("close_before_headers", before_work=before_work, reset=reset))
    with pytest.raises(urllib3.exceptions.ProtocolError) as caught:
        post(http_pool, openai, "/embeddings", EMBED)
    assert isinstance(caught.value.args[1], ConnectionResetError if reset else http.client.RemoteDisconnected)
    assert openai.spend["calls"] == calls
    assert openai.requests[0].status is None


@pytest.mark.parametrize("fault", [Fault("close_after_headers"), Fault("cut"), Fault("cut", after=10)])
@pytest.mark.parametrize("stream", [False, True])
def test_cut_answers_are_incomplete_and_charged(
    openai: OpenAIDouble, http_pool: urllib3.PoolManager, fault: Fault, stream: bool
) -> None:
    openai.faults.push(fault)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        post(http_pool, openai, "/chat/completions", {**CHAT, "stream": stream})
    assert openai.spend["calls"] == 1
    assert post(http_pool, openai, "/chat/completions", {**CHAT, "stream": stream}).status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_garbage(openai: OpenAIDouble, http_pool: urllib3.PoolManager, stream: bool) -> None:
    openai.faults.push(Fault("garbage"), Fault("garbage", body="data: {no\n\n"))
    first = post(http_pool, openai, "/chat/completions", {**CHAT, "stream": stream})
    assert first.status == 200
    with pytest.raises(ValueError):
        first.json()
    assert post(http_pool, openai, "/chat/completions", {**CHAT, "stream": stream}).data == b"data: {no\n\n"


@pytest.mark.parametrize(
    "fault",
    [Fault("split", size=1), Fault("split", size=7), Fault("split", size=0), Fault("drip", seconds=0)],
)
@pytest.mark.parametrize("stream", [False, True])
def test_split_answers_have_the_same_bytes(openai: OpenAIDouble, fault: Fault, stream: bool) -> None:
    openai.script_answer("Ünïcödé — 6–36 hit points")
    openai.faults.push(fault)
    answers, pieces = [], []
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", openai.port, timeout=5)
        connection.request("POST", "/v1/chat/completions", json.dumps({**CHAT, "stream": stream}), HEADERS)
        response = connection.getresponse()
        got = list(iter(lambda: response.read1(65536), b""))  # noqa: B023
        answers.append(b"".join(got))
        pieces.append(len(got))
        connection.close()
    # The identity of an answer differs from call to call, its length does not.
    assert len(answers[0]) == len(answers[1])
    if stream:
        assert pieces[0] > pieces[1]


def test_hanging_request_does_not_keep_the_double_alive(http_pool: urllib3.PoolManager) -> None:
    started = time.monotonic()
    with OpenAIDouble() as double:
        double.faults.push(Fault("hang"))
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            http_pool.request(
                "POST", double.base_url + "/embeddings", json=EMBED, headers=HEADERS, timeout=0.2
            )
        assert double.spend["calls"] == 1
    assert time.monotonic() - started < 3


# Streams


def stream_events(answer: urllib3.BaseHTTPResponse) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in answer.data.decode().split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_stream_faults(openai: OpenAIDouble, http_pool: urllib3.PoolManager) -> None:
    openai.script_answer("one two three")
    openai.faults.push(
        Fault("stream_error", after=2),
        Fault("stream_no_usage"),
        Fault("stream_no_done"),
    )
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}}
    error, no_usage, no_done, good = (
        stream_events(post(http_pool, openai, "/chat/completions", body)) for _ in range(4)
    )
    assert [event["choices"][0]["delta"].get("content") for event in error[:-1]] == ["", "one", " two"]
    assert error[-1]["error"]["type"] == "server_error"
    # Asked for usage, the real stream says `"usage": null` on every chunk but the last.
    assert all(event["usage"] is None for event in no_usage[:-1])
    assert no_usage[-1] == "[DONE]"
    assert no_usage[-2]["choices"][0]["finish_reason"] == "stop"
    assert no_done[-1]["choices"] == []
    assert no_done[-1]["usage"]["completion_tokens"] == 4
    assert good[-1] == "[DONE]"
    assert good[-2] == {**no_done[-1], "id": good[-2]["id"], "created": good[-2]["created"]}
    assert openai.spend["calls"] == 4


@pytest.mark.parametrize(
    ("fault", "silent_before"),
    [(Fault("stream_slow_start", seconds=0.6), ""), (Fault("stream_stall", seconds=0.6, after=1), "one")],
)
def test_slow_streams(openai: OpenAIDouble, fault: Fault, silent_before: str) -> None:
    openai.script_answer("one two")
    openai.faults.push(fault)
    connection = http.client.HTTPConnection("127.0.0.1", openai.port, timeout=5)
    connection.request("POST", "/v1/chat/completions", json.dumps({**CHAT, "stream": True}), HEADERS)
    response = connection.getresponse()
    started, text, gap_after = time.monotonic(), "", None
    while line := response.readline():
        if time.monotonic() - started > 0.4 and gap_after is None:
            gap_after = text
        if line.startswith(b"data: {"):
            text += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
    connection.close()
    assert (gap_after, text) == (silent_before, "one two")


def test_delays_of_a_model(http_pool: urllib3.PoolManager) -> None:
    with OpenAIDouble(first_word_delay=0.1, word_delay=0.05) as double:
        double.script_answer("one two three four")
        for stream in (False, True):
            assert (
                timed(lambda s=stream: post(http_pool, double, "/chat/completions", {**CHAT, "stream": s}))
                >= 0.3
            )


# Round trips and TLS


def test_round_trips(http_pool: urllib3.PoolManager) -> None:
    with OpenAIDouble(rtt=200) as double:
        first = timed(lambda: post(http_pool, double, "/embeddings", EMBED))
        second = timed(lambda: post(http_pool, double, "/embeddings", EMBED))
        double.rtt = 0
        third = timed(lambda: post(http_pool, double, "/embeddings", EMBED))
    assert 0.4 <= first < 0.6
    assert 0.2 <= second < 0.4
    assert third < 0.2


@pytest.mark.parametrize(
    ("version", "trips"), [(ssl.TLSVersion.TLSv1_3, 3), (ssl.TLSVersion.TLSv1_2, 4)], ids=["1.3", "1.2"]
)
def test_tls_round_trips(version: ssl.TLSVersion, trips: int) -> None:
    with OpenAIDouble(tls=True, rtt=200) as double:
        context = ssl.create_default_context(cafile=str(double.ca_file))
        context.maximum_version = version
        with urllib3.PoolManager(retries=False, ssl_context=context) as pool:
            first = timed(lambda: post(pool, double, "/embeddings", EMBED))
            second = timed(lambda: post(pool, double, "/embeddings", EMBED))
    assert trips * 0.2 <= first < trips * 0.2 + 0.2
    assert 0.2 <= second < 0.4


def test_tls_is_verified_and_a_distrustful_client_is_no_defect() -> None:
    with OpenAIDouble(tls=True) as double:
        assert double.url.startswith("https://127.0.0.1:")
        with urllib3.PoolManager(retries=False) as pool, pytest.raises(urllib3.exceptions.SSLError):
            post(pool, double, "/embeddings", EMBED)
        with urllib3.PoolManager(retries=False, ca_certs=str(double.ca_file)) as pool:
            assert post(pool, double, "/embeddings", EMBED).status == 200
            assert (
                pool.request("GET", f"https://localhost:{double.port}/v1/models", headers=HEADERS).status
                == 200
            )


# Spend


def test_spend_of_an_embedding_and_a_chat(openai: OpenAIDouble, http_pool: urllib3.PoolManager) -> None:
    post(http_pool, openai, "/embeddings", {**EMBED, "input": ["12345678", "123"]})
    answer = post(http_pool, openai, "/chat/completions", CHAT).json()
    prompt = len(f"user\0{CHAT['messages'][0]['content']}\0")  # type: ignore[index]
    usage = {"prompt_tokens": -(-prompt // 4) + 6, "completion_tokens": -(-len(ANSWER) // 4)}
    assert answer["choices"][0]["message"]["content"] == ANSWER
    assert {name: answer["usage"][name] for name in usage} == usage
    small, luna = 3 * 20, usage["prompt_tokens"] * 100 + usage["completion_tokens"] * 500
    zeros = {"cached": 0, "cache_write": 0, "reasoning": 0}
    assert openai.spend == {
        "nano_usd": small + luna,
        "calls": 2,
        "models": {
            "text-embedding-3-small": {"calls": 1, "nano_usd": small, "prompt": 3, "completion": 0, **zeros},
            "gpt-6-luna": {
                "calls": 1,
                "nano_usd": luna,
                "prompt": usage["prompt_tokens"],
                "completion": usage["completion_tokens"],
                **zeros,
            },
        },
    }
    assert [request.notes["nano_usd"] for request in openai.requests] == [small, luna]


def test_long_repeated_prefix_is_cached_and_cheaper(
    openai: OpenAIDouble, http_pool: urllib3.PoolManager
) -> None:
    openai.script_answer("yes")
    system = {"role": "system", "content": "rule " * 1_000}  # 5,000 bytes and the frame: 1,252 tokens

    def ask(question: str) -> tuple[int, int, int]:
        body = {**CHAT, "messages": [system, {"role": "user", "content": question}]}
        usage = post(http_pool, openai, "/chat/completions", body).json()["usage"]
        details = usage["prompt_tokens_details"]
        return usage["prompt_tokens"], details["cached_tokens"], details["cache_write_tokens"]

    prompt, *first = ask("one")
    assert first == [0, 1_152]
    costs = [(prompt - 1_152) * 100 + 1_152 * 125 + 500]
    prompt, *second = ask("two")
    assert second == [1_152, 0]
    costs.append((prompt - 1_152) * 100 + 1_152 * 10 + 500)
    assert [request.notes["nano_usd"] for request in openai.requests] == costs


def test_short_prompts_are_not_cached(openai: OpenAIDouble, http_pool: urllib3.PoolManager) -> None:
    for _ in range(2):
        usage = post(http_pool, openai, "/chat/completions", CHAT).json()["usage"]
        assert usage["prompt_tokens_details"] == {
            "cached_tokens": 0,
            "audio_tokens": 0,
            "cache_write_tokens": 0,
        }


def test_thinking_is_charged_and_can_leave_no_room_for_words(
    openai: OpenAIDouble, http_pool: urllib3.PoolManager
) -> None:
    body = {**CHAT, "reasoning_effort": "medium", "max_completion_tokens": 100}
    answer = post(http_pool, openai, "/chat/completions", body).json()
    assert answer["choices"][0]["message"]["content"] == ""
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 100
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 100
    assert openai.spend["models"]["gpt-6-luna"]["completion"] == 100


def test_refused_calls_cost_nothing(openai: OpenAIDouble, http_pool: urllib3.PoolManager) -> None:
    assert post(http_pool, openai, "/chat/completions", {**CHAT, "max_tokens": 5}).status == 400
    openai.faults.push(Fault(status=500))
    assert post(http_pool, openai, "/chat/completions", CHAT).status == 500
    assert openai.spend == {"nano_usd": 0, "calls": 0, "models": {}}


def test_what_is_not_modelled_says_so(openai: OpenAIDouble, http_pool: urllib3.PoolManager) -> None:
    answer = post(http_pool, openai, "/chat/completions", {**CHAT, "tools": []})
    assert (answer.status, answer.json()["error"]["message"]) == (501, "The double does not model tools.")


def test_vectors_of_related_texts_are_near() -> None:
    owlbear, beak, treasure = (
        embed(text, 1_536)
        for text in ("An owlbear attacks with claws and beak", "the beak of an owlbear", "gems and jewelry")
    )

    def cosine(left: Any, right: Any) -> float:
        return float(sum(a * b for a, b in zip(left, right, strict=True)))

    assert cosine(owlbear, owlbear) == pytest.approx(1, abs=1e-6)
    assert cosine(owlbear, beak) > 0.5
    assert abs(cosine(owlbear, treasure)) < 0.1


# The auth API


def me(pool: urllib3.PoolManager, double: AuthDouble | DoubleProcess, token: str | None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    answer = pool.request("GET", double.url + "/auth/me", headers=headers)
    return answer.status, answer.json()


def test_me(auth: AuthDouble, http_pool: urllib3.PoolManager) -> None:
    status, body = me(http_pool, auth, auth.token_for("alice"))
    assert status == 200
    assert body == {
        "success": True,
        "data": {
            "id": auth.users["alice"].profile()["id"],
            "email": "alice@example.test",
            "username": "alice",
            "first_name": "Alice",
            "last_name": "Example",
        },
    }


def test_token_has_the_claims_of_the_contract(auth: AuthDouble) -> None:
    claims = jwt.decode(auth.token_for("alice", expires_in=60), SIGNING_KEY)
    user_id = auth.users["alice"].profile()["id"]
    assert claims["sub"] == claims["user_id"] == user_id
    assert claims["exp"] - claims["iat"] == 60
    assert set(claims) == {"iss", "sub", "iat", "exp", "user_id", "jti"}


def test_bad_tokens_are_401(auth: AuthDouble, http_pool: urllib3.PoolManager) -> None:
    good = auth.token_for("alice")
    head, payload, signature = good.split(".")
    revoked = auth.token_for("alice")
    auth.revoke(revoked)
    unsigned = jwt._base64(b'{"alg": "none"}')
    bad = [
        None,
        "",
        "nonsense",
        "a.b.c",
        "é.é.é",
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-2]}xx",
        f"{unsigned}.{payload}.",
        jwt.encode(jwt.decode(good, SIGNING_KEY), "another key"),
        jwt.encode({"iss": "auth-double"}, SIGNING_KEY),
        jwt.encode({**jwt.decode(good, SIGNING_KEY), "iss": "somebody else"}, SIGNING_KEY),
        auth.token_for("alice", expires_in=-1),
        auth.token_for(User("nobody")),
        revoked,
    ]
    for token in bad:
        status, body = me(http_pool, auth, token)
        assert (token, status, body["success"]) == (token, 401, False)
    assert me(http_pool, auth, good)[0] == 200


def test_login(auth: AuthDouble, http_pool: urllib3.PoolManager) -> None:
    auth.add_user(User("gary", "lake geneva", id="42", email="gary@tsr.test"))
    answer = http_pool.request(
        "POST", auth.url + "/auth/login", json={"username": "gary", "password": "lake geneva"}
    ).json()
    data = answer["data"]
    assert answer["success"] is True
    assert set(data) == {"user", "access_token", "refresh_token", "expires_in", "token_type"}
    assert (data["user"]["id"], data["token_type"], data["expires_in"]) == ("42", "Bearer", 3_600)
    assert me(http_pool, auth, data["access_token"])[1]["data"] == data["user"]
    assert me(http_pool, auth, data["refresh_token"])[0] == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "alice", "password": "wrong"}, 401),
        ({"username": "nobody", "password": "secret"}, 401),
        ({"username": "alice"}, 400),
        ({"username": "alice", "password": 1}, 400),
        ([], 400),
    ],
)
def test_failed_login(auth: AuthDouble, http_pool: urllib3.PoolManager, body: Any, status: int) -> None:
    answer = http_pool.request("POST", auth.url + "/auth/login", json=body)
    assert (answer.status, answer.json()["success"]) == (status, False)


def test_browser_on_another_origin_may_log_in(auth: AuthDouble, http_pool: urllib3.PoolManager) -> None:
    origin = {"Origin": "https://chat.example.test"}
    answer = http_pool.request("OPTIONS", auth.url + "/auth/login", headers=origin)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"


def test_auth_routes_and_faults(auth: AuthDouble, http_pool: urllib3.PoolManager) -> None:
    auth.faults.push(Fault(status=503), Fault(status=200, body={"success": True, "data": {}}))
    token = auth.token_for("bob")
    assert me(http_pool, auth, token) == (503, {"success": False, "message": "Injected status 503"})
    assert me(http_pool, auth, token) == (200, {"success": True, "data": {}})
    assert http_pool.request("POST", auth.url + "/auth/me").status == 405
    assert http_pool.request("GET", auth.url + "/auth/nothing").status == 404


# Processes


def test_double_in_a_process_of_its_own(http_pool: urllib3.PoolManager) -> None:
    with DoubleProcess("tests.harness.doubles.openai", "--rtt", "1") as double:
        double.faults.push(Fault(path="/v1/embeddings", status=429, retry_after=7))
        assert [fault.status for fault in double.faults.pending()] == [429]
        statuses = [
            http_pool.request("POST", double.base_url + "/embeddings", json=EMBED, headers=HEADERS).status
            for _ in range(2)
        ]
        assert statuses == [429, 200]
        assert [request.status for request in double.requests] == statuses
        assert double.requests[0].fault == Fault(path="/v1/embeddings", status=429, retry_after=7)
        assert double.connections == 1
        assert double.spend["nano_usd"] == 40
        double.script_answer("from afar", times=1)
        answer = http_pool.request(
            "POST", double.base_url + "/chat/completions", json=CHAT, headers=HEADERS
        ).json()
        assert answer["choices"][0]["message"]["content"] == "from afar"
        assert double.control("POST", "settings", {"rtt": 0}) == {"rtt": 0}
        for wrong in ({"kind": "explode"}, {"colour": "red"}):
            with pytest.raises(ValueError, match=r"explode|colour"):
                double.control("POST", "faults", wrong)
        with pytest.raises(ValueError, match="no such control call"):
            double.control("GET", "nothing")
        double.reset()
        assert (double.requests, double.spend["calls"]) == ([], 0)


def test_auth_double_in_a_process_with_tls() -> None:
    with (
        DoubleProcess("tests.harness.doubles.auth_api", "--tls", "--user", "gary:secret") as double,
        urllib3.PoolManager(ca_certs=str(double.ca_file)) as pool,
    ):
        assert me(pool, double, double.token_for("gary"))[1]["data"]["username"] == "gary"
        assert me(pool, double, double.token_for("gary", expires_in=-5))[0] == 401
        assert me(pool, double, double.token_for("alice"))[0] == 401


def test_process_prints_its_address_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "tests.harness.doubles.openai", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        assert process.wait(10) == 0


def timed(call: Any) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
