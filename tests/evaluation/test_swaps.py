"""Answers that were made false: one that is still true would be reported as an error that the check missed."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

import pytest

from app.index import sample_rules
from tests.evaluation import truth
from tests.evaluation.flagging import judge
from tests.evaluation.swaps import Teller, Told


class Claim(NamedTuple):
    text: str
    status: str
    books_say: str | None = None


def plain(text: str) -> str:
    """In one notation: `1-6` and not `1d6`, `2000` and not `2,000`."""
    return re.sub(r"(?<=\d),(?=\d{3})", "", re.sub(r"\b1d", "1-", text))


@pytest.fixture(scope="module")
def told() -> list[Told]:
    passages = list(sample_rules.passages())
    return Teller(truth.cells(passages), passages, 1).answers(120)


def test_every_number_of_a_false_answer_stands_in_its_passages(told: list[Told]) -> None:
    false = [one for one in told if one.kind in ("same passage", "other passage")]
    assert len(false) > 150
    for one in false:
        assert any(one.false in passage.text for passage in one.passages), one
        assert re.search(rf"(?<![\d,]){re.escape(one.false)}(?![\d,]\d)", one.text), one


def test_true_answers_say_what_the_book_states_and_false_ones_do_not(told: list[Told]) -> None:
    """Of each true answer and what became of it exactly one number is another."""
    for before, after in itertools.pairwise(told):
        if before.kind == "true" and after.kind in ("same passage", "other passage"):
            assert not before.false
            assert before.text.replace(" ", "") != after.text.replace(" ", "")
            numbers = [re.findall(r"[\d,-]*\d", plain(one.text)) for one in (before, after)]
            differing = [pair for pair in zip(*numbers, strict=False) if pair[0] != pair[1]]
            assert len(numbers[0]) == len(numbers[1]), (before.text, after.text)
            assert len(differing) == 1, (before.text, after.text)


def test_the_same_answers_every_time(told: list[Told]) -> None:
    passages = list(sample_rules.passages())
    assert Teller(truth.cells(passages), passages, 1).answers(120) == told


@pytest.mark.parametrize(
    ("false", "claims", "result"),
    [
        ("10", [Claim("AC 10", "contradicted")], "found"),
        ("1,500", [Claim("1500 xp", "contradicted")], "found"),
        ("10", [Claim("HD 4", "contradicted"), Claim("AC 10", "supported")], "elsewhere"),
        ("10", [Claim("AC 10", "unchecked")], "unchecked"),
        ("10", [Claim("AC 10", "supported")], "missed"),
        ("", [Claim("AC 5", "supported")], "quiet"),
        ("", [Claim("AC 5", "contradicted")], "false alarm"),
    ],
)
def test_what_counts_as_found(false: str, claims: list[Claim], result: str) -> None:
    assert judge(Told("", "", (), "true" if not false else "same passage", false), claims) == result
