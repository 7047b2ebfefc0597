"""Words of questions that mean more than themselves: synonyms, attributes, signs of the passage wanted.

Shorthand is in `app.retrieval.shorthand`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.index import terms

# Each line: ways to say the same thing. Questions are searched with all of them.
_LINES = (Path(__file__).parent / "synonyms.txt").read_text(encoding="utf-8").splitlines()
_SYNONYMS = tuple(tuple(line.split(", ")) for line in _LINES)
_BY_PHRASE = {phrase: line for line in _SYNONYMS for phrase in line}
_LONGEST = 3

# What a question wants to know of a monster, spell or class; as a rule not its subject.
PHRASES = (
    *(phrase for line in _SYNONYMS for phrase in line),
    "level", "levels", "attack", "attacks", "attack bonus", "attack roll", "attack rolls", "damage", "range",
    "duration", "alignment", "size", "type", "weight", "class", "number appearing", "frequency", "treasure",
    "treasure type", "morale", "to hit", "per day", "saving throw", "casting time", "components",
    "area of effect", "bonus", "spell", "spells", "monster", "action", "creature", "die", "roll", "score",
    "scores", "ability", "abilities", "ability score", "ability scores", "armor", "weapon", "weapons",
    "languages", "language", "proficiency", "movement rate", "percentage",
)  # fmt: skip
ATTRIBUTES = frozenset(" ".join(terms.stems(phrase)) for phrase in PHRASES)

# Classes and notions of such games, whatever the edition. They are plain English by now, but a book that
# never uses one does not have it.
_GAME = (
    "feat feats mana loot cantrip cantrips infusion infusions warlock artificer sorcerer barbarian ranger"
    " bard cleric druid paladin monk assassin illusionist multiclass proficiency initiative advantage"
    " disadvantage homebrew"
)
GAME = frozenset(map(terms.stem, _GAME.split()))

# `wants_table` of a question that selects a row, and of one that names a column.
ROW_WANTED = 0.75
CELL_WANTED = 0.6

_NUMBER = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|first|second|third|fourth|fifth"
    r"|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth)"
)
_ABILITY = r"(?:str|int|wis|dex|con|cha|strength|intelligence|wisdom|dexterity|constitution|charisma)"
# "9th level", "AC 4", "strength of 17", "8 hit dice", "name level", "rolled a 61".
_ROW = terms.expression(
    rf"\b(?:{_NUMBER}(?:st|nd|rd|th)?[ -]levels?|levels? {_NUMBER}|name level|\d+ (?:hit dice|hd)"
    rf"|(?:ac|armou?r class|hd|cr|dc)(?: of)? ?-?\d+|{_ABILITY}(?: score)?(?: of)? \d+|\d+ {_ABILITY}"
    r"|(?:category|tier|rank|grade|stage) \d+|(?:roll(?:ed|s|ing)?|got|on) (?:an? )?\d+)\b"
)
_CELL = terms.expression(
    r"\b(?:tables?|charts?|matrix|prices?|costs?|costing|pay|paying|buy|buying|afford|total|random(?:ly)?|d\d+"
    r"|gp|sp|cp|expensive|cheap|worth|weighs?|weight|heavy|how (?:much|many|long|far|fast|old)|xp|exp"
    r"|experience|odds|chances?|percent\w*|saving throws?|saves?|to hit|thac0|attack bonus|attack roll"
    r"|per day|modifiers?|adjustments?|bonus(?:es)?|damage|range|rates?|treasure type|turn\w*|hit dice"
    r"|hit die|spell slots?)\b"
)

# What players call things of each type of passage.
_CALLED = {
    "monster": "monster monsters creature creatures critter beast beasts animal undead demon devil brute"
               " fiend thing guys bug",
    "spell": "spell spells magic cantrip incantation enchantment prayer blessing curse caster",
    "magic_item": "item items potion ring wand staff rod cloak boots sword weapon armor flask amulet artifact"
                  " device gauntlets",
    "class": "feature class ability trick talent",
    "race": "race people folk",
}  # fmt: skip
_TYPES = {word: kind for kind, words in _CALLED.items() for word in words.split()}
# The stems of words that say what kind of thing is meant, not which.
CALLED = frozenset(map(terms.stem, _CALLED["monster"].split()))
# "which monster disguises …", "is there a flask that …": up to three words, the last a kind, and a verb.
_OPENING = (
    r"\b(?:which|what|what's the|(?:is|isn't|are) there (?:an?|any|some)|there's an?|an?|the|that|some)"
)
_VERB = (
    r"(?: (?:that|who|which|with|whose|to|can|could|does|do|makes?|lets?|keeps?|has|have|is|are|looks?|turns?"
    r"|shuts?|gives?|hangs?|[a-z]+s)\b|$|[?,.:])"
)
_DESCRIBED = terms.expression(rf"{_OPENING} ((?:[a-z'-]+ ){{0,3}}?[a-z'-]+)(?={_VERB})")


def expand(words: Sequence[str]) -> list[str]:
    """Words and phrases that say the same as something in `words`; not the words themselves."""
    found: list[str] = []
    for start in range(len(words)):
        for size in range(1, _LONGEST + 1):
            phrase = " ".join(words[start : start + size])
            found += [other for other in _BY_PHRASE.get(phrase, ()) if other != phrase]
    return list(dict.fromkeys(found))


def wants_table(text: str) -> float:
    """How much `text` (folded) reads like a question that a table answers: 0 not at all, 1 surely."""
    row, cell = bool(_ROW.search(text)), bool(_CELL.search(text))
    return 1.0 if row and cell else ROW_WANTED if row else CELL_WANTED if cell else 0.0


def described_types(text: str) -> frozenset[str]:
    """The types of passages that `text` (folded) may describe without naming one, if any."""
    return frozenset(
        _TYPES[word] for phrase in _DESCRIBED.findall(text) for word in phrase.split() if word in _TYPES
    )
