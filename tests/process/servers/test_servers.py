"""The same program under other servers: mod_fcgid with a real Apache, gunicorn alone, and gunicorn behind
mod_proxy.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.apache_config import Auth, quoted
from tests.harness.checkout import copy_packages
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY
from tests.harness.event_stream import Stream
from tests.harness.gated import GatedAuth, GatedOpenAI
from tests.harness.ports import free_port
from tests.harness.program import Program
from tests.harness.relay import Relay
from tests.harness.waiting import eventually

CHAT = "*/chat/completions"


@dataclass
class Server:
    """A running server with the program behind it."""

    port: int
    program: Program

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, dict[str, Any]]:
        """One request that is answered in JSON."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)) as connection:
            connection.request(method, path, body=body, headers={"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, json.loads(response.read())

    def ask(self, token: str, **fields: Any) -> tuple[int, http.client.HTTPMessage, dict[str, Any]]:
        """A question."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = json.dumps({"question": "What is an owlbear?", **fields}).encode()
        return self.request("POST", "/api/query", body, headers)


@contextlib.contextmanager
def fastcgi(program: Program, auth: Auth = "none", collects: int = 0) -> Iterator[Server]:
    """mod_fcgid, which `collects` 65536 bytes of a reply before it sends them unless it is told not to."""
    sockets = program.home / "fcgid"
    sockets.mkdir()
    program.account.owns(sockets)
    lines = [
        # The module wants to be root where the server's suexec could be used, used or not.
        "Suexec Off",
        f"FcgidIPCDir {quoted(sockets)}",
        f"FcgidProcessTableFile {quoted(sockets / 'table')}",
        f"FcgidInitialEnv DNDCHAT_ENV_FILE {quoted(program.settings_file)}",
        "FcgidMaxProcesses 2",
        f"FcgidOutputBufferSize {collects}",
        f"<Directory {quoted(program.root / 'cgi-bin')}>",
        '<FilesMatch "[.]fcgi$">',
        "SetHandler fcgid-script",
        "</FilesMatch>",
        "</Directory>",
    ]
    apache = program.apache(
        auth=auth, script="dndchat.fcgi", extra_modules=["fcgid"], extra_config="\n".join(lines)
    )
    with apache as server:
        yield Server(server.port, program)


@contextlib.contextmanager
def gunicorn(program: Program) -> Iterator[Server]:
    port = free_port()
    packages = copy_packages(program.home / "packages", "gunicorn", "packaging")
    program.account.owns(packages)
    command = [
        program.python,
        "-m",
        "gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        "1",
        "--threads",
        "4",
    ]
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(packages),
        "DNDCHAT_ENV_FILE": str(program.settings_file),
    }
    with (program.home / "gunicorn.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "app.wsgi:application"],
            cwd=program.root,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **program.account.popen_arguments(),
        )

        def answers() -> bool:
            assert process.poll() is None, (program.home / "gunicorn.log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        try:
            eventually(answers)
            yield Server(port, program)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def proxied(program: Program) -> Iterator[Server]:
    """gunicorn behind mod_proxy, without another word of configuration."""
    with gunicorn(program) as behind:
        target = f"http://127.0.0.1:{behind.port}"
        lines = [f"ProxyPass {path} {target}{path}" for path in ("/api/", "/health")]
        with program.apache(extra_modules=["proxy", "proxy_http"], extra_config="\n".join(lines)) as server:
            yield Server(server.port, program)


@pytest.fixture
def program(base: Path, auth: GatedAuth, openai: GatedOpenAI, chroma: Relay) -> Iterator[Program]:
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    with Program(base, AUTH_API_URL=auth.url, CHROMA_HOST="127.0.0.1", **settings) as made:
        yield made


@pytest.fixture(params=[fastcgi, gunicorn, proxied])
def server(program: Program, request: pytest.FixtureRequest) -> Iterator[Server]:
    start: Callable[[Program], contextlib.AbstractContextManager[Server]] = request.param
    with start(program) as running:
        yield running


def test_questions_are_answered_as_under_cgi(server: Server, auth: GatedAuth) -> None:
    token = auth.token_for("alice")
    cold = server.program.ask(token).json()
    replies = [server.ask(token) for _ in range(3)]
    assert [status for status, _, _ in replies] == [200] * 3
    assert {body["answer"] for _, _, body in replies} == {cold["answer"]}
    assert [body["sources"] for _, _, body in replies] == [cold["sources"]] * 3
    assert {headers["X-Request-ID"] for _, headers, _ in replies} == {
        body["meta"]["request_id"] for _, _, body in replies
    }
    assert len({body["meta"]["request_id"] for _, _, body in replies}) == 3
    # One process for all of them, and one ledger with those of CGI.
    assert (
        len(
            {server.program.answered_by(type("Reply", (), {"headers": headers})) for _, headers, _ in replies}
        )
        == 1
    )
    assert replies[-1][2]["meta"]["rate_limit"]["daily_remaining"] == 26


def test_refusals_are_those_of_the_contract(server: Server, auth: GatedAuth) -> None:
    token = {"Authorization": f"Bearer {auth.token_for('alice')}"}
    in_json = {"Content-Type": "application/json"}
    question = b'{"question": "What is an owlbear?"}'
    expected: list[tuple[str, str, bytes | None, dict[str, str], int, str | None]] = [
        ("GET", "/health", None, {}, 200, None),
        ("GET", "/api/me", None, token, 200, None),
        ("GET", "/api/nothing", None, {}, 404, "not_found"),
        ("GET", "/api/query", None, token, 405, "method_not_allowed"),
        ("POST", "/api/query", question, in_json, 401, "missing_token"),
        ("POST", "/api/query", question, {**in_json, "Authorization": "Bearer no"}, 401, "invalid_token"),
        (
            "POST",
            "/api/query",
            question,
            token | {"Content-Type": "text/plain"},
            415,
            "unsupported_media_type",
        ),
        ("POST", "/api/query", b"{", token | in_json, 400, "invalid_request"),
        ("POST", "/api/query", b'{"question": "' + b"x" * 70_000 + b'"}', token | in_json, 413, "too_large"),
    ]
    for method, path, body, headers, status, code in expected:
        found, fields, document = server.request(method, path, body, headers)
        assert (found, document.get("error")) == (status, code), (method, path, document)
        assert fields["Content-Type"] == "application/json"
        assert fields["X-Request-ID"]
        if status == 401:
            assert fields["WWW-Authenticate"] == "Bearer"


def test_the_words_arrive_while_the_model_writes(
    server: Server, auth: GatedAuth, openai: GatedOpenAI
) -> None:
    openai.script_answer("An owlbear is a beast [1].")
    openai.faults.push(Fault("stream_stall", path=CHAT, after=2))
    with Stream(server.port, auth.token_for("alice")) as client:
        assert client.status == 200
        first = [client.next() for _ in range(3)]
        assert [event[0] for event in first if event] == ["sources", "delta", "delta"]
        openai.gate.set()
        rest = list(client)
        assert [name for name, _ in rest] == ["delta"] * 4 + ["done"]


def test_a_client_that_goes_away_stops_the_model(
    server: Server, auth: GatedAuth, openai: GatedOpenAI
) -> None:
    server.program.configure(REQUEST_TIMEOUT_SECONDS="120")
    openai.script_answer("word " * 900)
    openai.word_delay = 0.05
    with Stream(server.port, auth.token_for("alice")) as client:
        assert [client.next() is not None for _ in range(3)] == [True] * 3
    (chat,) = openai.chats()
    eventually(lambda: chat.client_gone, seconds=28)
    openai.word_delay = 0
    assert server.ask(auth.token_for("alice"))[0] == 200


@pytest.mark.parametrize("way", ["none", "setenvif", "rewrite"])
def test_fastcgi_gets_the_token_whichever_way_the_host_hands_it_over(
    program: Program, auth: GatedAuth, way: Auth
) -> None:
    with fastcgi(program, way) as server:
        assert server.ask(auth.token_for("alice"))[0] == 200
        assert server.request("POST", "/api/query", b"{}", {"Content-Type": "application/json"})[0] == 401


def test_fastcgi_from_a_plain_checkout(program: Program, auth: GatedAuth, openai: GatedOpenAI) -> None:
    """It finds its interpreter itself; and a server that collects the words delivers all of them at the
    end.
    """
    script = program.root / "cgi-bin/dndchat.fcgi"
    script.write_text(script.read_text().replace(f"#!{program.python} -IS", "#!/usr/bin/env python3"))
    openai.script_answer("An owlbear is a beast [1].")
    with fastcgi(program, collects=65536) as server, Stream(server.port, auth.token_for("alice")) as client:
        found = list(client)
    assert [name for name, _ in found] == ["sources", *["delta"] * 6, "done"]


def test_fastcgi_takes_a_request_while_the_threads_of_the_last_ones_are_not_done(program: Program) -> None:
    """mod_fcgid sends the next as soon as it has the reply, not when the connection is put away; one hung up
    on is a 500.
    """
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(str(program.home / "fcgi.sock"))
        listener.listen()
        command = [program.python, "-IS", program.root / "cgi-bin/dndchat.fcgi"]
        environ = {"DNDCHAT_ENV_FILE": str(program.settings_file)}
        process = subprocess.Popen(command, stdin=listener, env=environ, **program.account.popen_arguments())
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        for _ in range(4):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(20)
            client.connect(listener.getsockname())
            client.sendall(
                fastcgi_request(REQUEST_METHOD="GET", PATH_INFO="/health", SERVER_NAME="a", SERVER_PORT="80")
            )
            reply = b""
            while piece := client.recv(65536):
                reply += piece
            assert b"Status: 200 OK" in reply


def fastcgi_request(**variables: str) -> bytes:
    """A request without a body, as the FastCGI specification has it."""

    def record(kind: int, content: bytes = b"") -> bytes:
        return struct.pack("!BBHHBx", 1, kind, 1, len(content), 0) + content

    begin, parameters, body = 1, 4, 5
    pairs = b"".join(
        bytes([len(name), len(value)]) + f"{name}{value}".encode() for name, value in variables.items()
    )
    return (
        record(begin, struct.pack("!HB5x", 1, 0))
        + record(parameters, pairs)
        + record(parameters)
        + record(body)
    )


def test_an_index_that_is_built_or_replaced_counts_from_the_next_question_on(
    server: Server, auth: GatedAuth
) -> None:
    """Processes that live on must not answer from a file that is no longer there."""
    token = auth.token_for("alice")

    def found() -> tuple[bool, list[str]]:
        status, _, body = server.ask(token, question="What is a zorbat?")
        assert status == 200
        zorbats = [source["excerpt"] for source in body["sources"] if source["name"] == "Zorbat"]
        return any("No lexical index" in line for line in body["diagnostics"]), zorbats

    assert found() == (True, [])
    for text in ("A zorbat is round.", "A zorbat is square."):
        server.program.build_index(text, name="Zorbat")
        assert found() == (False, [text])


def test_questions_at_once(server: Server, auth: GatedAuth, openai: GatedOpenAI) -> None:
    server.program.configure(MAX_IN_FLIGHT_PER_USER="8")
    openai.faults.push(Fault("stream_stall", path=CHAT, after=1))
    with Stream(server.port, auth.token_for("alice")) as client:
        assert client.next()
        # While one reader has not heard the end, others are answered.
        assert server.request("GET", "/health")[0] == 200
        openai.gate.set()
        assert [name for name, _ in client][-1] == "done"
