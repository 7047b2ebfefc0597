"""The CGI program as Apache runs it: a process per request, the request in its environment and on stdin.

No web server is in between, so a test may send what a server would refuse or repair. What a real Apache makes
of the program is for the Apache tests to say.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from . import ROOT
from .accounts import Account
from .cgi_protocol import CgiReply, environment, parse

# As a deployment writes it into the program's first line.
DEPLOYED = (ROOT / ".venv/bin/python3", "-IS")
SECONDS = 40.0

# Limits that no test reaches by asking a lot; the ledger's own tests set theirs.
GENEROUS = {
    "TOKEN_BUCKET_CAPACITY": "100000",
    "DAILY_USER_REQUEST_LIMIT": "100000",
    "MAX_IN_FLIGHT_PER_USER": "0",
    "FREE_BUCKET_CAPACITY": "0",
}

# Runs the program and leaves behind which modules it loaded and what its environment was at the end.
_PROBE = """
import atexit, os, sys
output, script = sys.argv[1:]
del sys.argv[1:]
def leave():
    with open(output, "w") as file:
        print(*sorted(sys.modules), sep="\\n", file=file)
        print(*("%s=%s" % item for item in sorted(os.environ.items())), sep="\\n", file=file)
atexit.register(leave)
exec(compile(open(script).read(), script, "exec"), {"__name__": "__main__", "__file__": script})
"""


class Call:
    """A request in progress in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self.process = process
        self._log_file, self._logged = log_file, _size(log_file)

    def reply(self, seconds: float = SECONDS) -> CgiReply:
        """The whole reply; the process has ended then."""
        try:
            output, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        stderr = errors.decode(errors="replace")
        log = self._log_file.read_bytes()[self._logged :] if _size(self._log_file) else b""
        logged = log.decode(errors="replace")
        return CgiReply(*parse(output, stderr), output, stderr, logged, self.process.returncode)

    def read_until(self, wanted: bytes) -> bytes:
        """What the process has said up to and including the piece that completes `wanted`."""
        assert self.process.stdout
        said = b""
        while wanted not in said:
            piece = os.read(self.process.stdout.fileno(), 65536)
            assert piece, f"the reply ended after {said!r}"
            said += piece
        return said


class CgiProgram:
    """The program with settings of its own: `CgiProgram(tmp_path, AUTH_API_URL=auth.url).request()`.

    `settings` go into its settings file, which DNDCHAT_ENV_FILE names; `environ` into every process.
    `command` runs the program in place of its first line; DEPLOYED saves the time that the detour takes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        root: Path = ROOT,
        command: Sequence[str | Path] = (),
        account: Account | None = None,
        data_dir: Path | None = None,
        limits: Mapping[str, str] = GENEROUS,
        **settings: str,
    ) -> None:
        """The settings file and DATA_DIR are in `directory`; `root` is the program's tree."""
        self.directory, self.root, self.command = directory, root, command
        self.account = account or Account.current()
        self.environ: dict[str, str] = {}
        self.settings = {**limits, **settings}
        self.settings_file = directory / "settings.env"
        self.data_dir = data_dir or Path(settings.get("DATA_DIR", directory / "data"))
        self.configure()

    def configure(self, **changes: str) -> None:
        """Write the settings file with these changes, in place, as an editor may do."""
        self.settings |= changes
        lines = {"DATA_DIR": str(self.data_dir), **self.settings}
        self.settings_file.write_text(
            "".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8"
        )
        self.settings_file.chmod(0o600)
        self.account.owns(self.settings_file)

    @property
    def script(self) -> Path:
        return self.root / "cgi-bin/dndchat.cgi"

    @property
    def log_file(self) -> Path:
        return Path(self.settings.get("LOG_FILE", self.data_dir / "dndchat.log"))

    def log(self) -> str:
        """What the program has logged."""
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def environment(
        self,
        method: str = "GET",
        path: str = "/health",
        body: bytes | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        environ: Mapping[str, str | bytes | None] | None = None,
    ) -> dict[str, str | bytes]:
        """A request's environment. `environ` overrides what Apache sets; None removes a variable."""
        own = {
            "SCRIPT_FILENAME": str(self.script),
            "DNDCHAT_ENV_FILE": str(self.settings_file),
            **self.environ,
        }
        given = {**environment(method, path, body, token, headers), **own, **(environ or {})}
        return {name: value for name, value in given.items() if value is not None}

    def start(
        self,
        method: str = "GET",
        path: str = "/health",
        body: bytes | str | Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        environ: Mapping[str, str | bytes | None] | None = None,
        stdin: int | IO[bytes] | None = None,
        command: Sequence[str | Path] | None = None,
        **popen: Any,
    ) -> Call:
        """Begin a request. A mapping is sent as JSON; with `stdin` the body comes from there."""
        raw = (
            json.dumps(body).encode()
            if isinstance(body, Mapping)
            else body.encode()
            if isinstance(body, str)
            else body
        )
        process = subprocess.Popen(
            [*(self.command if command is None else command), self.script],
            env=self.environment(method, path, raw, token=token, headers=headers, environ=environ),
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            **{**self.account.popen_arguments(), **popen},
        )
        call = Call(process, self.log_file)
        if process.stdin:
            # The reply may come before the body is read, and a program may read none of it.
            threading.Thread(target=_send, args=(process.stdin, raw or b""), daemon=True).start()
            process.stdin = None
        return call

    def request(
        self,
        method: str = "GET",
        path: str = "/health",
        body: bytes | str | Mapping[str, Any] | None = None,
        *,
        probe: bool = False,
        **arguments: Any,
    ) -> CgiReply:
        """One request to its end. With `probe`, the reply tells the process's modules and environment."""
        if not probe:
            return self.start(method, path, body, **arguments).reply()
        output = self.directory / "probed"
        # The program sees that it has the right interpreter already and stays in this process.
        command = [self.root / ".venv/bin/python3", "-IS", "-c", _PROBE, output]
        reply = self.start(method, path, body, command=command, **arguments).reply()
        return dataclasses.replace(reply, probed=output.read_text().splitlines())


def _send(stdin: IO[bytes], body: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        stdin.write(body)
    with contextlib.suppress(BrokenPipeError):
        stdin.close()


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
