#!/usr/bin/env python3
"""Measures retrieval: are all passages that a question needs put before the model, and how few others?

    scripts/evaluate.py --questions tests/data/questions.jsonl
    scripts/evaluate.py --questions Q.jsonl --corpus CORPUS.jsonl --compare dense,lexical,rrf,previous,hybrid,embedded
    scripts/evaluate.py --questions Q.jsonl --collection adnd_1e --leave-one-out

Without --corpus and --collection the sample rules are asked. Vectors come from the server in OPENAI_BASE_URL and are kept in
DATA_DIR; without an OpenAI key only the methods that need none (lexical, embedded) are run. With --collection the vectors are
compared by Chroma, and words are looked up in the collection's index, or in one over --corpus when that is given.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import settings as settings_module
from app.adapters.chroma import Chroma
from app.adapters.lexical import LexicalIndex, index_path
from app.adapters.lexical_build import build
from app.adapters.openai import OpenAI
from app.errors import DndChatError
from app.models import Passage
from app.operator.evaluation import report
from app.operator.evaluation.measure import Figures, Outcome, figures, run
from app.operator.evaluation.methods import LEAVE_OUT, Method, Methods, Store
from app.operator.evaluation.questions import BadInput, read_corpus, read_questions
from app.operator.evaluation.vectors import CachedEmbedder, CorpusStore, CountingStore
from app.rag import sample_rules

WITH_VECTORS = ("dense", "lexical", "rrf", "previous", "hybrid", "embedded")
WITHOUT_VECTORS = ("lexical", "embedded")


def main(arguments: Sequence[str]) -> int:
    asked = parse(arguments)
    try:
        settings = settings_module.load()
        passages = read_corpus(asked.corpus) if asked.corpus else [] if asked.collection else list(sample_rules.passages())
        questions = read_questions(asked.questions, asked.k)
        with tempfile.TemporaryDirectory(prefix="dndchat-evaluate-") as directory:
            if passages:
                path = Path(directory) / "index.sqlite3"
                build(passages, path, {"source": "evaluation"})
            else:
                path = index_path(settings.data_dir, asked.collection)
                if not path.is_file():
                    raise BadInput(
                        f"no index for the collection at {path}: build it with scripts/build_index.py, or give --corpus"
                    )
            embedder = None
            if settings.openai.api_key:
                embedder = CachedEmbedder(OpenAI(settings.openai), settings.data_dir / "evaluation-vectors.sqlite3")
            store = vector_store(settings, asked.collection, passages, embedder)
            methods = Methods(LexicalIndex(path), embedder, store)
            names = asked.compare or (WITH_VECTORS if embedder else WITHOUT_VECTORS)
            try:
                chosen: dict[str, Method] = {name: methods.named(name) for name in names}
            except KeyError as error:
                raise BadInput(f"no method {error}, or it needs vectors and OPENAI_API_KEY is not set") from error
            if asked.leave_one_out:
                chosen |= {f"without {rule}": methods.without(rule) for rule in LEAVE_OUT}
            outcomes = {name: run(method, questions, methods.requests, bar(name)) for name, method in chosen.items()}
    except (BadInput, DndChatError, OSError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    tell(outcomes, asked.json)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    lines = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        description=lines[0], epilog="\n\n".join(lines[1:]), formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--questions", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--corpus", type=Path, nargs="+", metavar="FILE", help="passages as JSON Lines: id, document, metadata")
    parser.add_argument("--collection", default="", metavar="NAME", help="a Chroma collection that holds the passages")
    parser.add_argument("--compare", type=lambda text: text.split(","), metavar="METHODS", help=", ".join(WITH_VECTORS))
    parser.add_argument("--leave-one-out", action="store_true", help="also measure without each rule")
    parser.add_argument("--k", type=int, default=15, help="the most passages (default 15)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    return parser.parse_args(arguments)


def vector_store(
    settings: settings_module.Settings, collection: str, passages: Sequence[Passage], embedder: CachedEmbedder | None
) -> Store | None:
    if embedder is None:
        return None
    if not collection:
        return CorpusStore(passages, embedder.embed_all([passage.text for passage in passages], bar("vectors")))
    chroma = dataclasses.replace(settings.chroma, collection=collection)
    return CountingStore(Chroma(chroma, settings.data_dir / "chroma-collections.json"))


def bar(label: str) -> Callable[[int, int], None]:
    """Shows how far it is on a terminal; nothing elsewhere."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            filled = 30 * done // total
            end = "\r\x1b[K" if done == total else ""
            print(
                f"\r{label:<28.28} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}", end=end, file=sys.stderr, flush=True
            )

    return show


def tell(outcomes: dict[str, list[Outcome]], as_json: bool) -> None:
    measured: dict[str, Figures] = {name: figures(some) for name, some in outcomes.items()}
    shown = next((name for name in ("hybrid", "embedded") if name in outcomes), next(iter(outcomes)))
    failed = list(report.failures(outcomes[shown]))
    if as_json:
        print(
            json.dumps({"methods": {name: f.to_dict() for name, f in measured.items()}, "failures": {shown: failed}}, indent=1)
        )
        return
    print(*report.table(measured), sep="\n")
    print(f"\nFailures of {shown}:", *(failed or ["none"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
