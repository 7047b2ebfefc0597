"""Every command that the documents show is understood by the program that it names, or run for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.checkout import project_files
from tests.unit.docs import commands, documents

# What blocks of code may be. `text` is for drawings and for what a program prints.
LANGUAGES = {"sh", "cron", "python", "json", "text"}


@pytest.mark.parametrize("document", documents.NAMES)
def test_every_command_is_understood(document: str) -> None:
    assert not commands.problems(commands.commands(document))


@pytest.mark.parametrize(
    "wrong",
    [
        "scripts/ingst.py books/*.jsonl --collection adnd_1e",
        "scripts/ingest.py books/*.jsonl --colection adnd_1e",
        "scripts/ingest.py books/*.jsonl",
        "scripts/upload_to_chromacloud.py adnd_1e --dry-rum",
        "scripts/upload_to_chromacloud.py adnd_1e --concurrency 9",
        "scripts/restore.py adnd_1e.jsonl.gz --to clowd",
        "scripts/bench_cgi.py --fast",
        "scripts/setup.sh --operators",
        "./scripts/start_flask.sh --prot 5001",
        "./scripts/start_flask.sh --port 5001 now",
        "scripts/stop_flask.sh all",
        "scripts/start_chroma.sh adnd_1e",
        "scripts/test_flask_query.sh 'What is a beholder?' debugging",
        "DNDCHAT_TOKN=TOKEN scripts/test_flask_query.sh 'What is a beholder?'",
        "scripts/lock_requirements.sh --all",
        "scripts/run_tests.sh --quik",
        "scripts/run_tests.sh tests/test_no_such_thing.py",
        "scripts/run_tests.sh tests/unit/test_pricing.py -k no_test_has_this_name",
        "tests/fresh/debain.sh bookworm",
        ".venv/bin/python3 -m pytest tests/unit/test_pricing.py --no-such-option",
        ".venv/bin/python3 -m app.no_such_module",
        ".venv/bin/ruff chek .",
        "cp docs/no-such-page.md .",
        "scripts/evaluate.py --questions tests/data/questions-{players,nobodys}.jsonl",
        "dndchat deploy",
        "scripts/setup.sh && dndchat-doctor",
    ],
)
def test_a_command_that_is_wrong_is_not(wrong: str) -> None:
    assert commands.problems(commands.split("", wrong))


def test_what_is_not_checked_is_in_some_document() -> None:
    shown = {command.program for document in documents.NAMES for command in commands.commands(document)}
    assert shown >= {*commands.ELSEWHERE, *commands.FILES}


@pytest.mark.parametrize("document", documents.NAMES)
def test_every_block_of_code_says_what_it_is(document: str) -> None:
    for block in documents.blocks(document):
        assert block.language in LANGUAGES, f"{block.place}: a fence with one of {sorted(LANGUAGES)}"
        if block.language == "sh":
            read = ["bash", "-n", "-c", block.text]
            done = subprocess.run(read, capture_output=True, text=True, check=False)
            assert not done.returncode, f"{block.place}: {done.stderr}"
        if block.language == "text":
            printed = block.text.splitlines()
            hidden = [line for line in printed if line.startswith("$ ") or commands.OURS.match(line)]
            assert not hidden, f"{block.place}: a command in a block that is not checked"
        if block.language == "python":
            environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
            subprocess.run([sys.executable, "-c", block.text], cwd=ROOT, env=environment, check=True)


# -- what moves files --------------------------------------------------------------------------------


SOMEBODY = "-c user.name=nobody -c user.email=nobody@example.org"
COMMIT_ALL = f"git init -q && git add -A && git {SOMEBODY} commit -qm all"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the files as they are now, to clone from."""
    folder = tmp_path_factory.mktemp("origin")
    for name in project_files(ROOT):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((ROOT / name).read_bytes())
        place.chmod((ROOT / name).stat().st_mode)
    in_bash(
        folder,
        COMMIT_ALL,
    )
    return folder


def in_bash(folder: Path, script: str, home: Path | None = None) -> None:
    nothing_of_the_machines = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environment = {"PATH": os.environ["PATH"], "HOME": str(home or folder), **nothing_of_the_machines}
    command = ["bash", "-eu", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{script}\n{done.stderr}"


def what_moves_files(document: str) -> list[str]:
    blocks = [block.text for block in documents.blocks(document) if block.language == "sh"]
    shown = [line for text in blocks for line in commands.lines(text)]
    return [line for line in shown if all(one.program in commands.FILES for one in commands.split("", line))]


def run_what_moves_files(document: str, home: Path, origin: Path) -> Path:
    """Run the lines of a document that only move files, in their order, in a checkout that is returned."""
    run = what_moves_files(document)
    if not any("git clone" in line for line in run):
        in_bash(home, f"git clone -q {origin} dndchat && mkdir dndchat/var && touch dndchat/var/dndchat.log")
        run.insert(0, "cd ~/dndchat")
    in_bash(home, "\n".join(run).replace("git clone URL", f"git clone -q {origin}"))
    return home / "dndchat"


@pytest.mark.parametrize("document", list(filter(what_moves_files, documents.NAMES)))
def test_what_moves_files_does(document: str, tmp_path: Path, origin: Path) -> None:
    assert run_what_moves_files(document, tmp_path, origin).joinpath("app").is_dir()


def test_a_host_set_up_by_the_document_is_what_apache_needs(tmp_path: Path, origin: Path) -> None:
    checkout = run_what_moves_files("docs/deploy.md", tmp_path, origin)
    program = checkout / "cgi-bin/dndchat.cgi"
    assert program.read_text(encoding="utf-8").splitlines()[0] == f"#!{checkout}/.venv/bin/python3 -IS"
    assert os.access(program, os.X_OK)
    rendered = (tmp_path / "public_html/dnd/.htaccess").read_text(encoding="utf-8")
    directives = "\n".join(line for line in rendered.splitlines() if not line.startswith("#"))
    assert "@" not in directives
    assert "/cgi-bin/dndchat.cgi/$0" in directives
    assert "connect-src 'self' https://api.example.com;" in directives
    assert (tmp_path / "public_html/dnd/index.html").is_file()
    assert (tmp_path / ".env.dndchat").stat().st_mode & 0o777 == 0o600
