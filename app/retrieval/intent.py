"""What kind of passage a question asks for, told by its words: a cell of a table, or something it describes but cannot name."""

from __future__ import annotations

import re

from app.index import terms

# `wants_table` of a question that says which row it wants.
ROW_WANTED = 0.75
CELL_WANTED = 0.6

_NUMBER = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|first|second|third|fourth|fifth|sixth|seventh|"
    r"eighth|ninth|tenth|eleventh|twelfth)"
)
_ABILITY = r"(?:str|int|wis|dex|con|cha|strength|intelligence|wisdom|dexterity|constitution|charisma)"
# What selects a row: "9th level", "AC 4", "strength of 17", "8 hit dice", "name level", "rolled a 61".
_ROW = re.compile(
    rf"\b(?:{_NUMBER}(?:st|nd|rd|th)?[ -]levels?|levels? {_NUMBER}|name level|\d+ (?:hit dice|hd)"
    rf"|(?:ac|armou?r class|hd|cr|dc)(?: of)? ?-?\d+|{_ABILITY}(?: score)?(?: of)? \d+|\d+ {_ABILITY}"
    r"|(?:category|tier|rank|grade|stage) \d+|(?:roll(?:ed|s|ing)?|got|on) (?:an? )?\d+)\b"
)
# What names a column.
_CELL = re.compile(
    r"\b(?:tables?|charts?|matrix|prices?|costs?|costing|pay|paying|buy|buying|afford|total|random(?:ly)?|d\d+|gp|sp|cp|expensive|cheap|worth|weighs?|weight|heavy"
    r"|how (?:much|many|long|far|fast|old)|xp|exp|experience|odds|chances?|percent\w*|saving throws?|saves?|to hit|thac0"
    r"|attack bonus|attack roll|per day|modifiers?|adjustments?|bonus(?:es)?|damage|range|rates?|treasure type|turn\w*"
    r"|hit dice|hit die|spell slots?)\b"
)

# What players call things of each type of passage.
_CALLED = {
    "monster": "monster monsters creature creatures critter beast beasts animal undead demon devil brute fiend thing guys bug",
    "spell": "spell spells magic cantrip incantation enchantment prayer blessing curse caster",
    "magic_item": "item items potion ring wand staff rod cloak boots sword weapon armor flask amulet artifact device gauntlets",
    "class": "feature class ability trick talent",
    "race": "race people folk",
}
_TYPES = {word: kind for kind, words in _CALLED.items() for word in words.split()}
# The stems of words that say what kind of thing is meant, not which.
CALLED = frozenset(map(terms.stem, _CALLED["monster"].split()))
# "which monster disguises …", "is there a flask that …": up to three words, the last of which says what it is, and a verb.
_OPENING = r"\b(?:which|what|what's the|(?:is|isn't|are) there (?:an?|any|some)|there's an?|an?|the|that|some)"
_VERB = (
    r"(?: (?:that|who|which|with|whose|to|can|could|does|do|makes?|lets?|keeps?|has|have|is|are|looks?|turns?|shuts?|gives?"
    r"|hangs?|[a-z]+s)\b|$|[?,.:])"
)
_DESCRIBED = re.compile(rf"{_OPENING} ((?:[a-z'-]+ ){{0,3}}?[a-z'-]+)(?={_VERB})")


def wants_table(text: str) -> float:
    """How much `text` (folded) reads like a question that a table answers: 0 not at all, 1 surely."""
    row, cell = bool(_ROW.search(text)), bool(_CELL.search(text))
    return 1.0 if row and cell else ROW_WANTED if row else CELL_WANTED if cell else 0.0


def described_types(text: str) -> frozenset[str]:
    """The types of passages that `text` (folded) may describe without naming one; empty when it does not say."""
    return frozenset(_TYPES[word] for phrase in _DESCRIBED.findall(text) for word in phrase.split() if word in _TYPES)
