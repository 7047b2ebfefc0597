#!/usr/bin/env python3
"""Bring a backup back: built beside an existing collection, verified record by record, then switched.

It may be interrupted at any moment: run the same command again and it goes on.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.operator import arguments
from app.operator.copying import restore

EXAMPLES = f"""examples:
  scripts/restore.py adnd_1e.jsonl.gz                       to the name it had
  scripts/restore.py adnd_1e.jsonl.gz --name try --to local under another name, on the local server
  scripts/restore.py adnd_1e.jsonl.gz --verify-only         compare only

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES)
    parser.add_argument("file", metavar="FILE", type=Path, help="what scripts/backup.py has written")
    parser.add_argument(
        "--name", type=arguments.collection, help="of the collection (default: the one in the backup)"
    )
    parser.add_argument("--to", choices=("auto", "cloud", "local"), default="auto")
    arguments.add_copying(parser)
    given = parser.parse_args()
    console, options = arguments.console(given), arguments.options(given)
    return console.run(
        lambda: restore(console.settings(), console, given.file, options, name=given.name or "", to=given.to)
    )


if __name__ == "__main__":
    sys.exit(main())
