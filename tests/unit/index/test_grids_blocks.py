"""Statistics blocks are read however they are set; prose with a colon is none."""

from __future__ import annotations

import pytest

from app.index.reader import read
from tests.unit.index.stated import blocks, passage, reading, whys

TOLD = {"Armor Class": "5", "Hit Dice": "5+2", "Move": '12"', "No. of Attacks": "3"}

SHAPES = {
    "lines": 'Armor Class: 5\nHit Dice: 5+2\nMove: 12"\nNo. of Attacks: 3',
    "list": '- Armor Class: 5\n- Hit Dice: 5+2\n- Move: 12"\n- No. of Attacks: 3',
    "stars": '* Armor Class: 5\n* Hit Dice: 5+2\n* Move: 12"\n* No. of Attacks: 3',
    "bold with colon inside": '**Armor Class:** 5\n**Hit Dice:** 5+2\n**Move:** 12"\n**No. of Attacks:** 3',
    "bold with colon outside": '**Armor Class**: 5\n**Hit Dice**: 5+2\n**Move**: 12"\n**No. of Attacks**: 3',
    "bold without colon": '**Armor Class** 5\n**Hit Dice** 5+2\n**Move** 12"\n**No. of Attacks** 3',
    "bold in a list": '- **Armor Class:** 5\n- **Hit Dice:** 5+2\n- **Move:** 12"\n- **No. of Attacks:** 3',
    "paragraphs": 'Armor Class: 5\n\nHit Dice: 5+2\n\nMove: 12"\n\nNo. of Attacks: 3',
    "plain": 'Armor Class 5\nHit Dice 5+2\nMove 12"\nNo. of Attacks 3',
    "one line": 'Armor Class 5; Hit Dice 5+2; Move 12"; No. of Attacks 3',
    "one line with colons": 'Armor Class: 5, Hit Dice: 5+2, Move: 12", No. of Attacks: 3',
    "wide blanks": 'Armor Class: 5    Hit Dice: 5+2\nMove: 12"    No. of Attacks: 3',
    "bars": '**Armor Class** 5 | **Hit Dice** 5+2 | **Move** 12" | **No. of Attacks** 3',
    "equals": 'Armor Class = 5\nHit Dice = 5+2\nMove = 12"\nNo. of Attacks = 3',
    "under a heading": '**Statistics:**\n- Armor Class: 5\n- Hit Dice: 5+2\n- Move: 12"\n- No. of Attacks: 3',
    "under ###": '### Statistics\n\n- Armor Class: 5\n- Hit Dice: 5+2\n- Move: 12"\n- No. of Attacks: 3',
    "quoted": '> Armor Class: 5\n> Hit Dice: 5+2\n> Move: 12"\n> No. of Attacks: 3',
    "two columns": '|  |  |\n|---|---|\n| Armor Class | 5 |\n| Hit Dice | 5+2 |\n| Move | 12" |\n| No. of Attacks | 3 |',
    "two columns, headed by a pair": '| Armor Class | 5 |\n|---|---|\n| Hit Dice | 5+2 |\n| Move | 12" |\n| No. of Attacks | 3 |',
    "two columns, called values": '| Statistic | Value |\n|---|---|\n| Armor Class | 5 |\n| Hit Dice | 5+2 |\n| Move | 12" |\n| No. of Attacks | 3 |',
    "one row": '| Armor Class | Hit Dice | Move | No. of Attacks |\n|---|---|---|---|\n| 5 | 5+2 | 12" | 3 |',
    "HTML": '<table><tr><th>Armor Class</th><td>5</td></tr><tr><th>Hit Dice</th><td>5+2</td></tr><tr><th>Move</th><td>12"</td></tr>'
    "<tr><th>No. of Attacks</th><td>3</td></tr></table>",
    "JSON": '```json\n{"name": "OWLBEAR", "Armor Class": 5, "Hit Dice": "5+2", "Move": "12\\"", "No. of Attacks": 3}\n```',
    "JSON, nested": '{"title": "Owlbear", "statistics": {"Armor Class": 5, "Hit Dice": "5+2"}, "combat": {"Move": "12\\"", "No. of Attacks": "3"}}',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_the_same(shape: str) -> None:
    text = f"## OWLBEAR\nMonsters > Owlbear\n\n{SHAPES[shape]}\n\nIt has one aim: to kill. Note: it hugs."
    found = blocks(text, name="OWLBEAR", hierarchy="Monsters > Owlbear")
    assert {name.rpartition(": ")[2]: value for name, value in found["Owlbear"].items()} == TOLD


def test_unknown_names_are_read_in_a_list_under_the_heading() -> None:
    found = blocks("## Owlbear\n\nTerrain: woods\nTemper: foul\nNests: in caves\nWeight: 1,500 lbs.\n\nText.")
    assert found["Owlbear"] == {
        "Terrain": "woods",
        "Temper": "foul",
        "Nests": "in caves",
        "Weight": "1,500 lbs.",
    }


def test_short_blocks_and_what_has_separators_inside() -> None:
    found = blocks(
        'AC 4 (3 with shield); MV 12", fly 18"; HD 4+1; hp 20; #AT 2; Dmg 1-4/1-6; AL CE; TT C, D.'
    )
    assert found["Owlbear"] == {
        "AC": "4 (3 with shield)",
        "MV": '12", fly 18"',
        "HD": "4+1",
        "hp": "20",
        "#AT": "2",
        "Dmg": "1-4/1-6",
        "AL": "CE",
        "TT": "C, D",
    }


def test_a_modern_block_without_colons() -> None:
    text = """Large monstrosity (bird), neutral evil
Armor Class 13 (natural armor)
Hit Points 59 (7d10 + 21)
Speed 40 ft., fly 60 ft.
STR 20 (+5); DEX 12 (+1); CON 17 (+3)
Saving Throws Dex +4, Con +6
Damage Resistances cold; bludgeoning and piercing from
nonmagical attacks
Languages -
Challenge 3 (700 XP)

Keen Sight. The beast: it sees all. Speed 40 ft. is not slow."""
    assert blocks(text)["Owlbear"] == {
        "Size": "Large",
        "Type": "monstrosity (bird)",
        "Alignment": "neutral evil",
        "Armor Class": "13 (natural armor)",
        "Hit Points": "59 (7d10 + 21)",
        "Speed": "40 ft., fly 60 ft.",
        "STR": "20 (+5)",
        "DEX": "12 (+1)",
        "CON": "17 (+3)",
        "Saving Throws": "Dex +4, Con +6",
        "Damage Resistances": "cold; bludgeoning and piercing from nonmagical attacks",
        "Languages": "-",
        "Challenge": "3 (700 XP)",
    }


def test_spells_have_blocks_too() -> None:
    text = """Level: Magic-user 3          Components: V, S, M
Range: 10" + 4"/level        Casting Time: 3 segments
Duration: Instantaneous      Saving Throw: ½
Area of Effect: 2" radius sphere

A streak flashes. Range: none is safe, at -2."""
    assert blocks(text, name="Fireball") == {
        "Fireball": {
            "Level": "Magic-user 3",
            "Components": "V, S, M",
            "Range": '10" + 4"/level',
            "Casting Time": "3 segments",
            "Duration": "Instantaneous",
            "Saving Throw": "½",
            "Area of Effect": '2" radius sphere',
        }
    }
    assert blocks("3rd-level evocation\nCasting Time: 1 action", name="Spark")["Spark"]["Level"] == "3rd"
    assert blocks("Duration: special\n\nIt lasts.", name="Spark") == {"Spark": {"Duration": "special"}}


def test_variants_stay_verbatim() -> None:
    found = blocks("Armor Class: 17 / 19\nHit Dice: 5 / 7**\nSave As: Fighter: 5 / Fighter: 7")
    assert found["Owlbear"] == {
        "Armor Class": "17 / 19",
        "Hit Dice": "5 / 7**",
        "Save As": "Fighter: 5 / Fighter: 7",
    }


def test_each_entry_inside_a_passage_has_its_own() -> None:
    text = "Two kinds.\n\n### Brown Bear\nAC: 6\nHD: 5+5\n\n### Cave Bear\nAC: 6\nHD: 6+6\n\nBoth hug."
    assert blocks(text, name="Bear") == {
        "Brown Bear": {"AC": "6", "HD": "5+5"},
        "Cave Bear": {"AC": "6", "HD": "6+6"},
    }


def test_metadata_say_what_the_text_does_not() -> None:
    text = "## OWLBEAR\n\n**Statistics:**\n- Armor Class: 5\n- Move: 12\n\n**Description:**\nFeathers."
    found = blocks(
        text, armor_class="6", hit_dice="5+2", alignment="", intelligence="Low", chunk_level=2, char_count=90
    )
    assert found["Owlbear"] == {"Armor Class": "5", "Move": "12", "hit dice": "5+2", "intelligence": "Low"}
    assert blocks("Feathers.", armor_class=5, hit_dice="5+2")["Owlbear"] == {
        "armor class": "5",
        "hit dice": "5+2",
    }
    assert blocks("A rule on size.", size="large", level="2") == {}
    assert blocks("AC: 5\nHD: 3", size=812, level=2) == {"Owlbear": {"AC": "5", "HD": "3"}}


def test_a_table_of_attributes_is_a_table() -> None:
    for table in (
        "| Alignment | Chance |\n|---|---|\n| Lawful | 10% |",
        "| Ability | Description |\n|---|---|\n| Strength | might |\n| Wisdom | sense |",
    ):
        assert [grid.kind for grid in reading(table).grids] == ["table"]


@pytest.mark.parametrize(
    "text",
    [
        "Choose one: the sword or the mace.\nRemember: it is dark.",
        "The rule is simple: roll.",
        "Armor Class is a measure of protection. Hit points are lost first.",
        "Damage from a fall is 1-6 per 10 feet.\nMove silently works at half speed.",
        "Dragons: these are of ten kinds, and they fly. They breathe fire: beware of it.",
        "See http://example.org: it has more.\nAt 12:30 the bell rings.",
        "Bite. Melee Weapon Attack: +4 to hit, reach 5 ft., one target. Hit: 5 (1d6+2) piercing damage.",
        "Long ago the sages wrote, Duration: a year and a day.",
    ],
)
def test_prose_with_a_colon_is_no_fact(text: str) -> None:
    assert blocks(f"## Rule\n\nSome prose before.\n\n{text}", name="Rule") == {}


def test_what_was_not_read_is_said() -> None:
    text = "Some prose.\n\nDuration: 1 turn\n\nMore prose.\n\nTemper: foul"
    assert whys(text) == [
        "a single line in the text: Duration: 1 turn",
        "no name of an attribute: Temper: foul",
    ]
    assert whys("AC: 5\nHD: 3\n\nProse.\n\nAC: 6\nHD: 3") == [
        "a second value: AC: 6",
        "a second value: HD: 3",
    ]
    long = passage("AC: 5\nHD: 3\nTemper: " + "foul " * 100)
    assert [unread.why[:40] for unread in read([long]).unread] == ["a line of a block that is no pair: Tempe"]


def test_bold_keys_one_after_another_are_pairs() -> None:
    line = "**STR** 18 **DEX:** 14 (+2), **Con** 16\n**Armor Class** 15 **Hit Points** 30"
    assert blocks(line)["Owlbear"] == {
        "STR": "18",
        "DEX": "14 (+2)",
        "Con": "16",
        "Armor Class": "15",
        "Hit Points": "30",
    }


def test_an_entry_of_another_name_than_the_passage_is_its_own() -> None:
    one = '{"name": "Iron Cobra", "type": "monster", "stats": {"AC": 0, "HD": 1, "ability": {"STR": 12}}}'
    text = f"## Beasts of the Marsh\n\n```json\n{one}\n```"
    assert blocks(text, "Beasts of the Marsh") == {"Iron Cobra": {"AC": "0", "HD": "1", "ability: STR": "12"}}


def test_one_line_of_statistics_is_no_heading() -> None:
    text = '# Undead\n\n### Ghoul\nAC 6; HD 2; MV 9"\n### Ghast\nAC 4; HD 4; MV 15"'
    assert blocks(text, "Undead") == {
        "Ghoul": {"AC": "6", "HD": "2", "MV": '9"'},
        "Ghast": {"AC": "4", "HD": "4", "MV": '15"'},
    }


@pytest.mark.parametrize("end", [", ", "  "])
def test_a_value_in_which_another_abbreviation_begins_is_not_certain(end: str) -> None:
    line = end.join(("AC 5", 'MV 9"', "HD 3+1", "#AT 2", "D 1-4/1-4", "ML 8"))
    assert blocks(line)["Owlbear"] == {"AC": "5", "MV": '9"', "HD": "3+1", "ML": "8"}


def test_what_repeats_an_attribute_is_anothers() -> None:
    own = {"ARMOR CLASS": "5", "HIT DICE": "3", "DAMAGE": "1-8"}
    text = "ARMOR CLASS: 5\nHIT DICE: 3\nDAMAGE: 1-8\n"
    chief = "A gnar is led by a chief.\nARMOR CLASS: 2\nHIT DICE: 6\nHit points: 30 each\n"
    assert blocks(f"{text}\n{chief}")["Owlbear"] == own
    assert blocks(text + "ARMOR CLASS: 2\nMOVE: 12\n")["Owlbear"] == own
    assert blocks(text + "If raging: AC 1\n")["Owlbear"] == own
    repeated = "AC: 5\nHD: 3\nSkills: stealth\nSkills: climbing\nMorale: 8\n"
    assert blocks(repeated)["Owlbear"] == {"AC": "5", "HD": "3", "Skills": "stealth", "Morale": "8"}


def test_parts_of_an_entry_are_called_after_it_where_its_name_has_them() -> None:
    text = "# Quil, Lesser and Greater\n\n### Lesser\nAC: 7\nHD: 2\n\n### Chief\nAC: 3\nHD: 8"
    assert list(blocks(text, "Quil, Lesser and Greater")) == ["Quil, Lesser", "Chief"]


def test_an_unknown_name_after_a_semicolon_ends_the_value_before_it() -> None:
    line = "Type: ingested; Cost: 5 gp; Onset: 2-8 rounds; Damage: 20"
    assert blocks(line)["Owlbear"] == {"Type": "ingested", "Cost": "5 gp", "Damage": "20"}


def test_names_and_values_in_a_list_are_no_attribute_called_value() -> None:
    text = "AC: 5\nHD: 3\n- name: gem\n  value: 50 gp"
    assert blocks(text)["Owlbear"] == {"AC": "5", "HD": "3"}
