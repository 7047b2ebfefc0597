"""Ways to say the same thing, and what is asked *of* a monster, spell or class. Shorthand is in `app.retrieval.shorthand`."""

from __future__ import annotations

from collections.abc import Sequence

from app.index import terms

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
_LONGEST = 3

# What is asked of something; as a rule not the thing asked about.
PHRASES = (
    *(phrase for line in _SYNONYMS for phrase in line),
    "level", "levels", "attack", "attacks", "attack bonus", "attack roll", "attack rolls", "damage", "range", "duration",
    "alignment", "size", "type", "weight", "class", "number appearing", "frequency", "treasure", "treasure type", "morale",
    "to hit", "per day", "saving throw", "casting time", "components", "area of effect", "bonus", "spell", "spells",
    "monster", "action", "creature", "die", "roll", "score", "scores", "ability", "abilities", "ability score",
    "ability scores", "armor", "weapon", "weapons", "languages", "language", "proficiency", "movement rate", "percentage",
)  # fmt: skip
ATTRIBUTES = frozenset(" ".join(terms.stems(phrase)) for phrase in PHRASES)

# Classes and notions of such games, whatever the edition: plain words by now, but a book that never says one does not have it.
_GAME = (
    "feat feats mana loot cantrip cantrips infusion infusions warlock artificer sorcerer barbarian ranger bard cleric druid"
    " paladin monk assassin illusionist multiclass proficiency initiative advantage disadvantage homebrew"
)
GAME = frozenset(map(terms.stem, _GAME.split()))


def expand(words: Sequence[str]) -> list[str]:
    """Words and phrases that say the same as something in `words` otherwise; not the words themselves."""
    found: list[str] = []
    for start in range(len(words)):
        for size in range(1, _LONGEST + 1):
            phrase = " ".join(words[start : start + size])
            found += [other for other in _BY_PHRASE.get(phrase, ()) if other != phrase]
    return list(dict.fromkeys(found))
