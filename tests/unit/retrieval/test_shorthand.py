"""The shorthand of the table: what is read as what, what is left alone, and what is found with it over the
sample rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.deadline import Deadline
from app.index.search import LexicalIndex
from app.models import Question, Turn
from app.retrieval.retriever import HybridRetriever, Retrieval
from app.retrieval.shorthand import MOST_GROWTH, written_out


@pytest.mark.parametrize(
    ("typed", "standard"),
    [
        ("how many xp 4 lvl 9 ftr", "how many experience for level 9 fighter"),
        ("spells/day 5th-lvl m-u", "spells per day 5th-level magic-user"),
        ("DEX 16 AC adj", "dexterity 16 armor class adjustment"),
        ("x.p. 4 a T.T. A monster w/ 8hd", "experience for a treasure type A monster with 8 hit dice"),
        ("LVL III CLR", "level 3 cleric"),
        ("lvl5, L5, F5, 5thlvl, ac-3", "level 5, level 5, fighter 5, 5th level, armor class-3"),
        (
            "hitpoints w/o con bonus b/c of wraiths",
            "hit points without constitution bonus because of wraiths",
        ),
        (
            "no. app. of orcs, # appearing, % in lair",
            "number appearing of orcs, number appearing, percent in lair",
        ),
        ("elf f/mu/t & LG pals", "elf fighter/magic-user/thief and lawful good pals"),
    ],
)
def test_shorthand_is_written_out(typed: str, standard: str) -> None:
    assert written_out(typed).text == standard


@pytest.mark.parametrize(
    ("typed", "standard"),
    [
        ("saves 4 a ftr", "saves for a fighter"),
        ("a lvl 4 ftr", "a level 4 fighter"),
        ("4 ftrs and 2 thfs", "4 fighters and 2 thieves"),
        ("need 2 hit AC 2", "need to hit armor class 2"),
        ("2 hit dice", "2 hit dice"),
        ("sword dmg", "sword damage"),
        ("in the DMG", "in the Dungeon Masters Guide"),
        ("mm range at lvl 3", "magic missile range at level 3"),
        ("which page of the MM", "which page of the Monster Manual"),
        ("int 15", "intelligence 15"),
        ("will he con them, i am ill", "will he con them, i am ill"),
        ("lvl 3 ill", "level 3 illusionist"),
        ("st vs poison, the 1st st", "saving throw versus poison, the 1st st"),
        ("roll 3d6 for a +1 sword, 18/01", "roll 3d6 for a +1 sword, 18/01"),
        ("Type V demon", "Type V demon"),
        ("AD&D", "AD&D"),
    ],
)
def test_what_could_be_two_things_is_read_by_its_neighbours(typed: str, standard: str) -> None:
    assert written_out(typed).text == standard


def test_the_text_grows_no_longer_than_is_paid_for() -> None:
    typed = "mu " * 600
    written = written_out(typed).text
    assert "magic-user" in written
    assert len(written.encode()) <= len(typed.encode()) + MOST_GROWTH


def ask(
    index: LexicalIndex, text: str, *, debug: bool = False, history: Sequence[Turn] = ()
) -> tuple[Retrieval, list[str]]:
    found = HybridRetriever(index).retrieve(Question(text, 15, debug, tuple(history)), Deadline(30))
    return found, list(found.diagnostics)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("how many xp 4 lvl 9 ftr", "st-fighter-experience"),
        ("lvl 9 ftr xp?", "st-fighter-experience"),
        ("spells/day 5th lvl mu", "st-spells-magic-user"),
        ("MU lvl 5 spells", "st-spells-magic-user"),
        ("DEX 16 AC adj", "st-dexterity"),
        ("max hp at lvl 9", "st-class-hit-dice"),
        ("thac0 for a lvl 5 ftr", "st-attack-fighter"),
        ("monster summoning 1", "sg-monster-summoning-i"),
        ("type 6 demon mr", "sb-demon-type-vi-balor"),
        ("demon type ii", "sb-demon-type-ii-hezrou"),
    ],
)
def test_the_passage_is_the_first(sample_index: LexicalIndex, text: str, wanted: str) -> None:
    found, _ = ask(sample_index, text)
    assert found.support.found
    assert found.passages[0].id == wanted


def test_debug_shows_what_was_read(sample_index: LexicalIndex) -> None:
    _, diagnostics = ask(sample_index, "xp 4 lvl 9 ftr", debug=True)
    assert "Read xp as experience, 4 as for, lvl as level, ftr as fighter" in diagnostics


def test_shorthand_is_read_in_what_was_asked_before(sample_index: LexicalIndex) -> None:
    found, _ = ask(
        sample_index, "and thf?", history=[Turn("user", "lvl 9 clr xp"), Turn("assistant", "110,001.")]
    )
    assert "st-thief-experience" in [passage.id for passage in found.passages[:2]]


def test_what_a_passage_must_be_asked_for_may_be_shorthand(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.harness.books import index_of, page

    must = '{"contain_one_of": [["fighter", "fighters"], ["armor class 3", "ac 3"]], "contain": "level 8"}'
    row = page(
        "row",
        "Attack matrix, level 8",
        "A fighter of level 8 hits armor class 3 with 10.",
        "rule",
        query_must=must,
    )
    index = index_of([row, page("orc", "Orc", "Cruel.")], tmp_path_factory.mktemp("must") / "i.sqlite3")
    assert [passage.id for passage in ask(index, "8th lvl ftr 2 hit a.c. 3?")[0].passages] == ["row"]
