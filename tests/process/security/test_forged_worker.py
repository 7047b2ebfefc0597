"""A socket that another account has put where the worker's would be gets no token, and what it says reaches
nobody.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.accounts import Account, readable_directory
from tests.harness.checkout import interpreter_for
from tests.harness.gated import GatedAuth
from tests.harness.program import Program
from tests.harness.waiting import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of two accounts")
MALLORY = Account.named("nobody")
TOKEN = "the-callers-secret-token"

# Listens where it is told, writes down what it hears, and forges an answer. The first line is what a worker
# begins with.
FORGER = r"""
import os, socket, sys
os.chdir(sys.argv[1])
server = socket.socket(socket.AF_UNIX)
server.bind("worker.sock")
os.chmod("worker.sock", 0o777)
server.listen()
open("ready", "w").close()
while True:
    taken, _ = server.accept()
    try:
        taken.sendall(b"30\nStatus: 200 OK\r\nContent-Type: application/json\r\n\r\n{\"forged\": true}")
        taken.settimeout(1)
        heard = taken.recv(65536)
    except OSError:
        heard = b""
    with open("heard", "ab") as file:
        file.write(heard)
    taken.close()
"""


@contextmanager
def forger(folder: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [interpreter_for(MALLORY), "-c", FORGER, folder], cwd="/", **MALLORY.popen_arguments()
    )
    try:
        eventually(lambda: (folder / "ready").exists())
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def program(base: Path, auth: GatedAuth) -> Iterator[Program]:
    with Program(base, AUTH_API_URL=auth.url, WARM_WORKER="on") as made:
        made.data_dir.mkdir(mode=0o700)
        made.account.owns(made.data_dir)
        yield made


def ask(program: Program, where: str) -> bytes:
    return program.request("GET", "/api/me", token=TOKEN, environ={"DATA_DIR": where}).body


@pytest.mark.parametrize("owner", ["theirs", "ours", "sticky"])
def test_a_socket_in_a_directory_that_others_can_write(program: Program, owner: str) -> None:
    folder = program.data_dir
    if owner == "theirs":
        MALLORY.owns(folder)
        folder.chmod(0o755)
    else:
        folder.chmod(0o1777 if owner == "sticky" else 0o777)
    with forger(folder):
        assert b"forged" not in ask(program, str(folder))
    time.sleep(0.1)
    heard = folder / "heard"
    assert not heard.exists() or heard.read_bytes() == b""


def test_a_link_to_a_socket_of_somebody_elses(program: Program) -> None:
    """Their own directory is theirs; a link in ours (as a worker elsewhere leaves one) led there."""
    with readable_directory(MALLORY) as theirs, forger(theirs):
        (program.data_dir / "worker.sock").symlink_to(theirs / "worker.sock")
        assert b"forged" not in ask(program, str(program.data_dir))
        assert not (theirs / "heard").exists() or TOKEN.encode() not in (theirs / "heard").read_bytes()


def test_a_socket_that_looks_like_ours_and_is_another_accounts(program: Program) -> None:
    """The file can be given to us, by root or by a mistake; who listens behind it is what counts."""
    folder = program.data_dir
    folder.chmod(0o777)
    with forger(folder):
        program.account.owns(folder)
        folder.chmod(0o700)
        (folder / "worker.sock").chmod(0o700)
        assert b"forged" not in ask(program, str(folder))
        assert not (folder / "heard").exists() or TOKEN.encode() not in (folder / "heard").read_bytes()


def test_a_data_dir_that_is_a_link_to_somebody_elses(program: Program) -> None:
    with readable_directory(MALLORY) as theirs, forger(theirs):
        link = program.root / "elsewhere"
        link.symlink_to(theirs)
        assert b"forged" not in ask(program, str(link))
        assert not (theirs / "heard").exists() or TOKEN.encode() not in (theirs / "heard").read_bytes()


def test_our_own_worker_is_still_spoken_to(program: Program) -> None:
    assert program.warm() in program.workers()
