"""The FastCGI program under a real mod_fcgid: it starts, answers, streams and stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.auth_api import AuthDouble
from tests.support.accounts import server_account
from tests.support.apache import Apache, Reply
from tests.support.apache_config import MODULES
from tests.support.host import installed
from tests.support.limits import GENEROUS

pytestmark = pytest.mark.skipif(
    not MODULES.joinpath("mod_fcgid.so").exists(), reason="needs mod_fcgid: apt-get install libapache2-mod-fcgid"
)

URL = "/cgi-bin/dndchat.fcgi"


@pytest.fixture(scope="module")
def auth() -> Iterator[AuthDouble]:
    with AuthDouble() as double:
        yield double


@pytest.fixture(scope="module")
def server(auth: AuthDouble) -> Iterator[Apache]:
    with installed() as copy:
        settings = {**GENEROUS, "AUTH_API_URL": auth.url}
        copy.joinpath(".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        home = copy.parent
        for name in ("public_html", "fcgid"):
            home.joinpath(name).mkdir(mode=0o755)
        server_account().owns(home)
        with Apache(
            home / "public_html", copy / "cgi-bin", auth="cgipassauth", extra_modules=("fcgid",), extra_config=_config(home)
        ) as apache:
            yield apache


def _config(home: Path) -> str:
    return "\n".join(
        [
            "Suexec Off",
            f'FcgidIPCDir "{home}/fcgid"',
            f'FcgidProcessTableFile "{home}/fcgid/table"',
            '<Files "*.fcgi">',
            "SetHandler fcgid-script",
            "</Files>",
        ]
    )


def ask(server: Apache, auth: AuthDouble, *, stream: bool = False) -> Reply:
    body = json.dumps({"question": "What is an owlbear?", "stream": stream}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {auth.token_for('alice')}"}
    return server.request("POST", f"{URL}/api/query", headers=headers, body=body)


def test_health(server: Apache) -> None:
    reply = server.request("GET", f"{URL}/health")
    assert (reply.status, json.loads(reply.body)["status"]) == (200, "ok"), server.error_log()


def test_a_refusal(server: Apache) -> None:
    reply = server.request("POST", f"{URL}/api/query", headers={"Content-Type": "application/json"}, body=b'{"question": "x"}')
    assert (reply.status, json.loads(reply.body)["error"]) == (401, "missing_token")


def test_an_answer(server: Apache, auth: AuthDouble) -> None:
    reply = ask(server, auth)
    assert reply.status == 200, reply.text
    assert json.loads(reply.body)["sources"][0]["name"] == "Owlbear"


def test_a_stream(server: Apache, auth: AuthDouble) -> None:
    reply = ask(server, auth, stream=True)
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    names = [line for line in reply.text.splitlines() if line.startswith("event: ")]
    assert names[0] == "event: sources" and names[-1] == "event: done" and set(names[1:-1]) == {"event: delta"}
