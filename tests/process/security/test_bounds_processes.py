"""One process takes no more of the host than it was given: what is more than that ends as a reply like any
other.

The index of these tests has so many words alike that misspelt ones take longer than the least that can be
set.
"""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.deadline import Deadline
from app.errors import TooMuchWork
from app.index import sample_rules
from app.index.build import build
from app.index.search import LexicalIndex
from app.models import Passage
from app.servers.confinement import THREAD_MB, Watch
from tests.harness import ROOT
from tests.harness.cgi_process import DEPLOYED, CgiProgram
from tests.harness.checkout import checkout
from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.program import Program

WORDS = 250_000


@pytest.fixture(scope="module")
def auth() -> Iterator[AuthDouble]:
    with AuthDouble() as made:
        yield made


def _words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("etaoinshr", k=8)) for _ in range(count)]


QUESTION = " ".join(_words(200, 2))


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index in place of that over the sample rules."""
    words = list(dict.fromkeys(_words(WORDS, 1)))
    passages = [
        Passage(f"p{n}", " ".join(words[n : n + 2000]), {"name": f"p{n}"}) for n in range(0, len(words), 2000)
    ]
    path = tmp_path_factory.mktemp("heavy") / "sample.sqlite3"
    build(passages, path, {"source": ""})
    return path


def _put(heavy: Path, data_dir: Path) -> None:
    """In place of the index that is there, as if it had been built from the same rules."""
    target = data_dir / "index" / "sample-rules.sqlite3"
    source = sample_rules._stamp()
    if target.exists():
        with contextlib.closing(LexicalIndex(target)) as there:
            source = there.about()["source"]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(heavy.read_bytes())
    with contextlib.closing(sqlite3.connect(target)) as db, db:
        db.execute("UPDATE about SET value = ? WHERE name = 'source'", (source,))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_question_that_takes_too_long_is_told_so(
    tmp_path: Path, auth: AuthDouble, heavy: Path, streamed: bool
) -> None:
    program = CgiProgram(tmp_path, command=DEPLOYED, AUTH_API_URL=auth.url, REQUEST_CPU_SECONDS="1")
    _put(heavy, program.data_dir)
    reply = program.request(
        "POST", "/api/query", {"question": QUESTION, "stream": streamed}, token=auth.token_for("alice")
    )
    assert reply.status == 504, reply.log
    body = reply.json()
    assert (
        body["error"] == "timeout_error"
        and "shorter" in body["message"]
        and body["counted"] is True
        and "passages" not in body
    )


def test_memory_that_is_not_there_is_an_error_like_any_other(tmp_path: Path, auth: AuthDouble) -> None:
    """Wherever it ends: while modules are loaded, in the middle of the question, or after the reply."""
    statuses = set()
    for megabytes in (20, 36, 40, 42, 44, 1024):
        directory = tmp_path / str(megabytes)
        directory.mkdir()
        program = CgiProgram(
            directory, command=DEPLOYED, AUTH_API_URL=auth.url, REQUEST_MEMORY_MB=str(megabytes)
        )
        call = program.start("POST", "/api/query", {"question": QUESTION}, token=auth.token_for("alice"))
        try:
            reply = call.reply()
        except AssertionError:
            # Python 3.13 itself can crash where memory ends while it loads a module (seen at 36 to 38 MB).
            assert call.process.returncode == -signal.SIGSEGV and sys.version_info >= (3, 13)
            continue
        statuses.add(reply.status)
        assert reply.status == 200 or reply.json()["error"] == "internal_error", (megabytes, reply)
    assert statuses == {200, 500}


def test_limits_are_lowered_only_and_what_is_started_has_its_own(tmp_path: Path, auth: AuthDouble) -> None:
    """The hard limits stay, and a soft limit of the host that is lower stays, too."""
    told = (
        "import resource, sys; sys.path.insert(0, sys.argv[1]); resource.setrlimit(resource.RLIMIT_CPU, (7, 50))\n"
        "from app.servers import confinement; from app import settings\n"
        "made = settings.load({'REQUEST_CPU_SECONDS': '20', 'REQUEST_MEMORY_MB': '500', 'HOME': '/nonexistent'})\n"
        "before = resource.getrlimit(resource.RLIMIT_AS)[1]\n"
        "confinement.confine(made); one = resource.getrlimit(resource.RLIMIT_AS)\n"
        "confinement.confine_server(made, 8); server = resource.getrlimit(resource.RLIMIT_AS)\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU) == (7, 50), one == (500_000_000, before), server[0] - one[0],"
        " resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    ran = subprocess.run([sys.executable, "-c", told, str(ROOT)], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["True", "True", str(8 * THREAD_MB * 1_000_000), "0"], ran.stderr


def test_a_thread_of_a_server_ends_when_its_time_is_used_up() -> None:
    watch, ended, after = Watch(1), threading.Event(), []

    def work() -> None:
        watch.begin()
        left = Deadline(60)
        try:
            while True:
                pass
        except TooMuchWork:
            after.append(left.remaining())
            ended.wait(10)
        watch.end()
        after.append(left.remaining())

    before = resource.getrlimit(resource.RLIMIT_CPU)
    thread = threading.Thread(target=work)
    try:
        thread.start()
        while not after:
            time.sleep(0.05)
            watch.look()
        watch.look()
        ended.set()
        thread.join()
        assert resource.getrlimit(resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY, (
            "the kernel's limit stands behind it"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, before)
    assert after[0] == 0.0 and after[1] > 0, "no time is left for this question, and all for the next"


def test_the_worker_ends_one_question_and_answers_the_next(auth: AuthDouble, heavy: Path) -> None:
    token = auth.token_for("bob")
    with (
        checkout() as base,
        Program(base, AUTH_API_URL=auth.url, WARM_WORKER="on", REQUEST_CPU_SECONDS="1") as program,
    ):
        # One-shot: the worker it leaves behind has not opened the index yet.
        program.ask(token, "What is an owlbear?")
        worker = program.wait_for_worker()
        _put(heavy, program.data_dir)
        heavy_one = program.ask(token, QUESTION)
        light_one = program.ask(token, "What is p0?")
        assert (heavy_one.status, heavy_one.json()["error"]) == (504, "timeout_error")
        assert light_one.status == 200
        assert {program.answered_by(reply) for reply in (heavy_one, light_one)} == {worker}
