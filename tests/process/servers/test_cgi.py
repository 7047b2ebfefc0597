"""The CGI program: what Apache hands over, crashes before the application runs, CORS, health, login trouble,
the stream.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT
from tests.harness.cgi_process import DEPLOYED, CgiProgram
from tests.harness.cgi_protocol import CgiReply, assert_error, assert_one_log_line
from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.doubles.faults import Fault
from tests.harness.ports import free_port

ORIGIN = "https://react.example.org"
OTHER_ORIGIN = "http://localhost:3000"
QUESTION = {"question": "What is a beholder?"}


@pytest.fixture(scope="module")
def auth() -> Iterator[AuthDouble]:
    with AuthDouble() as auth:
        yield auth


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, auth: AuthDouble) -> CgiProgram:
    settings = {"AUTH_API_URL": auth.url, "CORS_ORIGINS": f"{ORIGIN}, {OTHER_ORIGIN}"}
    made = CgiProgram(tmp_path_factory.mktemp("program"), **settings)
    assert made.request("POST", "/api/query", QUESTION, token=auth.token_for("alice")).status == 200
    return made


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the program that a test may damage."""
    root = tmp_path / "tree"
    for name in ("app", "cgi-bin"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".venv").symlink_to((ROOT / ".venv").resolve())
    return root


def crashed(reply: CgiReply, exception: str) -> None:
    """A JSON 500 whose request id stands beside the traceback, wherever that could be written."""
    body = assert_error(reply, 500, "internal_error")
    log = reply.log + reply.stderr
    assert body["request_id"] in log
    assert "Traceback (most recent call last)" in log
    assert exception in log
    assert not re.search(rf"{exception}|{ROOT}|\.py", reply.body.decode())


# -- an ordinary request -----------------------------------------------------------------------------------------------


def test_a_question_is_answered_from_a_checkout(program: CgiProgram, auth: AuthDouble) -> None:
    """Started by its first line, with the system's Python: the program finds the virtual environment beside
    it.
    """
    reply = program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice"))
    answer = reply.json()
    assert reply.status == 200
    assert answer["answer"].startswith("No language model was asked.")
    assert "Beholder" in answer["answer"]
    assert "[1]" in answer["answer"]
    assert answer["answer_format"] == "markdown"
    assert answer["sources"][0]["name"] == "Beholder"
    assert answer["sources"][0]["cited"] is True
    assert set(answer["sources"][0]) == {
        "n",
        "id",
        "name",
        "book",
        "hierarchy",
        "excerpt",
        "distance",
        "entity",
        "cited",
    }
    assert answer["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert set(answer["meta"]) >= {
        "request_id",
        "user_id",
        "model",
        "rate_limit",
        "cost",
        "performance",
        "timestamp",
    }
    assert answer["meta"]["request_id"] == reply.header("X-Request-ID")
    line = assert_one_log_line(reply)
    assert f"POST /api/query 200 user={answer['meta']['user_id']}" in line
    assert auth.requests[-1].headers["authorization"].startswith("Bearer ey")


def test_the_program_is_one_that_a_server_starts() -> None:
    script = ROOT / "cgi-bin/dndchat.cgi"
    mode = script.stat().st_mode & 0o777
    assert mode & 0o111 == 0o111
    assert not mode & 0o022, "suexec refuses what the group or others may write"
    text = script.read_bytes()
    assert text.startswith(b"#!/usr/bin/env python3\n")
    assert b"\r" not in text


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_health(program: CgiProgram, path: str) -> None:
    reply = program.request("GET", path)
    body = reply.json()
    assert reply.status == 200
    assert (body["status"], body["service"], body["components"]["mode"]) == ("ok", "dnd_rag", "embedded")
    assert set(body) >= {"status", "service", "version", "timestamp", "components"}
    assert_one_log_line(reply)
    head = program.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")


def test_files_are_the_accounts_alone(program: CgiProgram) -> None:
    for path in (program.data_dir, *program.data_dir.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


# -- what Apache hands over --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "HTTP_AUTHORIZATION",
        "REDIRECT_HTTP_AUTHORIZATION",
        "REDIRECT_REDIRECT_HTTP_AUTHORIZATION",
        "HTTP_X_DNDCHAT_AUTHORIZATION",
        "AUTHORIZATION",
    ],
)
def test_a_token_is_found_wherever_apache_puts_it(program: CgiProgram, auth: AuthDouble, name: str) -> None:
    empty = {"HTTP_AUTHORIZATION": "", "REDIRECT_HTTP_AUTHORIZATION": ""}
    token = auth.token_for("bob")
    reply = program.request("POST", "/api/query", QUESTION, environ={**empty, name: f"Bearer {token}"})
    assert reply.status == 200
    assert auth.requests[-1].headers["authorization"] == f"Bearer {token}"


def test_a_clients_proxy_header_is_dropped(program: CgiProgram) -> None:
    reply = program.request("GET", "/health", environ={"HTTP_PROXY": "http://evil.example:3128"}, probe=True)
    assert reply.status == 200
    assert "REQUEST_METHOD=GET" in reply.probed, "the environment was not seen"
    assert not [line for line in reply.probed if line.startswith("HTTP_PROXY=") or "evil.example" in line]


def test_the_environment_cannot_add_modules(program: CgiProgram, tmp_path: Path) -> None:
    (tmp_path / "flask.py").write_text("raise SystemExit('taken over')")
    reply = program.request(
        "GET", "/health", environ={"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "flask.py")}
    )
    assert reply.status == 200


# -- crashes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "code", "exception"),
    [
        ("app/__init__.py", "import nothing_of_this_name", "ModuleNotFoundError"),
        ("app/relay.py", "raise KeyError('at import')", "KeyError"),
        ("app/seen.py", "this is no Python", "SyntaxError"),
        ("app/settings.py", "raise KeyError('at import')", "KeyError"),
        ("app/servers/one_shot.py", "this is no Python", "SyntaxError"),
        ("app/logs.py", "raise SystemExit('gave up')", "SystemExit"),
        ("app/web/flask_app.py", "from flask import nothing_of_this_name", "ImportError"),
        ("app/web/flask_app.py", "def make_app(services): 1 / 0", "ZeroDivisionError"),
        # Outside the application's own error handling.
        ("app/web/flask_app.py", "def _on_error(error): raise LookupError('secret detail')", "LookupError"),
        (
            "app/web/replies.py",
            "def health_body(settings): raise LookupError('secret detail')",
            "LookupError",
        ),
    ],
)
def test_a_broken_module_is_a_json_500(
    tree: Path, tmp_path: Path, module: str, code: str, exception: str
) -> None:
    with (tree / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{code}\n")
    reply = CgiProgram(tmp_path, root=tree).request("GET", "/nowhere" if "_on_error" in code else "/health")
    crashed(reply, exception)
    assert "secret detail" not in reply.body.decode()


def test_a_crash_after_the_body_was_sent_reads_the_body(tree: Path, tmp_path: Path) -> None:
    """Unread input would make mod_cgid lose the reply."""
    (tree / "app/settings.py").write_text("raise KeyError")
    crashed(CgiProgram(tmp_path, root=tree).request("POST", "/api/query", b"x" * 1_000_000), "KeyError")


@pytest.mark.parametrize(
    "missing", ["app/relay.py", "app/interpreter.py", "app/servers/one_shot.py", "app/errors.py"]
)
def test_a_file_that_was_not_uploaded_is_a_json_500(tree: Path, tmp_path: Path, missing: str) -> None:
    (tree / missing).unlink()
    crashed(CgiProgram(tmp_path, root=tree).request("GET", "/health"), "ModuleNotFoundError")


def test_compiled_code_that_cannot_be_kept_is_compiled_again(tree: Path, tmp_path: Path) -> None:
    """As on a host whose deployment belongs to another account: no directory can be made where a file is."""
    for folder in {module.parent for module in (tree / "app").rglob("*.py")}:
        (folder / "__pycache__").touch()
    program = CgiProgram(tmp_path, root=tree)
    for _ in range(2):
        reply = program.request("GET", "/health")
        assert (reply.status, reply.stderr) == (200, "")


def test_what_was_replaced_while_the_request_began_is_not_half_old(
    tree: Path, tmp_path: Path, auth: AuthDouble
) -> None:
    """The relay is loaded before the rest is chosen; the application must not go on with it when it has
    changed.
    """
    relay, interpreter = tree / "app/relay.py", tree / "app/interpreter.py"
    newer = relay.read_text(encoding="utf-8").replace("MAX_BODY_BYTES = 64 * 1024", "MAX_BODY_BYTES = 16")
    (tree / "newer.py").write_text(newer, encoding="utf-8")
    text = interpreter.read_text(encoding="utf-8")
    replaced = f'    enter(program)\n    os.replace("{tree}/newer.py", "{relay}")\n'
    interpreter.write_text(text.replace("    enter(program)\n", replaced), encoding="utf-8")
    program = CgiProgram(tmp_path, root=tree, command=DEPLOYED, AUTH_API_URL=auth.url)
    program.command = (tree / ".venv/bin/python3", "-IS")
    reply = program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice"))
    assert not (tree / "newer.py").exists()
    assert_error(reply, 413, "too_large")


def test_settings_that_cannot_be_used_are_a_json_500_and_all_in_the_log(
    program: CgiProgram, tmp_path: Path
) -> None:
    settings = {"CHROMA_PORT": "many", "DAILY_BUDGET_USD": "much", "OPENAI_API_KEY": "sk-secret with blank"}
    reply = CgiProgram(tmp_path, **settings).request("GET", "/health")
    crashed(reply, "SettingsError")
    for name in settings:
        assert f"settings: {name}: " in reply.stderr
        assert name not in reply.body.decode()
    assert "sk-secret" not in reply.stderr


def test_a_settings_file_that_is_not_there_is_a_json_500(program: CgiProgram) -> None:
    reply = program.request("GET", "/health", environ={"DNDCHAT_ENV_FILE": "/nonexistent/settings"})
    crashed(reply, "DNDCHAT_ENV_FILE")


def _other_venv(tree: Path, kind: str) -> None:
    venv = tree / ".venv"
    venv.unlink()
    if kind == "missing":
        return
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin/python3"
    real = Path(sys.executable).resolve()
    if kind == "no pyvenv.cfg":
        # -S: what it finds must not depend on what is installed beside the interpreter.
        python.write_text(f'#!/bin/sh\nexec "{real}" -S "$@"\n')
        python.chmod(0o755)
    elif kind == "no packages":
        python.symlink_to(real)
        (venv / "pyvenv.cfg").write_text(f"home = {real.parent}\ninclude-system-site-packages = false\n")
    elif kind == "dangling link":
        python.symlink_to("/nonexistent/python3")
    elif kind == "no program":
        python.write_text("no interpreter")
        python.chmod(0o755)
    elif kind == "not executable":
        python.write_text("no interpreter")


@pytest.mark.parametrize(
    "kind", ["missing", "no pyvenv.cfg", "no packages", "dangling link", "no program", "not executable"]
)
def test_a_damaged_virtual_environment_is_a_json_500(tree: Path, tmp_path: Path, kind: str) -> None:
    _other_venv(tree, kind)
    # An interpreter without packages of its own: a test machine's may have Flask.
    bare = CgiProgram(tmp_path, root=tree, command=("/usr/bin/env", "python3", "-S", "-E"))
    started = time.monotonic()
    reply = bare.request("POST", "/api/query", QUESTION)
    assert time.monotonic() - started < 15, "it went round in circles"
    crashed(
        reply,
        "PermissionError"
        if kind == "not executable"
        else "OSError"
        if kind == "no program"
        else "ModuleNotFoundError",
    )


def _old_pythons() -> list[Path]:
    """Interpreters older than 3.10 on this machine, one of each version."""
    found = {path.name: path for path in sorted(Path("/usr/bin").glob("python3.[0-9]"))}
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for path in sorted(versions.glob("3.[0-9].*/bin/python3.[0-9]")):
        found.setdefault(path.name, path)
    return list(found.values())


@pytest.mark.parametrize("python", _old_pythons(), ids=lambda path: path.name)
def test_a_python_that_is_too_old_is_a_json_500(tree: Path, tmp_path: Path, python: Path) -> None:
    (tree / ".venv").unlink()
    reply = CgiProgram(tmp_path, root=tree, command=(python, "-S")).request("GET", "/health")
    crashed(reply, "Python 3.10 or newer is needed")


def test_the_program_is_syntax_that_an_old_python_reads() -> None:
    """So that it can say that it is too old; also where no old Python is at hand to try."""
    import ast

    source = (ROOT / "cgi-bin/dndchat.cgi").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 4))
    assert "f'" not in source
    assert 'f"' not in source


def test_an_old_python_is_only_the_way_to_the_virtual_environment(tmp_path: Path) -> None:
    for python in _old_pythons()[:1]:
        assert CgiProgram(tmp_path, command=(python,)).request("GET", "/health").status == 200


@pytest.mark.parametrize(
    "module",
    [
        "app/__init__.py",
        "app/servers/one_shot.py",
        "app/settings.py",
        "app/web/flask_app.py",
        "app/answering/pipeline.py",
        "app/retrieval/retriever.py",
    ],
)
def test_what_a_module_prints_does_not_reach_the_reply(
    tree: Path, tmp_path: Path, auth: AuthDouble, module: str
) -> None:
    with (tree / module).open("a", encoding="utf-8") as file:
        file.write(
            '\nimport os, sys\nprint("NOISE", flush=True)\nos.write(1, b"NOISE")\nprint("NOISE late")\n'
        )
    program = CgiProgram(tmp_path, root=tree, AUTH_API_URL=auth.url)
    reply = program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice"))
    assert reply.status == 200
    assert reply.json()["answer"]
    assert b"NOISE" not in reply.body
    assert reply.stderr.count("NOISE") >= 2, "the noise was not made"


def test_a_client_that_has_gone_leaves_no_traceback(program: CgiProgram) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    before = program.log_file.stat().st_size
    done = subprocess.run(
        [str(program.script)],
        env=program.environment("GET", "/health"),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=30,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Traceback" not in program.log_file.read_bytes()[before:].decode()


# -- a worker that is not there ----------------------------------------------------------------------------------------


@pytest.fixture
def left_behind(program: CgiProgram, tmp_path: Path) -> dict[str, str]:
    """The environment of a request that finds the socket of a worker that was killed."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "worker.sock"))
        listening.listen()
    return {"DATA_DIR": str(tmp_path)}


def test_a_dead_workers_socket_does_no_harm(
    program: CgiProgram, auth: AuthDouble, left_behind: dict[str, str]
) -> None:
    reply = program.request(
        "POST", "/api/query", QUESTION, token=auth.token_for("alice"), environ=left_behind
    )
    assert reply.status == 200
    assert "Beholder" in reply.json()["answer"]
    assert reply.stderr == ""


@pytest.mark.parametrize("announced", ["²", "-1", "1_0", " 5", "99999", "9" * 30, "60000"])
def test_a_content_length_that_lies_is_a_4xx_there_too(
    program: CgiProgram, auth: AuthDouble, left_behind: dict[str, str], announced: str
) -> None:
    environ = {**left_behind, "CONTENT_LENGTH": announced}
    reply = program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice"), environ=environ)
    assert reply.status in (400, 413), reply.body
    if reply.status == 400:
        assert_error(reply, 400, "invalid_request", field="body")
    else:
        assert_error(reply, 413, "too_large")


# -- CORS --------------------------------------------------------------------------------------------------------------

ALLOWED = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers")


def test_a_configured_origin_is_echoed_once(program: CgiProgram, auth: AuthDouble) -> None:
    for origin in (ORIGIN, OTHER_ORIGIN):
        for reply in (
            program.request("GET", "/health", headers={"Origin": origin}),
            program.request("POST", "/api/query", QUESTION, headers={"Origin": origin}),
            program.request(
                "POST", "/api/query", QUESTION, headers={"Origin": origin}, token=auth.token_for("alice")
            ),
        ):
            assert reply.all("Access-Control-Allow-Origin") == [origin]
            assert reply.all("Access-Control-Allow-Credentials") == ["true"]
            assert reply.all("Vary") == ["Origin"]
            (exposed,) = reply.all("Access-Control-Expose-Headers")
            assert {"X-Request-ID", "RateLimit", "RateLimit-Policy"} <= set(exposed.split(", "))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        f"{ORIGIN}.evil.example",
        f"{ORIGIN}:8443",
        "http://react.example.org",
        "https://react.example",
        f"{ORIGIN}/",
        f"{ORIGIN}, {OTHER_ORIGIN}",
        f"{ORIGIN} {OTHER_ORIGIN}",
        "null",
        "*",
        "",
        None,
    ],
)
def test_a_foreign_origin_gets_nothing(program: CgiProgram, origin: str | None) -> None:
    reply = program.request("OPTIONS", "/api/query", headers={} if origin is None else {"Origin": origin})
    assert reply.status == 204
    assert not [name for name in reply.headers if name.startswith("Access-Control-")]
    assert reply.all("Vary") == ["Origin"]
    assert "*" not in reply.headers.values()


def test_without_configured_origins_nobody_gets_anything(tmp_path: Path) -> None:
    reply = CgiProgram(tmp_path).request("GET", "/health", headers={"Origin": ORIGIN})
    assert not [name for name in reply.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("path", ["/api/query", "/health", "/nowhere/at/all", "/"])
def test_a_preflight_is_answered_on_every_path(program: CgiProgram, path: str) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    reply = program.request("OPTIONS", path, headers=asked)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.all("Access-Control-Allow-Origin") == [ORIGIN]
    assert reply.all("Access-Control-Allow-Credentials") == ["true"]
    assert reply.all("Access-Control-Allow-Methods") == ["GET, POST, OPTIONS"]
    assert reply.all("Access-Control-Allow-Headers") == ["Content-Type, Authorization"]
    assert re.fullmatch(r"[0-9a-f]{24}", str(reply.header("X-Request-ID")))
    assert_one_log_line(reply)


# -- health when things are down ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        pytest.param({"DATA_DIR": "/dev/null/data"}, {}, id="DATA_DIR below a file"),
        pytest.param({"DATA_DIR": "/proc/nonexistent/data"}, {}, id="DATA_DIR nobody can make"),
        pytest.param({"LOG_FILE": "/"}, {}, id="LOG_FILE is a directory"),
        pytest.param({"AUTH_API_URL": "http://127.0.0.1:9"}, {}, id="auth API refuses"),
        pytest.param(
            {"OPENAI_API_KEY": "sk-x", "CHROMA_PORT": "9", "OPENAI_BASE_URL": "http://127.0.0.1:9"},
            {},
            id="all down",
        ),
        pytest.param({}, {"PATH": None}, id="no PATH"),
    ],
)
def test_health_answers_when_everything_behind_it_is_down(
    tmp_path: Path, settings: dict[str, str], environ: Mapping[str, Any]
) -> None:
    command = DEPLOYED if environ else ()
    reply = CgiProgram(tmp_path, command=command, **settings).request("GET", "/health", environ=environ)
    assert (reply.status, reply.json()["status"]) == (200, "ok")
    logged = [
        line for line in (reply.log + reply.stderr).splitlines() if str(reply.header("X-Request-ID")) in line
    ]
    assert len(logged) == 1, "where LOG_FILE cannot be written, the web server's log has the line"


def test_where_the_index_cannot_be_written_the_question_is_answered_from_memory(
    tmp_path: Path, auth: AuthDouble
) -> None:
    program = CgiProgram(tmp_path, AUTH_API_URL=auth.url)
    program.data_dir.mkdir(mode=0o700)
    # A file is where its directory should be.
    (program.data_dir / "index").touch()
    reply = program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice"))
    assert reply.status == 200
    assert reply.json()["sources"]
    assert "DATA_DIR" in reply.log
    assert "Traceback" not in reply.log


def test_a_question_is_not_answered_when_it_cannot_be_counted(tmp_path: Path, auth: AuthDouble) -> None:
    program = CgiProgram(tmp_path, DATA_DIR="/dev/null/data", AUTH_API_URL=auth.url)
    reply = program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice"))
    assert_error(reply, 500, "ledger_unavailable")
    assert "DATA_DIR" in reply.stderr
    assert "Traceback" not in reply.stderr


def test_a_deep_health_check_needs_a_token_and_asks_each_component(
    program: CgiProgram, auth: AuthDouble
) -> None:
    assert_error(program.request("GET", "/health?deep=1"), 401, "missing_token")
    report = program.request("GET", "/health?deep=1", token=auth.token_for("alice")).json()
    assert report["status"] == "ok"
    for name in ("ledger", "lexical_index", "auth_api"):
        assert report["components"][name]["status"] == "ok"
        assert report["components"][name]["latency_ms"] >= 0


# -- login -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("status", status=500, times=None), id="500"),
        pytest.param(Fault("status", status=503, times=None, retry_after=0), id="503"),
        pytest.param(Fault("status", status=429, times=None, retry_after=0), id="429"),
        pytest.param(Fault("status", status=408, times=None), id="408"),
        pytest.param(
            Fault("status", status=302, times=None, headers={"Location": "https://evil.example/"}),
            id="a redirect",
        ),
        pytest.param(Fault("garbage", times=None), id="200 with garbage"),
        pytest.param(Fault("garbage", times=None, body="<h1>Down for maintenance</h1>"), id="200 with HTML"),
        pytest.param(Fault("garbage", times=None, body=""), id="200 with nothing"),
        pytest.param(Fault("close_before_headers", times=None), id="closed"),
        pytest.param(Fault("close_after_headers", times=None), id="closed after the head"),
        pytest.param(Fault("cut", times=None), id="cut off"),
        pytest.param(Fault("hang", times=None), id="silence"),
        pytest.param(Fault("drip", times=None, seconds=0.2), id="a byte at a time"),
    ],
)
def test_an_auth_api_that_says_nothing_about_the_token_is_a_502(
    tmp_path: Path, auth: AuthDouble, fault: Fault
) -> None:
    token = auth.token_for("alice")
    auth.faults.push(fault)
    started = time.monotonic()
    try:
        program = CgiProgram(tmp_path, AUTH_API_URL=auth.url, REQUEST_TIMEOUT_SECONDS="1.5")
        reply = program.request("POST", "/api/query", QUESTION, token=token)
    finally:
        auth.faults.clear()
    assert time.monotonic() - started < 10
    assert_error(reply, 502, "auth_unavailable")
    assert reply.all("WWW-Authenticate") == []
    log = reply.log + reply.stderr
    assert "Traceback" not in log
    assert token not in log


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:{closed}", "https://nowhere.invalid"])
def test_an_auth_api_that_is_not_there_is_a_502(tmp_path: Path, url: str) -> None:
    program = CgiProgram(tmp_path, AUTH_API_URL=url.format(closed=free_port()))
    reply = program.request("POST", "/api/query", QUESTION, token="abc.def.ghi")
    assert_error(reply, 502, "auth_unavailable")
    assert "AUTH_API_URL" in reply.log, "the log says what to do"
    assert "Traceback" not in reply.log + reply.stderr
    assert "abc.def.ghi" not in reply.log + reply.stderr


def test_one_hiccup_of_the_auth_api_is_not_noticed(program: CgiProgram, auth: AuthDouble) -> None:
    auth.faults.push(Fault("status", status=503, times=1))
    assert program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice")).status == 200
    assert not auth.faults.pending()


def test_a_token_that_is_not_valid_is_a_401(program: CgiProgram, auth: AuthDouble) -> None:
    revoked = auth.token_for("alice")
    auth.revoke(revoked)
    tokens = {
        "expired": auth.token_for("alice", -10),
        "unknown": auth.token_for("nobody"),
        "revoked": revoked,
        "none": "x",
    }
    for token in tokens.values():
        reply = program.request("POST", "/api/query", QUESTION, token=token)
        assert_error(reply, 401, "invalid_token")
        assert reply.all("WWW-Authenticate") == ["Bearer"]
        assert token not in assert_one_log_line(reply).partition(" POST ")[2] or token == "x"


@pytest.mark.parametrize(
    "body",
    [
        '{"success": true}',
        '{"success": true, "data": {"id": null}}',
        "[]",
        '{"data": {"id": ""}}',
        '{"data": {"id": {}}}',
    ],
)
def test_a_200_without_an_id_is_a_401(program: CgiProgram, auth: AuthDouble, body: str) -> None:
    auth.faults.push(Fault("garbage", body=body))
    assert_error(
        program.request("POST", "/api/query", QUESTION, token=auth.token_for("alice")), 401, "invalid_token"
    )


def test_no_authorization_at_all_is_a_401(program: CgiProgram) -> None:
    reply = program.request("POST", "/api/query", QUESTION)
    assert_error(reply, 401, "missing_token")
    assert reply.all("WWW-Authenticate") == ["Bearer"]


def test_a_development_token_is_worth_nothing_here(tmp_path: Path, auth: AuthDouble) -> None:
    program = CgiProgram(tmp_path, AUTH_API_URL=auth.url, AUTH_DEV_TOKEN="dev")
    reply = program.request("POST", "/api/query", QUESTION, token="dev", environ={"REMOTE_ADDR": "127.0.0.1"})
    assert_error(reply, 401, "invalid_token")


# -- the stream --------------------------------------------------------------------------------------------------------


def _frame(name: str, document: Mapping[str, Any]) -> bytes:
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("asked", ["stream", "Accept"])
def test_the_stream_says_the_same_as_the_json_reply(
    program: CgiProgram, auth: AuthDouble, asked: str, exact: bool
) -> None:
    token = auth.token_for("alice")
    question = {
        "question": "How many experience points does a fighter need to reach 9th level?",
        "exact": exact,
    }
    whole = program.request("POST", "/api/query", question, token=token).json()
    if asked == "stream":
        reply = program.request("POST", "/api/query", {**question, "stream": True}, token=token)
    else:
        reply = program.request(
            "POST", "/api/query", question, token=token, headers={"Accept": "text/event-stream"}
        )
    assert reply.status == 200
    assert reply.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert reply.header("Cache-Control") == "no-cache, no-transform"
    assert reply.header("Content-Length") is None
    assert_one_log_line(reply)

    frames = [frame + b"\n\n" for frame in reply.body.split(b"\n\n")[:-1]]
    events = [re.fullmatch(rb"event: (\w+)\ndata: (.*)\n\n", frame) for frame in frames]
    assert all(events), frames
    names = [match[1].decode() for match in events if match]
    documents = [json.loads(match[2]) for match in events if match]
    assert names == ["sources", "facts", *["delta"] * (len(names) - 3), "done"]
    assert whole["meta"]["answered_by"] == ("facts" if exact else "passages")

    # What differs from one request to the next is taken from the stream; everything else from the JSON reply.
    done = {name: value for name, value in whole.items() if name != "answer"}
    for name in ("request_id", "performance", "timestamp", "rate_limit"):
        done["meta"][name] = documents[-1]["meta"][name]
    expected = [
        _frame("sources", {"sources": [{**source, "cited": None} for source in whole["sources"]]}),
        _frame("facts", {"facts": whole["facts"]}),
        *(_frame("delta", {"text": document["text"]}) for document in documents[2:-1]),
        _frame("done", done),
    ]
    assert reply.body == b"".join(expected)
    assert "".join(document["text"] for document in documents[2:-1]) == whole["answer"]
    assert "250,001" in whole["answer"]
    assert documents[-1]["meta"]["request_id"] == reply.header("X-Request-ID")
    assert len(names) > 2


def test_what_fails_before_the_first_word_is_a_real_status(
    tmp_path: Path, program: CgiProgram, auth: AuthDouble
) -> None:
    asked = {**QUESTION, "stream": True}
    assert_error(program.request("POST", "/api/query", asked), 401, "missing_token")
    token = auth.token_for("alice")
    assert_error(
        program.request("POST", "/api/query", {**asked, "k": 0}, token=token),
        400,
        "invalid_request",
        field="k",
    )
    broken = CgiProgram(tmp_path, AUTH_API_URL=auth.url, DATA_DIR="/dev/null/data")
    assert_error(broken.request("POST", "/api/query", asked, token=token), 500, "ledger_unavailable")
