"""Limits that a shared host sets, odd umasks and odd clocks: each request ends as an answer or as a clean
JSON error.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.harness.cgi_process import GENEROUS
from tests.harness.cgi_protocol import CgiReply
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.gated import GatedAuth
from tests.harness.program import Program
from tests.harness.relay import Relay

MEGABYTE = 1 << 20
BODY = json.dumps({"question": "What is an owlbear?"}).encode()


@pytest.fixture
def program(base: Path, auth: GatedAuth) -> Iterator[Program]:
    with Program(base, AUTH_API_URL=auth.url) as made:
        yield made


class Lasting(NamedTuple):
    """One installation for all tests that leave nothing behind, and a user's token."""

    program: Program
    token: str

    def ask(self, **arguments: Any) -> CgiReply:
        return self.program.request("POST", "/api/query", BODY, token=self.token, **arguments)


@pytest.fixture(scope="module")
def lasting(base: Path) -> Iterator[Lasting]:
    with GatedAuth() as auth, Program(base, AUTH_API_URL=auth.url, **GENEROUS) as made:
        yield Lasting(made, auth.token_for("alice"))


@pytest.fixture
def keyed(base: Path, auth: GatedAuth, openai: OpenAIDouble, chroma: Relay) -> Iterator[Program]:
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    with Program(base, AUTH_API_URL=auth.url, CHROMA_HOST="127.0.0.1", WARM_WORKER="on", **settings) as made:
        yield made


def clean(reply: CgiReply, *statuses: int) -> str:
    """The error's code, or "" for an answer; a JSON document in any case."""
    document = reply.json()
    assert reply.status in (200, *statuses), (reply.status, reply.body, reply.stderr)
    return "" if reply.status == 200 else str(document["error"])


def limited(kind: int, value: int) -> object:
    return lambda: resource.setrlimit(kind, (value, value))


def test_256_megabytes_of_memory_are_enough(keyed: Program, auth: GatedAuth) -> None:
    """Address space, threads' stacks included: `ulimit -v`, LVE."""
    token = auth.token_for("alice")
    limit = limited(resource.RLIMIT_AS, 256 * MEGABYTE)
    assert keyed.request("POST", "/api/query", BODY, token=token, preexec_fn=limit).status == 200
    assert keyed.request(preexec_fn=limit).status == 200


@pytest.mark.parametrize("megabytes", [50, 60, 80, 110])
def test_too_little_memory_is_a_clean_error(lasting: Lasting, megabytes: int) -> None:
    clean(lasting.ask(preexec_fn=limited(resource.RLIMIT_AS, megabytes * MEGABYTE)), 500, 502)


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 32])
def test_few_descriptors(lasting: Lasting, count: int) -> None:
    limit = limited(resource.RLIMIT_NOFILE, count)
    code = clean(lasting.program.request(preexec_fn=limit), 500)
    code += clean(lasting.ask(preexec_fn=limit), 500, 502)
    if count >= 14:
        assert code == ""


@pytest.mark.parametrize("count", [8, 12, 16, 20])
def test_few_descriptors_with_the_model(
    keyed: Program, auth: GatedAuth, openai: OpenAIDouble, count: int
) -> None:
    limit = limited(resource.RLIMIT_NOFILE, count)
    reply = keyed.request("POST", "/api/query", BODY, token=auth.token_for("alice"), preexec_fn=limit)
    code = clean(reply, 500, 502)
    if count == 20:
        assert code == ""


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_thread_and_no_process_to_spare(keyed: Program, auth: GatedAuth, count: int) -> None:
    limit = limited(resource.RLIMIT_NPROC, count)
    reply = keyed.request("POST", "/api/query", BODY, token=auth.token_for("alice"), preexec_fn=limit)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("size", [0, 1, 4096, 20_000])
def test_files_may_not_grow(program: Program, auth: GatedAuth, size: int) -> None:
    """`ulimit -f`: the ledger cannot be made, nor the log written; never a signal's death."""
    limit = limited(resource.RLIMIT_FSIZE, size)
    assert program.request(preexec_fn=limit).status == 200
    reply = program.request("POST", "/api/query", BODY, token=auth.token_for("alice"), preexec_fn=limit)
    assert clean(reply, 500, 502) in ("ledger_unavailable", "database_error")


@pytest.mark.parametrize("umask", [0, 0o027, 0o077, 0o777], ids=oct)
def test_files_are_private_whatever_the_umask(keyed: Program, auth: GatedAuth, umask: int) -> None:
    reply = keyed.request(
        "POST", "/api/query", BODY, token=auth.token_for("alice"), preexec_fn=lambda: os.umask(umask) and None
    )
    assert reply.status == 200, reply.body
    keyed.wait_for_worker()
    paths = [keyed.data_dir, *keyed.data_dir.rglob("*")]
    assert {"ledger.sqlite3", "dndchat.log", "worker.lock"} <= {path.name for path in paths}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert all(mode & 0o600 == 0o600 for mode in modes.values()), modes


@pytest.mark.parametrize(
    "zone", ["", "Mars/Phobos", ":/nonexistent", "XXX-23:59", "Pacific/Kiritimati", "\u00fc"]
)
def test_times_are_utc_whatever_the_zone(lasting: Lasting, zone: str) -> None:
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    reply = lasting.ask(environ={"TZ": zone})
    after = datetime.datetime.now(datetime.timezone.utc)
    said = datetime.datetime.fromisoformat(reply.json()["meta"]["timestamp"].replace("Z", "+00:00"))
    assert before <= said <= after
    logged = lasting.program.log().splitlines()[-1].split("Z ")[0]
    assert before <= datetime.datetime.fromisoformat(f"{logged}+00:00") <= after


@pytest.mark.parametrize("path", [None, "", "/nonexistent", "relative:."])
def test_the_path_of_the_environment_is_not_needed(lasting: Lasting, path: str | None) -> None:
    assert lasting.ask(environ={"PATH": path}).status == 200


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "tlh_QO.ISO-8859-1"}, {"PYTHONIOENCODING": "ascii"}], ids=str
)
def test_answers_and_log_are_utf8_whatever_the_locale(lasting: Lasting, locale: dict[str, str]) -> None:
    program = lasting.program
    body = json.dumps({"question": "Eulenbär: what is an owlbear?"}, ensure_ascii=False).encode()
    environ = {**locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    reply = program.request("POST", "/api/query", body, token=lasting.token, environ=environ)
    assert reply.status == 200
    assert program.request(path="/\u2713/b\u00e4r", environ=environ).status == 404
    (program.data_dir / "dndchat.log").read_bytes().decode("utf-8")
