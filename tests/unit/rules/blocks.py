"""Checks on statistics blocks: each line's notation, and what one line of a block says of another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from tests.unit.rules.passages import Check, Passages, is_dice_roll, monsters, table

_ALIGNMENTS = {
    *(f"{first} {second}" for first, second in product(("Lawful", "Neutral", "Chaotic"), ("good", "evil"))),
    *("Lawful neutral", "Chaotic neutral", "Neutral"),
}
_MINDS = (
    "Non-",
    "Animal",
    "Semi-",
    "Low",
    "Average",
    "Very",
    "High",
    "Exceptional",
    "Genius",
    "Supra-genius",
)
_UNLISTED = "Not listed in this sample"


def frequency(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        if monster.block["FREQUENCY"] not in ("Common", "Uncommon", "Rare", "Very rare", _UNLISTED):
            yield f"{monster.id}: frequency {monster.block['FREQUENCY']!r}"


def alignment(passages: Passages) -> Iterator[str]:
    """ "Neutral", "Lawful evil", or two of them: "Neutral (evil)", "Neutral to lawful good", "Neutral or
    chaotic good".
    """
    for monster in monsters(passages):
        line = re.sub(
            r" \((good|evil|neutral|lawful evil|good 50%, evil 50%)\)$", "", monster.block["ALIGNMENT"]
        )
        parts = re.split(r" (?:to|or) ", line)
        if any(part.capitalize() not in _ALIGNMENTS for part in parts):
            yield f"{monster.id}: alignment {monster.block['ALIGNMENT']!r}"


def intelligence(passages: Passages) -> Iterator[str]:
    """One grade or two ("Low to average"; "Average (low)" is average and at times low)."""
    for monster in monsters(passages):
        line = monster.block["INTELLIGENCE"]
        words = re.split(r" to | \(|\) ?| and up$| (?=average)", line.replace("highly", "High"))
        grades = [word[:1].upper() + word[1:] for word in words if word]
        known = [_MINDS.index(grade) for grade in grades if grade in _MINDS]
        if not known or len(known) != len(grades):
            yield f"{monster.id}: intelligence {line!r}"


def number_appearing(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        # "1 (1-4)": mostly one, at times more.
        for part in re.split(r" or | \(|\)$", monster.block["NO. APPEARING"].removesuffix(")")):
            found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
            if not found or (found[2] and not is_dice_roll(int(found[1]), int(found[2]))):
                yield f"{monster.id}: number appearing {part!r} is no roll of dice"


def armor_class(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        figures = [int(figure) for figure in re.findall(r"(?<![\d])-?\d+", monster.block["ARMOR CLASS"])]
        if not figures or not all(-10 <= figure <= 10 for figure in figures):
            yield f"{monster.id}: armor class {monster.block['ARMOR CLASS']!r}"


def move(passages: Passages) -> Iterator[str]:
    """On foot / flying // swimming * in a web, in inches."""
    for monster in monsters(passages):
        line = monster.block["MOVE"]
        if line != "Nil" and not re.fullmatch(
            r"\d+\"(?:(?:/|//|\*)\d+\"| \+ \d+\" hop| \(\d+\"(?:-\d+\")? burrowing\))*", line
        ):
            yield f"{monster.id}: move {line!r}"


def in_lair(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        line = monster.block["% IN LAIR"]
        found = re.fullmatch(r"(\d+)%", line)
        if line not in ("Nil", _UNLISTED) and not (
            found and 0 < int(found[1]) <= 100 and int(found[1]) % 5 == 0
        ):
            yield f"{monster.id}: in lair {line!r}"


def treasure(passages: Passages) -> Iterator[str]:
    """Letters of the three treasure tables, each once, in order, with how many times; what individuals carry
    apart.
    """
    known = {
        label
        for identity in ("lair", "individual", "special")
        for label in table(passages, f"st-treasure-{identity}").column("Type")
    }
    for monster in monsters(passages):
        line = monster.block["TREASURE TYPE"]
        if line in ("Nil", "See below", _UNLISTED):
            continue
        for part in line.split("; "):
            letters = re.split(r", ", re.sub(r"^Individuals | (?:individually|in lair)$|^each ", "", part))
            found = [
                re.fullmatch(r"([A-Z])(?: \((?:x[1-9]\d*|magic)\)| for each)?", letter) for letter in letters
            ]
            types = [match[1] for match in found if match]
            if len(types) != len(letters) or not known.issuperset(types) or sorted(set(types)) != types:
                yield f"{monster.id}: treasure type {line!r}"


def attacks(passages: Passages) -> Iterator[str]:
    """As many figures of damage as attacks."""
    for monster in monsters(passages):
        count, line = monster.block["NO. OF ATTACKS"], monster.block["DAMAGE/ATTACK"]
        ways = [re.sub(r"\([^)]*\)", "", way).strip() for way in re.split(r" or (?=\d)", line)]
        counted = [len(re.findall(r"\d+(?:-\d+)?", way)) for way in ways]
        wanted = [int(text) for text in re.findall(r"\d+", count)]
        by_weapon = "weapon" in line
        if (
            count == "Nil"
            or line == "Nil"
            or not any(counted)
            or re.search("per hit die|By size|not listed", line)
        ):
            continue
        if not all(
            found in wanted or (by_weapon and found < max(wanted)) or len(ways) > 1 for found in counted
        ):
            yield f"{monster.id}: {count} attacks, damage {line!r}"


def magic_resistance(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        line = monster.block["MAGIC RESISTANCE"]
        found = re.match(r"(\d+)%", line)
        if not (found and 0 < int(found[1]) <= 100 and int(found[1]) % 5 == 0) and line not in (
            *("Standard", "See below", "Special", "Saves 4 levels higher"),
        ):
            yield f"{monster.id}: magic resistance {line!r}"


def psionics(passages: Passages) -> Iterator[str]:
    """Strength in points, or a range of them, and the modes by their letters: attack A to E, defense F to
    J.
    """
    for monster in monsters(passages):
        line = monster.block["PSIONIC ABILITY"]
        modes = r"(?:A-E|all|[A-E](?:,? ?[A-E])*|Nil)/(?:F-J|all|[F-J](?:,? ?[F-J])*|Nil)"
        if line not in ("Nil", _UNLISTED) and not re.fullmatch(
            rf"\d+(?:-\d+)?(?:; Attack/Defense Modes: {modes})?",
            line.removeprefix("Nil (exceptional ones ").removesuffix(")"),
        ):
            yield f"{monster.id}: psionic ability {line!r}"


def size(passages: Passages) -> Iterator[str]:
    """S is below man's height (5'), M about a man's (4' to 7'), L above it (from 6'); a length may be more
    for its letter.
    """
    for monster in monsters(passages):
        line = monster.block["SIZE"]
        found = re.fullmatch(r"([SML])(?: to ([SML]))?(?: \((.+)\))?", line)
        if not found:
            yield f"{monster.id}: size {line!r}"
            continue
        feet = [
            int(whole) + (0.5 if half else 0) for whole, half in re.findall(r"(\d+)( 1/2)?'", found[3] or "")
        ]
        least, most = {"S": (0, 5), "M": (4, 7), "L": (6, 1000)}[found[1]]
        # What goes on four legs is more than its height, what is round more than its width.
        if (
            feet
            and not found[2]
            and re.search("tall$|long$", found[3])
            and (max(feet) < least if found[1] == "L" else max(feet) > most)
        ):
            yield f"{monster.id}: size {line!r}"


def hit_points(passages: Passages) -> Iterator[str]:
    """Hit points in parentheses are such as the dice can give."""
    for monster in monsters(passages):
        found = re.fullmatch(r"(\d+)(?:/(\d+))? \((?:(\d+)-)?(\d+) hit points\)", monster.block["HIT DICE"])
        if (
            found
            and not int(found[3] or found[4]) <= int(found[4]) <= 8 * int(found[1]) / int(found[2] or 1) + 1
        ):
            yield f"{monster.id}: hit dice {monster.block['HIT DICE']!r}"


CHECKS: tuple[Check, ...] = (
    *(
        frequency,
        alignment,
        intelligence,
        number_appearing,
        armor_class,
        move,
        in_lair,
        treasure,
        attacks,
        magic_resistance,
    ),
    *(psionics, size, hit_points),
)
