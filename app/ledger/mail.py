"""Mailing alerts to the owner, by SMTP or the host's `sendmail`: slow, so never while a question waits."""

from __future__ import annotations

import logging
import shutil
import smtplib
import subprocess
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

from app import tls
from app.escaping import escaped
from app.ledger import sql
from app.ledger.store import Transactions
from app.ledger.transaction import BUDGET_NEARLY, BUDGET_USED_UP, USER_LIMIT, Alert
from app.pricing import dollars
from app.settings import Settings, SmtpSettings, child_environment

log = logging.getLogger(__name__)

TOP_USERS = 5

TIMEOUT_SECONDS = 20
SMTPS_PORT = 465
# Where hosts keep it; cron's PATH often lacks these.
SENDMAIL_PATH = "/usr/sbin:/usr/lib:/usr/local/sbin:/usr/bin"


class MailError(Exception):
    """The mail was not accepted; the text says by whom and why, without secrets."""


def deliver(ledger: Transactions, settings: Settings, claimed: Sequence[Alert]) -> int:
    """Send what was claimed; returns how many were accepted. What was not is logged, and due again later."""
    sent = 0
    for alert in claimed:
        subject, text = compose(ledger, alert)
        try:
            send(settings.smtp, settings.alert_email, subject, text, settings.ca_file)
        except MailError as error:
            log.error("alert %s of %s not sent: %s", alert.kind, alert.day, error)
            continue
        with ledger.writing() as db:
            db.run(sql.ALERT_DELIVERED, **alert._asdict(), now_us=db.now.wall_us)
        log.info("alert %s of %s sent", alert.kind, alert.day)
        sent += 1
    return sent


def compose(ledger: Transactions, alert: Alert) -> tuple[str, str]:
    """Subject and text of the mail. Users appear by the auth API's ids; addresses are not known here."""
    day, most, budget = alert.day, ledger.limits.daily_requests, ledger.limits.daily_budget
    with ledger.reading() as db:
        spent = db.number(sql.DAY_SPENT, day=day)
        top = db.rows(sql.TOP_USERS, day=day, count=TOP_USERS)
    kinds = {
        BUDGET_NEARLY: (f"80 % of the budget of {day} is spent", ""),
        BUDGET_USED_UP: (
            f"the budget of {day} is used up",
            "Until midnight UTC questions are answered with the passages alone, at no cost.\n",
        ),
        USER_LIMIT: (
            f"a user has reached the daily limit on {day}",
            f"User {escaped(alert.subject)} has asked {most} questions, which is the limit.\n",
        ),
    }
    headline, details = kinds[alert.kind]
    users = "".join(
        f"  ${dollars(row['spent_nd']):.4f}  {row['questions']:4} questions  {escaped(row['user_id'])}\n"
        for row in top
    )
    text = (
        f"dndchat: {headline} (UTC).\n\n{details}"
        f"Spent so far: ${dollars(spent):.4f} of ${dollars(budget):.4f}.\n\n"
        f"Users by cost:\n{users}\nThis is sent once a day. More: scripts/usage_report.py\n"
    )
    return f"dndchat: {headline}", text


def send(smtp: SmtpSettings, recipient: str, subject: str, text: str, ca_file: Path | None = None) -> None:
    """Hand one mail over: to `smtp.host`, or to sendmail if none is set. Raises MailError.

    `ca_file`: whose certificates are believed; None: the host's authorities.
    """
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = smtp.sender or recipient
    message["To"] = recipient
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    if smtp.host:
        _by_smtp(smtp, message, ca_file)
    else:
        _by_sendmail(message)


def _by_smtp(smtp: SmtpSettings, message: EmailMessage, ca_file: Path | None) -> None:
    context = tls.new_context(ca_file)
    try:
        if smtp.port == SMTPS_PORT:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                smtp.host, smtp.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT_SECONDS)
        with server:
            server.ehlo()
            encrypted = smtp.port == SMTPS_PORT
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
                encrypted = True
            if smtp.user:
                if not encrypted and not smtp.in_the_clear and not _is_here(smtp.host, server):
                    raise MailError(
                        f"{smtp.host} offers no encryption, and the password is not sent in the clear; use"
                        " another server, or accept that: ALLOW_INSECURE=SMTP_HOST"
                    )
                server.login(smtp.user, smtp.password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        if (code := tls.verify_code(error)) is not None:
            raise MailError(
                f"{smtp.host}:{smtp.port}: {type(error).__name__}: {tls.complaint(code)}"
            ) from error
        raise MailError(
            f"{smtp.host}:{smtp.port}: {type(error).__name__}; check SMTP_HOST, SMTP_PORT and SMTP_USER"
        ) from error


def _is_here(host: str, server: smtplib.SMTP) -> bool:
    """Whether this machine is what was asked for, and what was connected to."""
    return tls.is_loopback(host) and server.sock is not None and tls.is_loopback(server.sock.getpeername()[0])


def _by_sendmail(message: EmailMessage) -> None:
    program = shutil.which("sendmail") or shutil.which("sendmail", path=SENDMAIL_PATH)
    if program is None:
        raise MailError("there is no sendmail on this host; set SMTP_HOST")
    try:
        # -i: a line with one dot is text; -t: the recipients are in the header.
        subprocess.run(
            [program, "-i", "-t"],
            input=message.as_bytes(),
            check=True,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env=child_environment(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MailError(f"{program}: {type(error).__name__}") from error
