"""What all commands of the operator have in common, whatever they are about: what they print on, and how they
end.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.operator.console import Console, Progress
from app.operator.parallel import in_order
from tests.harness import ROOT

from .conftest import Operator


@pytest.fixture
def alone(tmp_path: Path) -> Operator:
    """The owner without any server: enough for a command that finds nothing."""
    return Operator(tmp_path / "data", {})


def test_a_log_that_knows_no_tick_is_no_reason_to_stop(alone: Operator) -> None:
    environment = {**alone.environment, "PYTHONIOENCODING": "ascii"}
    ran = alone.run("build_index.py", "books", "--check", env=environment)
    assert ran.status == 1 and ran.out.startswith("FAILED There is no index of books") and ran.err == ""


def test_nobody_reads_along_any_more(alone: Operator) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with alone.start("build_index.py", "books", "--check", stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=30)
    assert (
        process.returncode == 1
        and err.strip().startswith("✗ Stopped, as nothing can be printed")
        and err.strip().count("\n") == 0
    )


def test_a_mistake_of_ours_has_its_traceback_and_its_document(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise KeyError("secret")

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    try:
        assert Console(as_json=True).run(work) == 1
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGHUP), before, strict=True):
            signal.signal(number, handler)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "exit_status": 1,
        "error": "A mistake in this program (KeyError); please report it.",
    }
    assert "Traceback" in err


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_on_a_full_disk(alone: Operator) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = alone.run("build_index.py", "books", "--check", stdout=full)
    assert ran.status == 1 and "nothing can be printed any more (No space left on device)" in ran.sentence()


@pytest.mark.parametrize("columns", [20, 80])
def test_a_bar_never_wraps(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    console = Console()
    console.out = screen = Screen()
    progress = Progress(console, 2213)
    progress._start -= 100
    for done in (1000, 2213):
        progress.step(done, f"Uploaded batch {done // 100}/23 ({done}/2213 documents)")
    drawn = [piece.strip("\n") for piece in screen.getvalue().split("\r\x1b[2K")]
    assert max(map(len, drawn)) == columns - 1 if columns < 80 else "(1000/2213 documents)  2 min" in drawn[1]
    assert all(len(piece) < columns for piece in drawn)


def test_work_in_parallel_comes_in_order_and_no_more_at_a_time_than_allowed() -> None:
    running: list[int] = []
    most = 0

    def work(number: int) -> int:
        nonlocal most
        running.append(number)
        most = max(most, len(running))
        time.sleep(0.02 * (number % 3))
        running.remove(number)
        return number

    assert list(in_order(work, range(30), 4, threading.Event())) == list(range(30))
    assert 2 <= most <= 4


def test_a_failure_waits_for_what_is_about_to_end_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.operator.parallel.GRACE_SECONDS", 0.5)
    stopping, forever, ended = threading.Event(), threading.Event(), []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError(number)
        if number == 1:
            time.sleep(0.1)
            ended.append(number)
        else:
            forever.wait(30)

    began = time.monotonic()
    with pytest.raises(ValueError, match="0"):
        list(in_order(work, range(10), 3, stopping))
    assert stopping.is_set() and ended == [1] and time.monotonic() - began < 5
    forever.set()


def test_pasted_into_a_shell_a_command_finds_the_packages(tmp_path: Path) -> None:
    """`scripts/upload_to_chromacloud.py adnd_1e` begins in whatever python3 the shell finds."""
    script = tmp_path / "command.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from app.operator import venv; venv.use_own()\n"
        "import flask; print(sys.prefix, sys.argv[1:])"
    )
    outside = Path(sys.base_prefix) / "bin/python3"
    ran = subprocess.run([outside, script, "--a", "b c"], capture_output=True, text=True, check=False)
    assert ran.stdout == f"{ROOT / '.venv'} ['--a', 'b c']\n", ran


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("upload_to_chromacloud.py rules", "requests is not installed here: run scripts/setup.sh."),
        ("backup.py rules rules.gz", "requests is not installed here: run scripts/setup.sh."),
        ("build_index.py rules", "requests is not installed here: run scripts/setup.sh."),
        (
            "ingest.py a.md --collection rules",
            "openai is not installed here: run scripts/setup.sh --operator.",
        ),
    ],
)
def test_without_its_package_a_command_says_so(tmp_path: Path, command: str, remedy: str) -> None:
    """A checkout that nothing was installed for yet."""
    for part in ("app", "scripts"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    script, *arguments = command.split()
    ran = subprocess.run(
        [Path(sys.base_prefix) / "bin/python3", "-S", tmp_path / "scripts" / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "var"), "OPENAI_API_KEY": "sk-x"},
    )
    said = [line for line in ran.stderr.splitlines() if line]
    assert ran.returncode == 1
    assert said == [f"✗ The package {remedy}"], ran.stderr
