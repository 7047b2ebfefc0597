#!/usr/bin/env python3
"""Embed the passages of files that are new or changed, write them to a collection, and build its index.

Takes JSON and JSON Lines as many programs write them (chunk files, collection.get(), LangChain, LlamaIndex,
Haystack, pandas), CSV with columns id and text, and Markdown, which is split by its headings; tables stay
whole with their caption. A file of another kind is named, with the command that helps. Writes to Chroma Cloud
when it is configured, else to the local server. It may be interrupted at any moment: run the same command
again, and only what is missing is embedded.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.operator import arguments
from app.operator.ingestion import ingest
from app.operator.quotas import DOCUMENT_BYTES

EXAMPLES = f"""examples:
  scripts/ingest.py books/*.jsonl --collection adnd_1e --dry-run   what it would embed, and at what cost
  scripts/ingest.py books/*.jsonl --collection adnd_1e --max-cost 0.10
  scripts/ingest.py house-rules.md --collection house_rules
  scripts/ingest.py books/*.jsonl --collection adnd_1e --prune     also remove what the files no longer have

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES)
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help=".json, .jsonl, .csv, .md or .txt, also with .gz"
    )
    parser.add_argument(
        "--collection",
        required=True,
        type=arguments.collection,
        metavar="NAME",
        help="made when there is none of this name",
    )
    parser.add_argument(
        "--max-cost",
        type=arguments.money,
        default="1.00",
        metavar="DOLLARS",
        help="stop before it costs more (default: 1.00)",
    )
    parser.add_argument(
        "--part-size",
        type=arguments.whole(500, DOCUMENT_BYTES - 1000),
        default=4000,
        metavar="BYTES",
        help="longest part of a Markdown section (default: 4000)",
    )
    parser.add_argument(
        "--prune", action="store_true", help="remove passages of the collection that are not in the files"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done; embeds and changes nothing"
    )
    given = parser.parse_args()
    console = arguments.console(given)
    return console.run(
        lambda: ingest(
            console.settings(),
            console,
            given.files,
            given.collection,
            max_cost=given.max_cost,
            part_bytes=given.part_size,
            prune=given.prune,
            dry_run=given.dry_run,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
