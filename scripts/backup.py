#!/usr/bin/env python3
"""Write a collection to one file: every record, its embedding bit for bit, and what describes the collection.

From Chroma Cloud when it is configured, else from the local server. scripts/restore.py reads the file.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.operator import arguments
from app.operator.backup import back_up
from app.operator.connector import ChromaDBConnector

EXAMPLES = f"""examples:
  scripts/backup.py adnd_1e adnd_1e.jsonl.gz
  scripts/backup.py adnd_1e local.jsonl.gz --from local

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="the collection")
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="such as adnd_1e.jsonl.gz; replaced when it exists"
    )
    parser.add_argument("--from", dest="mode", choices=("auto", "cloud", "local"), default="auto")
    given = parser.parse_args()
    console = arguments.console(given)

    def command() -> int:
        connector = ChromaDBConnector(given.mode, settings=console.settings())
        connector.connect()
        console.line(f"Connected: {connector!r}")
        return back_up(connector.database.need(given.name), given.file, console)

    return console.run(command)


if __name__ == "__main__":
    sys.exit(main())
