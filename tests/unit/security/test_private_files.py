"""Whatever part of the program makes files, no other account can read or write them, whatever umask it was
started with.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.gated import GatedAuth
from tests.harness.ports import free_port
from tests.harness.program import Program

WSGI = "import os; from app.wsgi import application; open(os.environ['DATA_DIR'] + '/made', 'w')"


def run(data: Path, words: Sequence[str | Path], given: str = "") -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(data.parent), "DATA_DIR": str(data), "LANG": "C.UTF-8"}
    environ |= {"AUTH_API_URL": "https://auth.example.com", "PYTHONPATH": str(ROOT)}
    command = ["sh", "-c", 'umask 000; exec "$@"', "sh", sys.executable, *words]
    done = subprocess.run(
        command, env=environ, cwd=ROOT, input=given, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def open_to_others(folder: Path) -> list[str]:
    assert any(folder.rglob("*")), "nothing was made"
    return [
        f"{path} {path.stat().st_mode & 0o777:o}"
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & 0o077
    ]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["scripts/cleanup_ledger.py"], ""),
        (["scripts/usage_report.py"], ""),
        (["scripts/send_alerts.py"], "[]"),
        (["-m", "app.index.sample_rules"], ""),
        (["-c", WSGI], ""),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_a_program_makes_is_private(tmp_path: Path, words: list[str], given: str) -> None:
    run(tmp_path / "data", words, given)
    assert open_to_others(tmp_path / "data") == []


def test_what_the_cgi_program_makes_is_private(base: Path, auth: GatedAuth) -> None:
    with Program(base, AUTH_API_URL=auth.url, WARM_WORKER="on") as program:
        assert program.ask(auth.token_for("alice")).status == 200
        program.warm(preexec_fn=lambda: os.umask(0))
        assert open_to_others(program.data_dir) == []


def test_what_the_development_server_makes_is_private(tmp_path: Path) -> None:
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATA_DIR": str(tmp_path / "data"),
        "AUTH_DEV_TOKEN": "t",
    }
    command = [
        "sh",
        "-c",
        'umask 000; exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "app.servers.dev",
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(600):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                        headers = page.headers
                    break
                except OSError:
                    time.sleep(0.05)
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
            assert (headers["X-Frame-Options"], headers["Referrer-Policy"]) == ("DENY", "no-referrer")
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert open_to_others(tmp_path / "data") == []
        finally:
            server.terminate()


def test_every_program_begins_so() -> None:
    """Whatever can be started keeps to itself: by its own word, or as a command with a console."""
    starts = [
        *(ROOT / "scripts").glob("*.py"),
        *(ROOT / "app/servers").glob("*.py"),
        ROOT / "app/wsgi.py",
        ROOT / "app/index/sample_rules.py",
    ]
    begins = {
        path.name
        for path in starts
        if re.search(r"keep_private\(\)|console\.run\(", path.read_text(encoding="utf-8"))
    }
    # What starts nothing of the site's: modules of others, measurements in directories of their own, and the
    # worker, a fork.
    others = {
        "__init__.py",
        "confinement.py",
        "worker.py",
        "scgi.py",
        "bench_cgi.py",
        "bench_ledger.py",
        "compare_copy.py",
    }
    assert {path.name for path in starts} - begins == others
