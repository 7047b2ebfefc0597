#!/usr/bin/env python3
"""Cleans up the ledger and the log; for cron. Settles orphans, forgets what is old, checks the file, sends alerts left over.

Crontab: 17 3 * * * /home/you/dndchat/.venv/bin/python /home/you/dndchat/scripts/cleanup_ledger.py
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import logs
from app.bootstrap import Container
from app.errors import LedgerUnavailable, SettingsError
from app.ledger import delivery, maintenance, rotation
from app.settings import Settings, load


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(settings: Settings, keep_days: int, dry_run: bool) -> dict[str, object]:
    """What was done, or would be. Raises LedgerUnavailable, AlreadyRunning, OSError."""
    ledger = Container(settings).ledger
    rotates = rotation.is_due(settings.log_file)
    if dry_run:
        return {"dry_run": True, **asdict(maintenance.look(ledger, keep_days)), "log_rotated": rotates}
    with maintenance.only_one(settings.data_dir):
        counts = asdict(maintenance.clean(ledger, keep_days))
        sent = delivery.deliver(ledger, settings, delivery.claim(ledger)) if settings.alert_email else 0
        if rotates:
            rotation.rotate(settings.log_file)
    return {"dry_run": False, **counts, "alerts_sent": sent, "log_rotated": rotates}


EXAMPLES = """examples:
  scripts/cleanup_ledger.py --dry-run     what would be done
  17 3 * * * /home/you/dndchat/.venv/bin/python /home/you/dndchat/scripts/cleanup_ledger.py >/dev/null     for cron"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--keep-days", type=positive, default=90, help="days to keep single questions for (default %(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    try:
        settings = load()
        logs.configure(settings.log_file)
        counts = run(settings, arguments.keep_days, arguments.dry_run)
    except maintenance.AlreadyRunning:
        print(json.dumps({"already_running": True}) if arguments.json else "Another cleanup is at work; nothing to do.")
        return 0
    except (SettingsError, LedgerUnavailable, OSError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(counts))
    else:
        print("\n".join(f"{name.replace('_', ' '):>14}: {value}" for name, value in counts.items()))
    if counts["integrity"] != "ok":
        print("✗ The ledger is damaged: stop the site, move it aside, put a backup in its place.", file=sys.stderr)
        return 1
    if counts["wrong_days"]:
        print("✗ Some days' totals do not add up with their rows; these were kept.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
