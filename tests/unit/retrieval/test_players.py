"""Questions as players type them over the sample rules: what is found, and that nothing there is said to be
in no book.

Without vectors, so that the counts are the same on every machine; those with a real model are in
docs/retrieval-figures.md. The `unseen` files were written after the rules were made, and nothing was mended
for the question they still deny.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app.answering.writers import UNSURE, QuotingWriter, quote
from app.deadline import Deadline
from app.index.search import LexicalIndex
from app.models import Passage, Question
from app.retrieval.retriever import HybridRetriever
from tests.evaluation.measure import Outcome, run
from tests.evaluation.methods import Methods
from tests.evaluation.questions import UNANSWERABLE, read_questions
from tests.harness import ROOT
from tests.harness.books import index_of, page

DATA = ROOT / "tests/data"


@pytest.fixture(scope="module")
def asked(sample_index: LexicalIndex) -> dict[str, list[Outcome]]:
    """The outcomes of each file, by the end of its name."""
    methods = Methods(sample_index, None, None)
    names = [f"{name}{part}" for name in ("players", "languages", "unanswerable") for part in ("", "-unseen")]
    return {
        name: run(
            methods.named("embedded"),
            read_questions([DATA / f"questions-{name}.jsonl"], 15),
            methods.requests,
            lambda done, total: None,
        )
        for name in names
    }


def denied(outcomes: list[Outcome]) -> list[str]:
    return [outcome.labelled.question.text for outcome in outcomes if not outcome.found.supported]


def test_there_are_as_many_questions_as_the_figures_are_of(asked: dict[str, list[Outcome]]) -> None:
    assert [len(outcomes) for outcomes in asked.values()] == [322, 115, 111, 42, 111, 44]
    for name, outcomes in asked.items():
        kinds = {outcome.labelled.kind for outcome in outcomes}
        assert (kinds == {UNANSWERABLE}) == name.startswith("unanswerable")
        assert all(bool(outcome.labelled.relevant) != name.startswith("unanswerable") for outcome in outcomes)


def test_players_are_not_told_that_what_is_there_is_in_no_book(asked: dict[str, list[Outcome]]) -> None:
    assert denied(asked["players"]) == []
    assert len(denied(asked["players-unseen"])) <= 1


def test_no_question_in_another_language_is_denied(asked: dict[str, list[Outcome]]) -> None:
    assert denied(asked["languages"] + asked["languages-unseen"]) == []


def test_as_many_as_before_are_recognised_as_in_no_book(asked: dict[str, list[Outcome]]) -> None:
    # So many were when nearly every question in shorthand was denied, too.
    assert len(denied(asked["unanswerable"])) >= 72
    assert len(denied(asked["unanswerable-unseen"])) >= 26


def test_what_players_need_is_in_the_context(asked: dict[str, list[Outcome]]) -> None:
    assert sum(outcome.complete for outcome in asked["players"]) >= 301
    assert sum(outcome.complete for outcome in asked["players-unseen"]) >= 106


def answer(index: LexicalIndex, text: str) -> str:
    found = HybridRetriever(index).retrieve(Question(text), Deadline(30))
    passages = found.passages if found.support.found else ()
    assert QuotingWriter().draft(Question(text), passages, read=found.support.read).passages == passages
    return "".join(quote(passages, read=found.support.read))


@pytest.mark.parametrize(
    "text",
    [
        "Wieviel Schaden macht ein Feuerball?",
        "какой урон наносит огненный шар",
        "ファイアボールのダメージは？",
        "cuánto dura una antorcha",
        "zauber pro tag magier",
        "kolik zivotu ma kostlivec",
        "wzrd spls prdy",
        "asdfghjkl",
        "???",
    ],
)
def test_without_a_model_it_says_that_it_cannot_read_the_question(
    sample_index: LexicalIndex, text: str
) -> None:
    said = answer(sample_index, text)
    assert "not in the books I have" not in said
    assert "could not make out" in said


def test_what_only_may_be_meant_is_quoted_as_such(sample_index: LexicalIndex) -> None:
    assert answer(sample_index, "booze prices").startswith(UNSURE)


@pytest.mark.parametrize(
    "text", ["Who is Charizard?", "what are the hit points of a quaggoth?", "warforged hexblade stats"]
)
def test_what_is_in_no_book_is_still_said(sample_index: LexicalIndex, text: str) -> None:
    assert answer(sample_index, text).startswith("This is not in the books I have")


def test_a_word_too_misspelt_to_correct_is_not_denied(sample_index: LexicalIndex) -> None:
    for text in ("what does a gelatanus kube do", "reincarnashun table", "the maji"):
        assert "not in the books I have" not in answer(sample_index, text), text


class Counted(LexicalIndex):
    """Counts what it is asked."""

    strings = 0
    alternatives = 0

    def _rows(self, sql: str, parameters: object) -> list[object]:
        self.strings += len(parameters) if isinstance(parameters, (list, tuple)) else 0
        if "bm25" in sql and isinstance(parameters, tuple):
            self.alternatives = max(self.alternatives, str(parameters[4]).count('" OR "') + 1)
        return super()._rows(sql, parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["bcdfghklmn" * 200, "1 " * 1000, "a'b " * 500, "zqxwk vbnmp " * 166])
def test_no_question_makes_more_strings_than_a_few_for_each_letter(
    tmp_path: Path, sample_index: LexicalIndex, text: str
) -> None:
    index = Counted(sample_index.path)
    HybridRetriever(index).retrieve(Question(text.strip()), Deadline(30))
    assert index.strings <= 20_000
    assert index.alternatives <= 200


def test_a_long_word_in_a_book_does_not_fill_the_index(tmp_path: Path) -> None:
    def size(name: str) -> int:
        passages: list[Passage] = [page("long", name, "A name that is a string of letters.")]
        return len(
            index_of(passages, tmp_path / f"{len(name)}.sqlite3")._rows("SELECT deletion FROM deletions", ())
        )

    assert size("bcdfghklmn" * 40) <= size("Abracadabra")
