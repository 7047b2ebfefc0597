"""What the commands print where letters are few: cron's mail, a terminal in an old encoding, `LANG=C`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts import bench_ledger
from tests.harness import ROOT

COMMANDS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))
SHELL = sorted(path.name for path in (ROOT / "scripts").glob("*.sh") if os.access(path, os.X_OK))
# Python's own ways out are closed where a test is about an encoding of the terminal alone.
STRICT = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
TERMINALS: dict[str, dict[str, str]] = {
    "LANG=C": {"LANG": "C", **STRICT},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX", **STRICT},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "ascii, strict": {"PYTHONIOENCODING": "ascii:strict"},
    "ISO-8859-1": {"PYTHONIOENCODING": "iso8859-1:strict"},
    "code page 437": {"PYTHONIOENCODING": "cp437:strict"},
}
every_terminal = pytest.mark.parametrize("terminal", TERMINALS.values(), ids=TERMINALS.keys())


def run(
    name: str, *arguments: str, terminal: Mapping[str, str], data_dir: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    given = {"PATH": os.environ["PATH"], "DNDCHAT_ENV_FILE": os.devnull, **terminal, **environ}
    if data_dir:
        (data_dir / "settings").touch()
        given |= {"DATA_DIR": str(data_dir), "DNDCHAT_ENV_FILE": str(data_dir / "settings")}
    command = [sys.executable, ROOT / "scripts" / name] if name.endswith(".py") else [ROOT / "scripts" / name]
    done = subprocess.run([*command, *arguments], env=given, capture_output=True, check=False, timeout=60)
    assert b"UnicodeEncodeError" not in done.stderr + done.stdout, done.stderr.decode(errors="replace")
    return done


@pytest.mark.parametrize(
    "name", [name for name in (*COMMANDS, *SHELL) if name not in ("send_alerts.py", "dev_server.sh")]
)
@pytest.mark.parametrize(
    "terminal", [TERMINALS["LANG=C"], TERMINALS["ascii, strict"]], ids=["LANG=C", "ascii"]
)
def test_help_is_printed(name: str, terminal: dict[str, str]) -> None:
    done = run(name, "--help", terminal=terminal)
    assert done.returncode == 0, done.stderr
    assert b"usage" in done.stdout.lower()


@every_terminal
def test_the_report_of_usage(tmp_path: Path, terminal: dict[str, str]) -> None:
    bench_ledger.fill(tmp_path / "ledger.sqlite3", 900)
    done = run(
        "usage_report.py", "--days", "11", terminal=terminal, data_dir=tmp_path, DAILY_BUDGET_USD="0.005"
    )
    assert done.returncode == 0, done.stderr
    # A bar a day, in what the terminal has.
    bars = re.findall(rb"#{15,}|\xdb{15,}", done.stdout)
    assert len(bars) == 10, done.stdout
    assert b"\\u" not in done.stdout


@every_terminal
def test_what_a_command_refuses_can_be_read(tmp_path: Path, terminal: dict[str, str]) -> None:
    (tmp_path / "ledger.sqlite3").write_text(
        "no database at all, though long enough to be looked at by somebody\n" * 99
    )
    for name in ("usage_report.py", "cleanup_ledger.py"):
        done = run(name, terminal=terminal, data_dir=tmp_path)
        assert done.returncode == 1
        assert done.stderr.strip().startswith(b"FAILED ledger "), done.stderr
    done = run("build_index.py", "books", "--check", terminal=terminal, data_dir=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(b"FAILED There is no index of books"), done.stdout


@every_terminal
def test_json_stays_json(tmp_path: Path, terminal: dict[str, str]) -> None:
    """A name with letters that the terminal has not, and one that is no text at all."""
    done = run(
        "build_index.py",
        "b\u00fccher-\u9f8d",
        "--json",
        terminal=terminal,
        data_dir=tmp_path,
        CHROMA_PORT="9",
    )
    assert "9" in json.loads(done.stdout)["error"]
    done = run(
        "ingest.py", "--json", "/nonexistent/\udcff\u9f8d.md", "books", terminal=terminal, data_dir=tmp_path
    )
    assert json.loads(done.stdout)["exit_status"] in (1, 2)


@every_terminal
def test_a_question_from_the_shell_is_shown(tmp_path: Path, terminal: dict[str, str]) -> None:
    """The reply of a server that is not there, and a question that is typed in UTF-8."""
    done = run(
        "test_flask_query.sh",
        "Bearer x",
        "\u00dcn\u00efc\u00f6d\u00e9",
        terminal=terminal,
        API_URL="http://127.0.0.1:9",
    )
    assert done.returncode == 1
    assert b"cannot be reached" in done.stderr and b"Traceback" not in done.stderr


def test_a_real_locale_of_iso_8859_1(tmp_path: Path) -> None:
    localedef = shutil.which("localedef")
    made = localedef and subprocess.run(
        [localedef, "-i", "de_DE", "-f", "ISO-8859-1", tmp_path / "de_DE"], capture_output=True, check=False
    )
    terminal = {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE"}
    # It warns of what it does not like, and makes the locale all the same; without its sources it makes one
    # that is none.
    used = made and subprocess.run(
        ["locale", "charmap"], env=terminal | {"PATH": os.defpath}, capture_output=True, check=False
    )
    if not used or used.stdout.strip() != b"ISO-8859-1":
        pytest.skip("this machine has no sources of locales (package locales)")
    done = run("build_index.py", "books", "--check", terminal=terminal, data_dir=tmp_path)
    assert done.stdout.startswith(b"FAILED There is no index of books"), done.stdout


def test_a_terminal_with_all_letters_gets_them(tmp_path: Path) -> None:
    done = run(
        "build_index.py", "books", "--check", terminal={"PYTHONIOENCODING": "utf-8"}, data_dir=tmp_path
    )
    assert done.stdout.decode().startswith("✗ There is no index of books")
