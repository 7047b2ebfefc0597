"""What a piece of shorthand stands for, told by its neighbours. `shorthand` cuts the text into words and joins them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from app.index import terms
from app.retrieval.shorthand_words import ALIGNMENTS, CLASSES, LEVEL, UNITS, WORDS

# Signs and pieces that are said as words wherever they stand.
_SAID = {"w/o": "without", "w/": "with", "b/c": "because", "o/": "of", "m/u": "magic-user", "m-u": "magic-user", "#": "number",
         "to-hit": "to hit", "%": "percent", "@": "at", "&": "and"}  # fmt: skip
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")


class Word(NamedTuple):
    """One word of the text as it was typed, in lower case, and which piece of the text it is of."""

    typed: str
    low: str
    piece: int


class Neighbours:
    """A word and its neighbours: `at(0)` is the word itself, "" is where the text has none."""

    def __init__(self, words: Sequence[Word], n: int, shouted: bool) -> None:
        self._words, self._n, self.shouted = words, n, shouted
        self.before, self.after = self.at(-1), self.at(1)

    def at(self, step: int) -> str:
        place = self._n + step
        return self._words[place].low if 0 <= place < len(self._words) else ""

    @property
    def typed(self) -> str:
        return self._words[self._n].typed

    @property
    def glued(self) -> bool:
        """Whether it was written together with a neighbour."""
        word = self._words[self._n]
        return any(other.piece == word.piece for other in self._words[max(0, self._n - 1) : self._n + 2] if other is not word)

    def near(self, wanted: frozenset[str], reach: int = 1) -> bool:
        return any(self.at(step) in wanted for step in range(-reach, reach + 1) if step)

    def number_near(self, reach: int = 1) -> bool:
        return any(self.at(step)[:1].isdigit() for step in range(-reach, reach + 1) if step)

    @property
    def slashed(self) -> frozenset[str]:
        """What a stroke joins to it."""
        return frozenset(self.at(2 * step) for step in (-1, 1) if self.at(step) == "/")

    @property
    def written_large(self) -> bool:
        return self.typed.isupper() and not self.shouted


def said(word: Neighbours) -> str | None:
    """What the word stands for here; None where it stands for itself."""
    low = word.at(0)
    if low in _SAID:
        return None if low == "#" and word.after[:1].isdigit() else _SAID[low]
    if (rule := _RULES.get(low)) is not None:
        return rule(word)
    if low in terms.ROMAN and (word.before in LEVEL or (word.after in LEVEL and low != "i")):
        return terms.ROMAN[low]
    if low in ALIGNMENTS and (word.written_large or word.near(_BESIDE_ALIGNMENT)):
        return ALIGNMENTS[low]
    return WORDS.get(low)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PEOPLE = CLASSES | _set("magic wizard mage pal ill cl dwarf elf gnome halfling human half half-orc half-elf hobbit")
_BESIDE_ALIGNMENT = _PEOPLE | _set("align alignment character pc char")
_ABILITIES = _set("str int wis dex con cha chr strength intelligence wisdom dexterity constitution charisma")
_OF_ABILITY = _set("adj adjustment bonus bonuses score scores mod modifier table penalty stat check save")
_BEFORE_ABILITY = _set("cuz because of from w/ with what which")
_ARTICLES = _set("a an the my your our his her its each every any killing")
# After these a number is one.
_COUNTED = (
    LEVEL | _ABILITIES | UNITS | _set("ac hd d type class roll rolled got of age with by has have is are least most armor")
)
# What is asked for something or somebody: "xp 4 ftr", "time 4 hold person".
_ASKED = _set(
    "xp exp xps points pts time save saves throw matrix cost price needed req reqs table % percent range dmg damage spells dist"
    " distance chart stats rules chance duration dur bonus penalty limit limits min max title titles profs weapons armor money"
    " gold gp value val number # adj enc"
)
_WANTING = _set(
    "how need needs needed want wants going able used supposed trying like chance % percent # up adj bonus have hafta"
)
_FROM_BOOK = _set("in from per phb dmg mm by see p page")
_PAGE = _set("p pg page pp says")
_CASTING = _set("cast casts casting spell missile missiles dmg damage range rng darts dart save dur duration wand")
_BEFORE_ARE, _AFTER_ARE = _set("how what where who when why they you u there these those"), _set("u you they we")
_COINS = _set("gp sp cp ep pp")
_MEASURED = _set("hd hit dice die points pts hp")


def _for(word: Neighbours) -> str | None:
    after, then = word.after, word.at(2)
    if not word.before or not after or word.glued or after in _MEASURED:
        return None
    if after in _ARTICLES or (word.before in _ABILITIES and word.at(-2) in _ASKED and after in _PEOPLE):
        return "for"
    if word.before in _ASKED and (after.isalpha() or after.isdigit()) and (after not in LEVEL or then[:1].isdigit()):
        return "for"
    if word.before in _COUNTED or word.before[:1].isdigit():
        return None
    meant = after in _PEOPLE or _ORDINAL.fullmatch(after) or (after in LEVEL and then[:1].isdigit())
    return "for" if meant else None


def _to(word: Neighbours) -> str | None:
    after, then = word.after, word.at(2)
    if not after or word.glued or not word.before:
        return None
    if after == "hit":
        return None if then in _MEASURED else "to"
    if word.before in _COINS and after in _COINS:
        return "to"
    verb = after.isalpha() and not after.endswith("s") and after not in _MEASURED and (after not in LEVEL or then == "up")
    return "to" if word.before in _WANTING and verb else None


def _are(word: Neighbours) -> str | None:
    if word.before[:1].isdigit():
        return "radius"
    return "are" if word.before in _BEFORE_ARE or word.after in _AFTER_ARE else None


def _is_book(word: Neighbours) -> bool:
    article = word.before == "the"
    source = word.at(-2) if article else word.before
    return word.after in _PAGE or (source in _FROM_BOOK and word.after != "of")


def _in_person(name: str, reach: int = 2) -> Callable[[Neighbours], str | None]:
    """A rule for a class whose shorthand is a word too: it is the class beside a level, a number or another class."""
    beside = LEVEL | CLASSES | _set("4 spells spell xp exp hp thf mu")
    return lambda word: name if word.near(beside, reach) or word.number_near(reach) else None


def _ability(name: str) -> Callable[[Neighbours], str | None]:
    """A rule for an ability whose shorthand is a word too."""
    beside = _ABILITIES | _set("high low min max minimum")

    def rule(word: Neighbours) -> str | None:
        said = word.number_near() or word.after in _OF_ABILITY or word.near(beside) or word.written_large
        return name if said or (not word.after and word.before in _BEFORE_ABILITY) else None

    return rule


def _if_after(wanted: str, name: str) -> Callable[[Neighbours], str | None]:
    words = _set(wanted)
    return lambda word: name if word.before in words else None


def _if_before(wanted: str, name: str) -> Callable[[Neighbours], str | None]:
    words = _set(wanted)
    return lambda word: name if word.after in words else None


def _initial(name: str) -> Callable[[Neighbours], str | None]:
    """A rule for "F7" and "F/MU"."""
    return lambda word: name if word.glued or word.slashed & (CLASSES | _set("f c t")) else None


_RULES: Mapping[str, Callable[[Neighbours], str | None]] = {
    "4": _for,
    "2": _to,
    "r": _are,
    "/": _if_before("day round rnd rd turn level lvl lvls week wk month hour hr hp night", "per"),
    "dmg": lambda word: "Dungeon Masters Guide" if _is_book(word) else "damage",
    "mm": lambda word: "magic missile" if not _is_book(word) and word.near(_CASTING, 2) else "Monster Manual",
    "cl": lambda word: "class" if word.before in ("armor", "armour") else "cleric",
    "pal": lambda word: None if word.before in ("hey", "thanks", "sorry") else "paladin",
    "pals": _in_person("paladins"),
    "ill": _in_person("illusionist"),
    "con": _ability("constitution"),
    "int": _ability("intelligence"),
    "com": _ability("comeliness"),
    "st": _if_before("vs v versus against", "saving throw"),
    "thr": _if_after("save saving", "throw"),
    "no": _if_before("app appear appearing", "number"),
    "v": lambda word: None if word.before == "type" or not word.before or not word.after else "versus",
    "lb": _if_before("dmg damage range spell save", "lightning bolt"),
    "l": lambda word: "level" if word.glued else "large" if word.before in ("vs", "versus", "s", "sm", "m", "/") else None,
    "f": _initial("fighter"),
    "t": _initial("thief"),
    "c": _initial("cleric"),
    "min": lambda word: "minimum" if word.near(_ABILITIES | {"spells", "max"}, 2) else None,
    "lt": _if_before("crossbow xbow horse warhorse war cavalry", "light"),
    "res": _if_before("surv survival", "resurrection"),
    "sp": lambda word: "spells" if word.before in LEVEL else None,
}
