"""The real program under a real Apache, through the rendered .htaccess: what a client of a shared host
sees.
"""

from __future__ import annotations

import contextlib
import json
import re
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT
from tests.harness.accounts import Account
from tests.harness.apache_config import Auth, Mpm
from tests.harness.cgi_protocol import Reply
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.auth_api import AuthDouble, User
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.host import Host
from tests.harness.real_parts import needs_suexec
from tests.harness.relay import Relay
from tests.harness.sample_collection import load_sample_rules
from tests.harness.waiting import eventually

pytestmark = pytest.mark.timeout(120)

FIGHTER = "How many experience points does a fighter need to reach 9th level?"
BEHOLDER = "What is a beholder?"
OWLBEAR = "Who would win, an owlbear or a lizard man?"
ORIGIN = "https://react.example.com"
JSON = {"Content-Type": "application/json"}
DIRECT = "/cgi-bin/dndchat.cgi/api/query"


@pytest.fixture(scope="module", params=["event", "prefork"])
def mpm(request: pytest.FixtureRequest) -> Mpm:
    """Both pairs of modules a host may have: event with mod_cgid, prefork with mod_cgi."""
    name: Mpm = request.param
    return name


# For what the program does alike whichever module calls it.
one_module = pytest.mark.parametrize("mpm", ["event"], indirect=True)


@pytest.fixture(scope="module")
def running(base: Path, mpm: Mpm) -> Iterator[Host]:
    with Host(base, mpm) as host:
        yield host


@pytest.fixture(scope="module")
def auth() -> Iterator[AuthDouble]:
    with AuthDouble() as double:
        yield double


@pytest.fixture(scope="module")
def token(auth: AuthDouble) -> str:
    return auth.token_for("alice")


@pytest.fixture
def host(running: Host, auth: AuthDouble) -> Host:
    """The host in embedded mode: no key is set."""
    auth.reset()
    running.configure(AUTH_API_URL=auth.url, CORS_ORIGINS=ORIGIN)
    return running


@dataclass(frozen=True)
class Outside:
    """Everything that a question asks in local mode."""

    openai: OpenAIDouble
    chroma: Relay
    settings: dict[str, str]


@pytest.fixture(scope="module")
def services(auth: AuthDouble) -> Iterator[Outside]:
    with ChromaServer() as server, OpenAIDouble() as openai, Relay(server.url) as chroma:
        load_sample_rules(server.host, server.port, openai.base_url, KEY)
        settings = {
            "AUTH_API_URL": auth.url,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": openai.base_url,
            "CHROMA_HOST": "127.0.0.1",
            "CHROMA_PORT": str(chroma.port),
        }
        yield Outside(openai, chroma, settings)


@pytest.fixture
def local(running: Host, services: Outside, auth: AuthDouble) -> Outside:
    """The host answers with vectors from Chroma and words from the OpenAI double."""
    auth.reset()
    services.openai.reset()
    services.chroma.reset()
    running.configure(**services.settings)
    return services


def answer(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.text
    assert reply.headers["Content-Type"] == "application/json"
    document: dict[str, Any] = json.loads(reply.body)
    return document


def refusal(reply: Reply) -> tuple[int, str]:
    """Status and code of an error body as the contract has it."""
    assert reply.headers["Content-Type"] == "application/json", reply.text
    document = json.loads(reply.body)
    assert set(document) >= {"error", "message", "request_id", "timestamp"}
    assert reply.headers.get_all("X-Request-ID") == [document["request_id"]]
    return reply.status, document["error"]


def cited(document: dict[str, Any]) -> set[str]:
    """The ids of the passages that the answer cites, as its text and as its list of sources say; they must
    agree.
    """
    by_number = {source["n"]: source for source in document["sources"]}
    in_text = {by_number[int(number)]["id"] for number in re.findall(r"\[(\d+)\]", document["answer"])}
    assert in_text == {source["id"] for source in document["sources"] if source["cited"]}
    return in_text


# -- health ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_health_answers_with_nothing_behind_it(running: Host, path: str) -> None:
    running.configure(OPENAI_API_KEY="sk-none", AUTH_API_URL="http://127.0.0.1:9", CHROMA_PORT="9")
    document = answer(running.request("GET", path))
    assert (document["status"], document["service"]) == ("ok", "dnd_rag")
    assert set(document) >= {"version", "timestamp", "components"}


@one_module
def test_deep_health_names_what_is_down(local: Outside, running: Host, token: str) -> None:
    def states() -> dict[str, str]:
        document = answer(
            running.request("GET", "/api/health?deep=1", headers={"Authorization": f"Bearer {token}"})
        )
        return {
            name: part["status"] for name, part in document["components"].items() if isinstance(part, dict)
        }

    assert states()["chroma"] == states()["auth_api"] == "ok"
    local.chroma.faults.push(Fault(status=500, times=None))
    assert (states()["chroma"], states()["auth_api"]) == ("error", "ok")


# -- the questions, embedded -------------------------------------------------------------------------------------------


def test_embedded_the_fighters_figure_is_in_the_answer_and_its_table_cited(host: Host, token: str) -> None:
    document = answer(host.ask(FIGHTER, token))
    assert "250,001" in document["answer"]
    assert cited(document) == {"st-fighter-experience"}
    assert (document["meta"]["answered_by"], document["meta"]["model"]) == ("facts", None)
    quoted = answer(host.ask(FIGHTER, token, exact=False))
    assert "No language model was asked" in quoted["answer"] and quoted["meta"]["model"] is None
    assert cited(quoted) > cited(document)


def test_embedded_a_monster_is_quoted_with_its_book(host: Host, token: str) -> None:
    document = answer(host.ask(BEHOLDER, token))
    assert "sb-beholder" in cited(document)
    [beholder] = [source for source in document["sources"] if source["id"] == "sb-beholder"]
    assert beholder["name"] == "Beholder"
    assert beholder["book"].startswith("Sample Bestiary, p. ")
    assert beholder["book"] in document["answer"]


def test_embedded_both_sides_of_a_comparison_are_cited(host: Host, token: str) -> None:
    assert cited(answer(host.ask(OWLBEAR, token))) >= {"sb-owlbear", "sb-lizard-man"}


@one_module
def test_what_the_program_writes_is_its_accounts_alone(host: Host, token: str) -> None:
    answer(host.ask(BEHOLDER, token))
    written = [host.data_dir, *host.data_dir.rglob("*")]
    assert len(written) > 2
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in written} == dict.fromkeys(
        (path.name for path in written), 0
    )


# -- the questions, with vectors and a model ---------------------------------------------------------------------------


def read_the_table(body: dict[str, Any]) -> str:
    """A model that answers from the prompt alone: the fighter table's row for 9th level, and its passage's
    number.
    """
    prompt = body["messages"][-1]["content"]
    for number, passage in re.findall(r"^\[(\d+)\] (.*?)(?=^\[\d+\] |\Z)", prompt, re.MULTILINE | re.DOTALL):
        row = re.search(r"^> \| ([\d,]+)-[\d,]+ \| 9 \|", passage, re.MULTILINE)
        if passage.startswith("Fighter Experience Table") and row:
            return f"A fighter needs {row[1]} experience points [{number}]."
    return "This is not in the books I have."


def test_with_a_model_the_answer_rests_on_the_passages(local: Outside, running: Host, token: str) -> None:
    local.openai.script_answer(read_the_table)
    document = answer(running.ask(FIGHTER, token))
    assert re.fullmatch(r"A fighter needs 250,001 experience points \[\d+\]\.", document["answer"])
    assert cited(document) == {"st-fighter-experience"}
    assert document["meta"]["model"] == "gpt-6-luna"
    charged = local.openai.spend["models"]["gpt-6-luna"]
    assert document["usage"]["total_tokens"] == charged["prompt"] + charged["completion"]


def test_with_a_model_the_right_entries_are_cited(local: Outside, running: Host, token: str) -> None:
    for question, expected in ((BEHOLDER, {"sb-beholder"}), (OWLBEAR, {"sb-owlbear", "sb-lizard-man"})):
        # The double quotes the first lines of the first three passages.
        assert cited(answer(running.ask(question, token))) >= expected


@one_module
def test_the_chat_call_has_the_instructions_first_and_the_passages_and_the_question_last(
    local: Outside, running: Host, token: str
) -> None:
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Ask."}]
    document = answer(running.ask(OWLBEAR, token, k=4, history=history))
    [chat] = [request.body for request in local.openai.requests if request.path == "/v1/chat/completions"]
    instructions = (ROOT / "app/answering/prompts/system.txt").read_text(encoding="utf-8")
    assert chat["messages"][0] == {"role": "system", "content": instructions}
    assert chat["messages"][1:-1] == history
    last = chat["messages"][-1]
    assert last["role"] == "user"
    assert last["content"].endswith(OWLBEAR)
    places = [last["content"].index(f"[{source['n']}] {source['name']}") for source in document["sources"]]
    assert 2 <= len(places) <= 4
    assert places == sorted(places)
    assert "FREQUENCY" in last["content"]
    assert {name: chat[name] for name in ("model", "reasoning_effort", "temperature")} == {
        "model": "gpt-6-luna",
        "reasoning_effort": "none",
        "temperature": 0,
    }
    assert 0 < chat["max_completion_tokens"] <= 4_000
    assert "max_tokens" not in chat


@one_module
def test_the_second_question_makes_three_calls(local: Outside, running: Host, token: str) -> None:
    answer(running.ask(BEHOLDER, token))
    assert local.chroma.calls() == ["GET adnd_1e", "POST query"]
    local.chroma.reset()
    local.openai.reset()
    answer(running.ask(OWLBEAR, token))
    assert local.chroma.calls() == ["POST query"]
    assert [request.path for request in local.openai.requests] == ["/v1/embeddings", "/v1/chat/completions"]


@one_module
@pytest.mark.parametrize(
    ("service", "fault", "expected"),
    [
        ("openai", Fault(status=400, times=None), (502, "ai_service_error")),
        ("openai", Fault("garbage", path="/v1/chat/*", times=None), (502, "ai_service_error")),
        ("openai", Fault("hang", times=None), (504, "timeout_error")),
        ("chroma", Fault(status=422, times=None), (502, "database_error")),
        ("chroma", Fault("hang", times=None), (504, "timeout_error")),
        ("auth", Fault(status=503, times=None), (502, "auth_unavailable")),
    ],
)
def test_a_failure_behind_has_its_own_status(
    local: Outside,
    running: Host,
    auth: AuthDouble,
    token: str,
    service: str,
    fault: Fault,
    expected: tuple[int, str],
) -> None:
    running.configure(**local.settings, REQUEST_TIMEOUT_SECONDS="2")
    {"openai": local.openai, "chroma": local.chroma, "auth": auth}[service].faults.push(fault)
    reply = running.ask(BEHOLDER, token)
    assert refusal(reply) == expected
    assert expected[1] in running.log()
    for secret in (KEY, token, "127.0.0.1", "Traceback", "njected"):
        assert secret not in reply.text
    for secret in (KEY, token):
        assert secret not in running.log() + running.apache.error_log()


# -- the event stream --------------------------------------------------------------------------------------------------


def frames(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, having checked that nothing else is in it: put together again they are the same
    bytes.
    """
    found = [
        (name.decode(), json.loads(data))
        for name, data in re.findall(rb"event: ([a-z]+)\ndata: ([^\n]*)\n\n", body)
    ]
    again = [
        f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
        for name, data in found
    ]
    assert "".join(again).encode() == body
    return found


def without_the_moment(document: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs from one request to the next."""
    meta = {
        name: value
        for name, value in document["meta"].items()
        if name not in ("request_id", "performance", "timestamp")
    }
    return {**document, "meta": {**meta, "rate_limit": None, "cost": None}}


@pytest.mark.parametrize("mode", ["embedded", "local"])
@pytest.mark.parametrize("by_header", [False, True])
def test_the_stream_says_what_the_json_answer_says(
    request: pytest.FixtureRequest, running: Host, token: str, mode: str, by_header: bool
) -> None:
    request.getfixturevalue("host" if mode == "embedded" else "local")
    whole = answer(running.ask(OWLBEAR, token))
    accept = {"Accept": "text/event-stream"} if by_header else {}
    reply = running.ask(
        OWLBEAR,
        token,
        headers={"Accept-Encoding": "gzip", **accept},
        **({} if by_header else {"stream": True}),
    )
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert "Content-Encoding" not in reply.headers
    (first, sources), *deltas, (last, done) = frames(reply.body)
    assert (first, last) == ("sources", "done")
    assert {name for name, _ in deltas} == {"delta"}
    assert sources == {"sources": [{**source, "cited": None} for source in whole["sources"]]}
    text = whole.pop("answer")
    assert "".join(data["text"] for _, data in deltas) == text
    assert len(deltas) > 2
    ours, theirs = without_the_moment(done), without_the_moment(whole)
    if mode == "local":
        # The same prompt for the second time: part of it is billed as cached, and nothing else may differ.
        assert ours["usage"]["prompt_tokens"] == theirs["usage"]["prompt_tokens"]
    assert ours == theirs


def test_words_reach_the_client_while_the_model_is_silent(local: Outside, running: Host, token: str) -> None:
    with OpenAIDouble() as openai:
        running.configure(**{**local.settings, "OPENAI_BASE_URL": openai.base_url})
        openai.script_answer("One two three four five")
        openai.faults.push(Fault("stream_stall", path="/v1/chat/*", after=2))
        body = json.dumps({"question": BEHOLDER, "stream": True}).encode()
        head = (
            f"POST /api/query HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with running.apache.connect() as client:
            client.sendall(head.encode() + body)
            received = b""
            while b'{"text":" two"}\n\n' not in received:
                piece = client.recv(65536)
                assert piece, received
                received += piece
            assert b"event: error" not in received
            # The model is still silent, and falls silent for good.
            openai.close()
            while piece := client.recv(65536):
                received += piece
    events = frames(received.partition(b"\r\n\r\n")[2])
    assert [name for name, _ in events] == ["sources", "delta", "delta", "error"]
    # Not timeout_error: were the words held back until the end, the program's time would have run out first.
    assert events[-1][1]["error"] == "ai_service_error"


@one_module
def test_what_fails_before_the_first_word_is_a_status_and_not_an_event(
    local: Outside, running: Host, token: str
) -> None:
    local.openai.faults.push(Fault(status=400, path="/v1/chat/*"))
    assert refusal(running.ask(BEHOLDER, token, stream=True)) == (502, "ai_service_error")


# -- the Authorization header ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [[], ["headers"], ["setenvif"], ["headers", "setenvif"]], ids="-".join)
def test_the_token_arrives_by_what_the_htaccess_does(
    base: Path, mpm: Mpm, auth: AuthDouble, token: str, missing: list[str]
) -> None:
    with Host(base, mpm, without_modules=missing) as host:
        asked_as_alice(host, auth, token, "/api/query")


@pytest.mark.parametrize("how", ["setenvif", "rewrite", "cgipassauth"])
def test_the_token_arrives_by_what_the_host_does(
    base: Path, mpm: Mpm, auth: AuthDouble, token: str, how: Auth
) -> None:
    with Host(base, mpm, auth=how) as host:
        asked_as_alice(host, auth, token, "/api/query", DIRECT)


def test_the_token_arrives_by_a_htaccess_in_cgi_bin(
    base: Path, mpm: Mpm, auth: AuthDouble, token: str
) -> None:
    with Host(base, mpm, with_cgi_bin_htaccess=True) as host:
        asked_as_alice(host, auth, token, "/api/query", DIRECT)


def test_without_any_hand_over_the_caller_is_asked_to_log_in(
    base: Path, mpm: Mpm, auth: AuthDouble, token: str
) -> None:
    with Host(base, mpm) as host:
        host.configure(AUTH_API_URL=auth.url)
        headers = {"Authorization": f"Bearer {token}", **JSON}
        assert refusal(host.request("POST", DIRECT, headers=headers, body=b'{"question": "?"}')) == (
            401,
            "missing_token",
        )


@needs_suexec
@pytest.mark.parametrize("with_cgi_bin_htaccess", [False, True])
def test_under_suexec_the_token_arrives_and_the_program_is_its_owners(
    base: Path, mpm: Mpm, auth: AuthDouble, token: str, with_cgi_bin_htaccess: bool
) -> None:
    nobody = Account.named("nobody")
    with Host(base, mpm, suexec=nobody, with_cgi_bin_htaccess=with_cgi_bin_htaccess) as host:
        paths = ["/api/query", DIRECT] if with_cgi_bin_htaccess else ["/api/query"]
        asked_as_alice(host, auth, token, *paths)
        assert host.data_dir.stat().st_uid == nobody.uid


@needs_suexec
def test_under_suexec_a_warm_worker_answers_and_is_its_owners(
    base: Path, mpm: Mpm, auth: AuthDouble, token: str
) -> None:
    nobody = Account.named("nobody")
    with Host(base, mpm, suexec=nobody) as host:
        host.configure(AUTH_API_URL=auth.url, WARM_WORKER="on")

        def answered_by(**fields: object) -> int:
            reply = host.ask(BEHOLDER, token, **fields)
            assert reply.status == 200, reply.text
            line = next(
                line for line in host.log().splitlines() if f" {reply.headers['X-Request-ID']} " in line
            )
            return int(line.split()[1])

        first = answered_by()
        worker = eventually(
            lambda: [int(number) for number in re.findall(r"warm worker (\d+) started", host.log())]
        )
        eventually(host.program.root.joinpath("var/worker.sock").exists)
        assert [answered_by(), answered_by(stream=True)] == worker * 2
        assert first not in worker
        assert Path(f"/proc/{worker[0]}").stat().st_uid == nobody.uid


def asked_as_alice(host: Host, auth: AuthDouble, token: str, *paths: str) -> None:
    host.configure(AUTH_API_URL=auth.url)
    for path in paths:
        body = json.dumps({"question": BEHOLDER}).encode()
        reply = host.request("POST", path, headers={"Authorization": f"Bearer {token}", **JSON}, body=body)
        assert answer(reply)["meta"]["user_id"] == auth.users["alice"].profile()["id"]


@one_module
def test_a_token_that_is_not_valid_is_401_and_asks_for_a_bearer(host: Host, auth: AuthDouble) -> None:
    for wrong in ("abc.def.ghi", auth.token_for("alice", expires_in=-10)):
        reply = host.ask(BEHOLDER, wrong)
        assert refusal(reply) == (401, "invalid_token")
        assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert wrong not in host.log()


# -- refusals ----------------------------------------------------------------------------------------------------------

SMALL, LARGE = b'{"question": "x"}', b'{"question": "' + b"x" * 3_000_000 + b'"}'


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "3 MB"])
@pytest.mark.parametrize(
    ("method", "path", "known", "content_type", "expected"),
    [
        ("POST", "/api/query", False, "application/json", (401, "missing_token")),
        ("POST", "/api/query", True, "text/plain", (415, "unsupported_media_type")),
        ("PUT", "/api/query", True, "application/json", (405, "method_not_allowed")),
        ("POST", "/health", False, "application/json", (405, "method_not_allowed")),
        ("POST", "/api/nothing", True, "application/json", (404, "not_found")),
    ],
)
def test_an_early_refusal_reaches_the_client(
    host: Host,
    token: str,
    body: bytes,
    method: str,
    path: str,
    known: bool,
    content_type: str,
    expected: tuple[int, str],
) -> None:
    headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if known else {})}
    reply = host.request(method, path, headers=headers, body=body)
    assert refusal(reply) == expected
    if expected[0] == 405:
        assert reply.headers["Allow"] == ("OPTIONS, POST" if path == "/api/query" else "GET, HEAD, OPTIONS")
    # A line in the log for every refusal, and no traceback.
    assert f" {method} {path} {expected[0]} " in host.log()
    assert "Traceback" not in host.log()


def test_a_body_over_the_limit_is_refused(host: Host, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", **JSON}
    for body in (LARGE, [LARGE[:50_000]] * 60):
        assert refusal(host.request("POST", "/api/query", headers=headers, body=body)) == (413, "too_large")


def test_a_body_in_chunks_is_read(host: Host, token: str) -> None:
    body = json.dumps({"question": BEHOLDER}).encode()
    headers = {"Authorization": f"Bearer {token}", **JSON}
    document = answer(host.request("POST", "/api/query", headers=headers, body=[body[:5], body[5:]]))
    assert "sb-beholder" in cited(document)


@one_module
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"question": "\xff"}', "body"),
        (b'{"question": "a\\u0000b"}', "question"),
        (b'{"question": "  "}', "question"),
        (b'{"question": "x", "k": 51}', "k"),
        (b'{"question": "x", "history": [1]}', "history"),
    ],
)
def test_a_body_that_breaks_the_contract_names_the_field(
    host: Host, token: str, body: bytes, field: str
) -> None:
    reply = host.request(
        "POST", "/api/query", headers={"Authorization": f"Bearer {token}", **JSON}, body=body
    )
    assert refusal(reply) == (400, "invalid_request")
    assert json.loads(reply.body)["field"] == field
    assert "Traceback" not in host.log()


def test_a_body_that_ends_early_does_no_harm(host: Host, token: str) -> None:
    head = (
        f"POST /api/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    before = len(host.apache.error_log())
    with host.apache.connect() as client, contextlib.suppress(ConnectionError):
        client.sendall(head.encode() + SMALL)
        client.shutdown(1)
        while client.recv(65536):
            pass
    assert answer(host.ask(BEHOLDER, token))
    assert "Traceback" not in host.log() + host.apache.error_log()[before:]


@one_module
def test_bytes_of_a_client_never_start_a_line_of_the_log(host: Host, token: str) -> None:
    host.request("GET", "/api/%0d%0aforged", headers={"Authorization": "Bearer a\tb"})
    host.request(
        "POST",
        "/api/query",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "a\tb%0aforged"},
        body=SMALL,
    )
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in host.log().splitlines())


# -- crashes -----------------------------------------------------------------------------------------------------------


def break_at_import(root: Path) -> None:
    root.joinpath("app/settings.py").write_text("this is no Python\n", encoding="utf-8")


def break_in_the_composition_root(root: Path) -> None:
    path = root / "app/bootstrap.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace(
            "    from app.web.flask_app import make_app\n", '    raise OSError("broken on purpose")\n'
        )
    )


def break_in_a_view(root: Path) -> None:
    with root.joinpath("app/web/replies.py").open("a", encoding="utf-8") as module:
        module.write("\n\ndef health_body(settings):\n    raise ZeroDivisionError('broken on purpose')\n")


def break_around_the_application(root: Path) -> None:
    with root.joinpath("app/bootstrap.py").open("a", encoding="utf-8") as module:
        module.write("\n\ndef create_app(*_, **__):\n    return lambda environ, start_response: 1 / 0\n")


@pytest.mark.parametrize(
    ("damage", "traceback"),
    [
        (break_at_import, "SyntaxError"),
        (break_in_the_composition_root, "OSError: broken on purpose"),
        (break_in_a_view, "ZeroDivisionError: broken on purpose"),
        (break_around_the_application, "ZeroDivisionError: division by zero"),
    ],
    ids=["import", "start", "view", "around"],
)
@pytest.mark.parametrize("body", [None, LARGE], ids=["no body", "3 MB"])
def test_a_crash_is_a_json_500_and_a_traceback_in_the_log(
    base: Path, mpm: Mpm, damage: Any, traceback: str, body: bytes | None
) -> None:
    with Host(base, mpm, change=damage) as host:
        reply = host.request("GET", "/api/health", headers=JSON, body=body)
        assert refusal(reply) == (500, "internal_error")
        log = host.apache.error_log() + host.log()
        assert "Traceback" in log
        assert traceback in log
        assert json.loads(reply.body)["request_id"] in log
        assert "End of script output" not in log
        for inside in ("broken on purpose", str(host.program.root), "Traceback", ".py"):
            assert inside not in reply.text


@one_module
def test_without_packages_the_reply_is_json_too(base: Path, mpm: Mpm) -> None:
    with Host(base, mpm, change=lambda root: root.joinpath(".venv").unlink()) as host:
        reply = host.request("GET", "/health")
        assert refusal(reply) == (500, "internal_error")
        assert "Traceback" in host.apache.error_log()
        assert "End of script output" not in host.apache.error_log()


@one_module
def test_settings_that_cannot_be_used_are_all_named_in_the_log_and_not_to_the_client(running: Host) -> None:
    running.configure(DAILY_BUDGET_USD="a dollar", CORS_ORIGINS="*", OPENAI_API_KEY="sk secret")
    reply = running.request("GET", "/health")
    assert refusal(reply) == (500, "internal_error")
    log = running.apache.error_log()
    for name in ("DAILY_BUDGET_USD", "CORS_ORIGINS", "OPENAI_API_KEY"):
        assert f"settings: {name}: " in log
        assert name not in reply.text
    assert "sk secret" not in log


def test_what_a_module_prints_is_not_part_of_the_reply(base: Path, mpm: Mpm) -> None:
    def talk(root: Path) -> None:
        with root.joinpath("app/web/replies.py").open("a", encoding="utf-8") as module:
            module.write("\nprint('said aloud', flush=True)\n")

    with Host(base, mpm, change=talk) as host:
        assert answer(host.request("GET", "/health"))["status"] == "ok"
        assert "said aloud" in host.apache.error_log()


# -- other headers -----------------------------------------------------------------------------------------------------


@one_module
def test_cors_headers_come_once_and_for_the_configured_origin_only(host: Host, token: str) -> None:
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = host.request("OPTIONS", "/api/query", headers={"Origin": ORIGIN, **asking})
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers.get_all("Access-Control-Allow-Origin") == [ORIGIN]
    assert preflight.headers.get_all("Access-Control-Allow-Credentials") == ["true"]
    assert {name.strip() for name in preflight.headers["Access-Control-Allow-Methods"].split(",")} == {
        "GET",
        "POST",
        "OPTIONS",
    }
    allowed = {name.strip().lower() for name in preflight.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed == {"content-type", "authorization"}

    answered = host.ask(BEHOLDER, token, headers={"Origin": ORIGIN})
    refused = host.post({}, {"Origin": ORIGIN})
    assert (answered.status, refused.status) == (200, 401)
    for reply in (answered, refused):
        assert reply.headers.get_all("Access-Control-Allow-Origin") == [ORIGIN]
        assert "X-Request-ID" in reply.headers["Access-Control-Expose-Headers"]
        assert "Origin" in reply.headers["Vary"]

    for foreign in (
        "https://evil.example",
        "null",
        ORIGIN + ".evil.example",
        "http" + ORIGIN.removeprefix("https"),
    ):
        for reply in (
            host.request("OPTIONS", "/api/query", headers={"Origin": foreign, **asking}),
            host.ask(BEHOLDER, token, headers={"Origin": foreign}),
        ):
            assert "Access-Control-Allow-Origin" not in reply.headers
            assert "Access-Control-Allow-Credentials" not in reply.headers


@one_module
def test_a_proxy_that_the_client_names_is_not_asked(
    base: Path, mpm: Mpm, services: Outside, token: str
) -> None:
    services.openai.reset()
    services.chroma.reset()
    # Apache drops the header itself, since 2.4.24; the second way is how it arrives from a server that does
    # not.
    with OpenAIDouble() as evil:
        for config in ("", f"SetEnv HTTP_PROXY {evil.url}"):
            with Host(base, mpm, extra_config=config) as host:
                host.configure(**services.settings)
                assert answer(host.ask(BEHOLDER, token, headers={"Proxy": evil.url}))["answer"]
        assert evil.requests == []


def test_twenty_at_once_are_all_answered(host: Host, auth: AuthDouble) -> None:
    # One user may have only two questions open.
    tokens = [auth.token_for(auth.add_user(User(f"user{number}"))) for number in range(20)]
    questions = [
        (FIGHTER, "st-fighter-experience"),
        (BEHOLDER, "sb-beholder"),
        (OWLBEAR, "sb-owlbear"),
        ("What is an orc?", "sb-orc"),
    ]
    before = len(host.apache.error_log())
    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(lambda pair, token: host.ask(pair[0], token), questions * 5, tokens))
    documents = [answer(reply) for reply in replies]
    assert all(
        expected in cited(found) for found, (_, expected) in zip(documents, questions * 5, strict=True)
    )
    assert len({found["meta"]["request_id"] for found in documents}) == 20
    assert "Traceback" not in host.log() + host.apache.error_log()[before:]


@one_module
def test_files_of_the_program_are_not_on_the_web(host: Host) -> None:
    for path in (
        "/cgi-bin/",
        "/cgi-bin/.htaccess",
        "/.env",
        "/app/settings.py",
        "/cgi-bin/../app/settings.py",
    ):
        reply = host.request("GET", path)
        assert reply.status >= 400, path
        assert b"<IfModule" not in reply.body
    assert host.request("GET", "/").text == "<p>the page"
