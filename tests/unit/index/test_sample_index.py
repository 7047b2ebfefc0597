"""The index over the sample rules mends itself: damaged, locked, unreadable or without room, questions are
answered.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.bootstrap import create_app
from app.errors import DatabaseError
from app.index import sample_rules
from app.settings import load
from tests.harness import ROOT
from tests.harness.accounts import readable_directory, server_account

ALL = len(list(sample_rules.passages()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a good index."""
    return sample_rules.index(tmp_path_factory.mktemp("good")).path.read_bytes()


def without_pages(data: bytes, first: int) -> bytes:
    """The index with every page from `first` on overwritten: what it says about itself can be read, what a
    question reads cannot.
    """
    size = int.from_bytes(data[16:18], "big")
    kept = data[: size * first]
    return kept + b"\xff" * (len(data) - len(kept))


def facts_page(data: bytes, folder: Path) -> int:
    """After which page what it says about itself and the schema are over."""
    file = folder / "probe.sqlite3"
    file.write_bytes(data)
    connection = sqlite3.connect(file)
    [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'about'").fetchone()
    connection.close()
    return int(page) + 1


DAMAGES: dict[str, Callable[[bytes, Path], bytes]] = {
    "header only": lambda data, folder: data[:16] + b"\xff" * 4_000,
    "cut short": lambda data, folder: data[: len(data) // 2],
    "pages lost": lambda data, folder: without_pages(data, facts_page(data, folder)),
    "empty": lambda data, folder: b"",
    "a page of the host": lambda data, folder: b"<html>quota exceeded</html>" * 100,
}


def answered(data_dir: Path, question: str = "What is an orc?") -> list[str]:
    """The ids of the sources of an answer in embedded mode."""
    app = create_app(load({"HOME": str(data_dir), "DATA_DIR": str(data_dir)}, data_dir), dev_token="secret")
    reply = app.test_client().post(
        "/api/query", json={"question": question}, headers={"Authorization": "Bearer secret"}
    )
    assert reply.status_code == 200, reply.text
    return [source["id"] for source in reply.json["sources"]]


def place(data_dir: Path, data: bytes) -> Path:
    path = data_dir / "index" / "sample-rules.sqlite3"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_built_anew(
    damage: str, whole: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = place(tmp_path / "var", DAMAGES[damage](whole, tmp_path))
    assert "sb-orc" in answered(tmp_path / "var")
    # The log says why, once; the file is whole again, and the next process has nothing to do.
    assert [record.levelno for record in caplog.records if "is built anew" in record.message] == [
        logging.WARNING
    ]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    stamp = path.stat().st_ino
    assert "sb-orc" in answered(tmp_path / "var")
    assert path.stat().st_ino == stamp


def test_an_index_damaged_under_a_process_that_lives_on_is_built_anew(tmp_path: Path) -> None:
    index = sample_rules.index(tmp_path)
    assert index.count() == ALL
    index.close()
    index.path.write_bytes(b"no index")
    assert index.count() == ALL
    index.close()
    index.path.unlink()
    assert index.search(["owlbear"], 1)[0].passage.id == "sb-owlbear"


def test_somebody_elses_lock_does_not_matter(tmp_path: Path) -> None:
    path = sample_rules.index(tmp_path).path
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        inode = path.stat().st_ino
        assert sample_rules.index(tmp_path).count() == ALL
        assert path.stat().st_ino == inode
        other.execute("ROLLBACK")


def no_directory(data_dir: Path) -> None:
    data_dir.joinpath("index").write_text("a file in its place", encoding="utf-8")


def a_directory(data_dir: Path) -> None:
    data_dir.joinpath("index", "sample-rules.sqlite3", "in the way").mkdir(parents=True)


@pytest.mark.parametrize("obstacle", [no_directory, a_directory])
def test_without_a_place_for_the_file_questions_are_answered_all_the_same(
    obstacle: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    obstacle(tmp_path)
    assert "sb-orc" in answered(tmp_path)
    [said] = [record.message for record in caplog.records if "make DATA_DIR writable" in record.message]
    assert str(tmp_path / "index" / "sample-rules.sqlite3") in said


PROGRAM = """
import resource, sys, pathlib
from app.index import sample_rules
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
index = sample_rules.index(pathlib.Path(sys.argv[1]))
print(index.count(), index.search(["owlbear"], 1)[0].passage.id, index.problem)
"""


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = place(tmp_path, b"an old one")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "full"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"{ALL} sb-owlbear cannot write {path}: ")
    assert "make DATA_DIR writable, with room for it" in ran.stdout
    assert path.read_bytes() == b"an old one" and list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make a directory that another account cannot enter"
)
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_an_index_made_by_root_does_not_stop_the_web_servers_account(mode: int, whole: bytes) -> None:
    account = server_account()
    with readable_directory() as place_of_all:
        shutil.copytree(ROOT / "app", place_of_all / "app", ignore=shutil.ignore_patterns("__pycache__"))
        account.owns(place_of_all)
        path = place(place_of_all / "var", whole)
        path.chmod(0o600)
        path.parent.chmod(mode)
        ran = subprocess.run(
            [
                shutil.which("python3", path="/usr/bin:/usr/local/bin") or "python3",
                "-c",
                PROGRAM,
                str(place_of_all / "var"),
                "",
            ],
            cwd=place_of_all,
            capture_output=True,
            text=True,
            **account.popen_arguments(),
        )
        assert ran.stdout.startswith(f"{ALL} sb-owlbear cannot write {path}: "), ran.stderr
        assert path.read_bytes() == whole


def test_setup_says_that_the_index_cannot_be_written(tmp_path: Path) -> None:
    no_directory(tmp_path)
    environment = {**os.environ, "HOME": str(tmp_path), "DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "app.index.sample_rules"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith(f"✗ cannot write {tmp_path}/index/sample-rules.sqlite3: ")


@pytest.mark.parametrize(
    "line", ['{"id": "x"', '{"id": "x"}', "[]", ""], ids=["cut short", "no passage", "a list", "nothing"]
)
def test_damaged_rules_are_named(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    rules.joinpath("a.jsonl").write_text(line, encoding="utf-8")
    monkeypatch.setattr(sample_rules, "DIRECTORY", rules)
    with pytest.raises(DatabaseError, match=f"cannot read the sample rules in {rules}.*put them back"):
        sample_rules.index(tmp_path / "var")
