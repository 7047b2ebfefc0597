"""A clone made with the settings of Windows, in a directory with a blank in its name, reached through a
link.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.checkout import project_files


def git(folder: Path, *arguments: str) -> str:
    # Nothing of the machine's or the account's own settings.
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    someone = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    done = subprocess.run(
        ["git", *someone, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as they are now, committed and cloned with core.autocrlf=true, into a directory with a blank
    in its name.
    """
    origin = tmp_path_factory.mktemp("origin")
    for name in project_files(ROOT):
        place = origin / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((ROOT / name).read_bytes())
        place.chmod((ROOT / name).stat().st_mode)
    git(origin, "init", "--quiet")
    git(origin, "add", "--all")
    git(origin, "commit", "--quiet", "--message", "all")
    clone = tmp_path_factory.mktemp("clones") / "dnd chat"
    git(
        origin, "clone", "--quiet", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", str(origin), str(clone)
    )
    return clone


def test_every_text_of_a_clone_made_with_autocrlf_keeps_lf(windows: Path) -> None:
    files = [line.split(maxsplit=3) for line in git(windows, "ls-files", "--eol").splitlines()]
    assert len(files) > 300
    assert [line for line in files if line[1] not in ("w/lf", "w/none", "w/-text")] == []


SHELL = sorted(path.name for path in (ROOT / "scripts").glob("*.sh") if os.access(path, os.X_OK))


@pytest.mark.parametrize("script", [*SHELL, "usage_report.py"])
def test_a_command_starts_in_such_a_clone_through_a_link(windows: Path, tmp_path: Path, script: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(windows)
    if not (venv := windows / ".venv").exists():
        venv.symlink_to(ROOT / ".venv")
    done = subprocess.run(
        [link / "scripts" / script, "--help"], cwd="/", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"scripts/{script}" in done.stdout
