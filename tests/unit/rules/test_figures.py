"""The figures of the sample rules agree: with the notation, with one another, with their own arithmetic.

A wrong figure mostly disagrees with another one. Each check is run on the rules as they are, and on rules
into which a mistake of its kind is put: it must name the passage.
"""

from __future__ import annotations

import pytest

from tests.unit.rules import agreements, blocks, characters, examples, experience, notation, prose, tables
from tests.unit.rules.passages import planted, shipped

PASSAGES = shipped()
MODULES = (agreements, blocks, characters, examples, experience, notation, prose, tables)
CHECKS = {check.__name__: check for module in MODULES for check in module.CHECKS}

# The check, where a mistake is made, what is there, what is put there; the passage named, if it is another.
MISTAKES = [
    ("frequency", "sb-orc", "FREQUENCY: Common", "FREQUENCY: Often"),
    ("alignment", "sb-orc", "ALIGNMENT: Lawful evil", "ALIGNMENT: Evil lawful"),
    ("intelligence", "sb-orc", "INTELLIGENCE: Average", "INTELLIGENCE: Clever"),
    ("number_appearing", "sb-unicorn", "APPEARING: 2-5", "APPEARING: 5-2"),
    ("number_appearing", "sb-orc", "APPEARING: 30-300", "APPEARING: 30-310"),
    ("armor_class", "sb-orc", "CLASS: 6", "CLASS: 16"),
    ("move", "sb-nightmare", '15"/36"', "15/36"),
    ("in_lair", "sb-stirge", "60%", "160%"),
    ("treasure", "sb-orc", "C, O, Q (x10), S", "C, O, Q (x10), 5"),
    ("treasure", "sb-orc", "C, O, Q (x10), S", "O, C, Q (x10), S"),
    ("attacks", "sb-troll", "5-8/5-8/2-12", "5-8/2-12"),
    ("attacks", "sb-troll", "ATTACKS: 3", "ATTACKS: 2"),
    ("magic_resistance", "sb-imp", "RESISTANCE: 25%", "RESISTANCE: 225%"),
    ("psionics", "sb-mind-flayer", "B/FGH", "H/FGB"),
    ("size", "sb-goblin", "S (4' tall)", "L (4' tall)"),
    ("size", "sb-troll", "L (9'+ tall)", "S (9'+ tall)"),
    ("hit_points", "sb-golem-iron", "18 (80 hit points)", "8 (80 hit points)"),
    ("experience", "sb-medusa", "+ 6/hp", "+ 8/hp"),
    ("experience", "sb-griffon", "+ 10/hp", "+ 8/hp"),
    ("experience", "sb-harpy", "145 + 3", "170 + 3"),
    ("experience", "sb-troll", "HIT DICE: 6+6", "HIT DICE: 5+6"),
    ("level", "sb-harpy", "III/145", "IV/145"),
    ("level", "sb-lich", "X/10,500", "IX/10,500"),
    ("damage", "sb-troll", "bites for 2-12", "bites for 2-16"),
    ("damage", "sb-wolf", "bites for 2-5", "bites for 2-8"),
    ("resistance", "sb-mind-flayer", "Magic resistance 90%", "Magic resistance 80%"),
    ("surprise", "sb-xorn", "surprises on 1-5", "surprises on 1-4"),
    ("weapons_to_hit", "sb-golem-stone", "weapons of +2 or better", "weapons of +3 or better"),
    ("own_armor_class", "sb-lion", "the hindquarters 6", "the hindquarters AC 7"),
    ("own_dice", "sb-dragon-red", "average 10", "average 9"),
    ("own_dice", "sb-dragon-red", "has 88", "has 80"),
    ("dice_said_elsewhere", "sb-lycanthrope", "werewolf (4+3)", "werewolf (4+4)"),
    ("dice_said_elsewhere", "st-attack-monster", "ogre of 4+1", "ogre of 4"),
    ("dice_said_elsewhere", "sb-giant", "10+1-4, AC 4", "10+1-4, AC 5"),
    ("levels_drained", "sr-energy-drain", "wight or wraith", "wight or spectre"),
    ("ranges", "st-thief-experience", "42,501-70,000", "42,501-7,000"),
    ("dice", "sg-cure-serious-wounds", "3-17 (2d8+1)", "2-17 (2d8+1)"),
    ("dice", "st-starting-money", "30-180", "30-160"),
    ("scale", "sb-dragon-black", "6\" (60')", "6\" (50')"),
    ("scale", "sg-boots-of-speed", "10 pounds (100 g.p.", "10 pounds (200 g.p."),
    ("percentages", "sb-leprechaun", "75% chance", "175% chance"),
    ("references", "sg-prismatic-wall", "(see prismatic sphere)", "(see rainbow ball)"),
    ("references", "sg-potion", "potion of speed.", "potion of sloth."),
    ("spell_lists", "sg-cure-wounds", "cleric 4, druid 4", "cleric 3, druid 4"),
    ("spell_lists", "sg-cure-wounds", "(and M for druids)", "(all of them)"),
    ("spell_lists", "sg-power-word", "up to 90 hit points", "up to 80 hit points"),
    ("classes_of_spells", "sg-light", "1 segment (magic-user)", "1 segment (druid)"),
    ("requirements", "sr-class-paladin", "charisma 17", "charisma 15"),
    ("fixed_levels", "sr-race-human", "monks and bards", "monks and thieves"),
    ("races", "sr-race-elf", "Dexterity +1", "Dexterity +2"),
    ("races", "sr-race-halfling", "infravision 60'", "infravision 90'"),
    ("races", "sr-listening", "gnome 20%", "gnome 25%"),
    ("scores_leave_no_gap", "st-secondary-skills", "33-34", "33-35"),
    ("scores_leave_no_gap", "st-loyalty", "51-75", "52-75"),
    ("scores_leave_no_gap", "sg-ring-of-protection", "98-00", "98-99"),
    ("rows_of_percent_leave_no_gap", "sg-teleport", "05-98", "05-97"),
    ("attack_matrices", "st-attack-thief", "| AC 4 | 17 | 15 |", "| AC 4 | 17 | 14 |"),
    ("saving_throws", "st-save-fighter", "| 7-8 | 10 | 11 |", "| 7-8 | 12 | 11 |"),
    ("spells_per_day", "st-spells-cleric", "| 9 | 4 | 4 | 3 |", "| 9 | 4 | 4 | 5 |"),
    ("chances_rise", "st-thief-functions", "| 9 | 70% | 62% |", "| 9 | 70% | 52% |"),
    ("chances_rise", "st-assassination", "| 5 | 70% | 65% |", "| 5 | 70% | 75% |"),
    ("turning", "st-turn-undead", "| Wight | 20 | 19 |", "| Wight | 20 | 20 |"),
    ("turning", "sb-undead", "wight, ghast", "ghast, wight"),
    ("levels_of_classes", "st-thief-experience", "| 11 | 10+2 |", "| 11 | 10+3 |"),
    ("levels_of_classes", "st-thief-experience", "| 0-1,250 | 1 |", "| 1-1,250 | 1 |"),
    ("levels_of_classes", "st-thief-experience", "1,251-2,500 | 2 |", "1,251-2,500 | 3 |"),
    ("scores_leave_no_gap", "st-thief-experience", "1,251-2,500 |", "1,250-2,500 |"),
    ("levels_of_classes", "st-class-hit-dice", "| Monk | d4 ", "| Monk | d6 ", "st-monk-experience"),
    ("levels_of_classes", "st-thief-experience", "220,000 experience points per level", "225,000 experience points per level"),
    ("titles", "sr-class-cleric", "8th level (Patriarch)", "7th level (Patriarch)"),
    ("titles", "sr-monk-challenge", "Dragons (8th level)", "Dragons (9th level)"),
    ("titles", "st-fighter-experience", "Lord (10th level)", "Lord (11th level)"),
    ("one_thing_one_figure", "st-weapons-missile", "3\" | 1-4 | 1-3 |", "3\" | 1-6 | 1-3 |", "st-weapons-melee"),
    ("coins", "st-coin-exchange", "| 1,000 | 100 |", "| 1,000 | 50 |"),
    ("loads", "st-encumbrance", "up to 70 |", "up to 75 |"),
    ("loads", "sr-encumbrance", "1,050 very heavy", "1,500 very heavy"),
    ("agreements", "sr-healing-magical", "extra-healing 6-27", "extra-healing 6-28"),
    ("agreements", "sb-lycanthrope", "has a 25% chance", "has a 50% chance", "sr-lycanthropy"),
    ("agreements", "st-monk-experience", "three Masters", "two Masters", "sr-monk-challenge"),
    ("agreements", "sr-monk-challenge", "two to five", "two to six"),
    ("examples", "sg-boots-of-speed", "10 pounds", "20 pounds"),
    ("examples", "sg-augury", "has 75%", "has 76%"),
    ("examples", "sb-tiamat", "together 128", "together 120"),
]  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_the_sample_rules_agree(name: str) -> None:
    assert list(CHECKS[name](PASSAGES)) == []


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=lambda mistake: f"{mistake[0]}-{mistake[1]}-{mistake[3][:20]}"
)
def test_a_mistake_is_found(mistake: tuple[str, ...]) -> None:
    name, identity, old, new, *named = mistake
    complaints = list(CHECKS[name](planted(PASSAGES, identity, old, new)))
    assert [complaint for complaint in complaints if (named or [identity])[0] in complaint], complaints


def test_every_check_is_tried() -> None:
    assert {mistake[0] for mistake in MISTAKES} == set(CHECKS)
