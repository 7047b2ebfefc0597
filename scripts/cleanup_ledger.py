#!/usr/bin/env python3
"""Cleans up the ledger and the log; for cron.

Settles orphans, forgets what is old, checks the file, sends alerts left over.

Crontab: 17 3 * * * /home/you/dndchat/.venv/bin/python /home/you/dndchat/scripts/cleanup_ledger.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from dataclasses import asdict

from app import logs
from app.bootstrap import Container
from app.datadir import refusal
from app.escaping import as_json
from app.ledger import alerts, mail, maintenance
from app.operator import arguments
from app.operator.console import EXIT_OK, Console
from app.operator.problems import OperatorError
from app.settings import Settings


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(settings: Settings, keep_days: int, dry_run: bool) -> dict[str, object]:
    """What was done, or would be. Raises LedgerUnavailable, AlreadyRunning, OSError."""
    ledger = Container(settings).ledger
    rotates = maintenance.is_rotation_due(settings.log_file)
    if dry_run:
        return {
            "dry_run": True,
            **asdict(maintenance.clean(ledger, keep_days, dry_run=True)),
            "log_rotated": rotates,
        }
    with maintenance.only_one(settings.data_dir):
        counts = asdict(maintenance.clean(ledger, keep_days))
        sent = mail.deliver(ledger, settings, alerts.claim(ledger)) if settings.alert_email else 0
        if rotates:
            maintenance.rotate(settings.log_file)
    return {"dry_run": False, **counts, "alerts_sent": sent, "log_rotated": rotates}


EXAMPLES = f"""examples:
  scripts/cleanup_ledger.py --dry-run     what would be done
  17 3 * * * /home/you/dndchat/.venv/bin/python /home/you/dndchat/scripts/cleanup_ledger.py >/dev/null

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES, asks=False)
    parser.add_argument(
        "--keep-days",
        type=positive,
        default=90,
        help="days to keep single questions for (default %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    given = parser.parse_args()
    console = Console()

    def command() -> int:
        settings = console.settings()
        logs.configure(settings.log_file)
        try:
            counts = run(settings, given.keep_days, given.dry_run)
        except maintenance.AlreadyRunning:
            document = {"already_running": True}
            console.line(
                as_json(document, console.out) if given.json else "Another cleanup is at work; nothing to do."
            )
            return EXIT_OK
        except OSError as error:
            remedy = (
                refusal(Path(error.filename or settings.data_dir), write=True)
                or "check DATA_DIR, LOG_FILE and the disk"
            )
            raise OperatorError(
                f"{error.filename or settings.data_dir}: {error.strerror}; {remedy}."
            ) from error
        if given.json:
            console.line(as_json(counts, console.out))
        else:
            for name, value in counts.items():
                console.line(f"{name.replace('_', ' '):>14}: {value}")
        if counts["integrity"] != "ok":
            raise OperatorError(
                "The ledger is damaged: stop the site, move it aside, put a backup in its place."
            )
        if counts["wrong_days"]:
            raise OperatorError("Some days' totals do not add up with their rows; these were kept.")
        return EXIT_OK

    return console.run(command)


if __name__ == "__main__":
    sys.exit(main())
