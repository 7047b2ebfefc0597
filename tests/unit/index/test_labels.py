"""What numbers a label holds, and what its attribute is called."""

from __future__ import annotations

from math import inf

import pytest

from app.index.labels import LONGEST_LABEL, attribute, holds, spans


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("5-8", [(5, 8)]),
        ("2,001–4,000", [(2001, 4000)]),
        ("1,000,001", [(1000001, 1000001)]),
        ("9+", [(9, inf)]),
        ("11 and up", [(11, inf)]),
        ("17th level & above", [(17, inf)]),
        ("12 HD or more", [(12, inf)]),
        ("0 or lower", [(-inf, 0)]),
        ("up to 3", [(-inf, 3)]),
        ("-10", [(-10, -10)]),
        ("10 to -10", [(-10, 10)]),
        ("-1 to -3", [(-3, -1)]),
        ("01-40", [(1, 40)]),
        ("91-00", [(91, 100)]),
        ("00", [(100, 100)]),
        ("998-000", [(998, 1000)]),
        ("4th level", [(4, 4)]),
        ("Levels 1st to 3rd", [(1, 3)]),
        ("1st level to 3rd level", [(1, 3)]),
        ("seven", [(7, 7)]),
        ("Skeleton (1 hit die)", [(1, 1)]),
        ("½", [(0.5, 0.5)]),
        ("2 1/2", [(2.5, 2.5)]),
        ("18/51-18/75", [(18.051, 18.075)]),
        ("18/01-50", [(18.001, 18.05)]),
        ("18/00", [(18.1, 18.1)]),
        ("4+1", [(4.1, 4.1)]),
        ("1-1", [(0.9, 0.9)]),
        ("AC 4 (3 with shield)", [(4, 4), (3, 3)]),
        ("3, 5 and 7", [(3, 3), (5, 5), (7, 7)]),
        ("10'-20'", [(10, 20)]),
        ("Magic-user", []),
        ("2d6+1", []),
        ("9" * (LONGEST_LABEL + 1), []),
    ],
)
def test_numbers_and_ranges_are_read_out_of_labels(label: str, expected: list[tuple[float, float]]) -> None:
    assert [tuple(span) for span in spans(label)] == expected


def test_what_is_over_or_under_a_number_does_not_hold_it() -> None:
    assert not holds("over 20", 20) and holds("over 20", 21) and holds("over 20", 500)
    assert not holds("under 3", 3) and holds("less than 3", 2)


def test_two_hit_dice_and_two_with_points_are_not_three() -> None:
    assert holds("2 & 2+", 2) and holds("2 & 2+", 2.3) and not holds("2 & 2+", 3)
    assert holds("4-5+", 5.4) and not holds("4-5+", 6)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("armor class", ["AC", "A.C.", "Armour Class", "ARMOR CLASS", "armor_class", "Armor Class:"]),
        ("hit dice", ["HD", "Hit Dice", "hit die", "hit_dice"]),
        ("number of attacks", ["#AT", "No. of Attacks", "# Attacks", "no_of_attacks", "Attacks"]),
        ("number appearing", ["No. Appearing", "# App", "no_appearing", "NO. APPEARING"]),
        ("damage", ["Dmg", "Damage", "DAMAGE/ATTACK", "Damage per attack"]),
        ("movement", ["MV", "Move", "Movement", "Speed"]),
        ("experience points", ["XP", "X.P.", "Experience Points", "X.P. Value"]),
        ("percent in lair", ["% in Lair", "% IN LAIR", "percent_in_lair"]),
        ("strength", ["STR", "Str.", "Strength"]),
    ],
)
def test_one_attribute_has_one_name(name: str, labels: list[str]) -> None:
    assert {attribute(label) for label in labels} == {name} == {attribute(name)}


def test_other_names_stay_apart() -> None:
    names = ["Saving Throw", "Save As", "Attack Bonus", "Armor", "Armor Class", "Armor Type", "Hit Dice"]
    assert len({attribute(name) for name in names}) == len(names)
