"""Checks on what is said of a monster: against its statistics block, wherever it is said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.rules.passages import HIT_DICE, Check, Monster, Passages, body, by_id, monsters

_BLOW = (
    r"(?:bit(?:es?|ing)|claws?|strikes?|fights?|hits?|gores?|butts?|stings?|lash(?:es)?|buffets?|swings?|batters?|nips?|snaps?|thrusts?|"
    r"touch(?: of \w+)?(?: does)?|blow does|bite does|peck does only|hooves|squeezes|clubs|rips|seizes?|indicates)"
)
_LEADERS = re.compile(r"[^.]*\b(?:leaders?|(?:sub-?)?chief(?:tain)?s?|giant \w+s|mountain lion)\b[^.]*\.")


# "troll of 6+6 Hit Dice", "frost giant (10+1-4, AC 4)": a name of up to three words, dice, armor class.
_SAID = re.compile(
    rf"\b((?:[a-z]+ ){{0,2}}[a-z]+)(?: of| \() ?({HIT_DICE})(?: [Hh]it [Dd]ic?e)?(?:, AC (-?\d+))?"
    r"(?=\)|,| [Hh]it [Dd]i| hits| has)"
)


def damage(passages: Passages) -> Iterator[str]:
    """Every figure of damage in the block is in the prose, and what prose says of bite and claws is in the
    block.
    """
    for monster in monsters(passages):
        block, prose = monster.block["DAMAGE/ATTACK"], _LEADERS.sub("", monster.prose)
        listed = set(re.findall(r"\d+-\d+", block))
        blows = set(re.findall(rf"\b{_BLOW}\b[^.;:()]*?\bfor (\d+-\d+)", prose))
        extra = set(
            re.findall(
                r"\d+-\d+", " ".join(monster.block[line] for line in ("SPECIAL ATTACKS", "SPECIAL DEFENSES"))
            )
        )
        spoken_of = set(re.findall(r"\d+-\d+", prose))
        if blows and (missing := listed - spoken_of):
            yield f"{monster.id}: damage {sorted(missing)} of the block is not in its text"
        strange = blows - listed - extra if "size" not in block else set()
        if strange and monster.block["SPECIAL ATTACKS"] in ("Nil", "Poison"):
            yield f"{monster.id}: damage {sorted(strange)} of the text is not in its block ({block})"


def resistance(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        for figure in re.findall(r"[Mm]agic resistance (?:of )?(\d+%)", monster.prose):
            if figure != monster.block["MAGIC RESISTANCE"]:
                yield f"{monster.id}: magic resistance {figure} in the text, {monster.block['MAGIC RESISTANCE']} in the block"


def surprise(passages: Passages) -> Iterator[str]:
    """The same scores in text and block, and a special attack or defense for whatever the text says of
    surprise.
    """
    for monster in monsters(passages):
        attack, defense = monster.block["SPECIAL ATTACKS"], monster.block["SPECIAL DEFENSES"]
        said = set(re.findall(r"surpris(?:es?|ing)(?: \w+)?(?: prey)? on (1-\d)", monster.prose))
        listed = set(re.findall(r"[Ss]urprise on (1-\d)", attack))
        if listed and said and said != listed:
            yield f"{monster.id}: surprises on {sorted(said)} in the text, {sorted(listed)} in the block"
        if re.search(r"Surprised only on a 1", defense) and re.search(
            r"surprised only on (?:a )?(?:roll of )?[2-6]", monster.prose
        ):
            yield f"{monster.id}: surprised on {defense!r}"


def weapons_to_hit(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        wanted = re.findall(r"\+(\d) or better", monster.block["SPECIAL DEFENSES"])
        said = re.findall(r"(?:[Ww]eapons?|ones) of \+(\d) or (?:better|more)", monster.prose)
        if wanted and said and set(said) != set(wanted):
            yield f"{monster.id}: weapons of {said} in the text, {wanted} in the block"


def own_armor_class(passages: Passages) -> Iterator[str]:
    for monster in monsters(passages):
        listed = set(re.findall(r"(?<!\d)-?\d+", monster.block["ARMOR CLASS"]))
        said = set(re.findall(r"(?:[Aa]rmor class|AC) (-?\d+)", _LEADERS.sub("", monster.prose)))
        if strange := said - listed:
            yield f"{monster.id}: armor class {sorted(strange)} in the text, {monster.block['ARMOR CLASS']} in the block"


def own_dice(passages: Passages) -> Iterator[str]:
    """Dragons say how many dice small, average and huge ones have."""
    for monster in monsters(passages):
        if found := re.search(r"Hit dice: small (\d+), average (\d+), huge (\d+)", monster.prose):
            small, average, huge = map(int, found.groups())
            if monster.block["HIT DICE"] != f"{small}-{huge}" or average - small != 1 or huge - average != 1:
                yield f"{monster.id}: {found[0]!r}, {monster.block['HIT DICE']} in the block"
            if (points := re.search(r"huge, ancient \w+ dragon has (\d+) hit points", monster.prose)) and int(
                points[1]
            ) != 8 * huge:
                yield f"{monster.id}: {points[0]!r}"


def dice_said_elsewhere(passages: Passages) -> Iterator[str]:
    """Hit dice and armor class of a monster wherever another passage gives them behind its name: "troll of
    6+6 Hit Dice".
    """
    known: dict[str, Monster] = {}
    for monster in monsters(passages):
        known[monster.spoken] = known[monster.name.lower()] = monster
        if monster.name.count(", ") == 1 and monster.parent:
            known[monster.spoken.replace("lycanthrope", "").strip()] = monster
    for passage in passages:
        text = body(passage)
        if not re.search(r"hit dic?e", text, re.IGNORECASE):
            continue
        for name, dice, armor in _SAID.findall(text):
            words = name.split(" ")
            monster = next(
                (known[tail] for tail in (" ".join(words[n:]) for n in range(len(words))) if tail in known),
                None,
            )  # type: ignore[assignment]
            if monster is None or monster.id == passage.id:
                continue
            listed = monster.block["HIT DICE"].split(" (")[0]
            if dice != listed and passage.metadata["type"] != "monster":
                yield f"{passage.id}: {name} of {dice} hit dice, {listed} in its block"
            if armor and armor != monster.block["ARMOR CLASS"]:
                yield f"{passage.id}: {name}: armor class {armor}, {monster.block['ARMOR CLASS']} in its block"


def levels_drained(passages: Passages) -> Iterator[str]:
    """The rules and the bestiary say the same of how many levels each undead drains."""
    drains = {"one": set[str](), "two": set[str]()}
    for monster in monsters(passages):
        found = re.search(r"drains (one|two) (?:levels? of life |life )?(?:energy )?levels?", monster.prose)
        if found and monster.parent == "sb-undead":
            drains[found[1]].add(monster.name.lower())
    for identity, phrase in (
        ("sb-undead", r"\((\w+) and (\w+) one level, (\w+) and (\w+) two\)"),
        ("sr-energy-drain", r"a (\w+) or (\w+) takes one level of experience, by a (\w+) or (\w+) two"),
    ):
        found = re.search(phrase, by_id(passages, identity))
        if not found or {*found.groups()[:2]} != drains["one"] or {*found.groups()[2:]} != drains["two"]:
            yield f"{identity}: the undead drain {drains}"


CHECKS: tuple[Check, ...] = (
    *(
        damage,
        resistance,
        surprise,
        weapons_to_hit,
        own_armor_class,
        own_dice,
        dice_said_elsewhere,
        levels_drained,
    ),
)
