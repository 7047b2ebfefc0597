#!/usr/bin/env python3
"""Shows what was asked and spent, by day and by user."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.bootstrap import Container
from app.escaping import as_json
from app.ledger import report
from app.operator import arguments
from app.operator.console import Console

EXAMPLES = f"""examples:
  scripts/usage_report.py                 the last seven days
  scripts/usage_report.py --days 30 --json

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES, asks=False)
    parser.add_argument("--days", type=int, default=7, help="UTC days, today included (default %(default)s)")
    given = parser.parse_args()
    console = Console()

    def command() -> int:
        figures = report.usage(Container(console.settings()).ledger, max(1, given.days))
        if given.json:
            console.line(as_json(figures, console.out))
        else:
            console.lines(report.as_text(figures))
        return 0

    return console.run(command)


if __name__ == "__main__":
    sys.exit(main())
