"""What a question is answered with from the books' own figures, and that nothing else is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.deadline import Deadline
from app.errors import TooMuchWork
from app.index.search import LexicalIndex
from app.models import Passage, Question, Turn
from app.retrieval import facts
from app.retrieval.asked import Reader
from app.retrieval.entities import read
from app.retrieval.facts import Stated
from tests.harness.books import index_of, page, table


def _row(level: int, **values: object) -> Passage:
    title = f"SEER SAVING THROWS -- level {level}"
    stated = {"title": title, "description": f"Seer saving throws for level {level}", "level": level,
              "values": values}  # fmt: skip
    return Passage(
        f"seer-{level}",
        f"#### {title}\n\n```json\n{json.dumps(stated, indent=2)}\n```",
        {"title": title, "type": "rule", "book": "Test", "hierarchy": "COMBAT → SAVING THROWS → SEER"},
    )


# Nothing of it is in a book that this was written for; each entry is written as other books write theirs.
BOOK = [
    page("grue", "Grue", "ARMOR CLASS: 4\nHIT DICE: 5+2\nNO. OF ATTACKS: 3\nDAMAGE/ATTACK: 1-6/1-6/2-12\n"
         "MOVE: 12\"\n% IN LAIR: 30%\nSPECIAL DEFENSES: See below\nLEVEL/X.P. VALUE: V/225 + 6/hp\n\nIt waits."),
    page("mulk", "Mulk", "**Statistics:**\n- Armor Class: 7\n- Hit Dice: 2 / 3\n- No. Of Attacks: 1 bite\n\nIt sleeps."),
    page("mulk-lord", "Mulk Lord", "**Armor Class:** 2\n**Hit Dice:** 9\n**Morale:** 11\n\nIt rules."),
    page("newt-fire", "Newt, Fire", "ARMOR CLASS: 6\nHIT DICE: 1\n\nIt glows."),
    page("newt-frost", "Newt, Frost", "ARMOR CLASS: 8\nHIT DICE: 1\n\nIt shivers."),
    page("beast-vast", "Beast, Vast", "ARMOR CLASS: 1\nHIT DICE: 20\n\nIt stands."),
    page("veil-1", "Veil of Ash", "Range: 30'\nDuration: 2 rounds\n\nAsh hides the caster.", "spell"),
    page("veil-2", "Veil of Ash", "Range: 60'\nDuration: 2 rounds\n\nAsh hides the druid.", "spell"),
    page("see-ash", "See Ash", "Range: 10'\nDuration: 1 hour\n\nAsh is seen.", "spell"),
    page("ash", "Ash", "Range: 5'\nDuration: 1 day\n\nAsh falls.", "spell"),
    table("arms", "Weapons", ["Weapon", "Damage vs. small", "Damage vs. large", "Weight (lbs)", "Cost"],
          [["Sword, long", "1-8", "1-12", "6", "15 gp"], ["Sword, short", "1-6", "1-8", "3", "8 gp"],
           ["Maul", "2-8", "1-10", "12", "9 gp"]]),
    table("gear", "Gear", ["Item", "Price", "Item", "Price"],
          [["Lantern, hooded", "7 gp", "Rope, 50'", "4 sp"], ["Lantern, bullseye", "12 gp", "Torch", "1 cp"],
           ["Holy water, per vial", "25 gp", "Chalk", "*"]]),
    table("seer-xp", "Seer Experience", ["Experience points", "Level", "Hit Dice (d6)", "Level title"],
          [["0-1,500", "1", "1", "Gazer"], ["1,501-3,000", "2", "2", "Watcher"], ["3,001-6,000", "3", "3", "Augur"]]),
    table("reaver-xp", "Reaver Experience", ["Experience points", "Level", "Hit Dice (d10)", "Level title"],
          [["0-2,000", "1", "1", "Raider"], ["2,001-4,000", "2", "2", "Spoiler"], ["4,001-9,000", "3", "3", "Ravager"]]),
    table("seer-spells", "Seer Spells per Day", ["Seer level", "1st", "2nd", "3rd"],
          [["1", "1", "-", "-"], ["2", "2", "1", "-"], ["3", "2", "2", "1"]]),
    table("might", "Strength Table", ["Strength", "To hit", "Damage", "Open doors"],
          [["3", "-3", "-1", "1"], ["4-15", "normal", "none", "1-2"], ["16-17", "+1", "+1", "1-3"],
           ["18", "+1", "+2", "1-3"], ["18/01-18/50", "+1", "+3", "1-3"]]),
    table("wits", "Wit Table", ["Wit", "Charm adjustment"], [["3-11", "-1"], ["12-18", "+1"]]),
    table("finds", "Odd Finds Table", ["d%", "Find"], [["01-40", "a boot"], ["41-80", "a horn"], ["81-00", "a map"]]),
    table("minimums", "Class Minimum Ability Scores", ["Class", "Str", "Int"],
          [["Seer", "-", "13"], ["Reaver", "12", "-"]]),
    table("hitting", "Attack Matrix for Reavers", ["Armor Class", "Level of attacker: 1-2", "Level of attacker: 3-4", "Level of attacker: 5+"],
          [["AC 5", "15", "13", "11"], ["AC 4", "16", "14", "12"], ["AC -1", "20", "19", "17"]]),
    _row(1, **{"death magic": 13, "wands or staves": 14, "spells": 15}),
    _row(2, **{"death magic": 12, "wands or staves": 13, "spells": 14}),
    _row(3, **{"death magic": 11, "wands or staves": 12, "spells": 13}),
    page("night", "Fighting at Night", "At night everybody fights worse, elves, undead and charging riders too."),
]  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    return index_of(BOOK, tmp_path_factory.mktemp("facts") / "i.sqlite3")


def ask(index: LexicalIndex, text: str, history: Sequence[Turn] = ()) -> Stated:
    return Reader(index, needed=True).read(Question(text, history=tuple(history)), Deadline(30)).stated


def said(stated: Stated) -> list[str]:
    """`Grue ARMOR CLASS 4`, `Weapons / Sword, long / Cost 15 gp`."""
    return [
        f"{fact.subject} {fact.attribute} {fact.value}"
        if fact.row is None
        else f"{fact.subject} / {fact.row} / {fact.column} {fact.value}"
        for fact in stated.facts
    ]


EXACT = {
    # One value of a statistics block, whatever it is called and however it is written.
    "What is the AC of a grue?": ["Grue ARMOR CLASS 4"],
    "grue hit dice": ["Grue HIT DICE 5+2"],
    "how many attacks does a grue get?": ["Grue NO. OF ATTACKS 3"],
    "mulk #AT": ["Mulk No. Of Attacks 1 bite"],
    "Can you tell me the armour class of the mulk, please?": ["Mulk Armor Class 7"],
    "How fast is a grue?": ['Grue MOVE 12"'],
    "chance in lair for a grue": ["Grue % IN LAIR 30%"],
    "How much xp is a grue worth?": ["Grue LEVEL/X.P. VALUE V/225 + 6/hp"],
    "mulk lord ac": ["Mulk Lord Armor Class 2"],
    "fire newt AC": ["Newt, Fire ARMOR CLASS 6"],
    "hit dice of a mulk": ["Mulk Hit Dice 2 / 3"],
    "How long does See Ash last?": ["See Ash Duration 1 hour"],
    "range of ash": ["Ash Range 5'"],
    # Typed badly: names, labels and what only makes a question.
    "waht is the armr clas of a mulkk": ["Mulk Armor Class 7"],
    "damgae of a short swrod": [
        "Weapons / Sword, short / Damage vs. small 1-6", "Weapons / Sword, short / Damage vs. large 1-8"],
    "experiance for a levle 2 reavr": ["Reaver Experience / 2 / Experience points 2,001-4,000"],
    # Several values, several subjects.
    "AC, hit dice and attacks of a grue": [
        "Grue ARMOR CLASS 4", "Grue HIT DICE 5+2", "Grue NO. OF ATTACKS 3"],
    "Grue or mulk, which has the higher armor class?": ["Grue ARMOR CLASS 4", "Mulk Armor Class 7"],
    "What's the AC of a grue? And how many hit dice does a mulk have?": [
        "Grue ARMOR CLASS 4", "Mulk Hit Dice 2 / 3"],
    "fire and frost newt AC": ["Newt, Fire ARMOR CLASS 6", "Newt, Frost ARMOR CLASS 8"],
    "AC and hit dice? a grue": ["Grue ARMOR CLASS 4", "Grue HIT DICE 5+2"],
    "what AC and what hit dice does a grue have": ["Grue ARMOR CLASS 4", "Grue HIT DICE 5+2"],
    "both a grue and a mulk: AC": ["Grue ARMOR CLASS 4", "Mulk Armor Class 7"],
    "AC as well as hit dice of a grue": ["Grue ARMOR CLASS 4", "Grue HIT DICE 5+2"],
    "can you look up grue hit dice": ["Grue HIT DICE 5+2"],
    "does anyone know the AC of a grue": ["Grue ARMOR CLASS 4"],
    "i don't remember the AC of a grue": ["Grue ARMOR CLASS 4"],
    "how about a grue's hit dice": ["Grue HIT DICE 5+2"],
    "we're fighting a grue, armor class?": ["Grue ARMOR CLASS 4"],
    "what sort of armor class should a grue have": ["Grue ARMOR CLASS 4"],
    # A row by its name, a column by its name; columns that begin alike.
    "What does a long sword cost?": ["Weapons / Sword, long / Cost 15 gp"],
    "damage of a longsword": [
        "Weapons / Sword, long / Damage vs. small 1-8", "Weapons / Sword, long / Damage vs. large 1-12"],
    "longsword damage vs large opponents": ["Weapons / Sword, long / Damage vs. large 1-12"],
    "how heavy is a maul": ["Weapons / Maul / Weight (lbs) 12"],
    "cost of a maul and a short sword": ["Weapons / Maul / Cost 9 gp", "Weapons / Sword, short / Cost 8 gp"],
    "price of a bullseye lantern": ["Gear / Lantern, bullseye / Price 12 gp"],
    "How much is 50 feet of rope?": ["Gear / Rope, 50' / Price 4 sp"],
    "price of a vial of holy water": ["Gear / Holy water, per vial / Price 25 gp"],
    # A row by a number in its range, in whatever column it is; a cell where two numbers meet.
    "Experience needed for a 3rd level seer": ["Seer Experience / 3 / Experience points 3,001-6,000"],
    "how many xp 4 lvl 2 reaver": ["Reaver Experience / 2 / Experience points 2,001-4,000"],
    "what level is a seer with 2,000 xp?": ["Seer Experience / 1,501-3,000 / Level 2"],
    "level title of a level three seer": ["Seer Experience / 3 / Level title Augur"],
    "STR 17 to hit bonus": ["Strength Table / 16-17 / To hit +1"],
    "damage bonus with 18/30 strength": ["Strength Table / 18/01-18/50 / Damage +3"],
    "what does 43 on the odd finds table give": ["Odd Finds Table / 41-80 / Find a horn"],
    "spells of a 2nd level seer": [
        "Seer Spells per Day / 2 / 1st 2", "Seer Spells per Day / 2 / 2nd 1", "Seer Spells per Day / 2 / 3rd -"],
    "How many 2nd level spells does a 3rd level seer get?": ["Seer Spells per Day / 3 / 2nd 2"],
    "What must a 4th level reaver roll to hit AC -1?": ["Attack Matrix for Reavers / AC -1 / Level of attacker: 3-4 19"],
    "minimum strength for a reaver": ["Class Minimum Ability Scores / Reaver / Str 12"],
    # Rows that were stored one by one.
    "What must a 2nd level seer roll to save against spells?": ["Seer Saving Throws / 2 / spells 14"],
    "save vs wands, level 3 seer": ["Seer Saving Throws / 3 / wands or staves 12"],
}  # fmt: skip

NOT_EXACT = [
    "Why is the AC of a grue 4?",
    "How does a grue attack?",
    "What attacks a grue?",
    "How many grues attack?",
    "the number of grues in a lair",
    "bonus spells for wit 12",
    "Should I fight a grue with AC 4?",
    "Is the AC of a grue 4?",
    "does a grue have an armor class",
    "What is the AC of a grue at night?",
    "AC of a grue with a +1 sword",
    "cost of a maul as an elf",
    "AC of a charging grue",
    "grue AC against undead",
    "AC of a grue if it sleeps",
    "everything but the AC of a grue",
    "AC of a grue and how does it fight?",
    "What is the AC of three grues?",
    "total cost of a maul and a short sword",
    "twice the hit dice of a grue",
    "average damage of a maul",
    "difference in AC between a grue and a mulk",
    "Which monster has the highest AC?",
    "how many monsters have AC 4",
    # An attribute, a subject or a row that is not there, or not in full.
    "morale of a grue",
    "AC of a snark",
    "AC of a newt",
    "AC of a beast",
    "grue lord ac",
    "price of a lantern",
    "xp for a level 40 seer",
    "save vs spells for a 9th level seer",
    # Two readings.
    "range of veil of ash",
    "xp for 2nd level",
    "hit dice at level 2",
    "Who would win, a grue or a mulk?",
    # What it says stands elsewhere, or nowhere.
    "special defenses of a grue",
    "price of chalk",
    # The title says what the figures are.
    "reaver strength",
    "what level needs 2,000 xp",
    # What is fought, given, needed, changed or a rate; not the figure of what is named.
    "damage against a grue",
    "AC with a grue",
    "How many attacks on a grue?",
    "save vs spells from a 2nd level seer",
    "what is the grue's opponent's armor class?",
    "AC of a player character grue",
    "AC of a monster like a grue",
    "How much xp does a grue need?",
    "xp value of a 2nd level seer",
    "how many xp is a 2nd level seer worth",
    "at what level does a seer get 2nd level spells",
    "which spells can a 2nd level seer cast",
    "2nd level seer spells",
    "seer spells level 2",
    "how many more hit dice does a grue have than a mulk",
    "what has a better AC than a grue and a mulk",
    "what damage does a grue do versus a mulk",
    "hit dice of a grue mage",
    "grue mane AC",
    "damage of a maul per target",
    "cost of a maul to make",
    "AC bonus of a grue",
    "what do I need to hit with 17 strength",
    "damage of a maul and strength 17",
    "what attacks does a reaver have",
    "what is the attack of a grue",
    "what level are grues",
    "How many grues appear in the book?",
    "what are the 2nd level seer spells",
    "xp for seer level 2+",
    "",
    "of the",
]


@pytest.mark.parametrize("question", EXACT)
def test_a_question_for_figures_is_answered_with_them(index: LexicalIndex, question: str) -> None:
    stated = ask(index, question)
    assert (said(stated), stated.exact) == (EXACT[question], True), stated.reason


@pytest.mark.parametrize("question", NOT_EXACT)
def test_what_asks_for_more_or_is_not_sure_is_not(index: LexicalIndex, question: str) -> None:
    stated = ask(index, question)
    assert not stated.exact, said(stated)
    assert stated.reason


def test_what_is_certain_of_a_question_that_asks_for_more_is_given_all_the_same(index: LexicalIndex) -> None:
    assert said(ask(index, "Why is the AC of a grue so high?")) == ["Grue ARMOR CLASS 4"]
    assert said(ask(index, "What is the AC of a mulk at night?")) == ["Mulk Armor Class 7"]
    # A grue lord is no grue.
    assert said(ask(index, "What is the AC of a grue lord?")) == []


BEFORE = (Turn("user", "What is the AC of a grue?"), Turn("assistant", "4 [1]"))
BOTH = (Turn("user", "Who would win, a grue or a mulk?"), Turn("assistant", "That depends. [1][2]"))
LEVEL = (Turn("user", "How much xp does a 2nd level seer need?"), Turn("assistant", "1,501 [1]"))


@pytest.mark.parametrize(
    ("history", "question", "wanted"),
    [
        (BEFORE, "and its hit dice?", ["Grue HIT DICE 5+2"]),
        (BEFORE, "And of a mulk?", ["Mulk Armor Class 7"]),
        (BEFORE, "what about the damage?", ["Grue DAMAGE/ATTACK 1-6/1-6/2-12"]),
        (LEVEL, "and at 3rd level?", ["Seer Experience / 3 / Experience points 3,001-6,000"]),
        (BEFORE, "and why?", None),
        (BEFORE, "and with a +1 sword?", None),
        (BOTH, "and what is its AC?", None),
        ((), "and what is its AC?", None),
    ],
)
def test_a_question_that_follows_is_answered_where_its_subject_is_sure(
    index: LexicalIndex, history: tuple[Turn, ...], question: str, wanted: list[str] | None
) -> None:
    stated = ask(index, question, history)
    assert stated.exact == (wanted is not None), (said(stated), stated.reason)
    assert wanted is None or said(stated) == wanted


def test_books_that_differ_give_no_exact_answer_and_books_that_agree_do(tmp_path: Path) -> None:
    mine = page("one", "Grue", "ARMOR CLASS: 4\nHIT DICE: 5")
    differing = page("two", "Grue", "ARMOR CLASS: 4\nHIT DICE: 6")
    index = index_of([mine, differing], tmp_path / "i.sqlite3")
    assert ask(index, "AC of a grue").exact and not ask(index, "hit dice of a grue").exact


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("What is the AC of an owlbear?", ["Owlbear ARMOR CLASS 5"]),
        (
            "save vs spells, 11th level mu",
            ["Saving Throws for Magic-Users and Illusionists / 11-15 / Spell 8"],
        ),
        (
            "What does a 3rd level cleric need to hit AC 4?",
            ["Attack Matrix for Clerics, Druids and Monks / AC 4 / 1-3 16"],
        ),
        ("8th level cleric turning a ghoul", ["Turning Undead Table / Ghoul / 8 D"]),
        (
            "what would plate mail and a longsword cost?",
            ["Armor Table / Plate mail / Cost (gp) 400", "Weapon Prices / Sword, long / Cost 15 gp"],
        ),
    ],
)
def test_the_sample_rules_are_read_so(sample_index: LexicalIndex, question: str, wanted: list[str]) -> None:
    stated = ask(sample_index, question)
    assert (said(stated), stated.exact) == (wanted, True), stated.reason


def test_the_time_is_looked_at(index: LexicalIndex) -> None:
    reading = read("What is the AC of a grue?", index)
    with pytest.raises(TooMuchWork):
        facts.find(reading, index, Deadline(0))


def test_so_many_tables_that_have_all_its_words_are_no_certain_answer(tmp_path: Path) -> None:
    same = [
        table(f"t{n}", f"Wares {n}", ["Item", "Cost"], [["Lamp", "3 gp"]]) for n in range(facts.MOST_GRIDS)
    ]
    few = index_of(same[:3], tmp_path / "few.sqlite3")
    many = index_of(same, tmp_path / "many.sqlite3")
    assert ask(few, "cost of a lamp").exact and not ask(many, "cost of a lamp").exact
