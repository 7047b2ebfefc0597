#!/usr/bin/env python3
"""Copy a collection from the local Chroma server to Chroma Cloud, verified record by record.

The copy is built beside an existing collection and takes its name when every id, document, metadata and
embedding has been found the same on both sides. It may be interrupted at any moment: run the same command
again and it goes on.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.operator import arguments
from app.operator.copying import upload

EXAMPLES = f"""examples:
  scripts/upload_to_chromacloud.py adnd_1e               copy; asks before it replaces one that differs
  scripts/upload_to_chromacloud.py adnd_1e --dry-run     check every record, estimate cost and time
  scripts/upload_to_chromacloud.py adnd_1e --verify-only compare both sides, change nothing
  scripts/upload_to_chromacloud.py adnd_1e --yes --json  no questions, one JSON document at the end

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="the collection, the same on both sides")
    arguments.add_copying(parser)
    parser.add_argument("--dry-run", action="store_true", help="check and estimate only; sends nothing")
    parser.add_argument(
        "--fix-ids", action="store_true", help="shorten ids over 128 bytes and keep the old ones"
    )
    given = parser.parse_args()
    if given.dry_run and given.verify_only:
        parser.error("--dry-run and --verify-only exclude each other")
    console, options = arguments.console(given), arguments.options(given)
    return console.run(
        lambda: upload(
            console.settings(), console, given.name, options, dry_run=given.dry_run, fix_ids=given.fix_ids
        )
    )


if __name__ == "__main__":
    sys.exit(main())
