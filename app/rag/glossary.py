"""What players write and what rule books print: abbreviations, and the things that are asked *of* a monster, spell or class."""

from __future__ import annotations

from collections.abc import Sequence

from app import terms

# Each line: ways to say the same thing. Questions are searched with all of them.
_SYNONYMS = (
    ("ac", "armor class", "armour class"),
    ("hd", "hit dice", "hit die"),
    ("hp", "hit points", "hit point"),
    ("xp", "exp", "experience points", "experience"),
    ("gp", "gold pieces", "gold"),
    ("sp", "silver pieces"),
    ("cp", "copper pieces"),
    ("ep", "electrum pieces"),
    ("pp", "platinum pieces"),
    ("mu", "magic user"),
    ("dm", "dungeon master"),
    ("npc", "non player character"),
    ("mr", "magic resistance"),
    ("cr", "challenge", "challenge rating"),
    ("dc", "difficulty class"),
    ("str", "strength"),
    ("dex", "dexterity"),
    ("con", "constitution"),
    ("int", "intelligence"),
    ("wis", "wisdom"),
    ("cha", "charisma"),
    ("saves", "save", "saving throw", "saving throws"),
    ("price", "cost", "costs", "value", "prices"),
    ("speed", "movement", "move"),
    ("odds", "chance", "chances", "probability"),
    ("dmg", "damage"),
    ("demihuman", "demi human"),
    ("bonus", "modifier", "adjustment", "added"),
    ("spell slots", "spells per day", "spells usable"),
)
_BY_PHRASE = {phrase: line for line in _SYNONYMS for phrase in line}
_ABBREVIATIONS = frozenset(line[0] for line in _SYNONYMS if len(line[0]) <= 4)
_LONGEST = 3

# What is asked of something; as a rule not the thing asked about.
ATTRIBUTES = frozenset(
    " ".join(terms.stems(phrase))
    for phrase in (
        *(phrase for line in _SYNONYMS for phrase in line),
        "level", "levels", "attack", "attacks", "attack bonus", "attack roll", "attack rolls", "damage", "range", "duration",
        "alignment", "size", "type", "weight", "class", "number appearing", "frequency", "treasure", "treasure type", "morale",
        "to hit", "per day", "saving throw", "casting time", "components", "area of effect", "bonus", "spell", "spells",
        "monster", "action", "creature", "die", "roll", "score", "scores", "ability", "abilities", "ability score",
        "ability scores", "armor", "weapon", "weapons", "languages", "language", "proficiency", "movement rate", "percentage",
    )
)  # fmt: skip


def spelled_out(text: str) -> str:
    """`text` with abbreviations written out: "AC 4" as "armor class 4"."""
    return " ".join(_BY_PHRASE[word][1] if word in _ABBREVIATIONS else word for word in text.lower().split())


def expand(words: Sequence[str]) -> list[str]:
    """Words and phrases that say the same as something in `words` otherwise; not the words themselves."""
    found: list[str] = []
    for start in range(len(words)):
        for size in range(1, _LONGEST + 1):
            phrase = " ".join(words[start : start + size])
            found += [other for other in _BY_PHRASE.get(phrase, ()) if other != phrase]
    return list(dict.fromkeys(found))
