"""scripts/evaluate.py as an operator runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.doubles.openai import KEY, OpenAIDouble


@pytest.fixture(scope="module")
def openai() -> Iterator[OpenAIDouble]:
    with OpenAIDouble() as double:
        yield double


@pytest.fixture
def files(tmp_path: Path) -> Path:
    passages = [
        {"id": "orc", "document": "## Orc\n\nArmor class 6.", "metadata": {"name": "Orc", "type": "monster"}},
        {
            "id": "elf",
            "document": "## Elf\n\nLives for a thousand years.",
            "metadata": {"name": "Elf", "type": "race"},
        },
    ]
    questions = [
        {"id": "1", "question": "What is an orc?", "kind": "lookup", "relevant": ["orc"]},
        {"id": "2", "question": "How old are elves?", "kind": "rule", "relevant": ["elf", "age-table"]},
        {"id": "3", "question": "Who is Charizard?", "kind": "unanswerable", "relevant": []},
    ]
    for name, records in (("corpus", passages), ("questions", questions)):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps(record) + "\n" for record in records), encoding="utf-8"
        )
    (tmp_path / "settings").touch()
    return tmp_path


def evaluate(files: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(files),
        "DATA_DIR": str(files / "var"),
        "AUTH_API_URL": "http://127.0.0.1:1",
        "DNDCHAT_ENV_FILE": str(files / "settings"),
        **settings,
    }
    command: Sequence[str] = (sys.executable, str(ROOT / "scripts" / "evaluate.py"), *arguments)
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def over(files: Path) -> tuple[str, ...]:
    return ("--questions", str(files / "questions.jsonl"), "--corpus", str(files / "corpus.jsonl"))


def test_without_a_key_the_methods_that_need_none_are_measured(files: Path) -> None:
    done = evaluate(files, *over(files), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report["methods"]) == ["lexical", "embedded"]
    assert report["methods"]["embedded"]["complete"] == 0.5
    assert report["methods"]["embedded"]["kinds"] == {"lookup": 1.0, "rule": 0.0}
    assert report["methods"]["embedded"]["let_through"] == 0
    assert report["failures"]["embedded"][0] == "✗ [rule] How old are elves?"


def test_of_passages_that_answer_alike_one_is_enough(files: Path) -> None:
    alike = {"id": "4", "question": "What is an orc?", "kind": "table", "relevant": ["orc-row"]}
    records = [
        {**alike, "any_of": [["orc-row", "orc"]]},
        {**alike, "id": "5", "any_of": [["orc"], ["a", "b"]]},
    ]
    (files / "questions.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    done = evaluate(files, *over(files), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["methods"]["embedded"]["complete"] == 0.5
    assert "    missing: a or b" in report["failures"]["embedded"]


def test_with_vectors_all_are_compared_and_each_text_is_embedded_once(
    files: Path, openai: OpenAIDouble
) -> None:
    keys = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url}
    done = evaluate(files, *over(files), **keys)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines[1:]] == [
        "dense",
        "lexical",
        "rrf",
        "previous",
        "hybrid",
        "embedded",
    ]
    assert "missing: age-table" in done.stdout
    openai.reset()
    assert evaluate(files, *over(files), **keys).returncode == 0
    assert not openai.requests, "the vectors were not kept"


def test_every_rule_can_be_left_out(files: Path) -> None:
    done = evaluate(files, *over(files), "--leave-one-out", "--compare", "embedded")
    assert done.returncode == 0, done.stderr
    assert "| without follow-ups |" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--compare", "dense"), 2, "OPENAI_API_KEY"),
        (("--compare", "magic"), 2, "no method 'magic'"),
        (("--k", "0"), 2, "argument --k"),
    ],
)
def test_what_cannot_be_measured_is_said(
    files: Path, arguments: Sequence[str], status: int, says: str
) -> None:
    done = evaluate(files, *over(files), *arguments)
    assert (done.returncode, says in done.stderr) == (status, True), done.stderr


def test_a_broken_file_is_named_with_its_line(files: Path) -> None:
    with (files / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    done = evaluate(files, *over(files))
    assert done.returncode == 2
    assert "corpus.jsonl:3: not JSON" in done.stderr
    assert "Traceback" not in done.stderr
