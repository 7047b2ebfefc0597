"""`scripts/evaluate.py`: the methods measured over a corpus or a collection, and what is printed of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.adapters import connections
from app.adapters.chroma import Chroma
from app.adapters.openai import OpenAI
from app.index import sample_rules
from app.index.build import build
from app.index.search import LexicalIndex, index_path
from app.models import Passage
from app.operator.console import EXIT_OK, Console, Progress
from app.operator.problems import UsageError
from app.settings import Settings
from tests.evaluation import report
from tests.evaluation.measure import Outcome, figures, run
from tests.evaluation.methods import LEAVE_OUT, Method, Methods, Store
from tests.evaluation.questions import UNANSWERABLE, read_corpus, read_questions
from tests.evaluation.vectors import CachedEmbedder, CorpusStore, CountingStore

WITH_VECTORS = ("dense", "lexical", "rrf", "previous", "hybrid", "embedded")
WITHOUT_VECTORS = ("lexical", "embedded")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the command. Without `corpus` and `collection` the sample rules are measured."""

    questions: Sequence[Path]
    corpus: Sequence[Path] = ()
    collection: str = ""
    compare: Sequence[str] = ()
    leave_one_out: bool = False
    k: int = 15


def evaluate(settings: Settings, wanted: Wanted, console: Console) -> int:
    """Measure, print the table and the failures; returns the exit status. Raises UsageError, DndChatError."""
    questions = read_questions(wanted.questions, wanted.k)
    if all(labelled.kind == UNANSWERABLE for labelled in questions):
        raise UsageError("no question has a passage that it needs; give a file with answerable ones as well")
    with tempfile.TemporaryDirectory(prefix="dndchat-evaluate-") as directory:
        passages = _passages(wanted)
        index = _index(settings, wanted, passages, Path(directory) / "index.sqlite3")
        embedder = None
        if settings.openai.api_key:
            connections.configure(settings.ca_file, settings.data_dir / "addresses.json")
            embedder = CachedEmbedder(
                OpenAI(settings.openai), settings.data_dir / "evaluation-vectors.sqlite3"
            )
        methods = Methods(index, embedder, _store(settings, wanted, passages, embedder, console))
        names = wanted.compare or (WITH_VECTORS if embedder else WITHOUT_VECTORS)
        chosen: dict[str, Method] = {name: _method(methods, name) for name in names}
        if wanted.leave_one_out:
            chosen |= {f"without {rule}": methods.without(rule) for rule in LEAVE_OUT}
        outcomes = {}
        for name, method in chosen.items():
            with_bar, done = _bar(console, name, len(questions))
            outcomes[name] = run(method, questions, methods.requests, with_bar)
            done()
    _tell(outcomes, console)
    return EXIT_OK


def _passages(wanted: Wanted) -> list[Passage]:
    if wanted.corpus:
        return read_corpus(wanted.corpus)
    return [] if wanted.collection else list(sample_rules.passages())


def _index(settings: Settings, wanted: Wanted, passages: Sequence[Passage], path: Path) -> LexicalIndex:
    if passages:
        build(passages, path, {"source": "evaluation"})
        return LexicalIndex(path)
    kept = index_path(settings.data_dir, wanted.collection)
    if not kept.is_file():
        raise UsageError(
            f"there is no index of {wanted.collection}; build it: scripts/build_index.py {wanted.collection}"
        )
    return LexicalIndex(kept)


def _store(
    settings: Settings,
    wanted: Wanted,
    passages: Sequence[Passage],
    embedder: CachedEmbedder | None,
    console: Console,
) -> Store | None:
    if embedder is None:
        return None
    if wanted.collection:
        chroma = settings.chroma._replace(collection=wanted.collection)
        file = settings.data_dir / "chroma-collections.json"
        return CountingStore(Chroma(chroma, file, settings.openai.embedding_model))
    with_bar, done = _bar(console, "vectors", len(passages))
    vectors = embedder.embed_all([passage.text for passage in passages], with_bar)
    done()
    return CorpusStore(passages, vectors)


def _method(methods: Methods, name: str) -> Method:
    try:
        return methods.named(name)
    except KeyError as error:
        known = ", ".join(WITH_VECTORS)
        raise UsageError(
            f"no method {name!r}, or it needs vectors and OPENAI_API_KEY is not set; there are {known}"
        ) from error


def _bar(console: Console, label: str, total: int) -> tuple[Callable[[int, int], None], Callable[[], None]]:
    progress = Progress(console, total)
    return lambda done, _: progress.hint(done, label), progress.clear


def _tell(outcomes: dict[str, list[Outcome]], console: Console) -> None:
    measured = {name: figures(some) for name, some in outcomes.items()}
    shown = next((name for name in ("hybrid", "embedded") if name in outcomes), next(iter(outcomes)))
    failed = list(report.failures(outcomes[shown]))
    for line in report.table(measured):
        console.line(line)
    console.line(f"\nFailures of {shown}:")
    for line in failed or ["none"]:
        console.line(line)
    console.facts["methods"] = {name: some.to_dict() for name, some in measured.items()}
    console.facts["failures"] = {shown: failed}
