"""The CGI program as Apache runs it: a process of its own, the request in its environment and on stdin, the reply on stdout.

No web server is in between, so a test may send what a server would refuse or repair. What a real Apache makes of the
program is for the Apache tests to say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from .apache_config import ROOT
from .limits import GENEROUS

# As a deployment writes it into the program's first line.
DEPLOYED = (ROOT / ".venv/bin/python3", "-IS")
SECONDS = 40
_HOST_PATH = "/usr/local/bin:/usr/bin:/bin"

# Runs the program and leaves behind which modules it loaded and what its environment was at the end.
_PROBE = """
import atexit, os, sys
script, output = sys.argv[1:]
del sys.argv[1:]
def leave():
    with open(output, "w") as file:
        print(*sorted(sys.modules), sep="\\n", file=file)
        print(*("%s=%s" % item for item in sorted(os.environ.items())), sep="\\n", file=file)
atexit.register(leave)
exec(compile(open(script).read(), script, "exec"), {"__name__": "__main__", "__file__": script})
"""


@dataclass(frozen=True)
class CgiReply:
    """What came out of one process. `log` is what LOG_FILE grew by; `probed` is empty unless the request was probed."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    stderr: str
    log: str
    returncode: int
    probed: Sequence[str] = ()

    def json(self) -> Any:
        """The body, which must be JSON that says it is."""
        assert self.header("Content-Type") == "application/json", self.headers
        return json.loads(self.body, parse_constant=_no_json)

    def all(self, name: str) -> list[str]:
        """Every value of a header, to see duplicates."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that may be there once at most."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None


class CgiProgram:
    """The program with settings of its own: `CgiProgram(tmp_path, AUTH_API_URL=auth.url).request("GET", "/health")`."""

    def __init__(self, directory: Path, *, root: Path = ROOT, command: Sequence[str | Path] = (), **settings: str) -> None:
        """The settings file, DATA_DIR and the log are in `directory`; `root` is the program's tree.

        `command` runs the program in place of its first line; DEPLOYED saves the time the detour takes.
        """
        self.command = command
        self.script = root / "cgi-bin/dndchat.cgi"
        self.directory = directory
        self.data_dir = Path(settings.get("DATA_DIR", directory / "data"))
        self.log_file = Path(settings.get("LOG_FILE", self.data_dir / "dndchat.log"))
        self.env_file = directory / "settings.env"
        text = "".join(f"{name}={value}\n" for name, value in {"DATA_DIR": str(self.data_dir), **GENEROUS, **settings}.items())
        self.env_file.write_text(text, encoding="utf-8")
        self.env_file.chmod(0o600)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        environ: Mapping[str, str | bytes | None] | None = None,
        stdin_stays_open: bool = False,
        probe: bool = False,
    ) -> CgiReply:
        """Answer one request in a process of its own.

        A mapping is sent as JSON. `environ` overrides what Apache would say (None: a variable that is not there). With
        `probe`, the reply tells which modules were loaded and what was in the process's environment.
        """
        raw = json.dumps(body).encode() if isinstance(body, Mapping) else body.encode() if isinstance(body, str) else body
        given = self.environment(method, path, raw, token, headers or {})
        given.update(environ or {})
        variables = {name: value for name, value in given.items() if value is not None}
        probed = self.directory / "probed"
        words = [*map(str, self.command), str(self.script)]
        if probe:
            # The program sees that it has the right interpreter already and stays in this process.
            words = [str(self.script.parents[1] / ".venv/bin/python3"), "-IS", "-c", _PROBE, str(self.script), str(probed)]
        logged = self.log_file.stat().st_size if self.log_file.is_file() else 0
        output, errors, code = _run(words, variables, raw or b"", stdin_stays_open)
        status, fields, content = _parse(output, errors)
        log = self.log_file.read_bytes()[logged:].decode() if self.log_file.is_file() else ""
        lines = probed.read_text().splitlines() if probe else ()
        return CgiReply(status, fields, content, errors.decode(), log, code, lines)

    def environment(
        self, method: str, path: str, body: bytes | None, token: str | None, headers: Mapping[str, str | bytes]
    ) -> dict[str, str | bytes | None]:
        """What Apache sets for a request; no HOME among it, and nothing of the environment of the tests."""
        address, _, query = path.partition("?")
        given: dict[str, str | bytes | None] = {
            "PATH": _host_path(),
            "DNDCHAT_ENV_FILE": str(self.env_file),
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_SOFTWARE": "Apache",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "www.example.org",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "192.0.2.7",
            "REMOTE_PORT": "51515",
            "REQUEST_SCHEME": "http",
            "REQUEST_METHOD": method,
            "REQUEST_URI": path,
            "SCRIPT_NAME": "/cgi-bin/dndchat.cgi",
            "SCRIPT_FILENAME": str(self.script),
            "DOCUMENT_ROOT": "/var/www/html",
            "PATH_INFO": unquote_to_bytes(address),
            "QUERY_STRING": query,
            "HTTP_HOST": "www.example.org",
            "HTTP_USER_AGENT": "tests",
        }
        if body is not None:
            given |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
        if token is not None:
            given["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return given | {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def assert_error(reply: CgiReply, status: int, code: str, **fields: str) -> dict[str, Any]:
    """The reply is this error exactly as the HTTP contract has it, and gives nothing away. Returns the body."""
    assert reply.status == status, (reply.status, reply.body, reply.stderr, reply.log)
    body: dict[str, Any] = reply.json()
    assert body["error"] == code, body
    # Only what went wrong on our side says whether the question counts.
    counted = {"counted"} & body.keys() if status >= 500 else set()
    assert set(body) == {"error", "message", "request_id", "timestamp", *counted, *fields}, body
    assert {name: body[name] for name in fields} == fields
    assert re.fullmatch(r"[A-Za-z][^\n]{8,150}[.]", body["message"]), f"no sentence for a person: {body['message']!r}"
    assert re.fullmatch(r"[0-9a-f]{24}", body["request_id"]), body
    assert reply.header("X-Request-ID") == body["request_id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"]), body
    assert reply.header("Content-Length") == str(len(reply.body))
    gives_away = re.search(r"Traceback|Error\b|Exception|(?<!\w)/\w|[\\<>{}]", body["message"])
    assert not gives_away, f"gives away: {body['message']!r}"
    assert reply.returncode == 0
    return body


def assert_one_log_line(reply: CgiReply) -> str:
    """Exactly one line was logged, with the request's id; nothing went to stderr. Returns the line.

    What a host logs once in its life, that it has a new ledger, does not count.
    """
    assert "Traceback" not in reply.log + reply.stderr, reply.log + reply.stderr
    assert reply.stderr == ""
    assert reply.log.endswith("\n"), "nothing was logged"
    # splitlines also splits at characters that are line ends to some programs only.
    lines = [line for line in reply.log.splitlines() if not line.endswith("new ledger, nothing is counted yet")]
    assert len(lines) == 1, reply.log
    request_id = reply.header("X-Request-ID")
    assert request_id and f" {request_id} " in lines[0], (request_id, lines[0])
    return lines[0]


def _run(
    words: Sequence[str], variables: Mapping[str, str | bytes], body: bytes, stdin_stays_open: bool
) -> tuple[bytes, bytes, int]:
    if not stdin_stays_open:
        done = subprocess.run(words, env=variables, input=body, capture_output=True, check=False, timeout=SECONDS, cwd="/")
        return done.stdout, done.stderr, done.returncode
    reading, writing = os.pipe()
    try:
        os.write(writing, body)
        done = subprocess.run(words, env=variables, stdin=reading, capture_output=True, check=False, timeout=SECONDS, cwd="/")
        return done.stdout, done.stderr, done.returncode
    finally:
        os.close(reading)
        os.close(writing)


def _parse(output: bytes, errors: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """The parts of a CGI reply; stricter than Apache, which takes bare line feeds."""
    head, end, body = output.partition(b"\r\n\r\n")
    assert end, f"end of script output before headers: {output!r}\n{errors.decode(errors='replace')}"
    fields = []
    for line in head.decode("latin-1").split("\r\n"):
        match = re.fullmatch(r"([A-Za-z0-9-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)", line)
        assert match, f"not a header: {line!r} in {output!r}"
        fields.append((match[1], match[2]))
    found = [value for name, value in fields if name == "Status"]
    assert len(found) == 1, fields
    return int(found[0].split()[0]), [field for field in fields if field[0] != "Status"], body


def _host_path() -> str:
    """A host's PATH, and behind it the directory of the Python that runs the tests, for machines with no other."""
    if shutil.which("python3", path=_HOST_PATH):
        return _HOST_PATH
    return f"{_HOST_PATH}:{Path(sys.executable).resolve().parent}"


def _no_json(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")
