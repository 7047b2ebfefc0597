#!/usr/bin/env python3
"""Sends the alerts that it reads from stdin as JSON. The program starts it after a reply: see app/ledger/delivery.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import logs
from app.bootstrap import Container
from app.ledger.delivery import deliver
from app.settings import load


def main() -> int:
    settings = load()
    logs.configure(settings.log_file)
    deliver(Container(settings).ledger, settings, json.load(sys.stdin))
    return 0


if __name__ == "__main__":
    sys.exit(main())
