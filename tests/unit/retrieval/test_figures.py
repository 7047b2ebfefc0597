"""The repository's own questions over the sample rules: what retrieval finds must not get worse unnoticed.

Without vectors, so that the figures are the same on every machine. Those with a real model are in
docs/retrieval-figures.md. A change that makes a figure better moves the bound here with it.
"""

from __future__ import annotations

import pytest

from app.index.search import LexicalIndex
from tests.evaluation.measure import Figures, Outcome, figures, run
from tests.evaluation.methods import LEAVE_OUT, Methods
from tests.evaluation.questions import UNANSWERABLE, Labelled, read_questions
from tests.harness import ROOT

QUESTIONS = ROOT / "tests/data/questions.jsonl"

# The figures measured, rounded down to whole questions.
ALL = 0.92
KINDS = {
    "comparison": 0.93,
    "table": 1.0,
    "lookup": 1.0,
    "rule": 0.88,
    "paraphrase": 0.55,
    "typo": 1.0,
    "followup": 1.0,
    "multi": 0.93,
}


@pytest.fixture(scope="module")
def questions() -> list[Labelled]:
    return read_questions([QUESTIONS], 15)


@pytest.fixture(scope="module")
def methods(sample_index: LexicalIndex) -> Methods:
    return Methods(sample_index, None, None)


@pytest.fixture(scope="module")
def measured(methods: Methods, questions: list[Labelled]) -> Figures:
    return figures(asked(methods, "embedded", questions))


def asked(methods: Methods, name: str, questions: list[Labelled]) -> list[Outcome]:
    return run(methods.named(name), questions, methods.requests, lambda done, total: None)


def test_there_are_questions_of_every_kind(questions: list[Labelled]) -> None:
    assert len(questions) >= 120
    assert {labelled.kind for labelled in questions} == {*KINDS, UNANSWERABLE}


def test_every_needed_passage_is_in_the_context_as_often_as_before(measured: Figures) -> None:
    assert measured.complete >= ALL
    for kind, bound in KINDS.items():
        assert measured.kinds[kind] >= bound, kind


def test_the_context_is_as_small_and_as_well_ordered_as_before(measured: Figures) -> None:
    assert measured.tokens <= 1_250
    assert measured.most_tokens <= 3_600
    assert measured.mrr >= 0.81


def test_the_books_are_not_denied_what_they_have(measured: Figures) -> None:
    assert measured.refused == 0
    assert measured.let_through <= 8


def test_nothing_goes_out_without_vectors(measured: Figures) -> None:
    assert measured.requests == 0


def test_it_is_better_than_words_alone_with_half_the_tokens(
    methods: Methods, questions: list[Labelled], measured: Figures
) -> None:
    words = figures(asked(methods, "lexical", questions))
    assert measured.complete >= words.complete + 0.03
    assert measured.tokens <= 0.6 * words.tokens


@pytest.mark.parametrize(
    ("rule", "kind"),
    [("follow-ups", "followup"), ("spelling", "typo"), ("tables", "multi")],
    ids=lambda value: str(value),
)
def test_a_rule_earns_its_keep(
    methods: Methods, questions: list[Labelled], measured: Figures, rule: str, kind: str
) -> None:
    assert rule in LEAVE_OUT
    without = figures(run(methods.without(rule), questions, methods.requests, lambda done, total: None))
    assert without.kinds[kind] < measured.kinds[kind]
