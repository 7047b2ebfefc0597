"""What `query_must` lets through; the cases are those of the collection's own metadata."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.retrieval.query_must import satisfied

MATRIX = {
    "contain_one_of": [
        ["cleric", "clerics", "druid"],
        ["opponent armor class 6", "armor class 6", "a.c. 6", "ac 6"],
    ]
}


@pytest.mark.parametrize(
    ("question", "must", "kept"),
    [
        ("What does a 7th level cleric need to hit AC 6?", MATRIX, True),
        ("a cleric against A.C. 6?", MATRIX, True),
        ("a cleric against armour class 6", MATRIX, True),
        ("a cleric against armor  class 6", MATRIX, True),
        ("a fighter against AC 6", MATRIX, False),
        ("a cleric against AC 60", MATRIX, False),
        ("a cleric against AC -6", MATRIX, False),
        ("gold dragons?", {"contain": "gold dragon"}, True),
        ("Marigold dragon", {"contain": "gold dragon"}, False),
        ("how strong is an owlbear", {"contain": "bear"}, False),
        ("psionic attack modes", {"contain_all_of": ["psionic", "attack"]}, True),
        ("psionic defense modes", {"contain_all_of": ["psionic", "attack"]}, False),
        ("intelligence 12", {"contain_range": {"min": 10, "max": 13}}, True),
        ("intelligence 10, level 1", {"contain_range": {"min": 10, "max": 13}}, True),
        ("intelligence 14 at 12th level", {"contain_range": {"min": 10, "max": 13}}, True),
        ("intelligence 14 at 9th level", {"contain_range": {"min": 10, "max": 13}}, False),
        ("no number at all", {"contain_range": {"min": 10, "max": 13}}, False),
        ("AC -3", {"contain_range": {"min": -4, "max": -2}}, True),
        ("level 10-13", {"contain_range": {"min": 13, "max": 13}}, True),
        ("psionic wisdom 11", {"contain": "psionic", "contain_range": {"min": 10, "max": 13}}, True),
        ("wisdom 11", {"contain": "psionic", "contain_range": {"min": 10, "max": 13}}, False),
        ("anything", {"contain_one_of": [[]]}, False),
        ("anything", {"contain_one_of": []}, True),
        ("level 5", {"contain": 5}, True),
        ("anything", {}, True),
        ("anything", {"some_new_operator": ["x"]}, True),
    ],
)
def test_operators(question: str, must: dict[str, Any], kept: bool) -> None:
    assert satisfied({"query_must": must}, question) is kept
    assert satisfied({"query_must": json.dumps(must)}, question) is kept, (
        "as the JSON string that Chroma holds"
    )


LEVEL_8 = {"contain": "level 8"}
RANKS_6_AND_7 = {"contain_range": {"min": 6, "max": 7}, "contain_one_of": [["fighter", "fighters"]]}


@pytest.mark.parametrize(
    ("question", "must", "kept"),
    [
        ("an 8th level thief's chances", LEVEL_8, True),
        ("an eighth-level thief's chances", LEVEL_8, True),
        ("a thief of level eight", LEVEL_8, True),
        ("thieves of levels 6 to 9", LEVEL_8, True),
        ("thieves of levels 3, 8 and 12", LEVEL_8, True),
        ("the 5th, 8th or 9th level", LEVEL_8, True),
        ("a thief at level 18", LEVEL_8, False),
        ("a thief against AC 8", LEVEL_8, False),
        ("thieves of levels 9 to 12", LEVEL_8, False),
        ("what does level 8 bring", {"contain": "8th level"}, True),
        ("a cleric against an armour class of 6", MATRIX, True),
        ("a cleric against armor class six", MATRIX, True),
        ("clerics against AC 4-8", MATRIX, True),
        ("clr vs ac 6", MATRIX, True),
        ("druids against AC 6", MATRIX, True),
        ("a monster with 8 hit dice", {"contain": "hd 8"}, True),
        ("17 strength", {"contain_one_of": [["strength 17", "str 17"]]}, True),
        ("a fighter of 7th level", RANKS_6_AND_7, True),
        ("a seventh level ftr", RANKS_6_AND_7, True),
        ("fighters of levels 5 to 10", RANKS_6_AND_7, True),
        ("a fighter of 8th level", RANKS_6_AND_7, False),
        ("2,006 fighters", RANKS_6_AND_7, False),
    ],
)
def test_numbers_and_abbreviations_are_read_as_players_write_them(
    question: str, must: dict[str, Any], kept: bool
) -> None:
    assert satisfied({"query_must": must}, question) is kept


@pytest.mark.parametrize(
    "malformed",
    [
        "{not json",
        "[1, 2]",
        '"cleric"',
        '{"contain": null}',
        '{"contain": ["a"]}',
        '{"contain_all_of": "cleric"}',
        '{"contain_one_of": ["cleric"]}',
        '{"contain_one_of": [["cleric", {}]]}',
        '{"contain_range": {"min": 1}}',
        '{"contain_range": {"min": "1", "max": 2}}',
        '{"contain_range": 7}',
        '{"contain": "psionic", "contain_range": {}}',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_keeps_the_passage(malformed: str) -> None:
    assert satisfied({"query_must": malformed}, "a question about something else")


def test_explanatory_notes_are_exempt() -> None:
    notes = {"type": "reference", "section": "EXPLANATORY NOTES", "query_must": {"contain": "psionic"}}
    assert satisfied(notes, "What are hit dice?")
    assert not satisfied({**notes, "section": "PSIONICS"}, "What are hit dice?")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["min", "max", "x"]), inner),
    max_leaves=8,
)
OPERATORS = st.sampled_from(["contain", "contain_all_of", "contain_one_of", "contain_range"])


@given(st.dictionaries(OPERATORS, JSON), st.text(max_size=40))
def test_no_metadata_make_it_fail(must: dict[str, Any], question: str) -> None:
    assert satisfied({"query_must": must}, question) in (True, False)
