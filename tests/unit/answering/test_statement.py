"""Facts in words: what a person reads, whatever the books have for labels and values."""

from __future__ import annotations

import pytest

from app.answering.events import Facts
from app.answering.statement import answer, excerpt
from app.models import Fact, Passage


def block(subject: str, attribute: str, value: str) -> Fact:
    return Fact(subject, attribute, value, subject)


def cell(subject: str, heading: str | None, row: str, column: str, value: str) -> Fact:
    return Fact(subject, column, value, subject, row, column, heading)


def said(*facts: Fact) -> str:
    passages = [Passage(identity, "") for identity in dict.fromkeys(fact.passage for fact in facts)]
    return answer(Facts.among(facts, passages))


ONE = {
    "a block": (block("Owlbear", "Armor Class", "5"), "Owlbear, Armor Class: **5** [1]."),
    "capitals": (block("OWLBEAR", "NO. OF ATTACKS", "3"), "Owlbear, no. of attacks: **3** [1]."),
    "abbreviations": (block("Owlbear", "THAC0", "15"), "Owlbear, THAC0: **15** [1]."),
    "a row that is a figure": (
        cell("Fighter Advancement", "Level", "7", "Experience", "70,000"),
        "Fighter Advancement, Level 7, Experience: **70,000** [1].",
    ),
    "a row that says it": (
        cell("Fighter Advancement", "Level", "Level 7", "Experience", "70,000"),
        "Fighter Advancement, Level 7, Experience: **70,000** [1].",
    ),
    "a row that is a name": (
        cell("Weapons", "Weapon", "Longsword", "Damage", "1-8"),
        "Weapons, Longsword, Damage: **1-8** [1].",
    ),
    "a row without a heading": (
        cell("Turning", None, "9+", "Skeleton", "D"),
        "Turning, row 9+, Skeleton: **D** [1].",
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_one_fact_is_a_line(name: str) -> None:
    fact, line = ONE[name]
    assert said(fact) == line


def test_attributes_of_one_stand_below_each_other() -> None:
    assert said(block("OGRE", "ARMOR CLASS", "5"), block("OGRE", "HIT DICE", "4+1")) == (
        "|  | Ogre |\n| --- | --- |\n| Armor class | **5** [1] |\n| Hit dice | **4+1** [1] |"
    )


def test_two_that_are_compared_stand_beside_each_other_and_what_is_not_stated_is_left_open() -> None:
    facts = [
        block("Ogre", "AC", "5"),
        block("Troll", "AC", "4"),
        block("Ogre", "HD", "4+1"),
        block("Ogre", "Move", '9"'),
    ]
    assert said(*facts) == (
        "|  | Ogre | Troll |\n| --- | --- | --- |\n| AC | **5** [1] | **4** [2] |\n"
        '| HD | **4+1** [1] | – |\n| Move | **9"** [1] | – |'
    )


def test_many_with_one_attribute_are_rows() -> None:
    facts = [block(name, "AC", str(n)) for n, name in enumerate(("Orc", "Ogre", "Troll"))]
    assert said(*facts).splitlines()[0::2] == ["|  | AC |", "| Orc | **0** [1] |", "| Troll | **2** [3] |"]


def test_the_table_that_all_rows_stand_in_is_named_once() -> None:
    rows = [
        cell("Weapons", "Weapon", row, "Damage", value) for row, value in (("Dagger", "1-4"), ("Axe", "1-8"))
    ]
    assert said(*rows) == (
        "| Weapons | Damage |\n| --- | --- |\n| Dagger | **1-4** [1] |\n| Axe | **1-8** [1] |"
    )
    levels = [cell("Fighter", "Level", "7", column, "x") for column in ("THAC0", "HD")]
    assert said(*levels).splitlines()[0] == "|  | Fighter, Level 7 |"


def test_two_values_of_one_thing_are_both_said() -> None:
    twice = [block("Orc", "AC", "6"), block("Orc", "AC", "7"), block("Orc", "HD", "1")]
    assert "| AC | **6** [1]; **7** [1] |" in said(*twice)


def test_values_are_what_the_book_prints_and_nothing_in_them_is_markup() -> None:
    value = r"1-4* | [2] <b>_x_</b> ~ `y` & &lt; \ "
    assert said(block("# 1) Orc [9]", "- AC", value)) == (
        r"\# 1) Orc \[9\], \- AC: **1-4\* \| \[2\] \<b\>\_x\_\</b\> \~ \`y\` & \&lt; \\** [1]."
    )
    assert said(block("1. Orc", "AC", "6")).startswith(r"1\. Orc")
    assert said(block("Orc", "Special", "word " * 60)).count("*") == 0, "a paragraph is not bold"
    assert said(block("Orc", "AC", "6\n\n7 ")) == "Orc, AC: **6 7** [1]."


def test_facts_of_passages_that_are_not_there_are_not_said() -> None:
    facts = [block("Orc", "AC", "6"), block("Ogre", "AC", "5")]
    assert Facts.among(facts, [Passage("x", ""), Passage("Ogre", "")]) == Facts(((2, facts[1]),))


LEVELS = [f"| {level} | {level * 1000:,} | level {level} |" for level in range(1, 200)]
LONG = "\n".join(
    ("Before.", "**Fighters**", "| Level | XP | Title |", "|---|---|---|", *LEVELS, "", "After.")
)


def test_an_excerpt_has_the_row_of_a_fact_and_the_head_of_its_table() -> None:
    shown = excerpt(LONG, [cell("Fighters", "Level", "150", "XP", "150,000")])
    assert shown is not None
    lines = shown.splitlines()
    assert lines[:5] == ["…", "**Fighters**", "| Level | XP | Title |", "|---|---|---|", "| … |"]
    assert "| 150 | 150,000 | level 150 |" in lines
    assert lines[-1] == "…"
    assert len(shown) <= 1100
    # Another cell that has the same number is not taken for it.
    assert excerpt(LONG, [cell("Fighters", "Level", "000", "XP", "150")]) is None


def test_an_excerpt_has_the_line_of_a_fact_in_a_long_entry() -> None:
    text = "\n".join([*("word " * 50 for _ in range(20)), "- **Armor Class:** 5", *("more " * 50,) * 20])
    shown = excerpt(text, [block("Owlbear", "Armor Class", "5")])
    assert shown is not None
    assert "- **Armor Class:** 5" in shown
    assert len(shown) <= 1100


def test_an_excerpt_of_a_short_passage_is_all_of_it() -> None:
    assert excerpt("AC: 5\n\nIt hugs.", [block("Owlbear", "AC", "5")]) == "AC: 5\n\nIt hugs."


@pytest.mark.parametrize("text", ["|" * 9000, "\n" * 9000, "AC 5 " * 4000, "| AC | 5 |\n" * 2000])
def test_an_excerpt_stays_short_whatever_the_text_is(text: str) -> None:
    facts = [block("Owlbear", "AC", "5"), cell("Owlbear", None, "AC", "x", "5")]
    assert len(excerpt(text, facts) or "") <= 2100
