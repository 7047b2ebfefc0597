"""What is removed from an answer, and what is reported: by example, as a reader would see it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.grounding.check import ground
from app.web.replies import grounding_meta
from tests.harness.books import page

PASSAGES = [
    page(
        "owlbear",
        "Owlbear",
        "Armor Class: 5. Hit Dice: 5+2. Damage: 1-6/1-6/2-12. A 9th level fighter needs 250,001 points.",
    ),
    page(
        "red",
        "Dragon, Red",
        "It bites for 3d10 and breathes 3 times a day; half a score of them (ten) is a flight.",
    ),
]


@pytest.mark.parametrize(
    ("answer", "cleaned", "removed", "cited"),
    [
        ("AC 5 [1].", "AC 5 [1].", (), (1,)),
        ("AC 5 [1][7].", "AC 5 [1].", (7,), (1,)),
        ("AC 5 [7].", "AC 5.", (7,), ()),
        ("Both [1, 2, 3] do.", "Both [1, 2] do.", (3,), (1, 2)),
        ("All [1-4] do.", "All [1, 2] do.", (3, 4), (1, 2)),
        ("[0] and [2]", " and [2]", (0,), (2,)),
        ("[[9]7]", "", (9, 7), ()),
        (
            "See [9](https://example.org) and ![3](x.png).",
            "See [9](https://example.org) and ![3](x.png).",
            (),
            (),
        ),
    ],
)
def test_citations_of_passages_that_do_not_exist_are_removed(
    answer: str, cleaned: str, removed: tuple[int, ...], cited: tuple[int, ...]
) -> None:
    text, report = ground(answer, PASSAGES)
    assert (text, report.removed, report.cited) == (cleaned, removed, cited)


@pytest.mark.parametrize(
    ("answer", "unsupported"),
    [
        ("It has 5+2 hit dice and AC 5.", ()),
        ("A fighter needs 250001 points, that is 250,001.", ()),
        ("It bites for 3d10.", ()),
        ("It bites for 3d8.", ("3d8",)),
        ("It has 17 hit points and costs 250,002 gp.", ("17", "250,002")),
        ("Ten of them: 10.", ()),
        ("1. First\n2. Second\n3. Third\n4. Fourth", ()),
        ("At 13th level it is worse.", ("13",)),
        ("[1] says so.", ()),
    ],
)
def test_numbers_that_no_passage_has_are_reported(answer: str, unsupported: tuple[str, ...]) -> None:
    assert ground(answer, PASSAGES)[1].numbers == unsupported


def test_what_the_question_says_needs_no_support() -> None:
    assert ground("For 40 gp you get nothing.", PASSAGES, "What do I get for 40 gp?")[1].numbers == ()


@pytest.mark.parametrize(
    ("answer", "unsupported"),
    [
        ("The Red Dragon bites harder than the Owlbear.", ()),
        ("Nothing fears the Beholder. A beholder floats.", ("Beholder",)),
        ("Only Tiamat and the Dungeon Master know. AC, HP and THAC0 are low.", ("Tiamat",)),
        ("Yes. However, That is all.\n- Bold claim\n- **Another**", ()),
    ],
)
def test_names_that_no_passage_has_are_reported(answer: str, unsupported: tuple[str, ...]) -> None:
    assert ground(answer, PASSAGES)[1].names == unsupported


def test_a_known_name_is_looked_up_however_it_is_written() -> None:
    report = ground("a beholder would beat an owlbear", PASSAGES, "", ["beholder", "owlbear"])[1]
    assert report.names == ("beholder",)
    assert not report.supported
    assert report.errors() == ["Names in the answer that stand in none of the passages: beholder"]


def test_a_sound_answer_has_nothing_to_report() -> None:
    report = ground("The owlbear has AC 5 [1].", PASSAGES)[1]
    assert (report.verdict, report.errors()) == ("supported", [])
    assert grounding_meta(report) == {
        "verdict": "supported",
        "claims": [{"text": "has AC 5", "status": "supported", "n": 1}],
        "uncited": 0,
        "removed_citations": [],
        "supported": True,
        "unsupported_numbers": [],
        "unsupported_names": [],
    }


@given(st.text(alphabet="[]0123456789,-– (x!d+.\nAb*", max_size=60))
def test_cleaning_leaves_no_false_citation_and_is_final(answer: str) -> None:
    cleaned, report = ground(answer, PASSAGES)
    again, second = ground(cleaned, PASSAGES)
    assert set(report.cited) <= {1, 2}
    assert (again, second.removed) == (cleaned, ())


def test_a_long_answer_takes_no_long_time() -> None:
    answer = "The Owlbear met Tiamat [1][9] and lost 17 hit points. " * 400
    assert ground(answer, PASSAGES)[1].names == ("Tiamat",)
