"""The shorthand of the table written out: "xp 4 lvl 9 ftr" as "experience for level 9 fighter".

Done before anything else reads a question, so that names, words and vectors see what a rule book would print. A word that
could be two things is read by its neighbours: "4" is "for" before a class and a number after "level"; "dmg" is a book in
"p. 20 of the DMG" and damage elsewhere. What no rule knows is left as it stands, and so are coins: books print "gp" too.

One pass over the words. The text becomes at most `MOST_GROWTH` bytes longer; what would make it longer stays as typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from app import terms
from app.rag.shorthand_words import ALIGNMENTS, CLASSES, LEVEL, UNITS, WORDS

MOST_GROWTH = 600

# "x.p."; "w/"; a word with its apostrophes and the period of an abbreviation; a sign that is said as a word.
_PIECE = re.compile(
    r"\b(?:[a-z]\.){2,}|\b(?:w/o|b/c|m/u|m-u|to-hit)\b|\b[wo]/|[a-z0-9]+(?:['’][a-z]+)*\.?|(?<![\w])[%#@]|/(?=[a-z])|(?<=\s)&(?=\s)",
    re.IGNORECASE,
)
_SAID = {"w/o": "without", "w/": "with", "b/c": "because", "o/": "of", "m/u": "magic-user", "m-u": "magic-user", "#": "number",
         "to-hit": "to hit", "%": "percent", "@": "at", "&": "and"}  # fmt: skip
# A word and its number written together: "lvl5", "5thlvl", "ftr9", "8hd"; but not "3d6", nor "5th".
_GLUED = re.compile(
    r"(?P<before>[a-z]+)(?P<number>\d{1,2})|(?P<count>\d{1,5}(?:st|nd|rd|th)?)(?P<after>(?!(?:st|nd|rd|th)$)[a-z]+)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")


class Written(NamedTuple):
    """`text` with its shorthand written out, and what was read as what."""

    text: str
    changes: Mapping[str, str]


class _Word(NamedTuple):
    """One word of the text as it was typed, in lower case, and which piece of the text it is of."""

    typed: str
    low: str
    piece: int


def written_out(text: str) -> Written:
    pieces = list(_PIECE.finditer(text))
    words = [word for n, piece in enumerate(pieces) for word in _words(piece[0], n)]
    shouted = text.isupper()
    said: dict[int, list[str]] = {}
    for n, word in enumerate(words):
        said.setdefault(word.piece, []).append(_said(_Context(words, n, shouted)) or word.typed)
    out: list[str] = []
    changes: dict[str, str] = {}
    end, left = 0, MOST_GROWTH
    for n, piece in enumerate(pieces):
        typed, new = piece[0], " ".join(said[n])
        # "w/shield", "spells/day" have no blanks of their own.
        if new != typed and typed.endswith("/"):
            new = f"{' ' if typed == '/' else ''}{new}{'' if text[piece.end() : piece.end() + 1].isspace() else ' '}"
        growth = len(new.encode()) - len(typed.encode())
        if new == typed or growth > left:
            continue
        out += (text[end : piece.start()], new)
        end, left = piece.end(), left - max(0, growth)
        changes[typed] = new.strip()
    return Written("".join((*out, text[end:])), changes)


def _words(piece: str, number: int) -> list[_Word]:
    """The words of one piece of the text: more than one where a number is glued to its word."""
    low = piece.lower()
    if re.fullmatch(r"(?:[a-z]\.){2,}", low):
        low = low.replace(".", "")
    low = low.rstrip(".")
    glued = None if low in WORDS else _GLUED.fullmatch(low)
    if glued is not None:
        first, second = glued["before"] or glued["count"], glued["number"] or glued["after"]
        word = glued["before"] or glued["after"]
        # "F7" and "T3" are classes, "L5" is a level; in lower case they are nothing.
        if word in WORDS or word in LEVEL or word in UNITS or (glued["before"] and piece[0] in "FTCL" and word in "ftcl"):
            return [_Word(part, part, number) for part in (first, second)]
    return [_Word(piece, low, number)]


class _Context:
    """A word and its neighbours: `at(0)` is the word itself, "" is where the text has none."""

    def __init__(self, words: Sequence[_Word], n: int, shouted: bool) -> None:
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


def _said(word: _Context) -> str | None:
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
_COINS = _set("gp sp cp ep pp")
_MEASURED = _set("hd hit dice die points pts hp")


def _for(word: _Context) -> str | None:
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


def _to(word: _Context) -> str | None:
    after, then = word.after, word.at(2)
    if not after or word.glued or not word.before:
        return None
    if after == "hit":
        return None if then in _MEASURED else "to"
    if word.before in _COINS and after in _COINS:
        return "to"
    verb = after.isalpha() and not after.endswith("s") and after not in _MEASURED and (after not in LEVEL or then == "up")
    return "to" if word.before in _WANTING and verb else None


def _are(word: _Context) -> str | None:
    if word.before[:1].isdigit():
        return "radius"
    asking = word.before in _set("how what where who when why they you u there these those") or word.after in _set(
        "u you they we"
    )
    return "are" if asking else None


def _is_book(word: _Context) -> bool:
    article = word.before == "the"
    source = word.at(-2) if article else word.before
    return word.after in _PAGE or (source in _FROM_BOOK and word.after != "of")


def _in_person(name: str, reach: int = 2) -> Callable[[_Context], str | None]:
    """A rule for a class whose shorthand is a word too: it is the class beside a level, a number or another class."""
    beside = LEVEL | CLASSES | _set("4 spells spell xp exp hp thf mu")
    return lambda word: name if word.near(beside, reach) or word.number_near(reach) else None


def _ability(name: str) -> Callable[[_Context], str | None]:
    """A rule for an ability whose shorthand is a word too."""
    beside = _ABILITIES | _set("high low min max minimum")

    def rule(word: _Context) -> str | None:
        said = word.number_near() or word.after in _OF_ABILITY or word.near(beside) or word.written_large
        return name if said or (not word.after and word.before in _BEFORE_ABILITY) else None

    return rule


def _if_after(wanted: str, name: str) -> Callable[[_Context], str | None]:
    words = _set(wanted)
    return lambda word: name if word.before in words else None


def _if_before(wanted: str, name: str) -> Callable[[_Context], str | None]:
    words = _set(wanted)
    return lambda word: name if word.after in words else None


def _initial(name: str) -> Callable[[_Context], str | None]:
    """A rule for "F7" and "F/MU"."""
    return lambda word: name if word.glued or word.slashed & (CLASSES | _set("f c t")) else None


_PER = _set("day round rnd rd turn level lvl lvls week wk month hour hr hp night")
_RULES: Mapping[str, Callable[[_Context], str | None]] = {
    "4": _for,
    "2": _to,
    "r": _are,
    "/": _if_before(" ".join(_PER), "per"),
    "dmg": lambda word: "Dungeon Masters Guide" if _is_book(word) else "damage",
    "mm": lambda word: "magic missile" if not _is_book(word) and word.near(_CASTING, 2) else "Monster Manual",
    "cl": lambda word: "class" if word.before in _set("armor armour") else "cleric",
    "pal": lambda word: None if word.before in _set("hey thanks sorry") else "paladin",
    "pals": _in_person("paladins"),
    "ill": _in_person("illusionist"),
    "con": _ability("constitution"),
    "int": _ability("intelligence"),
    "com": _ability("comeliness"),
    "st": _if_before("vs v versus against", "saving throw"),
    "thr": _if_after("save saving", "throw"),
    "no": _if_before("app appear appearing", "number"),
    "v": lambda word: None if word.before in _set("type") or not word.before or not word.after else "versus",
    "lb": _if_before("dmg damage range spell save", "lightning bolt"),
    "l": lambda word: "level" if word.glued else "large" if word.before in _set("vs s sm m versus /") else None,
    "f": _initial("fighter"),
    "t": _initial("thief"),
    "c": _initial("cleric"),
    "min": lambda word: "minimum" if word.near(_ABILITIES | _set("spells max"), 2) else None,
    "lt": _if_before("crossbow xbow horse warhorse war cavalry", "light"),
    "res": _if_before("surv survival", "resurrection"),
    "sp": _if_after(" ".join(LEVEL), "spells"),
}
