"""Nothing for strangers: until a token is known to be good nothing is opened, written or read for it, but
what keeps strangers in line; counted, never timed.

How much a flood slows a question down is for scripts/bench_cgi.py --flood.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import seen
from app.adapters import auth as auth_adapter
from app.adapters.auth import AuthApi
from app.deadline import Deadline
from app.errors import AuthUnavailable, InvalidToken
from tests.harness.cgi_protocol import CgiReply
from tests.harness.doubles.delivery import json_reply
from tests.harness.doubles.openai import KEY
from tests.harness.gated import GatedAuth, GatedOpenAI
from tests.harness.program import Program
from tests.harness.relay import Relay
from tests.harness.waiting import eventually

QUESTION = b'{"question": "What is an owlbear?"}'


@pytest.fixture(params=["one-shot", "warm"])
def program(
    base: Path, auth: GatedAuth, openai: GatedOpenAI, chroma: Relay, request: pytest.FixtureRequest
) -> Iterator[Program]:
    """The program with everything outside, and a ledger that is there already."""
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    worker = "on" if request.param == "warm" else "off"
    with Program(
        base, AUTH_API_URL=auth.url, CHROMA_HOST="127.0.0.1", WARM_WORKER=worker, **settings
    ) as made:
        assert made.ask(auth.token_for("alice")).status == 200
        if worker == "on":
            made.warm()
        yield made


class Watch:
    """What a stranger may not cause, between its making and the last look."""

    def __init__(self, program: Program, auth: GatedAuth, *services: GatedOpenAI | Relay) -> None:
        self._auth, self._services = auth, services
        self._files = [
            program.data_dir / name
            for name in ("ledger.sqlite3", "ledger.sqlite3-journal", "ledger.sqlite3.lock")
        ]
        self._database = sqlite3.connect(self._files[0])
        self._before = self._look()

    def _look(self) -> list[object]:
        opened = [service.recorder.counts["accepted"] for service in self._services]
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        return [opened, version, [(file.stat().st_mtime_ns, file.stat().st_size) for file in self._files]]

    def nothing_happened(self) -> None:
        assert self._look() == self._before

    def asked(self) -> int:
        return self._auth.recorder.counts["accepted"]


@pytest.fixture
def watch(program: Program, auth: GatedAuth, openai: GatedOpenAI, chroma: Relay) -> Watch:
    made = Watch(program, auth, openai, chroma)
    auth.recorder.clear()
    return made


def ask(program: Program, token: str) -> CgiReply:
    return program.request("POST", "/api/query", QUESTION, token=token)


def test_bad_tokens_open_nothing_and_write_nothing(program: Program, watch: Watch) -> None:
    for number in range(10):
        assert ask(program, f"bad.token.{number}").status == 401
    watch.nothing_happened()
    # One call each, which is what it takes to know.
    assert watch.asked() <= 10
    asked = watch.asked()
    for _ in range(10):
        assert ask(program, "bad.token.0").status == 401
    watch.nothing_happened()
    assert watch.asked() == asked, "the auth API was asked again about a token that it has just refused"


@pytest.mark.parametrize("token", ["x" * 8001, "with blank", "caf\u00e9", "bell\a", '"\x7f"'])
def test_what_can_be_no_token_is_looked_up_nowhere(program: Program, watch: Watch, token: str) -> None:
    file = program.data_dir / seen.FILE
    file.unlink(missing_ok=True)
    assert ask(program, token).json()["error"] == "invalid_token"
    watch.nothing_happened()
    assert watch.asked() == 0
    assert not file.exists()


@pytest.mark.parametrize(
    ("method", "path", "body", "token", "status"),
    [
        ("GET", "/api/me", None, "bad", 401),
        ("POST", "/api/feedback", b'{"request_id": "r", "rating": "up"}', "bad", 401),
        ("GET", "/health?deep=1", None, "bad", 401),
        ("GET", "/health?deep=1", None, None, 401),
        ("GET", "/health", None, "bad", 200),
        ("OPTIONS", "/api/query", None, None, 204),
        ("GET", "/nowhere", None, "bad", 404),
        ("DELETE", "/api/query", None, "bad", 405),
        ("POST", "/api/query", b" " * 200_000, None, 401),
        ("POST", "/api/query", b" " * 200_000, "bad", 401),
    ],
)
def test_nothing_is_done_for_a_stranger_whatever_he_sends(
    program: Program, watch: Watch, method: str, path: str, body: bytes | None, token: str | None, status: int
) -> None:
    for _ in range(2):
        assert program.request(method, path, body, token=token).status == status
    watch.nothing_happened()
    assert watch.asked() <= (1 if token and status == 401 else 0)


def test_a_stranger_is_told_so_before_his_body_has_come(program: Program, watch: Watch) -> None:
    if program.workers():
        pytest.skip(
            "the worker is handed whole requests: the wrapper takes up to 64 KB from a stranger, after his turn"
        )
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin:
        call = program.start(
            "POST", "/api/query", token="bad", stdin=stdin, environ={"CONTENT_LENGTH": "60000"}
        )
    assert b"401" in call.read_until(b"invalid_token")
    os.close(writing)
    call.process.communicate()
    watch.nothing_happened()


def test_the_same_bad_token_from_many_at_once_is_asked_about_by_no_more_than_may_ask(
    base: Path, program: Program, auth: GatedAuth, watch: Watch
) -> None:
    auth.gate.clear()
    calls = [program.start("POST", "/api/query", QUESTION, token=f"bad.{number % 2}") for number in range(8)]
    eventually(auth.asked)
    # Those who waited too long for the one before them come in beside it.
    time.sleep(seen.LONGEST_SECONDS + 1)
    assert auth.asked() <= auth_adapter.AT_ONCE
    # Somebody known is not kept waiting by any of this.
    auth.gate.set()
    assert {call.reply().status for call in calls} <= {401, 502}
    watch.nothing_happened()


def test_a_known_user_is_answered_while_strangers_wait_for_an_auth_api_that_hangs(
    program: Program, auth: GatedAuth
) -> None:
    token = auth.token_for("alice")
    assert ask(program, token).status == 200
    auth.gate.clear()
    calls = [program.start("POST", "/api/query", QUESTION, token=f"bad.{number}") for number in range(10)]
    eventually(lambda: auth.asked() > 1)
    assert [ask(program, token).status for _ in range(3)] == [200, 200, 200]
    auth.gate.set()
    assert {call.reply().status for call in calls} <= {401, 502}


def test_a_new_user_holds_the_line_up_no_longer_than_it_takes_to_know_him(
    base: Path, auth: GatedAuth, openai: GatedOpenAI, chroma: Relay
) -> None:
    from tests.harness.doubles.faults import Fault

    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    with Program(base, AUTH_API_URL=auth.url, CHROMA_HOST="127.0.0.1", **settings) as program:
        assert ask(program, auth.token_for("bob")).status == 200
        openai.faults.push(Fault("hang"))
        slow = program.start("POST", "/api/query", QUESTION, token=auth.token_for("alice"))
        eventually(lambda: len(openai.requests) == 3)
        with (program.data_dir / seen.FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        openai.gate.set()
        slow.process.kill()
        slow.process.communicate()


def test_the_wrapper_finds_the_file_wherever_the_data_is(base: Path, auth: GatedAuth) -> None:
    with Program(base, data_dir="../data", AUTH_API_URL=auth.url) as program:
        token = auth.token_for("alice")
        assert ask(program, token).status == 200
        with (program.root / "var" / seen.FILE).open("rb") as file:
            # Whoever is not known would wait now, and then say that there was a crowd.
            fcntl.flock(file, fcntl.LOCK_EX)
            traced = [program.python, "-IS", "-X", "importtime"]
            for given, waited in ((token, False), ("bad", True)):
                reply = program.request("POST", "/api/query", QUESTION, token=given, command=traced)
                assert ("fcntl" in reply.stderr.partition("app.servers")[0].split()) == waited


# -- the file of tokens ------------------------------------------------------------------------------------------------


def test_the_file_of_tokens_never_grows_and_bad_ones_drive_out_no_good_one(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert seen.look(directory, "mine") == seen.UNREADABLE
    for number in range(200):
        seen.note(directory, f"good.{number}", seen.GOOD)
    size = (tmp_path / seen.FILE).stat().st_size
    for number in range(20_000):
        seen.note(directory, f"bad.{number}", seen.BAD)
    assert (tmp_path / seen.FILE).stat().st_size == size == seen.FILE_BYTES
    assert {seen.look(directory, f"good.{number}") for number in range(200)} == {seen.GOOD}
    assert seen.look(directory, "bad.19999") == seen.BAD
    assert seen.look(directory, "somebody") == seen.STRANGER
    content = (tmp_path / seen.FILE).read_bytes()
    assert b"good" not in content and b"bad." not in content


def test_what_is_said_last_of_a_token_counts(tmp_path: Path) -> None:
    directory = str(tmp_path)
    for kind in (seen.GOOD, seen.BAD, seen.GOOD, seen.GOOD, seen.BAD):
        seen.note(directory, "token", kind)
        assert seen.look(directory, "token") == kind


def test_entries_end_and_a_clock_set_back_makes_none_last_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, now = str(tmp_path), time.time()
    seen.note(directory, "good", seen.GOOD)
    seen.note(directory, "bad", seen.BAD)
    for later, good, bad in (
        (29, seen.GOOD, seen.BAD),
        (31, seen.GOOD, seen.STRANGER),
        (86_401, seen.STRANGER, seen.STRANGER),
    ):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert (seen.look(directory, "good"), seen.look(directory, "bad")) == (good, bad)
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert (seen.look(directory, "good"), seen.look(directory, "bad")) == (seen.STRANGER, seen.STRANGER)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, b"\xff" * seen.FILE_BYTES, b"\0" * (seen.FILE_BYTES + 1)]
)
def test_a_file_that_somebody_else_has_written_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    (tmp_path / seen.FILE).write_bytes(content)
    assert seen.look(str(tmp_path), "token") in (seen.UNREADABLE, seen.STRANGER)
    seen.note(str(tmp_path), "token", seen.GOOD)
    assert seen.look(str(tmp_path), "token") == seen.GOOD
    assert (tmp_path / seen.FILE).stat().st_size == seen.FILE_BYTES


def test_a_token_that_was_good_is_believed_only_as_long_as_the_ledger_does(
    program: Program, auth: GatedAuth
) -> None:
    token = auth.token_for("alice")
    assert ask(program, token).status == 200
    with sqlite3.connect(program.data_dir / "ledger.sqlite3") as db:
        db.execute("DELETE FROM tokens")
    auth.revoke(token)
    asked = auth.asked()
    assert [ask(program, token).status for _ in range(2)] == [401, 401]
    assert auth.asked() == asked + 1


def test_a_broken_ledger_lets_nobody_in(program: Program, auth: GatedAuth) -> None:
    known = auth.token_for("alice")
    assert ask(program, known).status == 200
    (program.data_dir / "ledger.sqlite3").write_bytes(b"no database" * 1000)
    for token in (known, auth.token_for("bob")):
        assert ask(program, token).json()["error"] == "ledger_unavailable"


# -- the line ----------------------------------------------------------------------------------------------------------


def test_one_stranger_at_a_time(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert seen.stand_in_line(directory) == (-1, False)
    seen.note(directory, "token", seen.BAD)
    first, crowd = seen.stand_in_line(directory)
    assert first >= 0 and not crowd
    # The one before takes longer than anybody waits.
    assert seen.stand_in_line(directory) == (-1, True)
    threading.Timer(0.3, os.close, [first]).start()
    second, crowd = seen.stand_in_line(directory)
    assert second >= 0 and crowd
    os.close(second)
    # The line is empty, but somebody was let in a moment ago.
    third, crowd = seen.stand_in_line(directory)
    assert third >= 0 and crowd
    os.close(third)


def test_without_locks_there_is_no_line_and_no_crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    seen.note(str(tmp_path), "token", seen.BAD)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert seen.stand_in_line(str(tmp_path)) == (-1, False)


def test_the_auth_api_is_asked_about_few_tokens_at_a_time(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(auth_adapter.AT_ONCE):
            assert stack.enter_context(auth_adapter.turn(tmp_path, Deadline(5))) is False
        with pytest.raises(AuthUnavailable), auth_adapter.turn(tmp_path, Deadline(0.1)):
            pass
        rest = auth_adapter.THREADS - auth_adapter.AT_ONCE
        had_turns: list[bool] = []

        def wait() -> None:
            with auth_adapter.turn(tmp_path, Deadline(60)):
                had_turns.append(True)

        waiting = [threading.Thread(target=wait) for _ in range(rest)]
        for thread in waiting:
            thread.start()
        eventually(lambda: not auth_adapter._threads._value)
        # Who cannot even wait is told at once.
        with pytest.raises(AuthUnavailable, match="threads"), auth_adapter.turn(tmp_path, Deadline(60)):
            pass
    for thread in waiting:
        thread.join()
    assert len(had_turns) == rest


# -- who somebody is ---------------------------------------------------------------------------------------------------


class Named(GatedAuth):
    """Says that everybody is `identity`."""

    identity: object = None

    def answer(self, request: object) -> object:
        return json_reply({"success": True, "data": {"id": self.identity}})


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("1", "1"),
        (1, "1"),
        (" 1 ", " 1 "),
        ("x" * 128, "x" * 128),
        ("Zoë", "Zoë"),
        (2**64 - 1, str(2**64 - 1)),
        (0, "0"),
    ],
)
def test_an_id_is_taken_as_it_is(identity: object, name: str) -> None:
    with Named() as auth:
        auth.identity = identity
        assert AuthApi(auth.url).user("a.b.c", Deadline(10)).id == name


@pytest.mark.parametrize(
    ("identity", "error"),
    [
        ("x" * 129, AuthUnavailable),
        ("a\nb", AuthUnavailable),
        ("\x1b[31m", AuthUnavailable),
        ("a\u202eb", AuthUnavailable),
        (2**64, AuthUnavailable),
        (10**200, AuthUnavailable),
        ("", InvalidToken),
        (True, InvalidToken),
        (1.5, InvalidToken),
        (None, InvalidToken),
        ([1], InvalidToken),
    ],
)
def test_an_id_that_is_none(identity: object, error: type[Exception]) -> None:
    with Named() as auth:
        auth.identity = identity
        with pytest.raises(error):
            AuthApi(auth.url).user("a.b.c", Deadline(10))
