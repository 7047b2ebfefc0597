"""Which names a question is taken to mean, in whatever phrasing, spelling and number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.index.search import LexicalIndex
from app.retrieval.entities import read
from app.retrieval.spelling import distance
from tests.harness.books import BESTIARY, index_of, page


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    return index_of(BESTIARY, tmp_path_factory.mktemp("index") / "bestiary.sqlite3")


def named(question: str, index: LexicalIndex) -> set[str]:
    """The ids of the passages that the question surely names."""
    return {owner for entity in read(question, index).entities if entity.certain for owner in entity.owners}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Owlbear vs orc", {"owlbear", "orc"}),
        ("Who would win, an owlbear or three orcs?", {"owlbear", "orc"}),
        (
            "Is the spectre tougher than a hellhound, a ghast and a roper?",
            {"spectre", "hound", "ghoul", "roper"},
        ),
        ("what do specters drain", {"spectre"}),
        ("red dragons", {"red"}),
        ("Dragon, Red: how many hit dice?", {"red"}),
        ("the difference between red and white dragons", {"red", "white"}),
        ("Who bites harder, a red dragon or a white one?", {"red", "white"}),
        ("Can a bombardier beetle fly?", {"beetle"}),
        ("are werewolves men?", {"wolfman"}),
        ("How big is a tyrannosaurus?", {"rex"}),
        ("owl bear's beak", {"owlbear"}),
    ],
)
def test_names_are_found_in_any_phrasing(index: LexicalIndex, question: str, expected: set[str]) -> None:
    assert named(question, index) == expected


def test_the_longest_name_wins(index: LexicalIndex) -> None:
    # "dragon" alone is the category; in "red dragon" it is part of a name.
    assert named("How does a red dragon fight?", index) == {"red"}
    assert named("What do dragons hoard?", index) == {"dragons"}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("owlbeer stats", {"owlbear"}),
        ("owlbears and owlbeers", {"owlbear"}),
        ("how fast is a tyranosaurus rex", {"rex"}),
        ("werewlof", {"wolfman"}),
        ("bombadier beetle", {"beetle"}),
        ("what is a spektre", {"spectre"}),
        ("paladn", {"paladin"}),
    ],
)
def test_misspelt_names_are_found(index: LexicalIndex, question: str, expected: set[str]) -> None:
    assert named(question, index) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Is that proper?",
        "the ropes are getting wet",
        "Which quarry has the lightest stones?",
        "We were queasy and fearful",
        "a gourd, an oar and a core",
    ],
)
def test_ordinary_words_are_not_turned_into_monsters(index: LexicalIndex, question: str) -> None:
    assert named(question, index) == set()


def test_an_everyday_word_is_a_name_only_where_something_says_so(index: LexicalIndex) -> None:
    assert named("Is there enough light to read the map at night?", index) == set()
    assert named("How long does the light spell burn?", index) == {"light"}
    assert named("Can my cleric cast light on a stone?", index) == {"light"}
    assert named("What happens when Web burns?", index) == {"web"}
    assert named("Is a guard tougher than an orc?", index) == {"guard", "orc"}
    assert named("geas, quest or fear: which lasts longest?", index) == {"geas", "quest", "fear"}


def test_a_word_only_one_book_uses_often_is_not_a_name_there(tmp_path: Path) -> None:
    pages = [page(f"m{n}", f"Monstrum{chr(97 + n)}", "It does damage and more damage.") for n in range(20)]
    index = index_of(
        [*pages, page("damage", "Damage", "What a weapon does.", "rule")], tmp_path / "i.sqlite3"
    )
    assert named("How much damage does it do in a round of fighting?", index) == set()


@given(st.text("abcde", max_size=8), st.text("abcde", max_size=8))
def test_the_edit_distance_is_a_distance(a: str, b: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))


def test_a_very_long_question_full_of_misspellings_is_read_in_time(index: LexicalIndex) -> None:
    reading = read("owlbeer spektre paladn tyranosaurus " * 55, index)
    assert {entity.text for entity in reading.entities if entity.certain} >= {"owlbeer", "spektre", "paladn"}
