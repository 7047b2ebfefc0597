"""The shell scripts, run in a copy of the checkout: what they print, what they exit with, what they leave
running.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT
from tests.harness.accounts import Account
from tests.harness.checkout import copy_checkout
from tests.harness.doubles.delivery import Reply, json_reply
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.recording import RecordedRequest
from tests.harness.doubles.server import Double
from tests.harness.ports import free_port
from tests.unit.docs import documents

pytestmark = pytest.mark.timeout(120)

# In place of pip in the copy, which has its packages already: it notes what it should install, and does as it
# is told.
PIP = """
import os, pathlib, sys
here = pathlib.Path(__file__).parent
if sys.argv[1] != "install":
    sys.exit()
with here.joinpath("calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
sys.exit("no such package" if here.joinpath("broken").exists() else 0)
"""


@dataclass(frozen=True)
class Project:
    """A copy of the checkout, and a home directory without settings."""

    root: Path
    home: Path

    def run(
        self, script: str, *arguments: str | bytes, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script from another directory, with a short environment, to its end."""
        with self.start(script, *arguments, **environment) as process:
            out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, script: str, *arguments: str | bytes, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.root / "scripts" / script, *arguments],
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    @property
    def pip(self) -> Path:
        """The folder of the stand-in for pip."""
        return next(self.root.glob(".venv/lib/python3*/site-packages")) / "pip"

    def pip_calls(self) -> list[str]:
        calls = self.pip / "calls"
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("copy") / "dnd chat", tmp_path_factory.mktemp("home"))
    copy_checkout(project.root, account=Account.current())
    project.pip.mkdir()
    project.pip.joinpath("__main__.py").write_text(PIP, encoding="utf-8")
    return project


@pytest.fixture
def project(copied: Project) -> Iterator[Project]:
    """The copy, set up for the web host; nothing of it runs after the test."""
    copied.pip.joinpath("broken").unlink(missing_ok=True)
    done = copied.run("setup.sh")
    assert done.returncode == 0, done.stderr
    copied.pip.joinpath("calls").unlink(missing_ok=True)
    yield copied
    copied.run("stop_flask.sh")


def one_line(text: str) -> str:
    [line] = text.splitlines()
    return line


# -- setup.sh ----------------------------------------------------------------------------------------------------------

SCRIPTS = [
    *(
        "setup.sh",
        "start_flask.sh",
        "stop_flask.sh",
        "start_chroma.sh",
        "test_flask_query.sh",
        "run_tests.sh",
    ),
    "lock_requirements.sh",
]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_for_people_and_does_nothing(copied: Project, script: str, option: str) -> None:
    done = copied.run(script, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: scripts/{script}")


# All but the one that only the program itself starts.
COMMANDS = sorted({path.name for path in (ROOT / "scripts").glob("*.py")} - {"send_alerts.py"})


@pytest.mark.parametrize("script", COMMANDS)
def test_the_help_of_a_command_has_an_example(script: str) -> None:
    command = [ROOT / ".venv/bin/python3", ROOT / "scripts" / script, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"scripts/{script}" in shown.partition("xample")[2]


@pytest.mark.parametrize("script", ["setup.sh", "start_flask.sh", "stop_flask.sh"])
def test_a_wrong_option_shows_the_usage_and_is_2(copied: Project, script: str) -> None:
    done = copied.run(script, "--no-such-option")
    assert done.returncode == 2
    assert "Usage:" in done.stdout + done.stderr


def test_setting_up_again_installs_nothing(project: Project) -> None:
    project.pip.joinpath("broken").touch()
    done = project.run("setup.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^✓ Ready: Python 3\.\d+", done.stdout, re.MULTILINE)
    assert re.search(r"^\d+ sample passages", done.stdout, re.MULTILINE)
    assert project.pip_calls() == []


def test_more_is_installed_when_more_is_asked_for_and_then_kept(project: Project) -> None:
    for option, file in (("--operator", "requirements.lock"), ("--dev", "requirements-dev.lock")):
        before = len(project.pip_calls())
        assert project.run("setup.sh", option).returncode == 0
        [call] = project.pip_calls()[before:]
        assert call.endswith(f"--require-hashes -r {file}")
    # The larger set holds the smaller ones.
    before = len(project.pip_calls())
    for option in ([], ["--operator"], ["--dev"]):
        assert project.run("setup.sh", *option).returncode == 0
    assert len(project.pip_calls()) == before


def test_changed_requirements_are_installed(project: Project) -> None:
    file = project.root / "requirements-host.txt"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + "# a new line\n", encoding="utf-8")
    try:
        assert project.run("setup.sh").returncode == 0
        assert len(project.pip_calls()) == 1
    finally:
        file.write_text(text, encoding="utf-8")


def test_an_installation_that_fails_says_why_and_is_tried_again(project: Project) -> None:
    project.root.joinpath(".venv/installed").unlink()
    project.pip.joinpath("broken").touch()
    done = project.run("setup.sh")
    assert done.returncode == 1
    assert "no such package" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("✗ ")
    project.pip.joinpath("broken").unlink()
    assert project.run("setup.sh").returncode == 0


@pytest.fixture
def bare(project: Project, tmp_path: Path) -> Iterator[Project]:
    """The copy without its virtual environment."""
    aside = tmp_path / "venv"
    project.root.joinpath(".venv").rename(aside)
    yield project
    with contextlib.suppress(FileNotFoundError):
        project.root.joinpath(".venv").rename(tmp_path / "made")
    aside.rename(project.root / ".venv")


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_python_that_is_too_old_is_one_line(bare: Project, tmp_path: Path) -> None:
    old = program(tmp_path / "python3.9", "exit 1")
    done = bare.run("setup.sh", PYTHON=old)
    assert (done.returncode, done.stdout) == (1, "")
    line = one_line(done.stderr)
    assert "Python 3.10 or newer" in line
    assert old in line


def test_no_new_enough_python_anywhere_is_one_line(bare: Project, tmp_path: Path) -> None:
    for name in ("python3", *(f"python3.{minor}" for minor in range(10, 20))):
        program(tmp_path / name, "exit 1")
    done = bare.run("setup.sh", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Python 3.10 or newer" in one_line(done.stderr)
    # The same line when the first command that a newcomer runs is the other one.
    started = bare.run("start_flask.sh", "--port", str(free_port()), PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (started.returncode, started.stderr) == (1, done.stderr)


NO_SQLITE = "import sys; sys.modules['_sqlite3'] = None"
OLD_SQLITE = "import sqlite3; sqlite3.sqlite_version_info, sqlite3.sqlite_version = (3, 7, 17), '3.7.17'"
SQLITE_OF_RHEL_8 = (
    "import sqlite3; sqlite3.sqlite_version_info, sqlite3.sqlite_version = (3, 26, 0), '3.26.0'"
)
NO_FTS5 = """
import sqlite3
class Without(sqlite3.Connection):
    def execute(self, sql, *_):
        raise sqlite3.OperationalError("no such module: fts5")
connect = sqlite3.connect
sqlite3.connect = lambda *_, **__: connect(":memory:", factory=Without)
"""
NO_SSL = "import sys; sys.modules['_ssl'] = None"


def python_that(folder: Path, change: str) -> str:
    """An interpreter of this version that was built in another way."""
    folder.joinpath("sitecustomize.py").write_text(change, encoding="utf-8")
    return program(folder / "other python3", f'PYTHONPATH="{folder}" exec "{sys.executable}" "$@"')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (OLD_SQLITE, "has SQLite 3.7.17, older than 3.24"),
        (NO_FTS5, "without FTS5"),
        (NO_SQLITE, "without the module sqlite3"),
        (NO_SSL, "without the module ssl"),
    ],
)
def test_a_python_that_was_built_without_something_is_one_line(
    bare: Project, tmp_path: Path, change: str, said: str
) -> None:
    python = python_that(tmp_path, change)
    done = bare.run("setup.sh", PYTHON=python)
    assert (done.returncode, done.stdout) == (1, "")
    line = one_line(done.stderr)
    assert f"{python} " in line
    assert said in line


def test_chromadb_is_not_installed_beside_an_sqlite_that_it_refuses(project: Project, tmp_path: Path) -> None:
    tmp_path.joinpath("sitecustomize.py").write_text(SQLITE_OF_RHEL_8, encoding="utf-8")
    assert project.run("setup.sh", PYTHONPATH=str(tmp_path)).returncode == 0
    done = project.run("setup.sh", "--operator", PYTHONPATH=str(tmp_path))
    assert (done.returncode, project.pip_calls()) == (1, [])
    assert "chromadb needs SQLite 3.35 or newer" in one_line(done.stderr)


# Answers as a Python 3.12 whose venv module is there once the package is.
WITHOUT_VENV = """case "$2" in
*ensurepip*) [ -e "$0-venv" ] ;;
*print*) echo python3.12-venv ;;
venv) echo "$@" >&2; exit 9 ;;
esac"""


@pytest.mark.parametrize("apt", ["exit 100", "exit 0"], ids=["refused", "of no use"])
def test_a_python_without_its_venv_module_is_one_line(bare: Project, tmp_path: Path, apt: str) -> None:
    python = program(tmp_path / "python3.12", WITHOUT_VENV)
    program(tmp_path / "apt-get", apt)
    program(tmp_path / "sudo", "exit 1")
    done = bare.run("setup.sh", PYTHON=python, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (1, "Installing Debian packages: python3.12-venv\n")
    assert "python3-venv" in one_line(done.stderr)


@pytest.mark.parametrize("root", [True, False])
def test_the_venv_module_is_installed_where_that_is_allowed(
    bare: Project, tmp_path: Path, root: bool
) -> None:
    python = program(tmp_path / "python3.12", WITHOUT_VENV)
    program(tmp_path / "apt-get", f'[ "$1" = update ] || touch "{python}-venv"')
    program(tmp_path / "sudo", 'shift; echo sudo >&2; exec "$@"')
    program(tmp_path / "id", f"echo {0 if root else 1000}")
    done = bare.run("setup.sh", PYTHON=python, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.stderr == ("" if root else "sudo\nsudo\n") + "-m venv .venv\n"


# -- start_flask.sh, stop_flask.sh -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Started:
    port: int
    token: str
    output: str

    def get(self, path: str) -> tuple[int, bytes]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=20) as reply:
            return reply.status, reply.read()


def start(project: Project, **environment: str) -> Started:
    port = free_port()
    done = project.run("start_flask.sh", "--port", str(port), **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(rf"^ +http://127\.0\.0\.1:{port}/#token=(\S+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return Started(port, found[1], done.stdout)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def command_lines() -> list[str]:
    """The process list, as every account of the machine sees it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append(
                entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
    return found


def test_one_command_starts_a_server_that_answers(project: Project) -> None:
    server = start(project)
    status, page = server.get("/")
    assert (status, b"<html" in page.lower()) == (200, True)
    assert json.loads(server.get("/health")[1])["service"] == "dnd_rag"

    # As the printed text says it.
    [(token, question)] = re.findall(
        r"DNDCHAT_TOKEN=(\S+) scripts/test_flask_query\.sh \"(.+)\"", server.output
    )
    done = project.run("test_flask_query.sh", question, DNDCHAT_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert "sb-beholder" in {source["id"] for source in json.loads(done.stdout)["sources"] if source["cited"]}

    assert len(server.token) >= 20
    assert [line for line in command_lines() if server.token in line] == []
    private = project.root / "var" / "flask.server"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(project.root.joinpath("var").stat().st_mode) == 0o700
    for log in project.root.joinpath("var").glob("*.log"):
        assert server.token not in log.read_text(encoding="utf-8")

    again = project.run("start_flask.sh", "--port", str(free_port()))
    assert again.returncode == 0
    assert "Already running" in again.stdout
    assert f"http://127.0.0.1:{server.port}/#token={server.token}" in again.stdout

    stopped = project.run("stop_flask.sh")
    assert (stopped.returncode, stopped.stdout) == (0, "✓ Stopped\n")
    assert not listening(server.port)
    assert project.run("stop_flask.sh").stdout == "✓ Not running\n"
    assert not private.exists()


def test_the_first_commands_of_the_readme_give_an_answer(project: Project) -> None:
    """As they stand there, but for a free port and the token that was printed."""
    begin, ask, end = (
        line for block in documents.blocks("README.md")[:2] for line in block.text.splitlines()
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(project.home)}

    def in_bash(line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=project.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    [token] = re.findall(r"^  Token: (\S+)$", in_bash(f"{begin} --port {free_port()}"), re.MULTILINE)
    assert (
        "250,001"
        in json.loads(in_bash(ask.replace("DNDCHAT_TOKEN=TOKEN", f"DNDCHAT_TOKEN={token}")))["answer"]
    )
    assert in_bash(end) == "✓ Stopped\n"


def test_each_start_has_a_token_of_its_own_and_the_last_ones_are_refused(project: Project) -> None:
    first = start(project)
    project.run("stop_flask.sh")
    second = start(project)
    assert first.token != second.token
    done = project.run("test_flask_query.sh", f"Bearer {first.token}", "What is a beholder?")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "invalid_token"


def test_a_taken_port_is_a_clear_failure(project: Project) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = project.run("start_flask.sh", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith("✗ ")
    assert str(port) in done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert not project.root.joinpath("var/flask.server").exists()
    assert "✓" not in done.stdout.splitlines()[-1] or "running" not in done.stdout


def test_settings_that_cannot_be_used_are_shown_at_the_start(project: Project) -> None:
    done = project.run(
        "start_flask.sh", "--port", str(free_port()), DAILY_BUDGET_USD="a dollar", CORS_ORIGINS="*"
    )
    assert done.returncode == 1
    assert "DAILY_BUDGET_USD" in done.stderr
    assert "CORS_ORIGINS" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_refuse_every_question_are_said_at_the_start(project: Project) -> None:
    environment = {"DAILY_BUDGET_USD": "0.001", "OPENAI_API_KEY": "sk-test", "TOKEN_REFILL_RATE": "0"}
    done = project.run("start_flask.sh", "--port", str(free_port()), **environment)
    assert done.returncode == 0
    said = [line for line in done.stdout.splitlines() if line.startswith("! ")]
    assert [line.split(":")[0] for line in said] == ["! TOKEN_REFILL_RATE", "! DAILY_BUDGET_USD"]
    assert "give 0.005764 or more" in said[1]


@pytest.mark.parametrize("port", ["0", "65536", "http", "", "-1", "5000x"])
def test_a_port_that_is_none(project: Project, port: str) -> None:
    done = project.run("start_flask.sh", "--port", port)
    assert done.returncode == 2
    assert "65535" in one_line(done.stderr)


def test_a_server_that_died_is_started_anew_and_a_strangers_process_is_left_alone(project: Project) -> None:
    with subprocess.Popen(["sleep", "100"]) as stranger:
        try:
            # Its number was ours once.
            project.root.joinpath("var/flask.server").write_text(f"{stranger.pid}\n1\nx\n", encoding="utf-8")
            assert project.run("stop_flask.sh").stdout == "✓ Not running\n"
            project.root.joinpath("var/flask.server").write_text(f"{stranger.pid}\n1\nx\n", encoding="utf-8")
            assert start(project).get("/health")[0] == 200
            assert stranger.poll() is None
        finally:
            stranger.kill()


# -- test_flask_query.sh -----------------------------------------------------------------------------------------------


class Listener(Double):
    """Takes what the script sends and says it back."""

    def answer(self, request: RecordedRequest) -> Reply:
        return json_reply({"heard": request.body})


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as running:
        yield running


def query(
    project: Project, listener: Double, *arguments: str | bytes, **environment: str
) -> subprocess.CompletedProcess[str]:
    return project.run("test_flask_query.sh", *arguments, API_URL=listener.url, **environment)


QUESTIONS = [
    'What does "Hit Dice: 4+3" mean?',
    "What's a will-o'-the-wisp's AC?",
    "`touch pwned` $(touch pwned) ${HOME} $HOME !! \\n %s {}",
    "two\nlines\r\nand a\ttab",
    "Ünïcödé — 6–36 hit points ☕ 龍",
    "-k 5 --debug",
    "*",
    " padded ",
    "PY",
    "PY\nimport os\nos.abort()\n",
]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_question_arrives_as_it_was_typed(
    project: Project, listener: Listener, question: str, locale: str
) -> None:
    done = query(project, listener, "Bearer abc", question, LC_ALL=locale)
    assert (done.returncode, done.stderr) == (0, "")
    [request] = listener.requests
    assert request.body == {"question": question, "debug": False}
    assert (request.method, request.path, request.headers["authorization"]) == (
        "POST",
        "/api/query",
        "Bearer abc",
    )
    # What is printed is JSON that a person can read, in the question's own letters.
    assert json.loads(done.stdout) == {"heard": request.body}
    assert "\\u" not in done.stdout
    assert not [folder for folder in (project.root, project.home) if folder.joinpath("pwned").exists()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["debug"], {"debug": True}),
        (["true"], {"debug": True}),
        (["false"], {"debug": False}),
        (["debug", "5"], {"debug": True, "k": 5}),
        (["7"], {"debug": False, "k": 7}),
        (["false", "50"], {"debug": False, "k": 50}),
        (["", "3"], {"debug": False, "k": 3}),
        (["model"], {"debug": False, "exact": False}),
        (["debug", "model", "5"], {"debug": True, "exact": False, "k": 5}),
    ],
    ids=" ".join,
)
def test_debug_and_k(
    project: Project, listener: Listener, arguments: list[str], expected: dict[str, Any]
) -> None:
    assert query(project, listener, "abc", "q", *arguments).returncode == 0
    [request] = listener.requests
    assert request.body == {"question": "q", **expected}
    assert request.headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    "arguments", [[], ["Bearer x"], ["Bearer x", "q", "often"], ["Bearer x", "q", "debug", "-5"], ["a"] * 5]
)
def test_wrong_usage_is_2_and_asks_nobody(project: Project, listener: Listener, arguments: list[str]) -> None:
    done = query(project, listener, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage:")
    assert listener.requests == []


@pytest.mark.parametrize("status", [400, 401, 429, 500, 502, 503])
def test_a_refusal_is_1_with_its_status_and_body(project: Project, listener: Listener, status: int) -> None:
    listener.faults.push(Fault(status=status, body={"error": "no", "message": "Nö."}))
    done = query(project, listener, "Bearer x", "q")
    assert done.returncode == 1
    assert str(status) in one_line(done.stderr)
    assert json.loads(done.stdout) == {"error": "no", "message": "Nö."}


def test_a_reply_that_is_no_json_is_shown_as_it_is(project: Project, listener: Listener) -> None:
    listener.faults.push(Fault(status=500, body="<h1>Internal Server Error"))
    done = query(project, listener, "Bearer x", "q")
    assert (done.returncode, done.stdout.strip()) == (1, "<h1>Internal Server Error")


@pytest.mark.parametrize("kind", ["close_before_headers", "cut"])
def test_a_server_that_breaks_off_is_one_line(project: Project, listener: Listener, kind: str) -> None:
    listener.faults.push(Fault(kind))
    done = query(project, listener, "Bearer x", "q")
    assert done.returncode == 1
    assert one_line(done.stderr).startswith("✗ ")


def test_a_server_that_is_not_there_is_one_line(project: Project) -> None:
    port = free_port()
    done = project.run("test_flask_query.sh", "Bearer x", "q", API_URL=f"http://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"127.0.0.1:{port}" in one_line(done.stderr)
    assert "start_flask.sh" in done.stderr


@pytest.mark.parametrize("url", ["localhost:5000", "ftp://127.0.0.1", "http://", "not an address"])
def test_an_address_that_is_none_is_one_line(project: Project, url: str) -> None:
    done = project.run("test_flask_query.sh", "Bearer x", "q", API_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr).startswith("✗ ")


def test_a_question_of_broken_bytes_is_refused_and_not_a_crash(project: Project) -> None:
    server = start(project)
    done = project.run("test_flask_query.sh", f"Bearer {server.token}", b"a \xff\xfe b")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "invalid_request"
    assert "Traceback" not in done.stderr


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    project: Project, listener: Listener
) -> None:
    with Listener() as proxy:
        assert query(project, listener, "Bearer secret", "q", http_proxy=proxy.url).returncode == 0
        assert proxy.requests == []
    assert len(listener.requests) == 1
    assert (
        start(project, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9").get("/health")[0]
        == 200
    )


def test_the_token_goes_on_in_no_command_line(project: Project, listener: Listener) -> None:
    listener.faults.push(Fault("hang"))
    with project.start("test_flask_query.sh", "Bearer s3cret-t0ken", "q", API_URL=listener.url) as process:
        while not listener.requests:
            assert process.poll() is None
        # The script has taken the place of itself, without the token.
        assert [line for line in command_lines() if "s3cret-t0ken" in line] == []
        listener.close()
        process.communicate(timeout=60)
    assert process.returncode == 1


def test_a_token_comes_by_the_environment_or_from_a_file(
    project: Project, listener: Listener, tmp_path: Path
) -> None:
    for token in ("s3cret-t0ken", "Bearer s3cret-t0ken"):
        done = query(project, listener, "What is an orc?", "debug", "5", DNDCHAT_TOKEN=token)
        assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "token").write_text("s3cret-t0ken")
    script = project.root / "scripts/test_flask_query.sh"
    with (tmp_path / "token").open() as file:
        subprocess.run(
            [script, "-", "What is an orc?", "debug", "5"],
            stdin=file,
            check=True,
            env={**os.environ, "API_URL": listener.url},
        )
    assert len(listener.requests) == 3
    for request in listener.requests:
        assert request.headers["authorization"] == "Bearer s3cret-t0ken"
        assert request.body == {"question": "What is an orc?", "debug": True, "k": 5}
    assert query(project, listener, "-", "What is an orc?").returncode == 2, "there is none on standard input"


@pytest.mark.parametrize(
    "url",
    [
        "http://dnd.example.com",
        "http://127.0.0.1@dnd.example.com",
        "http://127.0.0.1.example.com",
        "http://2130706433",
        "ftp://x",
    ],
)
def test_a_token_goes_to_no_other_machine_in_the_clear(project: Project, url: str) -> None:
    done = project.run("test_flask_query.sh", "q", API_URL=url, DNDCHAT_TOKEN="s3cret-t0ken")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("✗ API_URL: ")


def test_a_token_goes_nowhere_else_with_a_redirect(project: Project, listener: Listener) -> None:
    with Listener() as other:
        listener.faults.push(Fault("status", status=302, headers={"Location": f"{other.url}/api/query"}))
        assert query(project, listener, "q", DNDCHAT_TOKEN="s3cret-t0ken").returncode == 1
        assert other.requests == []


def test_what_a_server_says_steers_no_terminal(project: Project, listener: Listener) -> None:
    done = query(project, listener, "a\x9b2Jb\u202ec\u2066d", DNDCHAT_TOKEN="t", LANG="C.UTF-8")
    assert json.loads(done.stdout)["heard"]["question"] == "a\x9b2Jb\u202ec\u2066d"
    assert not set(done.stdout) & set("\x9b\u202e\u2066")
