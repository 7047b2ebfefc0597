#!/usr/bin/env python3
"""Sends the alerts that it reads from stdin as JSON. The program starts it after a reply: see
app/ledger/alerts.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

import json

from app import datadir, logs
from app.bootstrap import Container
from app.ledger.alerts import Alert
from app.ledger.mail import deliver
from app.settings import load


def main() -> int:
    datadir.keep_private()
    settings = load()
    logs.configure(settings.log_file)
    try:
        claimed = [Alert(*key) for key in json.load(sys.stdin)]
    except (ValueError, TypeError):
        sys.exit(
            "✗ The program starts this itself, with an alert as its input; scripts/cleanup_ledger.py sends "
            "what is left over."
        )
    deliver(Container(settings).ledger, settings, claimed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
