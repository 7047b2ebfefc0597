"""The questions that are made from a book: what a wrong one would report as an error of the program."""

from __future__ import annotations

import random

import pytest

from app.index import sample_rules
from app.models import Fact, Passage
from app.retrieval.facts import Stated
from tests.evaluation import spoken, truth, typos
from tests.evaluation.asking import Writer
from tests.evaluation.exactness import judge
from tests.evaluation.relaid import HANDS, Hand, relaid
from tests.evaluation.truth import Cell, Numbers

_TABLE = Passage(
    "t",
    "## Cleric Saves\n\n| Level | Spells |\n|---|---|\n| 1-3 | 15 |\n| 4-6 | 1,400 |\n| 7 | - |",
    {"type": "table", "name": "Cleric Saves"},
)
_ENTRY = Passage(
    "o", "## Dragon, Red\n\nARMOR CLASS: -1\nHIT DICE: 9-11\nMORALE: Nil\n\nFlies: yes.", {"type": "monster"}
)


def cell(passage: str, value: str, **other: str) -> Cell:
    return Cell("block", passage, "Ogre", "", "", "", other.get("column", "AC"), value)


def test_the_other_reader_reads_cells_and_blocks() -> None:
    assert [(c.passage, c.row, c.column, c.value, c.place) for c in truth.cells([_TABLE, _ENTRY])] == [
        ("t", "1-3", "Spells", "15", 0),
        ("t", "4-6", "Spells", "1,400", 1),
        ("o", "", "ARMOR CLASS", "-1", 0),
        ("o", "", "HIT DICE", "9-11", 0),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "## T\n\n| a | a |\n|---|---|\n| 1 | 2 |",  # two columns of one name
        "## T\n\n| a | |\n|---|---|\n| 1 | 2 |",  # a column without one
        "## T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 1 | 3 |",  # two rows of one name
        "## T\n\n| a | b |\n|---|---|\n| 1 | 2 | 3 |",  # a row too long
        "## T\n\n| a | b | a or c | d |\n|---|---|---|---|\n| 1 | 2 | 3 | 4 |",  # two tables side by side
        "## T\n\n| a | b |\n| c | d |\n| 1 | 2 |",  # two heading lines
    ],
)
def test_the_other_reader_leaves_out_what_could_be_read_two_ways(text: str) -> None:
    assert truth.cells([Passage("t", text, {"type": "table"})]) == []


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("5-8", Numbers(5, 8)),
        ("2,001–4,000", Numbers(2001, 4000)),
        ("17+", Numbers(17, None)),
        ("11 and up", Numbers(11, None)),
        ("96-00", Numbers(96, 100)),
        ("9th", Numbers(9, 9)),
        ("18/51-18/75", None),
        ("8-2", None),
        ("Ogre", None),
    ],
)
def test_labels_that_count(label: str, expected: Numbers | None) -> None:
    assert truth.numbers(label) == expected


def test_layouts_write_numbers_differently() -> None:
    assert truth.same_value("1,500", "1500")
    assert truth.same_value("07", "7")
    assert not truth.same_value("+1", "1")
    assert not truth.same_value("1-5", "15")


@pytest.mark.parametrize("hand", HANDS)
def test_a_row_that_is_a_passage_of_its_own_has_its_cells(hand: Hand) -> None:
    """Every cell's value stands in the passage that is said to state it."""
    book = list(sample_rules.passages())
    stored = {passage.id: passage.text for passage in relaid(book, hand)}
    stated = truth.as_stored(truth.cells(book), relaid(book, hand))
    rows = [one for one in stated if "-row-" in one.passage]
    assert len(rows) > 1000
    for one in stated:
        text = stored[one.passage].replace('\\"', '"')
        assert one.value in text or one.value.replace(",", "").lstrip("0") in text, one


def test_a_question_has_one_answer_in_the_book() -> None:
    """Two tables say different things of a 2nd level cleric's spells: nobody is asked which is right."""
    other = _TABLE._replace(id="u", text=_TABLE.text.replace("15", "16"))
    agreeing = _TABLE._replace(id="u")
    stated = truth.cells([_TABLE, other])
    posed = Writer(stated, frozenset(), 1).questions(0, 20)
    assert {one.wanted[0][0].value for one in posed} <= {"1,400"}
    posed = Writer(truth.cells([_TABLE, agreeing]), frozenset(), 1).questions(0, 20)
    assert {tuple(c.passage for c in one.wanted[0]) for one in posed} == {("t", "u")}


def test_questions_are_the_same_every_time_and_a_fact_has_one_half() -> None:
    stated = truth.cells(sample_rules.passages())
    first = Writer(stated, frozenset(), 3).questions(150, 150)
    assert first == Writer(stated, frozenset(), 3).questions(150, 150)
    halves: dict[Cell, set[str]] = {}
    for one in first + Writer(stated, frozenset(), 4).questions(150, 150):
        halves.setdefault(one.source, set()).add(one.half)
    assert all(len(some) == 1 for some in halves.values())
    assert 0.35 < sum(one.badly for one in first) / len(first) < 0.65
    assert len({one.form for one in first if one.form.startswith("block")}) >= 12
    assert len({one.form for one in first if one.form.startswith("table")}) >= 12


def test_a_slip_makes_no_other_word_of_the_book_and_leaves_figures() -> None:
    known = frozenset({"fire", "giant", "gaint", "grant", "giants", "hill"})
    for seed in range(300):
        typed = typos.badly("What is the armor class of a level 12 giant?", random.Random(seed), known)
        assert "12" in typed
        assert not {"gaint", "grant"} & set(typed.lower().split())


def test_names_as_they_are_said() -> None:
    assert spoken.name("Dragon, Swamp (Black Dragon)") == "swamp dragon"
    assert spoken.name("Bow, composite, long") == "long composite bow"
    assert spoken.name("Orc or goblin") == spoken.name("1-4 | x") == ""
    assert [spoken.with_article(who) for who in ("ogre", "8th", "11th", "9th", "18th", "1st")] == [
        "an ogre",
        "an 8th",
        "an 11th",
        "a 9th",
        "an 18th",
        "a 1st",
    ]


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ([Fact("Ogre", "AC", "5", "o"), Fact("Orc", "AC", "6", "p")], "right"),
        ([Fact("Ogre", "AC", "5", "o")], "incomplete"),
        ([Fact("Ogre", "AC", "5", "o"), Fact("Orc", "AC", "7", "p")], "other value"),
        ([Fact("Ogre", "AC", "5", "q"), Fact("Orc", "AC", "6", "p")], "other place"),
    ],
)
def test_an_answer_is_right_only_if_it_says_all_that_was_asked_and_nothing_else(
    facts: list[Fact], verdict: str
) -> None:
    wanted = [(cell("o", "5"),), (cell("p", "6"),)]
    assert judge(Stated(tuple(facts), exact=True), wanted) == verdict
    assert judge(Stated(tuple(facts)), wanted) == "none"
