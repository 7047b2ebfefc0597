#!/usr/bin/env python3
"""Copy a collection from the local Chroma server to Chroma Cloud, verified record by record.

The copy is built beside an existing collection and takes its name when every id, document, metadata and embedding has been
found the same on both sides. It may be interrupted at any moment: run the same command again and it goes on.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import settings
from app.operator.console import Console
from app.operator.store import MAX_RECORDS, Patience
from app.operator.transfer import Options
from app.operator.upload import Request, upload

EXAMPLES = """examples:
  scripts/upload_to_chromacloud.py adnd_1e               copy adnd_1e; asks before it replaces one that differs
  scripts/upload_to_chromacloud.py adnd_1e --dry-run     check every record, estimate cost and time, send nothing
  scripts/upload_to_chromacloud.py adnd_1e --verify-only compare both sides, change nothing
  scripts/upload_to_chromacloud.py adnd_1e --yes --json  for a script: no questions, one JSON document at the end

exit status: 0 both sides are the same, 1 they are not (or it could not be found out), 2 wrong usage or settings
"""


def whole(low: int, high: int):
    """A parser of whole numbers within limits."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"give a whole number from {low} to {high}")
        return int(text)

    return parse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME", help="the collection, the same on both sides")
    parser.add_argument(
        "--batch-size", type=whole(1, MAX_RECORDS), default=100, help="records a call, at most 300 (default: 100)"
    )
    parser.add_argument("--concurrency", type=whole(1, 8), default=4, help="calls at a time, at most 8 (default: 4)")
    parser.add_argument("--timeout", type=whole(1, 600), default=60, help="seconds a call may take (default: 60)")
    parser.add_argument("--dry-run", action="store_true", help="check and estimate only; sends nothing")
    parser.add_argument("--verify-only", action="store_true", help="compare both sides only; changes nothing")
    parser.add_argument("--restart", action="store_true", help="forget what an interrupted upload has sent")
    parser.add_argument("--fix-ids", action="store_true", help="shorten ids over 128 bytes and keep the old ones")
    parser.add_argument("--yes", action="store_true", help="do not ask before replacing a collection that differs")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output, the rest on error")
    arguments = parser.parse_args()
    if arguments.dry_run and arguments.verify_only:
        parser.error("--dry-run and --verify-only exclude each other")

    console = Console(as_json=arguments.json, assume_yes=arguments.yes)
    request = Request(
        name=arguments.name,
        options=Options(arguments.batch_size, arguments.concurrency, arguments.restart),
        patience=Patience(seconds_a_call=arguments.timeout),
        dry_run=arguments.dry_run,
        verify_only=arguments.verify_only,
        fix_ids=arguments.fix_ids,
    )
    return console.run(lambda: upload(settings.load(), request, console))


if __name__ == "__main__":
    sys.exit(main())
