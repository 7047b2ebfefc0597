"""The CGI wrapper on hosts that lack what it would like to use: every request has its answer all the same."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.body import pipe_with
from tests.harness.accounts import server_account
from tests.harness.cgi_process import CgiProgram
from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.gated import GatedAuth
from tests.harness.program import Program
from tests.harness.seccomp import lacking
from tests.process.servers.test_cgi import _old_pythons

SHORT = json.dumps({"question": "What is an owlbear?"}).encode()
# Each letter is six bytes as JSON writes it: 48 kB of a body, close to what a wrapper passes on.
LONG = json.dumps(
    {"question": "What is an owlbear?", "history": [{"role": "user", "content": "\u2014" * 8000}]}
).encode()
ACCOUNT = server_account()
AF_UNIX = 1


def dead_socket(folder: Path) -> None:
    """What a worker leaves behind that was killed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "worker.sock"))
    ACCOUNT.owns(folder)


@pytest.fixture
def program(base: Path, auth: GatedAuth) -> Iterator[Program]:
    with Program(base, AUTH_API_URL=auth.url) as made:
        dead_socket(made.data_dir)
        yield made


@pytest.mark.parametrize("body", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("python", _old_pythons(), ids=lambda path: path.name)
def test_a_dead_socket_and_a_python_that_is_old(tmp_path: Path, python: Path, body: bytes) -> None:
    """Before 3.8 there is no `os.memfd_create`; the wrapper hands over to the virtual environment's
    interpreter.
    """
    with AuthDouble() as auth:
        program = CgiProgram(tmp_path, command=(python, "-S"), AUTH_API_URL=auth.url)
        dead_socket(program.data_dir)
        environ = {"DATA_DIR": str(program.data_dir)}
        assert program.request("GET", "/health", environ=environ).status == 200
        reply = program.request("POST", "/api/query", body, token=auth.token_for("alice"), environ=environ)
    assert reply.status == 200, reply.body
    assert "owlbear" in reply.json()["answer"].lower()


@pytest.mark.parametrize("body", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "lacks",
    [
        {"memfd_create": errno.ENOSYS},
        {"memfd_create": errno.EPERM},
        {
            "memfd_create": errno.ENOSYS,
            "fork": errno.EAGAIN,
            "vfork": errno.EAGAIN,
            "clone": errno.EAGAIN,
            "clone3": errno.ENOSYS,
        },
        {"socket": (errno.EAFNOSUPPORT, -1)},
        {"times": errno.ENOSYS, "getrandom": errno.ENOSYS},
    ],
    ids=["no memfd", "memfd forbidden", "no memfd and no process", "no sockets", "old kernel"],
)
def test_a_dead_socket_and_a_kernel_that_lacks_calls(
    program: Program, auth: GatedAuth, lacks: dict[str, int | tuple[int, int]], body: bytes
) -> None:
    token = auth.token_for("alice")
    # Known beforehand, so that a host without sockets need not ask the auth API.
    assert program.request("POST", "/api/query", SHORT, token=token).status == 200
    reply = program.request("POST", "/api/query", body, token=token, command=lacking(ACCOUNT, **lacks))
    assert reply.status == 200, (reply.body, reply.stderr)
    assert "owlbear" in reply.json()["answer"].lower()


def no_place(place: Path) -> None:
    """Nothing there."""


def a_file(place: Path) -> None:
    place.write_text("not what you think")


def a_pipe(place: Path) -> None:
    os.mkfifo(place, 0o666)


def a_folder(place: Path) -> None:
    place.mkdir()


def a_dangling_link(place: Path) -> None:
    place.symlink_to("/nonexistent/place")


def a_loop(place: Path) -> None:
    place.symlink_to(place)


def a_closed_folder(place: Path) -> None:
    place.mkdir(mode=0)


@pytest.mark.parametrize("make", [a_file, a_pipe, a_folder, a_dangling_link, a_loop, a_closed_folder])
def test_whatever_lies_where_the_socket_would_be(
    program: Program, auth: GatedAuth, make: Callable[[Path], None]
) -> None:
    place = program.data_dir / "worker.sock"
    place.unlink()
    make(place)
    reply = program.ask(auth.token_for("alice"))
    assert reply.status == 200, reply.body
    assert reply.stderr == ""


@pytest.mark.parametrize("make", [no_place, a_file, a_pipe, a_dangling_link, a_loop, a_closed_folder])
def test_whatever_lies_where_the_data_directory_would_be(
    program: Program, auth: GatedAuth, make: Callable[[Path], None]
) -> None:
    place = program.home / "data"
    make(place)
    program.configure(DATA_DIR=str(place))
    program.environ["DATA_DIR"] = str(place)
    assert program.request().status == 200
    reply = program.ask(auth.token_for("alice"))
    if make is no_place:
        assert reply.status == 200, reply.body
        return
    assert (reply.status, reply.json()["error"]) == (500, "ledger_unavailable")
    # With no place for a log of its own the program says it to Apache's, once, with what to do.
    assert str(place) in reply.stderr
    assert "DATA_DIR" in reply.stderr or "chmod" in reply.stderr or "chown" in reply.stderr
    assert "Traceback" not in reply.stderr


@pytest.mark.parametrize("home", [None, "", "~"])
def test_a_data_directory_in_a_home_that_nobody_knows(program: Program, home: str | None) -> None:
    if os.geteuid() != 0:
        pytest.skip("an account without an entry needs root to become it")
    environ = {"DATA_DIR": "~/data", "HOME": home}
    program.settings_file.chmod(0o644)
    reply = program.request(environ=environ, user=54321, group=54321)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("descriptor", [0, 2])
def test_a_server_that_gives_no_stream(program: Program, descriptor: int) -> None:
    reply = program.request(preexec_fn=lambda: os.close(descriptor))
    assert reply.status == 200


@pytest.mark.parametrize("count", [0, 1, 5000, 65536, 1_000_000])
def test_a_body_goes_through_a_pipe_whatever_that_holds(count: int) -> None:
    """What no pipe holds at once is written by a process of its own."""
    sent = os.urandom(count)
    with open(pipe_with(sent), "rb") as reading:  # noqa: PTH123  # a descriptor
        assert reading.read() == sent
