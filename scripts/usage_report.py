#!/usr/bin/env python3
"""Shows what was asked and spent, by day and by user."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.bootstrap import Container
from app.errors import LedgerUnavailable, SettingsError
from app.ledger import report
from app.settings import load

EXAMPLES = """examples:
  scripts/usage_report.py                 the last seven days
  scripts/usage_report.py --days 30 --json"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=7, help="UTC days, today included (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    try:
        figures = report.usage(Container(load()).ledger, max(1, arguments.days))
    except (SettingsError, LedgerUnavailable) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(json.dumps(figures) if arguments.json else report.as_text(figures), end="" if not arguments.json else "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
