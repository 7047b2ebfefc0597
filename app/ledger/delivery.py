"""Sending the alerts that are marked, by a process of its own.

After a reply, the process that finds a due alert claims it, in one transaction, and starts `scripts/send_alerts.py`, which
nobody waits for. A claim that led to nothing (no process left, mail server away) runs out, and the next reply or the next
run of cleanup tries again, a few times. An alert is sent once unless its sender dies between the mail server's word and
writing it down.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

from app.errors import SettingsError
from app.escaping import escaped
from app.ledger import alerts, sql
from app.ledger.clock import SECOND_US
from app.ledger.ledger import Ledger
from app.ledger.quota import day_spent
from app.pricing import NANODOLLARS
from app.settings import NAMES, PROJECT_ROOT, Settings, child_environment

log = logging.getLogger(__name__)

CLAIM_SECONDS = 600
ATTEMPTS = 5
TOP_USERS = 5

Alert = dict[str, Any]
"""`day`, `kind` and `subject` of a row in `alerts`."""


def claim(ledger: Ledger) -> list[Alert]:
    """The alerts that are due, now this process's to send."""
    if not _due(ledger, writing=False):
        return []
    return _due(ledger, writing=True)


def start_sender(ledger: Ledger) -> None:
    """Claim what is due and leave it to a process of its own; returns after some milliseconds, and at once if nothing is."""
    claimed = claim(ledger)
    if not claimed:
        return
    # Loaded when there is something to send: this module is on the way of every answer.
    import subprocess

    program = [sys.executable, str(PROJECT_ROOT / "scripts" / "send_alerts.py")]
    try:
        # The shell leaves the sender behind in the background and ends, so that no process has to be waited for; away from
        # Apache's session and descriptors it outlives the request. A shell gives what it leaves behind an empty stdin
        # unless that comes by way of another descriptor.
        subprocess.run(
            ["/bin/sh", "-c", '{ "$@" <&3 3<&- & } 3<&0', "sh", *program],
            input=json.dumps(claimed).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # Its settings are all that it gets of a request's environment.
            env=child_environment(NAMES),
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError, SettingsError) as error:
        log.error("cannot start the sender of alerts (%s); scripts/cleanup_ledger.py will send them", type(error).__name__)


def deliver(ledger: Ledger, settings: Settings, claimed: Sequence[Alert]) -> int:
    """Send what was claimed; returns how many were accepted. What was not is logged, and due again later."""
    from app.ledger.mail import MailError, send

    sent = 0
    for alert in claimed:
        subject, text = compose(ledger, alert)
        try:
            send(settings.smtp, settings.alert_email, subject, text, settings.ca_file)
        except MailError as error:
            log.error("alert %s of %s not sent: %s", alert["kind"], alert["day"], error)
            continue
        with ledger.store.writing() as db:
            db.execute(sql.ALERT_DELIVERED, {**alert, "now_us": ledger.clock.now().wall_us})
        log.info("alert %s of %s sent", alert["kind"], alert["day"])
        sent += 1
    return sent


def compose(ledger: Ledger, alert: Alert) -> tuple[str, str]:
    """Subject and text of the mail. Users appear by the auth API's ids; addresses are not known here."""
    day = alert["day"]
    with ledger.store.reading() as db:
        spent = day_spent(db, day)
        top = db.execute(sql.TOP_USERS, {"day": day, "count": TOP_USERS}).fetchall()
    budget = ledger.limits.daily_budget
    headline = {
        alerts.BUDGET_NEARLY: f"80 % of the budget of {day} is spent",
        alerts.BUDGET_USED_UP: f"the budget of {day} is used up",
        alerts.USER_LIMIT: f"a user has reached the daily limit on {day}",
    }[alert["kind"]]
    lines = [f"dndchat: {headline} (UTC).", ""]
    if alert["kind"] == alerts.USER_LIMIT:
        lines.append(
            f"User {escaped(alert['subject'])} has asked {ledger.limits.daily_requests} questions, which is the limit."
        )
    if alert["kind"] == alerts.BUDGET_USED_UP:
        lines.append("Until midnight UTC questions are answered with the passages alone, at no cost.")
    lines += [f"Spent so far: {_dollars(spent)} of {_dollars(budget)}.", "", "Users by cost:"]
    lines += [f"  {_dollars(row['spent_nd'])}  {row['questions']:4} questions  {escaped(row['user_id'])}" for row in top]
    lines += ["", "This is sent once a day. More: scripts/usage_report.py"]
    return f"dndchat: {headline}", "\n".join(lines) + "\n"


def _due(ledger: Ledger, *, writing: bool) -> list[Alert]:
    now = ledger.clock.now()
    limits = {
        # Yesterday's may have happened a minute before midnight; older news is none.
        "since": now.days_before(1),
        "claimed_before": now.wall_us - CLAIM_SECONDS * SECOND_US,
        "attempts": ATTEMPTS,
    }
    with ledger.store.writing() if writing else ledger.store.reading() as db:
        rows = db.execute(sql.DUE_ALERTS, limits).fetchall()
        due = [{"day": row["day"], "kind": row["kind"], "subject": row["subject"]} for row in rows]
        if writing:
            for alert in due:
                db.execute(sql.CLAIM_ALERT, {**alert, "now_us": now.wall_us})
    return due


def _dollars(amount: int) -> str:
    return f"${amount / NANODOLLARS:.4f}"
