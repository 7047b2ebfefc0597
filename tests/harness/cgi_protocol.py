"""CGI between Apache and a program: the environment of a request, and the reply. Nothing is started here."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

_HOST_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Reply:
    """A whole response, from a server or from the program itself."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    @property
    def id(self) -> str:
        """The request's id."""
        return str(self.header("X-Request-ID"))

    def json(self) -> Any:
        """The body, which must be JSON that says it is."""
        assert self.header("Content-Type") == "application/json", (self.headers.items(), self.body)
        return json.loads(self.body, parse_constant=_no_json)

    def all(self, name: str) -> list[str]:
        """Every value of a header, to see duplicates."""
        return self.headers.get_all(name, [])

    def header(self, name: str) -> str | None:
        """The value of a header that may be there once at most."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None


@dataclass(frozen=True)
class CgiReply(Reply):
    """What came out of one process. `log` is what LOG_FILE grew by; `probed` is empty without `probe`."""

    raw: bytes = b""
    stderr: str = ""
    log: str = ""
    returncode: int = 0
    probed: Sequence[str] = ()


def environment(
    method: str,
    path: str,
    body: bytes | None = None,
    token: str | None = None,
    headers: Mapping[str, str | bytes] | None = None,
) -> dict[str, str | bytes]:
    """What Apache sets for a request; no HOME among it, and nothing of the environment of the tests."""
    address, _, query = path.partition("?")
    given: dict[str, str | bytes] = {
        "PATH": _host_path(),
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
        "DOCUMENT_ROOT": "/var/www/html",
        "PATH_INFO": os.fsdecode(unquote_to_bytes(address)),
        "QUERY_STRING": query,
        "HTTP_HOST": "www.example.org",
        "HTTP_USER_AGENT": "tests",
    }
    if body is not None:
        given |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
    if token is not None:
        given["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return given | {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()
    }


def parse(output: bytes, errors: str = "") -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of a CGI reply; stricter than Apache, which accepts bare line feeds.

    A second head after the first reply is part of its body, where tests look for it.
    """
    head, end, body = output.partition(b"\r\n\r\n")
    assert end, f"end of script output before headers: {output!r}\n{errors}"
    headers = http.client.HTTPMessage()
    for line in head.decode("latin-1").split("\r\n"):
        match = re.fullmatch(r"([A-Za-z0-9-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)", line)
        assert match, f"not a header: {line!r} in {output!r}"
        headers[match[1]] = match[2]
    found = headers.get_all("Status", [])
    assert len(found) == 1, headers.items()
    del headers["Status"]
    return int(found[0].split()[0]), headers, body


def assert_error(reply: CgiReply, status: int, code: str, **fields: str) -> dict[str, Any]:
    """The reply is this error as the HTTP contract has it, and gives nothing away. Returns the body."""
    assert reply.status == status, (reply.status, reply.body, reply.stderr, reply.log)
    body: dict[str, Any] = reply.json()
    assert body["error"] == code, body
    # Only what went wrong on our side says whether the question counts.
    counted = {"counted"} & body.keys() if status >= 500 else set()
    assert set(body) == {"error", "message", "request_id", "timestamp", *counted, *fields}, body
    assert {name: body[name] for name in fields} == fields
    assert re.fullmatch(r"[A-Za-z][^\n]{8,150}[.]", body["message"]), (
        f"no sentence for a person: {body['message']!r}"
    )
    assert re.fullmatch(r"[0-9a-f]{24}", body["request_id"]), body
    assert reply.id == body["request_id"]
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
    lines = [
        line for line in reply.log.splitlines() if not line.endswith("new ledger, nothing is counted yet")
    ]
    assert len(lines) == 1, reply.log
    assert f" {reply.id} " in lines[0], (reply.id, lines[0])
    return lines[0]


def _host_path() -> str:
    """A host's PATH, and behind it the directory of the tests' own Python, for machines with no other."""
    if shutil.which("python3", path=_HOST_PATH):
        return _HOST_PATH
    return f"{_HOST_PATH}:{Path(sys.executable).resolve().parent}"


def _no_json(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")
