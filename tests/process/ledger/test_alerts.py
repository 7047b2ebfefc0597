"""Alerts: once a day each, whoever notices and however many at once, by a real mail server; nobody waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import settings
from app.bootstrap import Container
from app.errors import BudgetExceeded, DailyLimitExceeded
from app.ledger.alerts import Alert, claim
from app.ledger.ledger import Ledger
from app.ledger.mail import MailError, deliver, send
from app.models import PlannedCall
from app.settings import Settings, SmtpSettings
from tests.harness import ROOT
from tests.harness.doubles.tls import make_certificate
from tests.harness.ledgers import CHAT, SetClock, open_ledger, query
from tests.process.ledger.mail_server import MailServer

pytestmark = pytest.mark.timeout(60)


def spend(ledger: Ledger, user: str, request_id: str, amount: int) -> None:
    with ledger.admit(user, request_id, amount) as admission:
        admission.sent(PlannedCall("chat", CHAT, amount)).settle(None)
        admission.finish("answered")


def marks(ledger: Ledger) -> list[tuple[object, ...]]:
    return query(ledger, "SELECT day, kind, subject FROM alerts ORDER BY day, kind, subject")


def test_what_is_marked_and_when(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock, budget="0.010", capacity=0, daily=4, share_days=0)
    spend(ledger, "gary", "a", 7_999_999)
    assert marks(ledger) == []
    spend(ledger, "gary", "b", 1)
    assert marks(ledger) == [("2026-11-21", "budget_80", "")]
    # Too much at once for what is left, in flight or spent: only the second means that the budget is gone.
    held = ledger.admit("dave", "c", 2_000_000)
    with pytest.raises(BudgetExceeded):
        ledger.admit("gary", "d", 1_000_000)
    held.finish("database_error")
    assert marks(ledger) == [("2026-11-21", "budget_80", "")]
    with pytest.raises(BudgetExceeded):
        ledger.admit("gary", "e", 3_000_000)
    spend(ledger, "gary", "f", 1_000_000)
    spend(ledger, "gary", "g", 1_000_000)
    with pytest.raises(DailyLimitExceeded):
        ledger.admit("gary", "h", 0)
    today = [
        ("2026-11-21", "budget_100", ""),
        ("2026-11-21", "budget_80", ""),
        ("2026-11-21", "user_daily_limit", "gary"),
    ]
    assert marks(ledger) == today
    clock.advance(86_400)
    spend(ledger, "gary", "i", 9_000_000)
    assert marks(ledger) == [*today, ("2026-11-22", "budget_80", "")]


def test_a_quota_that_was_given_back_is_no_limit_reached(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, daily=1)
    ledger.admit("gary", "a", 0).finish("database_error")
    assert marks(ledger) == []
    ledger.admit("gary", "b", 0).finish("answered")
    assert [mark[1:] for mark in marks(ledger)] == [("user_daily_limit", "gary")]


def test_each_is_claimed_once_and_again_when_its_claim_has_run_out(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock, daily=1)
    ledger.admit("gary", "a", 0).finish("answered")
    assert claim(ledger) == [Alert("2026-11-21", "user_daily_limit", "gary")]
    assert claim(ledger) == []
    for _ in range(4):
        clock.advance(600)
        assert len(claim(ledger)) == 1
    # Five attempts are enough.
    clock.advance(600)
    assert claim(ledger) == []


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def configured(tmp_path: Path, mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings as the environment has them, for this process and for those it starts."""
    values = {
        "DATA_DIR": str(tmp_path),
        "ALERT_EMAIL": "owner@example.com",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail.port),
        "SMTP_FROM": "dndchat@example.com",
        "DAILY_BUDGET_USD": "0.01",
        "DAILY_USER_REQUEST_LIMIT": "3",
        "TOKEN_BUCKET_CAPACITY": "0",
        "DNDCHAT_ENV_FILE": str(tmp_path / "empty.env"),
    }
    (tmp_path / "empty.env").touch()
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return settings.load()


def test_the_mail_has_the_figures_and_the_dearest_users(configured: Settings, mail: MailServer) -> None:
    container = Container(configured)
    for number in range(2):
        spend(container.ledger, f"user-{number}", f"r{number}", (number + 1) * 2_700_000)
    container.after_reply()
    assert mail.wait_for(1)
    [message] = mail.mails
    day = container.ledger.clock.now().day
    assert message["To"] == "owner@example.com"
    assert message["From"] == "dndchat@example.com"
    assert message["Subject"] == f"dndchat: 80 % of the budget of {day} is spent"
    text = message.get_content()
    assert "Spent so far: $0.0081 of $0.0100." in text
    assert text.index("$0.0054     1 questions  user-1") < text.index("$0.0027     1 questions  user-0")
    give_up = time.monotonic() + 10
    while (
        query(container.ledger, "SELECT delivered_us FROM alerts") == [(None,)] and time.monotonic() < give_up
    ):
        time.sleep(0.02)
    assert query(container.ledger, "SELECT delivered_us IS NOT NULL, attempts FROM alerts") == [(1, 1)]
    container.after_reply()
    time.sleep(0.5)
    assert len(mail.mails) == 1


ASK_AND_LEAVE = """
import sys
from app import settings
from app.bootstrap import Container
container = Container(settings.load())
sys.stdin.readline()
try:
    container.ledger.admit("gary", sys.argv[1], 0).finish("answered")
except Exception:
    pass
container.after_reply()
"""


def test_of_20_processes_at_once_one_sends(configured: Settings, mail: MailServer) -> None:
    """All 20 notice that the user has reached the limit; none of them stays until the mail is gone."""
    mail.delay.clear()
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK_AND_LEAVE, f"r{number}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for number in range(20)
    ]
    for process in asking:
        assert process.stdin
        process.stdin.close()
    assert [process.wait(30) for process in asking] == [0] * 20
    # The mail server has not said a word yet, and everybody is gone.
    assert mail.mails == []
    mail.delay.set()
    assert mail.wait_for(1)
    time.sleep(1)
    assert len(mail.mails) == 1
    assert "gary has asked 3 questions, which is the limit" in mail.mails[0].get_content()


def test_nobody_waits_for_a_mail_server_that_says_nothing(configured: Settings, mail: MailServer) -> None:
    mail.delay.clear()
    container = Container(configured)
    spend(container.ledger, "gary", "a", 9_000_000)
    started = time.monotonic()
    container.after_reply()
    took = time.monotonic() - started
    print(f"after the reply: {1000 * took:.1f} ms")
    assert took < 1
    mail.delay.set()
    assert mail.wait_for(1)


def test_an_alert_that_cannot_be_sent_is_tried_again(
    configured: Settings, mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Container(configured).ledger
    clock = SetClock()
    ledger.clock = clock
    ledger.admit("gary", "a", 0).finish("answered")
    spend(ledger, "gary", "b", 9_000_000)
    mail.refuse = True
    assert deliver(ledger, configured, claim(ledger)) == 0
    assert "not sent" in caplog.text
    mail.refuse = False
    assert claim(ledger) == []
    clock.advance(600)
    assert deliver(ledger, configured, claim(ledger)) == 1
    clock.advance(600)
    assert claim(ledger) == []


def test_a_host_that_cannot_start_a_process_fails_no_answer(
    configured: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    container = Container(configured)
    spend(container.ledger, "gary", "a", 9_000_000)
    monkeypatch.setattr("app.ledger.alerts.PROJECT_ROOT", Path("/nonexistent"))
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    container.ledger.start_alerts()
    monkeypatch.setattr(
        "subprocess.run", lambda *_, **__: (_ for _ in ()).throw(OSError("no more processes"))
    )
    container.ledger.clock = SetClock(time.time() + 700)
    container.ledger.start_alerts()
    assert "cleanup_ledger.py will send them" in caplog.text


def test_without_an_address_nothing_is_started(tmp_path: Path) -> None:
    container = Container(settings.load({"DATA_DIR": str(tmp_path)}, root=tmp_path))
    container.after_reply()
    assert not (tmp_path / "ledger.sqlite3").exists()


# How a mail is handed over.


def smtp(port: int, user: str = "", password: str = "", host: str = "127.0.0.1") -> SmtpSettings:
    return SmtpSettings(host, port, user, "dndchat@example.com", password)


def test_a_login_goes_over_an_encrypted_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = make_certificate(tmp_path)
    with MailServer(context, ("dndchat", "s3cret")) as server:
        with pytest.raises(MailError, match="SSLCertVerificationError"):
            send(smtp(server.port, "dndchat", "s3cret"), "owner@example.com", "one", "text")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        send(smtp(server.port, "dndchat", "s3cret"), "owner@example.com", "two", "Zürich\n.\nend\n")
        with pytest.raises(MailError) as caught:
            send(smtp(server.port, "dndchat", "wrong"), "owner@example.com", "three", "text")
    assert "wrong" not in str(caught.value)
    assert [message["Subject"] for message in server.mails] == ["two"]
    assert server.mails[0].get_content() == "Zürich\r\n.\r\nend\r\n"


def test_a_password_is_not_sent_in_the_clear_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with MailServer(login=("dndchat", "s3cret")) as server:
        # A name for this machine that does not say so.
        with pytest.raises(MailError, match="not sent in the clear"):
            send(smtp(server.port, "dndchat", "s3cret", host="0.0.0.0"), "owner@example.com", "one", "text")
        send(smtp(server.port, "dndchat", "s3cret"), "owner@example.com", "two", "text")
        assert len(server.mails) == 1


def test_without_smtp_host_the_hosts_sendmail_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/mail\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    send(smtp(25, host=""), "owner@example.com", "subject", "text\n")
    assert (tmp_path / "arguments").read_text() == "-i -t\n"
    assert "To: owner@example.com\n" in (tmp_path / "mail").read_text()
    program.write_text("#!/bin/sh\nexit 75\n")
    with pytest.raises(MailError, match="CalledProcessError"):
        send(smtp(25, host=""), "owner@example.com", "subject", "text")
