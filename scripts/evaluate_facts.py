#!/usr/bin/env python3
"""Measure exact answers and the check of answers, with questions and answers made from what a corpus states.

The truth comes from another reader than the program's (tests/evaluation/truth.py).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.operator import arguments
from tests.evaluation.facts_command import Wanted, evaluate
from tests.evaluation.relaid import HANDS

EXAMPLES = f"""examples:
  scripts/evaluate_facts.py
  scripts/evaluate_facts.py --answers 300
  scripts/evaluate_facts.py --corpus CORPUS.jsonl --layout nested --half dev
  scripts/evaluate_facts.py --corpus CORPUS.jsonl --layout SAME_BOOK_LAID_OUT_ANEW.jsonl

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES)
    parser.add_argument(
        "--corpus", type=Path, nargs="+", default=(), metavar="FILE", help="id, document, metadata"
    )
    parser.add_argument(
        "--layout",
        default="",
        metavar="HAND",
        help=f"of {', '.join(HANDS)}, or a file with the book laid out anew",
    )
    parser.add_argument(
        "--half", default="test", choices=("dev", "test", "both"), help="of the facts (default test)"
    )
    parser.add_argument(
        "--listed", type=int, default=1000, metavar="N", help="the most failures of a kind shown"
    )
    parser.add_argument(
        "--answers",
        type=int,
        default=0,
        metavar="N",
        help="instead: N true answers and what they become with one number swapped, through the check",
    )
    parser.add_argument(
        "--judged",
        type=Path,
        metavar="FILE",
        help="instead: answers of models with every claim judged by people, through the check",
    )
    given = parser.parse_args()
    console = arguments.console(given)
    wanted = Wanted(
        given.corpus,
        given.layout,
        given.half,
        listed=given.listed,
        answers=given.answers,
        judged=given.judged,
    )
    return console.run(lambda: evaluate(wanted, console))


if __name__ == "__main__":
    sys.exit(main())
