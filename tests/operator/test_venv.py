"""Which Python a command runs in when the `python3` of the host is too old, and what is said when there is no
other.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
# What is loaded before the interpreter was chosen, in whatever `python3` is.
BEFORE = [ROOT / "app/__init__.py", ROOT / "app/operator/__init__.py", ROOT / "app/operator/venv.py"]

# This Python, as far as a script can see, in the version of RHEL 8.
PRETEND = "import runpy, sys; sys.version_info = (3, 6, 8); del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"


def old_pythons() -> list[str]:
    """Interpreters older than 3.10 on this machine: few have one, those that build for several versions
    do.
    """
    beside = [
        path
        for minor in range(6, 10)
        for path in Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3")
    ]
    found = [shutil.which(f"python3.{minor}") for minor in range(6, 10)]
    # pyenv puts scripts of these names into PATH, which may run nothing.
    return [str(path) for path in (*found, *beside) if path and Path(path).read_bytes()[:2] != b"#!"]


@pytest.mark.parametrize("path", [*SCRIPTS, *BEFORE], ids=lambda path: path.name)
def test_it_can_be_read_by_python_3_6(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    newer = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    assert newer == [], "`annotations` is a SyntaxError there"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_interpreter_is_chosen_before_anything_else_is_loaded(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    before, used, _ = text.partition("\nvenv.use_own()\n")
    assert used
    names = re.findall(r"^(?:import|from) (\w+)", before, re.MULTILINE)
    assert set(names) <= {"sys", "pathlib", "app"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts and the program, without a virtual environment."""
    copy = tmp_path_factory.mktemp("old host") / "dndchat"
    for name in ("app", "scripts"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


COMMANDS = [[os.path.realpath(sys.executable), "-I", "-c", PRETEND], *([python] for python in old_pythons())]


@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: "this" if len(command) > 1 else Path(command[0]).parts[-3]
)
class TestTooOld:
    def run(self, command: list[str], script: Path) -> tuple[int, str, str]:
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*command, script, "--help"],
            capture_output=True,
            encoding="utf-8",
            env=environment,
            cwd="/",
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def test_a_command_goes_on_in_the_virtual_environment(self, checkout: Path, command: list[str]) -> None:
        venv = checkout / ".venv"
        venv.symlink_to(ROOT / ".venv")
        try:
            status, out, err = self.run(command, checkout / "scripts/usage_report.py")
        finally:
            venv.unlink()
        assert (status, err) == (0, "")
        assert "scripts/usage_report.py" in out

    def test_without_one_every_command_says_one_sentence(self, checkout: Path, command: list[str]) -> None:
        for script in SCRIPTS:
            status, out, err = self.run(command, checkout / "scripts" / script.name)
            assert (status, out) == (1, ""), script
            assert re.fullmatch(
                r"✗ This needs Python 3\.10 or newer, and .+ is 3\.\d: run scripts/setup\.sh\n", err
            ), script

    def test_one_that_cannot_be_run_is_one_sentence(self, checkout: Path, command: list[str]) -> None:
        python = checkout / ".venv/bin/python3"
        python.parent.mkdir(parents=True)
        try:
            python.write_text("built for another machine")
            python.chmod(0o755)
            status, out, err = self.run(command, checkout / "scripts/backup.py")
        finally:
            shutil.rmtree(checkout / ".venv")
        assert (status, out) == (1, "")
        assert re.fullmatch(
            r"✗ .+/\.venv/bin/python3 cannot be run \(Exec format error\): run scripts/setup\.sh\n", err
        )
