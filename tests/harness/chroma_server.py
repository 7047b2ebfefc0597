"""A real `chroma run` server for tests, with data of its own, on a free port of 127.0.0.1; it leaves nothing
behind.

    with ChromaServer() as chroma:
        chromadb.HttpClient(host=chroma.host, port=chroma.port)

What it does not show: Chroma Cloud's keys and quotas, which a local server knows nothing of.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

from .ports import free_port

__all__ = ["ChromaServer", "ChromaServerError", "chroma_program"]

PATIENCE = 60.0  # seconds until a start or stop counts as failed: far more than needed, on a slow machine too


class ChromaServerError(RuntimeError):
    """The server cannot be had, did not start, or did not end; the text says why and what to do."""


def chroma_program() -> str:
    """The `chroma` command of this virtual environment, else of the machine."""
    beside = Path(sys.executable).with_name("chroma")
    found = str(beside) if beside.is_file() else shutil.which("chroma")
    if found is None:
        raise ChromaServerError(
            "these tests need a real Chroma server: scripts/setup.sh --dev installs the command `chroma`"
        )
    return found


class ChromaServer:
    """A running server, from `__enter__` to `__exit__`. With a `port` it listens there: to come back after
    `stop`.
    """

    host = "127.0.0.1"

    def __init__(self, port: int = 0) -> None:
        self._wanted_port = port
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._state: tempfile.TemporaryDirectory[str] | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> ChromaServer:
        program = chroma_program()
        self._state = tempfile.TemporaryDirectory(prefix="dndchat-chroma-")
        try:
            self._start(program)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # pytest shows it under the failed test.
            print(f"--- output of the test's Chroma server ---\n{self.output()}", file=sys.stderr)
        self.close()

    def close(self) -> None:
        """Stop, and remove the data."""
        self.stop()
        if self._state is not None:
            self._state.cleanup()
            self._state = None

    def stop(self) -> None:
        """End the server; its address refuses connections from then on. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def output(self) -> str:
        """What it printed so far."""
        path = self._folder() / "output"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _start(self, program: str) -> None:
        for _ in range(5):
            self.port = self._wanted_port or free_port()
            command = [
                program,
                "run",
                "--host",
                self.host,
                "--port",
                str(self.port),
                "--path",
                str(self._folder() / "data"),
            ]
            with (self._folder() / "output").open("wb") as sink:
                self._process = subprocess.Popen(
                    command,
                    cwd=self._folder(),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # an interrupt from the keyboard is ours to handle
                )
            if self._answers():
                return
            self.stop()
            # Another program may have taken the port between our look and Chroma's.
            if self._wanted_port or "in use" not in self.output().lower():
                raise ChromaServerError(f"`chroma run` did not start:\n{self.output()}")
        raise ChromaServerError("no port of 127.0.0.1 stayed free long enough")

    def _answers(self) -> bool:
        # No proxy of the environment may stand between a test and its server.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + PATIENCE
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            try:
                with opener.open(f"{self.url}/api/v2/heartbeat", timeout=5) as reply:
                    # Another program on a port we lost may answer too, but ours would be ending then.
                    return reply.status == 200 and self._process.poll() is None
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        return False

    def _folder(self) -> Path:
        assert self._state is not None, "the server was not started"
        return Path(self._state.name)
