"""Checks on classes, races and spells: what their passages say against the tables and the lists that name
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.rules.passages import Check, Passages, by_id, table


def spell_lists(passages: Passages) -> Iterator[str]:
    """A group of spells says the same of each as its own passage: classes, levels, figures, components."""
    for group in ("sg-cure-wounds", "sg-power-word"):
        text = by_id(passages, group)
        members = {
            p.metadata["name"].lower(): p
            for p in passages
            if p.metadata["hierarchy"].startswith(f"Spells > {_name(passages, group)} > ")
        }
        letters = set(re.findall(r"\b[VSM]\b", (re.findall(r"component(?:s)? [^,;:.]*", text) or [""])[0]))
        for name, passage in members.items():
            lines = dict(re.findall(r"^([A-Z][A-Za-z ]+): *(.*)$", passage.document, re.MULTILINE))
            if not set(re.findall(r"\b[VSM]\b", lines["Components"])) <= letters:
                yield f"{group}: components {sorted(letters)}, but {name} has {lines['Components']!r}"
            entry = re.search(rf"^- {name}: (.*)$", text, re.MULTILINE | re.IGNORECASE)
            if not entry:
                yield f"{group}: nothing of {name}"
                continue
            levels = {
                f"{of.lower()} {level}"
                for of, level in re.findall(r"([A-Z][a-z-]+) (\d)", lines["Class and level"])
            }
            said = set(re.findall(r"(?:cleric|druid) \d", entry[1])) or {
                f"magic-user {level}" for level in re.findall(r"(\d)th level", entry[1])
            }
            if said != levels:
                yield f"{group}: {name} is of {sorted(said)}, in its own passage of {sorted(levels)}"
            for figure in re.findall(r"\d+-\d+ \([^)]+\)|\d+ hit points", entry[1]):
                if figure.split(" ")[0] not in passage.document:
                    yield f"{group}: {name}: {figure} is not in its own passage"


def _name(passages: Passages, identity: str) -> str:
    return next(str(p.metadata["name"]) for p in passages if p.id == identity)


def classes_of_spells(passages: Passages) -> Iterator[str]:
    """Range, casting time and the rest name no class that has not the spell."""
    for passage in passages:
        if passage.metadata["type"] == "spell":
            lines = dict(re.findall(r"^([A-Z][A-Za-z ]+): *(.*)$", passage.document, re.MULTILINE))
            own = set(re.findall(r"cleric|druid|magic-user|illusionist", lines["Class and level"].lower()))
            for title in ("Range", "Casting Time", "Duration", "Area of Effect", "Components"):
                named = set(
                    re.findall(
                        r"\b(cleric|druid|magic-user|illusionist)\b", lines[title].split("about the")[0]
                    )
                )
                if not named <= own and "the cleric" not in lines[title]:
                    yield f"{passage.id}: {title} names {sorted(named - own)}"


def requirements(passages: Passages) -> Iterator[str]:
    """The class's own passage and the table of least scores."""
    found = table(passages, "st-class-minimums")
    for row in found.rows:
        text = by_id(passages, f"sr-class-{row[0].lower()}")
        said = dict(
            re.findall(
                r"\b(strength|intelligence|wisdom|dexterity|constitution|charisma) (\d+)", text.split(".")[0]
            )
        )
        if row[0] == "Bard":
            said |= dict.fromkeys(("strength", "wisdom", "dexterity", "charisma"), "15")
        listed = {title: cell for title, cell in zip(found.head[1:], row[1:], strict=True) if cell != "-"}
        if {name[:3].title(): score for name, score in said.items()} != listed:
            yield f"sr-class-{row[0].lower()}: {said}, in the table {listed}"


def fixed_levels(passages: Passages) -> Iterator[str]:
    """Who says which classes end at a level names all whose experience table ends."""
    ending = {
        passage.metadata["name"].split(" ")[0].lower()
        for passage in passages
        if passage.id.endswith("-experience") and re.search(r"(\d+)\w+ level is the limit", passage.document)
    }
    said = re.search(r"only ([\w, ]+) end at a fixed level", by_id(passages, "sr-race-human"))
    if not said or {word.removesuffix("s") for word in re.split(r", | and ", said[1])} != ending:
        yield f"sr-race-human: {said and said[1]} end at a fixed level, by the tables {sorted(ending)}"


def races(passages: Passages) -> Iterator[str]:
    """Adjustments, infravision and hearing of a race in its passage and in the tables."""
    adjustments, sight = table(passages, "st-race-adjustments"), table(passages, "st-infravision")
    for race, listed in adjustments.rows:
        text = by_id(passages, f"sr-race-{race.lower()}")
        said = ", ".join(
            f"{name.lower()} {sign}"
            for name, sign in re.findall(r"\b([A-Za-z]+) ([+-]\d)(?=[,.])", text.split(". ")[0] + ".")
        )
        if said != listed.replace("none", ""):
            yield f"sr-race-{race.lower()}: {said}, in the table {listed}"
        seen = {row[1] for row in sight.rows if row[0].split(",")[0] == race}
        if (feet := re.search(r"[Ii]nfravision (\d+')", text)) and feet[1] not in seen:
            yield f"sr-race-{race.lower()}: {feet[0]}, in the table {seen}"
    heard = dict(re.findall(r"([a-z-]+) (\d+)%", by_id(passages, "sr-listening")))
    added = {row[0].lower(): row[6] for row in table(passages, "st-thief-race").rows}
    for race, figure in heard.items():
        plus = added.get(race, "-").strip("%")
        if int(figure) != int(heard["human"]) + (0 if plus == "-" else int(plus)):
            yield f"sr-listening: {race} {figure}%, by the thieves' adjustments {plus} above human"


CHECKS: tuple[Check, ...] = (spell_lists, classes_of_spells, requirements, fixed_levels, races)
