"""Text from elsewhere steers no terminal, forges no line and adds no header, whatever prints it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from app import logs
from app.errors import DndChatError
from app.escaping import as_json, escaped, in_json
from app.ledger.alerts import Alert
from app.ledger.mail import compose
from app.operator.console import Console, Progress
from app.operator.problems import OperatorError
from tests.harness import ROOT
from tests.harness.doubles.delivery import Reply
from tests.harness.doubles.recording import RecordedRequest
from tests.harness.doubles.server import Double
from tests.harness.ledgers import SetClock, open_ledger

# Clears the screen, names the window, writes backwards, forges a line; in the notations that terminals know.
HOSTILE = (
    "orc\x1b[2J\x1b]0;owned\x07\x9b31m\x90q\x9c\rover\x08\x7f\x00\n✓ all is well\u2028\u2029\x85"
    "\u202egpj.exe\u2066\u2069\u200e\u200f\u061c\u200b\ufeff\U000e0041\udc9b"
)


def steering(text: str) -> set[str]:
    """What in `text` a terminal or a reader may take for an order; but for ends of lines, of which some are
    meant.
    """
    return {
        one for one in text if one != "\n" and unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }


def test_every_character_that_steers_is_shown_by_its_number() -> None:
    for code in range(sys.maxunicode + 1):
        one = chr(code)
        if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(one) in (
            *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
        ):
            assert steering(escaped(one)) == set() and "\n" not in escaped(one), f"U+{code:04X}"
            assert json.loads(in_json(json.dumps(one, ensure_ascii=False))) == one
    assert escaped("Zürich – 6–36 ☕ 龍 ✓") == "Zürich – 6–36 ☕ 龍 ✓"
    assert escaped("a\tb\x1b\u202e\U000e0041") == r"a\x09b\x1b\u202e\U000e0041"


def test_json_stays_what_it_is() -> None:
    document = {HOSTILE: [HOSTILE, 1, None], "ok": "Zürich"}
    shown = as_json(document, io.TextIOWrapper(io.BytesIO(), "utf-8"), indent=1)
    assert steering(shown) == set()
    assert json.loads(shown) == document


def test_a_console_lets_nothing_through(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(assume_yes=True)
    console.line(f"\n1. {HOSTILE}")
    console.lines(f"{HOSTILE}\n")
    console.ask(f"Replace {HOSTILE}?")
    Progress(console, 2).step(1, HOSTILE)
    for error in (OperatorError(HOSTILE, [HOSTILE]), DndChatError(HOSTILE), RuntimeError(HOSTILE)):
        console.run(lambda error=error: (_ for _ in ()).throw(error))  # type: ignore[misc]
    said = capsys.readouterr()
    assert steering(said.out + said.err) == set()
    # `lines` is for text of several lines, and so is a traceback; nothing else that is said has more than its
    # own.
    assert (said.out + said.err).count("\n✓ all") == 2


def test_a_bar_is_drawn_over_by_nothing_but_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "interactive", True)
    Progress(Console(), 3).step(1, HOSTILE)
    drawn = capsys.readouterr().out
    assert drawn.startswith("\r\x1b[2K")
    assert steering(drawn.removeprefix("\r\x1b[2K")) == set()


def test_the_log_has_one_line_whatever_is_logged(tmp_path: Path) -> None:
    logs.configure(tmp_path / "log")
    try:
        logging.getLogger("app.x").error("said %s", HOSTILE)
        assert len((tmp_path / "log").read_text(encoding="utf-8").splitlines()) == 1
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            logging.getLogger("app.x").exception("failed")
    finally:
        logs.configure(None)
    assert steering((tmp_path / "log").read_text(encoding="utf-8")) == set()


def report(data: Path, *arguments: str) -> str:
    command = [sys.executable, ROOT / "scripts/usage_report.py", *arguments]
    environ = {"PATH": os.environ["PATH"], "HOME": str(data), "DATA_DIR": str(data), "LANG": "C.UTF-8"}
    return subprocess.run(command, env=environ, capture_output=True, check=True, encoding="utf-8").stdout


def test_a_user_of_any_name_in_the_report_and_in_the_mail(tmp_path: Path) -> None:
    name = HOSTILE.replace("\udc9b", "")
    ledger = open_ledger(tmp_path, SetClock(), daily=1)
    ledger.admit(name, "a", 0).finish("answered")
    subject, text = compose(ledger, Alert("2026-11-21", "user_daily_limit", name))
    assert steering(subject + text) == set()
    assert "\n✓ all" not in text
    shown = report(tmp_path, "--days", "36500")
    assert steering(shown) == set()
    assert "\n✓ all" not in shown
    assert r"orc\x1b[2J" in shown
    figures = report(tmp_path, "--days", "36500", "--json")
    assert steering(figures) == set()
    assert json.loads(figures)["users"][0]["user_id"] == name


class HostileChroma(Double):
    """A server whose every word is hostile, with whatever status."""

    status = 422

    def answer(self, request: RecordedRequest) -> Reply:
        entry = {
            "id": HOSTILE,
            "name": HOSTILE,
            "tenant": HOSTILE,
            "error": HOSTILE,
            "message": HOSTILE,
            "databases": [HOSTILE],
        }
        said = [entry] if request.path.endswith("collections") and self.status == 200 else entry
        return Reply(self.status, json.dumps(said).encode(), {"Content-Type": "application/json"})


FILES = {
    "a\x1b[2J\n✓ done.jsonl": json.dumps(
        {"id": HOSTILE, "document": "x" * 20_000, "metadata": {HOSTILE: HOSTILE}}
    )
    + "\nno json\x1b[2J",
    "b.jsonl": "\n".join(json.dumps({"id": HOSTILE, "document": "x"}) for _ in range(2)),
    "c.jsonl.gz": "no gzip \x1b[2J",
    "backup.jsonl": json.dumps({"dndchat_backup": 1, "name": HOSTILE, "collection": HOSTILE}) + "\n",
}
COMMANDS = [
    *(
        ["upload_to_chromacloud.py", "adnd_1e"],
        ["backup.py", "adnd_1e", "out.jsonl"],
        ["build_index.py", "adnd_1e"],
    ),
    *(["ingest.py", name, "--dry-run"] for name in FILES),
    *(["restore.py", name] for name in FILES),
    *(
        ["ingest.py", "\x1b[2J\n✓ not there"],
        ["backup.py", "\x1b[2J\n✓ all", "out"],
        ["evaluate.py", "a\x1b[2J"],
        ["cleanup_ledger.py"],
    ),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: ascii(" ".join(command)))
@pytest.mark.parametrize("status", [200, 422])
def test_no_command_prints_what_steers(tmp_path: Path, command: list[str], status: int) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8", errors="surrogatepass")
    with HostileChroma() as chroma:
        chroma.status = status
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DATA_DIR": str(tmp_path / "var"),
            "LANG": "C.UTF-8",
            "CHROMA_HOST": "127.0.0.1",
            "CHROMA_PORT": str(chroma.port),
            "OPENAI_API_KEY": "sk-x",
            "OPENAI_BASE_URL": f"{chroma.url}/v1",
        }
        words = [sys.executable, str(ROOT / "scripts" / command[0]), *command[1:]]
        done = subprocess.run(
            words,
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
    said = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
    assert said
    assert steering(said) == set(), said
    assert "\n✓ all is well" not in said and "\n✓ done" not in said, said
