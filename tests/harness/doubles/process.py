"""A double in a process of its own, with the interface it has in the test's process as far as JSON carries
it.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.harness import ROOT

from .faults import Fault
from .recording import RecordedRequest


class RemoteFaults:
    """`faults` of a double in another process."""

    def __init__(self, double: DoubleProcess) -> None:
        self._double = double

    def push(self, *faults: Fault) -> None:
        """Add faults behind those already there."""
        self._double.control("POST", "faults", [fault.to_json() for fault in faults])

    def clear(self) -> None:
        """Forget every fault."""
        self._double.control("DELETE", "faults")

    def pending(self) -> list[Fault]:
        """The faults that can still strike."""
        return [Fault.from_json(data) for data in self._double.control("GET", "faults")]


class DoubleProcess:
    """Runs `python -m <module>`: `with DoubleProcess("tests.harness.doubles.openai", "--rtt", "50") as openai:
    openai.url`.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, "--until-eof", *arguments]
        self._tls = "--tls" in arguments
        self.faults = RemoteFaults(self)
        self.url = ""
        self.ca_file: Path | None = None

    def __enter__(self) -> DoubleProcess:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self._stop()
            raise RuntimeError(f"{' '.join(self._command)} did not start")
        if self._tls:
            self.ca_file = Path(self._process.stdout.readline().strip())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            crashes = self.control("GET", "info")["crashes"]
        finally:
            self._stop()
        if crashes and kind is None:
            raise AssertionError("the double itself failed:\n" + "\n".join(crashes))

    def _stop(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def base_url(self) -> str:
        """The address with the version in it, as OPENAI_BASE_URL wants it."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, oldest first."""
        return [RecordedRequest.from_json(data) for data in self.control("GET", "requests")]

    @property
    def connections(self) -> int:
        """How many connections carried at least one request."""
        return int(self.control("GET", "info")["connections"])

    @property
    def spend(self) -> dict[str, Any]:
        """What an OpenAI double has charged for."""
        return dict(self.control("GET", "spend"))

    def script_answer(self, text: str, times: int | None = None) -> None:
        """Let an OpenAI double say this."""
        self.control("POST", "answer", {"text": text, "times": times})

    def token_for(self, username: str, expires_in: float = 3600) -> str:
        """A token from an auth double."""
        return str(self.control("POST", "token", {"username": username, "expires_in": expires_in})["token"])

    def reset(self) -> None:
        """Forget requests, faults, spend and scripts."""
        self.control("POST", "reset")

    def control(self, method: str, name: str, body: Any = None) -> Any:
        """One control call; its mistakes are ValueErrors."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_control/{name}", data, method=method)
        context = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        # No proxy of the environment may stand between a test and its double.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from None
