#!/usr/bin/env python3
"""Measure retrieval: are all passages that a question needs put before the model, and how few others?

Vectors come from the server in OPENAI_BASE_URL and are kept in DATA_DIR; without an OpenAI key only the
methods that need none are measured. With --collection Chroma compares the vectors, and words are looked up in
the collection's index, or in one over
--corpus when that is given. Without either the sample rules are asked.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

from app.operator import arguments
from tests.evaluation.command import WITH_VECTORS, Wanted, evaluate

EXAMPLES = f"""examples:
  scripts/evaluate.py --questions tests/data/questions.jsonl
  scripts/evaluate.py --questions Q.jsonl --corpus CORPUS.jsonl --compare dense,rrf,hybrid
  scripts/evaluate.py --questions Q.jsonl --collection adnd_1e --leave-one-out

{arguments.EXIT_STATUS}"""


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES)
    parser.add_argument(
        "--questions",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="id, question, kind, relevant (all needed) or any_of (of each group one)",
    )
    parser.add_argument(
        "--corpus", type=Path, nargs="+", default=(), metavar="FILE", help="id, document, metadata"
    )
    parser.add_argument(
        "--collection", default="", metavar="NAME", help="a Chroma collection with the passages"
    )
    parser.add_argument("--compare", default="", metavar="METHODS", help="of " + ", ".join(WITH_VECTORS))
    parser.add_argument("--leave-one-out", action="store_true", help="also measure without each rule")
    parser.add_argument(
        "--k", type=int, default=15, choices=range(1, 51), metavar="K", help="the most passages (default 15)"
    )
    given = parser.parse_args()
    console = arguments.console(given)
    compare = [name for name in given.compare.split(",") if name]
    wanted = Wanted(given.questions, given.corpus, given.collection, compare, given.leave_one_out, given.k)
    return console.run(lambda: evaluate(console.settings(), wanted, console))


if __name__ == "__main__":
    sys.exit(main())
