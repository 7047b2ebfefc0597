"""One mail to the owner, by SMTP or by the host's own `sendmail`. Slow, and never used while anybody waits for an answer."""

from __future__ import annotations

import shutil
import smtplib
import subprocess
from email.message import EmailMessage
from pathlib import Path

from app import tls
from app.loopback import is_loopback
from app.settings import SmtpSettings, child_environment

TIMEOUT_SECONDS = 20
SMTPS_PORT = 465
# Where hosts keep it; cron's PATH often lacks these.
SENDMAIL_PATH = "/usr/sbin:/usr/lib:/usr/local/sbin:/usr/bin"


class MailError(Exception):
    """The mail was not accepted; the text says by whom and why, without secrets."""


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
            server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=TIMEOUT_SECONDS, context=context)
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
                        f"{smtp.host} offers no encryption, and the password is not sent in the clear; use another server, or "
                        "accept that: ALLOW_INSECURE=SMTP_HOST"
                    )
                server.login(smtp.user, smtp.password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        if (code := tls.verify_code(error)) is not None:
            raise MailError(f"{smtp.host}:{smtp.port}: {type(error).__name__}: {tls.complaint(code)}") from error
        raise MailError(f"{smtp.host}:{smtp.port}: {type(error).__name__}; check SMTP_HOST, SMTP_PORT and SMTP_USER") from error


def _is_here(host: str, server: smtplib.SMTP) -> bool:
    """Whether this machine is what was asked for, and what was connected to."""
    return is_loopback(host) and server.sock is not None and is_loopback(server.sock.getpeername()[0])


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
