"""`scripts/start_chroma.sh`: a real server where the other commands look for one, or one sentence about what
is missing.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.harness import ROOT
from tests.harness.ports import free_port


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "scripts/start_chroma.sh", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_it_serves_until_it_is_stopped(tmp_path: Path) -> None:
    port = free_port()
    command = [ROOT / "scripts/start_chroma.sh", "--port", str(port), "--path", tmp_path / "data"]
    with (
        (tmp_path / "output").open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            deadline = time.monotonic() + 60
            while True:
                try:
                    with opener.open(f"http://localhost:{port}/api/v2/heartbeat", timeout=5) as reply:
                        assert reply.status == 200
                        break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline, (
                        tmp_path / "output"
                    ).read_text()
                    time.sleep(0.1)
            second = run(ROOT, "--port", str(port))
            assert second.returncode == 1 and "listens on port" in second.stderr
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    assert (tmp_path / "data/chroma.sqlite3").is_file()
    assert f"Chroma at http://localhost:{port}" in (tmp_path / "output").read_text()


def test_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/start_chroma.sh", tmp_path / "scripts")
    ran = run(tmp_path)
    assert (
        ran.returncode == 1 and "scripts/setup.sh --operator" in ran.stderr and "not installed" in ran.stderr
    )


def test_usage() -> None:
    assert run(ROOT, "--help").stdout.startswith("Usage: scripts/start_chroma.sh")
    for arguments in (["--port", "0"], ["--port", "many"], ["--nonsense"], ["--path", ""]):
        assert run(ROOT, *arguments).returncode == 2
