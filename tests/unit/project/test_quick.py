"""Which tests `--quick` runs, and that these start no server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT

# A test for each way to start something, and some that start nothing.
SAMPLE = """
import socket, subprocess
from functools import partial
import pytest
from tests.harness.apache import Apache
from tests.harness import chroma_server
from tests.harness.doubles.openai import OpenAIDouble
from tests.harness.accounts import server_account
from tests.harness.apache_config import render_htaccess

def helper(): return Apache("a", "b")
class Further(OpenAIDouble): pass
class Holder:
    @property
    def server(self): return helper()
@pytest.fixture
def server(): yield chroma_server.ChromaServer()
@pytest.fixture
def indirect(server): return 1

def test_server_direct(): Apache("a", "b")
def test_server_through_a_helper(): helper()
def test_server_through_a_module(): chroma_server.ChromaServer()
def test_server_of_a_subclass():
    with Further(): pass
def test_server_through_a_property(): Holder().server
def test_server_in_a_comprehension(): [helper() for _ in range(2)]
def test_server_in_a_function_inside():
    def inside(): return helper()
    inside()
def test_server_imported_inside():
    from tests.harness.relay import Relay
    Relay("http://127.0.0.1:1")
def test_server_of_a_fixture(server): pass
def test_server_of_a_fixtures_fixture(indirect): pass
def test_server_of_the_conftest(auth): pass
def test_server_by_hand():
    with socket.socket() as listener: listener.bind(("127.0.0.1", 0))
def test_server_as_a_process(): subprocess.Popen(["true"])
def test_server_by_a_script(): subprocess.run(["scripts/start_flask.sh"])
class TestServer:
    def begin(self): return helper()
    def test_server_in_a_class(self): self.begin()

def test_plain(): assert render_htaccess()
def test_command(): subprocess.run(["true"], check=True)
def test_account(): server_account()
@pytest.mark.parametrize("x", [1, 2])
def test_many(x): pass

def test_hidden_bind(): getattr(socket.socket(), "bi" + "nd")(("127.0.0.1", 0))
def test_hidden_program(): subprocess.run(["apache2", "-v"])
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder below a conftest that hands on to that of the project."""
    folder = tmp_path_factory.mktemp("sample")
    folder.joinpath("conftest.py").write_text(
        "from tests.conftest import *\nfrom tests.conftest import _starts_what_it_may, _watch\n"
    )
    folder.joinpath("test_sample.py").write_text(SAMPLE)
    return folder


def pytest_in(folder: Path, *arguments: str) -> str:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        "-c",
        os.devnull,
        "--rootdir",
        folder,
        *arguments,
    ]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{folder}"}
    return subprocess.run(
        [*command, folder], env=environment, capture_output=True, text=True, check=False
    ).stdout


def test_what_can_start_a_server_is_not_quick(sample: Path) -> None:
    names = {
        line.rpartition("::")[2]
        for line in pytest_in(sample, "--quick", "--collect-only").splitlines()
        if "::" in line
    }
    assert {name for name in names if "server" in name} == set()
    assert names == {
        "test_plain", "test_command", "test_account", "test_many[1]", "test_many[2]", "test_hidden_bind", "test_hidden_program"
    }  # fmt: skip


def test_what_is_quick_and_starts_a_server_all_the_same_fails(sample: Path) -> None:
    for arguments in (["--quick"], ["-k", "not server"]):
        said = pytest_in(sample, *arguments)
        assert "2 failed, 5 passed" in said, said
        for name, event in (("test_hidden_bind", "socket.bind"), ("test_hidden_program", "subprocess.Popen")):
            assert f"{name} counts as a test that starts no server" in said
            assert event in said
