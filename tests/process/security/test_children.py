"""What the program starts gets an environment made for it: nothing of the caller, and no key that it has no
use for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import child_environment
from tests.harness import ROOT
from tests.harness.doubles.openai import KEY
from tests.harness.gated import GatedAuth
from tests.harness.program import Program
from tests.harness.waiting import eventually

CALLERS = {
    "HTTP_COOKIE": "session=c00kie",
    "REMOTE_ADDR": "192.0.2.99",
    "REDIRECT_HTTP_AUTHORIZATION": "Bearer c00kie",
    "HTTP_X_DNDCHAT_AUTHORIZATION": "Bearer c00kie",
    "QUERY_STRING": "secret=c00kie",
    "SSL_CLIENT_CERT": "c00kie",
    "REMOTE_USER": "c00kie",
    "PHP_AUTH_PW": "c00kie",
    "SOME_OTHER_PROGRAMS_KEY": "c00kie",
}
# Writes down its environment, arguments and mail, and whose child it is with that one's environment.
SENDMAIL = r"""#!/bin/sh
cat >"{folder}/mail"
cat /proc/$PPID/environ >"{folder}/sender"
env >"{folder}/environ"
"""


@pytest.fixture
def program(base: Path, auth: GatedAuth) -> Iterator[Program]:
    settings = {"DAILY_USER_REQUEST_LIMIT": "1", "ALERT_EMAIL": "owner@example.org"}
    with Program(base, AUTH_API_URL=auth.url, WARM_WORKER="on", **settings) as made:
        (made.root / "scripts").mkdir()
        script = ROOT / "scripts/send_alerts.py"
        (made.root / "scripts/send_alerts.py").write_bytes(script.read_bytes())
        folder = made.home / "sendmail-was-here"
        folder.mkdir()
        sendmail = folder / "sendmail"
        sendmail.write_text(SENDMAIL.replace("{folder}", str(folder)))
        sendmail.chmod(0o755)
        made.account.owns(made.home)
        made.environ["PATH"] = f"{folder}:/usr/bin:/bin"
        yield made


def variables(data: bytes) -> dict[str, str]:
    entries = (entry.partition("=") for entry in data.decode().replace("\n", "\0").split("\0") if entry)
    return {name: value for name, _, value in entries}


def test_the_sender_and_sendmail_know_nothing_of_the_caller(program: Program, auth: GatedAuth) -> None:
    body = json.dumps({"question": "What is an orc?"}).encode()
    environ = {**CALLERS, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "SMTP_PASS": "pa55word"}
    token = auth.token_for("alice")
    assert program.request("POST", "/api/query", body, token=token, environ=environ).status == 200
    folder = program.home / "sendmail-was-here"
    eventually(lambda: (folder / "environ").exists() and (folder / "environ").read_bytes())
    assert b"a user has reached the daily limit" in (folder / "mail").read_bytes()
    mine, senders = variables((folder / "environ").read_bytes()), variables((folder / "sender").read_bytes())
    for told in (mine, senders):
        assert not any(
            "c00kie" in value or token in value or "192.0.2.99" in value for value in told.values()
        ), told
        assert not any(
            name.startswith(("HTTP_", "REDIRECT_", "REMOTE_", "DNDCHAT_REQUEST")) for name in told
        ), told
    assert "pa55word" not in str(mine)
    assert set(mine) <= {"PATH", "HOME", "LANG", "LC_CTYPE", "PWD", "SHLVL", "_", "OLDPWD", "TZ"}
    # It is a part of the program, and reads the same settings.
    assert senders["DNDCHAT_ENV_FILE"] == str(program.settings_file)
    assert senders["OPENAI_BASE_URL"] == "http://127.0.0.1:9/v1"


def test_a_worker_keeps_nothing_of_the_first_request(program: Program, auth: GatedAuth) -> None:
    token = auth.token_for("alice")
    pid = program.warm("/api/me", token=token, environ={**CALLERS, "OPENAI_API_KEY": "", "LANG": "C.UTF-8"})
    kept = variables(Path(f"/proc/{pid}/environ").read_bytes())
    assert "c00kie" not in str(kept)
    assert token not in str(kept)
    assert set(kept) <= {"PATH", "LANG", "DNDCHAT_ENV_FILE", "OPENAI_API_KEY"}


def test_what_children_get(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    assert child_environment() == {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    given = {
        "PATH": "/bin",
        "HOME": "/h",
        "TZ": "UTC",
        "LC_ALL": "C",
        "OPENAI_API_KEY": KEY,
        "LD_PRELOAD": "x",
        "DNDCHAT_ENV_FILE": "f",
    }
    for name, value in {**given, **CALLERS}.items():
        monkeypatch.setenv(name, value)
    assert child_environment() == {name: given[name] for name in ("PATH", "HOME", "TZ", "LC_ALL")}
    assert child_environment(["OPENAI_API_KEY"]) == {
        name: given[name] for name in ("PATH", "HOME", "TZ", "LC_ALL", "OPENAI_API_KEY", "DNDCHAT_ENV_FILE")
    }
