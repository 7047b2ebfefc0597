#!/usr/bin/env python3
"""Build the lexical index from a collection.

The collection is read from Chroma Cloud when that is configured, else from the local server. The index finds
passages by their words and by the names of things, and has every table and statistics block as facts. It is
replaced in one step: a question that is being answered meanwhile sees the old one or the new one, never half
of one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.operator import arguments
from app.operator.indexing import build_index, check_index

EXAMPLES = f"""examples:
  scripts/build_index.py adnd_1e
  scripts/build_index.py adnd_1e --check    exit status 1 when the collection has changed since
  scripts/build_index.py adnd_1e --facts    what the books state, as far as it could be read

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="the collection")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say whether the index is up to date")
    what.add_argument(
        "--facts", action="store_true", help="also say what was read as facts, and what was not, and why"
    )
    given = parser.parse_args()
    console = arguments.console(given)
    if given.check:
        return console.run(lambda: check_index(console.settings(), given.name, console))
    return console.run(lambda: build_index(console.settings(), given.name, console, facts=given.facts))


if __name__ == "__main__":
    sys.exit(main())
