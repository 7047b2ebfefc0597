"""Words of questions that mean more than themselves: synonyms, attributes, signs of the passage wanted.

Shorthand is in `app.retrieval.shorthand`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
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

_NUMBERS = frozenset(list(terms.NUMBER_WORDS)[2:26])
_ABILITY = r"(?:str|int|wis|dex|con|cha|strength|intelligence|wisdom|dexterity|constitution|charisma)"
# "AC 4", "strength of 17", "8 hit dice", "rolled a 61".
_ROW = terms.expression(
    r"\b(?:\d+ (?:hit dice|hd)"
    rf"|(?:ac|armou?r class|hd|cr|dc)(?: of)? ?-?\d+|{_ABILITY}(?: score)?(?: of)? \d+|\d+ {_ABILITY}"
    r"|(?:category|tier|rank|grade|stage) \d+|(?:roll(?:ed|s|ing)?|got|on) (?:an? )?\d+)\b"
)
# What a question for one cell has: words and pairs of words. Much faster than to compile an expression.
_CELL_WORDS = (
    "table|tables|chart|charts|matrix|price|prices|cost|costs|costing|pay|paying|buy|buying|afford|total|gp|sp"
    "|cp|random|randomly|expensive|cheap|worth|weigh|weighs|weight|heavy|how much|how many|how long|how far"
    "|how fast|how old|xp|exp|experience|odds|chance|chances|saving throw|saving throws|save|saves|to hit"
    "|thac0|attack bonus|attack roll|per day|modifier|modifiers|adjustment|adjustments|bonus|bonuses|damage"
    "|range|rate|rates|treasure type|hit dice|hit die|spell slot|spell slots"
)
_CELL = frozenset(_CELL_WORDS.split("|"))
_CELL_BEGINS = ("percent", "turn")
_SIGN = terms.expression(r"[^\w ]")

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
    words = _SIGN.sub(r" \g<0> ", text).split(" ")
    row = _has_level(words) or (any(map(str.isdigit, text)) and bool(_ROW.search(text)))
    cell = not _CELL.isdisjoint((*words, *map(" ".join, pairwise(words)))) or any(
        word.startswith(_CELL_BEGINS) or (word[:1] == "d" and word[1:].isdecimal()) for word in words
    )
    return 1.0 if row and cell else ROW_WANTED if row else CELL_WANTED if cell else 0.0


def _has_level(words: list[str]) -> bool:
    """Whether there is a "9th level", "ninth-level", "level 9" or "name level" in `words` and signs."""
    for n, word in enumerate(words):
        if word in ("level", "levels"):
            before = words[max(0, n - 2) : n]
            number = before.pop(0) if before[1:] == ["-"] else before[-1] if before else ""
            after = words[n + 1] if n + 1 < len(words) else ""
            named = word == "level" and words[max(0, n - 1) : n] == ["name"]
            if named or _is_number(number) or _is_number(number[:-2], number[-2:]) or _is_number(after):
                return True
    return False


def _is_number(word: str, ending: str = "th") -> bool:
    return (word.isdecimal() or word in _NUMBERS) and ending in ("st", "nd", "rd", "th")


def described_types(text: str) -> frozenset[str]:
    """The types of passages that `text` (folded) may describe without naming one, if any."""
    return frozenset(
        _TYPES[word] for phrase in _DESCRIBED.findall(text) for word in phrase.split() if word in _TYPES
    )
