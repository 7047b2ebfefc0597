"""Mailing the owner, once a UTC day each: the budget at 80 and 100 %, a user at the daily limit.

The row in the table is the mark. `Transaction.mark` makes it in the transaction in which the thing happens.
After a reply, the process that finds a due alert claims it and starts
`scripts/send_alerts.py` (see `mail.py`), which nobody waits for. A claim that led to nothing (no process
left, mail server away) runs out, and the next reply or the next run of cleanup tries again, a few times. An
alert is sent once, unless its sender dies between the mail server's word and writing it down.
"""

from __future__ import annotations

import json
import logging
import sys

from app.ledger import sql
from app.ledger.store import Transactions
from app.ledger.transaction import SECOND_US, Alert, Transaction
from app.settings import NAMES, PROJECT_ROOT, child_environment

log = logging.getLogger(__name__)

CLAIM_SECONDS = 600
ATTEMPTS = 5


def claim(ledger: Transactions) -> list[Alert]:
    """The alerts that are due, now this process's to send. Raises LedgerUnavailable."""
    with ledger.reading() as db:
        due = _due(db)
    if not due:
        return []
    with ledger.writing() as db:
        due = _due(db)
        for alert in due:
            db.run(sql.CLAIM_ALERT, **alert._asdict(), now_us=db.now.wall_us)
    return due


def _due(db: Transaction) -> list[Alert]:
    rows = db.rows(
        sql.DUE_ALERTS,
        # Yesterday's may have happened a minute before midnight; older news is none.
        since=db.now.days_before(1),
        claimed_before=db.now.wall_us - CLAIM_SECONDS * SECOND_US,
        attempts=ATTEMPTS,
    )
    return [Alert(*row) for row in rows]


def start_sender(ledger: Transactions) -> None:
    """See `Ledger.start_alerts`."""
    claimed = claim(ledger)
    if not claimed:
        return
    # Loaded when there is something to send: with ALERT_EMAIL this module follows every answer.
    import subprocess

    program = [sys.executable, str(PROJECT_ROOT / "scripts" / "send_alerts.py")]
    try:
        # The shell leaves the sender behind in the background and ends, so that no process has to be waited
        # for; away from Apache's session and descriptors it outlives the request. A shell gives what it
        # leaves behind an empty stdin unless that comes by way of another descriptor.
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
    except (OSError, subprocess.SubprocessError) as error:
        log.error(
            "cannot start the sender of alerts (%s); scripts/cleanup_ledger.py will send them",
            type(error).__name__,
        )
