"""Checks on the experience value of monsters: against the table by hit dice, and the level that follows from
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.rules.passages import Check, Monster, Passages, by_id, monsters, number, table

_ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
# The books list these in the row above that of their dice, and these with a value that no number of abilities
# gives.
ONE_ROW_HIGHER = frozenset({"sb-blink-dog", "sb-displacer-beast", "sb-gray-ooze", "sb-griffon", "sb-owlbear"})
ODD_SUMS = frozenset({"sb-demon-succubus", "sb-gray-ooze", "sb-invisible-stalker", "sb-lich"})
# What is extraordinary counts two, four or eight times.
MOST_ABILITIES = 8


def experience(passages: Passages) -> Iterator[str]:
    """Points per hit point are those of the dice, the rest is the dice's basic value and a number of
    abilities.
    """
    values = table(passages, "st-monster-experience")
    for monster in monsters(passages):
        found = re.fullmatch(
            r"([IVX]+)/([\d,]+)(?: \+ (\d+)/hp)?", monster.block.get("LEVEL/X.P. VALUE", "I/0")
        )
        if not found:
            yield f"{monster.id}: experience {monster.block['LEVEL/X.P. VALUE']!r}"
            continue
        row = _experience_row(monster)
        if not number(found[2]) or row is None or found[3] is None:
            continue
        cells = values.rows[row + 1 if monster.id in ONE_ROW_HIGHER else row]
        basic, per_point, special, exceptional = (number(cell) for cell in cells[1:])
        if int(found[3]) != per_point:
            yield f"{monster.id}: {found[3]} a hit point, {per_point} for {monster.block['HIT DICE']} hit dice"
        if monster.id not in ODD_SUMS and not _is_sum(number(found[2]), basic, special, exceptional):
            yield f"{monster.id}: {found[2]} is not {basic} and some abilities of {special} and {exceptional}"


def _is_sum(value: int, basic: int, special: int, exceptional: int) -> bool:
    return any(
        value == basic + n * special + m * exceptional
        for n in range(MOST_ABILITIES + 1)
        for m in range(MOST_ABILITIES + 1 - n)
    )


def _experience_row(monster: Monster) -> int | None:
    """The row of the experience table for the hit dice."""
    found = re.match(r"(\d+)(?:/(\d+))?(?:([+-])(\d+))?", monster.block["HIT DICE"])
    if not found or "hit points" in monster.block["HIT DICE"].split(" (")[0]:
        return None
    dice, plus = int(found[1]) / int(found[2] or 1), found[3] == "+"
    if dice < 1 or found[3] == "-":
        return 1 if found[3] == "-" else 0
    if dice <= 9:
        return int(dice) + (1 if plus else 0)
    tens = {10: 10, 11: 11, 12: 11, 13: 12, 14: 12, 15: 13, 16: 13, 17: 14, 18: 14, 19: 15, 20: 15}
    return tens.get(int(dice), 16)


def level(passages: Passages) -> Iterator[str]:
    """The level numeral is that of the value without hit points, by the bands that the rules of wandering
    monsters give.
    """
    text = by_id(passages, "sr-exploration-pace")
    tops = {numeral: number(top) for numeral, top in re.findall(r"\b([IVX]+) to ([\d,]+\d)", text)}
    if list(tops) != _ROMAN or list(tops.values()) != sorted(tops.values()):
        yield f"sr-exploration-pace: the bands of nine levels and the tenth, not {tops}"
        return
    for monster in monsters(passages):
        if found := re.match(r"([IVX]+)/([\d,]+)", monster.block.get("LEVEL/X.P. VALUE", "")):
            right = next((numeral for numeral, top in tops.items() if number(found[2]) <= top), "X")
            if found[1] != right:
                yield f"{monster.id}: level {found[1]}, but {found[2]} is of level {right}"


CHECKS: tuple[Check, ...] = (experience, level)
