"""Nothing secret goes over a line that others can read, unless a setting says so aloud, which stays
visible.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adapters import connections
from app.errors import SettingsError
from app.ledger.mail import MailError, send
from app.settings import Settings, SmtpSettings, load
from app.tls import is_loopback
from app.web import replies
from tests.harness.cgi_process import DEPLOYED, CgiProgram
from tests.harness.doubles.auth_api import AuthDouble
from tests.process.ledger.mail_server import MailServer

CLOUD = {"OPENAI_API_KEY": "sk-secret", "chroma_cloud_api_key": "ck-secret", "chroma_cloud_tenant_id": "t"}

HERE = ["localhost", "LOCALHOST", "127.0.0.1", "127.9.8.7", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
ELSEWHERE = [
    *("example.com", "192.0.2.1", "0.0.0.0", "::", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1", "128.0.0.1"),
    *(
        "localhost.example.com",
        "127.0.0.1.example.com",
        "notlocalhost",
        "localhost.",
        "localhost.localdomain",
    ),
    # Other ways to write a number, which some resolvers take for addresses, and others for names.
    *(
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "127.0.0.1 ",
        "１２７.0.0.1",
        "",
        "::1%lo",
        "[::1]",
    ),
]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Settings]:
    return lambda **environ: load({"HOME": str(tmp_path), **environ}, tmp_path)


@pytest.mark.parametrize("host", HERE)
def test_what_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_what_is_not_or_may_not_be(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("name", ["AUTH_API_URL", "OPENAI_BASE_URL"])
@pytest.mark.parametrize(
    "host", ["example.com", "localhost.example.com", "127.0.0.1.example.com", "2130706433", "[2001:db8::1]"]
)
def test_an_address_without_encryption_is_refused(
    read: Callable[..., Settings], name: str, host: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{name: f"http://{host}:8080/v1"})
    [problem] = refused.value.problems
    assert problem.startswith(f"{name}: not encrypted")
    assert "https://" in problem
    assert f"ALLOW_INSECURE={name}" in problem
    allowed = read(**{name: f"http://{host}:8080/v1", "ALLOW_INSECURE": f"CHROMA_HOST, {name}"})
    [warning] = allowed.warnings
    assert warning.startswith(f"{name}: not encrypted")
    read(**{name: f"https://{host}:8080/v1"})


@pytest.mark.parametrize("name", ["AUTH_API_URL", "OPENAI_BASE_URL"])
@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1@evil.example/", "http://user:pa55word@127.0.0.1/", "http://evil.example\\@127.0.0.1/"],
)
def test_a_name_before_the_host_is_refused_and_not_repeated(
    read: Callable[..., Settings], name: str, url: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{name: url, "ALLOW_INSECURE": name})
    assert "pa55word" not in str(refused.value)
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.1.2.3"])
def test_this_machine_needs_no_encryption(read: Callable[..., Settings], host: str) -> None:
    given = {
        "AUTH_API_URL": f"http://{host}:1",
        "OPENAI_BASE_URL": f"http://{host}:2/v1",
        "CHROMA_HOST": host,
    }
    cloud = {**CLOUD, "CHROMA_CLOUD_HOST": host, "CHROMA_CLOUD_SSL": "off"}
    assert read(**given, **cloud).warnings == ()


@pytest.mark.parametrize(
    ("name", "given", "mended"),
    [
        ("CHROMA_CLOUD_SSL", {**CLOUD, "CHROMA_CLOUD_SSL": "off"}, {"CHROMA_CLOUD_SSL": "on"}),
        ("CHROMA_HOST", {"CHROMA_HOST": "chroma.lan"}, {"CHROMA_HOST": "https://chroma.lan"}),
        ("CHROMA_HOST", {"CHROMA_HOST": "http://192.0.2.1"}, {"CHROMA_HOST": "https://192.0.2.1"}),
        ("CHROMA_HOST", {"CHROMA_HOST": "127.0.0.1.example.com"}, {"CHROMA_HOST": "127.0.0.1"}),
    ],
)
def test_chroma_elsewhere_is_asked_with_encryption(
    read: Callable[..., Settings], name: str, given: dict[str, str], mended: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match=f"{name}: not encrypted.*ALLOW_INSECURE={name}"):
        read(**given)
    assert read(**{**given, **mended}).warnings == ()
    assert len(read(**given, ALLOW_INSECURE=name).warnings) == 1


@pytest.mark.parametrize("text", ["on", "all", "*", "OPENAI_BASE_URL,everything", "openai_base_url"])
def test_what_is_allowed_is_named(read: Callable[..., Settings], text: str) -> None:
    with pytest.raises(SettingsError, match="ALLOW_INSECURE: not usable; give names among AUTH_API_URL, "):
        read(ALLOW_INSECURE=text)


def test_a_name_that_leads_to_another_machine_is_not_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` is up to the resolver; here it is as if that gave an address of the network."""
    here = socket.gethostbyname(socket.gethostname())
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        address = "127.0.0.1" if here.startswith("127.") else here
        monkeypatch.setattr(connections, "is_loopback_address", lambda peer: peer != address)
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))],
        )
        opened = connections.Connections(f"http://localhost:{port}")
        with pytest.raises(OSError, match="another machine"):
            opened.open(5)
        taken, _ = server.accept()
        with taken:
            assert taken.recv(1) == b"", "something was said"


@pytest.mark.parametrize("host", ["0.0.0.0", "127.1"])
def test_a_password_goes_to_a_mail_server_in_the_clear_only_when_allowed(host: str) -> None:
    """Both lead to this machine, and neither says so."""
    smtp = SmtpSettings(host, 0, "user", "from@example.org", "pa55word")
    with MailServer(login=("user", "pa55word")) as server:
        smtp = smtp._replace(port=server.port)
        with pytest.raises(MailError, match="ALLOW_INSECURE=SMTP_HOST") as refused:
            send(smtp, "to@example.org", "subject", "text")
        assert "pa55word" not in str(refused.value)
        send(smtp._replace(in_the_clear=True), "to@example.org", "subject", "text")
        assert len(server.mails) == 1


def test_a_password_that_may_go_in_the_clear_is_said(read: Callable[..., Settings]) -> None:
    given = {"SMTP_HOST": "mail.example.com", "SMTP_USER": "u", "SMTP_PASS": "p"}
    assert (read(**given).smtp.in_the_clear, read(**given).warnings) == (False, ())
    allowed = read(**given, ALLOW_INSECURE="SMTP_HOST")
    assert allowed.smtp.in_the_clear
    assert allowed.warnings[0].startswith("SMTP_HOST: not encrypted")


def test_what_is_allowed_stays_visible_to_the_owner_and_to_nobody_else(tmp_path: Path) -> None:
    with AuthDouble() as auth:
        given = {"CHROMA_HOST": "chroma.lan", "ALLOW_INSECURE": "CHROMA_HOST"}
        program = CgiProgram(tmp_path, command=DEPLOYED, AUTH_API_URL=auth.url, **given)
        shown = program.request("GET", "/health")
        assert "CHROMA_HOST: not encrypted" in shown.log
        assert b"chroma" not in shown.body.lower()
        assert b"CHROMA_HOST" not in shown.body
        assert shown.json()["components"]["settings"] == "1 to look at: see the log"
        deep = program.request("GET", "/health?deep=1", token=auth.token_for("alice")).json()
        [warning] = deep["components"]["settings"]
        assert warning.startswith("CHROMA_HOST: not encrypted")


def test_without_warnings_the_settings_are_ok(read: Callable[..., Settings]) -> None:
    settings = read()
    assert replies.health_body(settings)["components"]["settings"] == "ok"
    assert "settings" in json.dumps(replies.health_body(settings))
