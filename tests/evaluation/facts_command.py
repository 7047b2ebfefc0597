"""`scripts/evaluate_facts.py`: exact answers, and the check of answers, measured over a corpus with questions
and answers made from it."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.deadline import Deadline
from app.grounding.check import Check
from app.index import sample_rules
from app.index.build import build
from app.index.reader import read
from app.index.search import LexicalIndex
from app.models import Passage, Question
from app.operator.console import EXIT_OK, Console
from app.retrieval.asked import Reader
from app.retrieval.facts import Stated
from tests.evaluation import exactness, flagging, grounding, truth
from tests.evaluation.asking import Writer
from tests.evaluation.methods import Methods
from tests.evaluation.questions import read_corpus
from tests.evaluation.refusals import refusals
from tests.evaluation.relaid import HANDS, relaid
from tests.evaluation.swaps import Teller
from tests.evaluation.truth import Cell
from tests.evaluation.two_readers import compared

_SECONDS = 120.0
_SEED = 1
_CONTEXTS = 400


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the command.

    Without `corpus` the sample rules are measured. `layout` is a hand of `relaid`, or a file with the same
    book laid out anew (row PLACE of the table ID is the passage `ID-row-PLACE`); "" for as it is.
    """

    corpus: Sequence[Path] = ()
    layout: str = ""
    half: str = "test"
    blocks: int = 1100
    tables: int = 1100
    refused: int = 60
    listed: int = 1000
    answers: int = 0
    judged: Path | None = None


def evaluate(wanted: Wanted, console: Console) -> int:
    """Measure and print; returns the exit status. Raises UsageError, DndChatError."""
    if wanted.judged:
        found = grounding.judged(wanted.judged)
        for line in (*grounding.table(found), *list(grounding.mistakes(found))[: wanted.listed]):
            console.line(line)
        return EXIT_OK
    book = read_corpus(wanted.corpus) if wanted.corpus else list(sample_rules.passages())
    stored = _laid_out(book, wanted.layout)
    stated = truth.as_stored(truth.cells(book), stored)
    with tempfile.TemporaryDirectory(prefix="dndchat-facts-") as directory:
        path = Path(directory) / "index.sqlite3"
        build(stored, path, {"source": "evaluation"})
        if wanted.answers:
            answers = Teller(stated, stored, _SEED).answers(wanted.answers, wanted.half)
            _tell_flags(flagging.flagged(_checking(LexicalIndex(path)), answers), wanted.listed, console)
        else:
            _exact(wanted, book, stored, stated, LexicalIndex(path), console)
    return EXIT_OK


def _checking(index: LexicalIndex) -> flagging.Check:
    def check(text: str, passages: Sequence[Passage], question: str) -> Sequence[flagging.Claim]:
        checker = Check(passages, question, index.grids_in(passage.id for passage in passages))
        for _ in checker.shown([text]):
            pass
        return checker.report().claims

    return check


def _tell_flags(flags: Sequence[flagging.Flagged], listed: int, console: Console) -> None:
    console.line("| | found | of the others |")
    console.line("|---|---|---|")
    for line in flagging.table(flags):
        console.line(line)
    for flag in [flag for flag in flags if flag.result not in ("found", "quiet")][:listed]:
        for line in flagging.shown(flag):
            console.line(line)


def _exact(
    wanted: Wanted,
    book: Sequence[Passage],
    stored: Sequence[Passage],
    stated: Sequence[Cell],
    index: LexicalIndex,
    console: Console,
) -> None:
    known = frozenset(re.findall("[a-z]+", " ".join(passage.text.lower() for passage in book)))
    posed = Writer(stated, known, _SEED).questions(wanted.blocks, wanted.tables)
    refused = refusals(stated, stored, known, wanted.refused, _SEED)
    reader = Reader(index, needed=True)

    def ask(question: Question) -> Stated:
        return reader.read(question, Deadline(_SECONDS)).stated

    half = [one for one in posed if wanted.half in (one.half, "both")]
    answers = exactness.answered(ask, half)
    method = Methods(index, None, None).named("embedded")
    contexts = exactness.contexts(method, random.Random(_SEED).sample(half, min(_CONTEXTS, len(half))))
    failed = exactness.answered_all_the_same(ask, refused)
    facts = [fact for grid in read(stored).grids for fact in grid.facts()]
    readers = compared(stated, facts)
    console.line(
        f"{len(facts)} facts; of {len(stated)} cells that another reader is sure of {len(readers.missing)} are"
        f" missing among them, {len(readers.differing)} have another value"
    )
    console.line(f"{len(half)} questions ({wanted.half} half)")
    console.line("| | answered exactly and right | not exact | wrong |")
    console.line("|---|---|---|---|")
    for line in exactness.table("all", answers):
        console.line(line)
    whole, tokens = exactness.complete(contexts)
    console.line(
        f"\nEvery passage that states it is in the context: {whole} of {len(contexts)}, {tokens:,.0f} tokens"
    )
    kinds = Counter(one.kind for one in refused)
    bad = Counter(one.kind for one, _ in failed)
    console.line(f"\nNot to be answered exactly: {len(failed)} of {len(refused)} were")
    for kind, number in kinds.items():
        console.line(f"| {kind} | {bad[kind]} of {number} |")
    for verdict in (*exactness.WRONG, "none"):
        for answer in [answer for answer in answers if answer.verdict == verdict][: wanted.listed]:
            for line in exactness.told(answer):
                console.line(line)
    for posed_one, found in contexts:
        if exactness.missing(posed_one, found):
            console.line(f"not in the context: {posed_one.text!r} [{posed_one.wanted[0][0].passage}]")
    for one, got in failed[: wanted.listed]:
        values = ", ".join(f"{fact.subject}/{fact.attribute}={fact.value!r}" for fact in got.facts)
        console.line(f"answered: [{one.kind}] {one.text!r} -> {values}")
    for cell in readers.missing[: wanted.listed]:
        console.line(f"not read: {cell.title} / {cell.row} / {cell.column} = {cell.value!r} [{cell.passage}]")
    for cell, fact in readers.differing[: wanted.listed]:
        console.line(
            f"read otherwise: {cell.title} / {cell.row} / {cell.column} = {cell.value!r}, not {fact.value!r}"
        )


def _laid_out(book: Sequence[Passage], layout: str) -> Sequence[Passage]:
    if not layout:
        return book
    hand = next((hand for hand in HANDS if hand == layout), None)
    return relaid(book, hand) if hand else read_corpus([Path(layout)])
