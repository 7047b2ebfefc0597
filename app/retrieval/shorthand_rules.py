"""What a piece of shorthand stands for: words that mean one thing wherever they stand (`shorthand.txt`), and
rules for those whose neighbours decide. `app.retrieval.shorthand` cuts the text into words and joins
them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from app.index import terms
from app.retrieval import vocabulary

_ORDINAL = terms.expression(r"\d+(?:st|nd|rd|th)")


def _table(lines: str) -> dict[str, str]:
    """Shorthand → standard words."""
    pairs = (line.split(":") for line in lines.splitlines() if ":" in line)
    return {short: standard for standard, shorts in pairs for short in shorts.split()}


def _plural(standard: str) -> str:
    return "thieves" if standard == "thief" else f"{standard}s"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CLASS_LINES, _OTHER_LINES = (
    (Path(__file__).parent / "shorthand.txt").read_text(encoding="utf-8").split("\n\n")
)
CLASSES = _table(_CLASS_LINES)
WORDS = {
    # "hitpoints", "savingthrow"
    **{phrase.replace(" ", ""): phrase for phrase in vocabulary.PHRASES if " " in phrase},
    **_table(_OTHER_LINES),
    **CLASSES,
    **{f"{short}s": _plural(name) for short, name in CLASSES.items()},
}
_LAW, _GOOD = {"l": "lawful", "n": "neutral", "c": "chaotic"}, {"g": "good", "n": "neutral", "e": "evil"}
_ALIGNMENTS = {a + b: f"{_LAW[a]} {_GOOD[b]}" for a in _LAW for b in _GOOD if a != "n" or b != "n"} | {
    "tn": "true neutral"
}
# Signs and pieces that stand for words everywhere.
_SIGNS = {"w/o": "without", "w/": "with", "b/c": "because", "o/": "of", "m/u": "magic-user",
          "m-u": "magic-user", "#": "number", "to-hit": "to hit", "%": "percent", "@": "at",
          "&": "and"}  # fmt: skip


class Word(NamedTuple):
    """One word of the text as typed, in lower case, and which piece of the text it belongs to."""

    typed: str
    low: str
    piece: int


class Neighbours:
    """A word and its neighbours: `at(0)` is the word itself, "" is where the text has none."""

    def __init__(self, words: Sequence[Word], n: int, shouted: bool) -> None:
        self._words, self._n = words, n
        self.before, self.after = self.at(-1), self.at(1)
        self.capitalized = words[n].typed.isupper() and not shouted

    def at(self, step: int) -> str:
        position = self._n + step
        return self._words[position].low if 0 <= position < len(self._words) else ""

    @property
    def glued(self) -> bool:
        """Whether it was written together with a neighbour."""
        word = self._words[self._n]
        around = self._words[max(0, self._n - 1) : self._n + 2]
        return any(other.piece == word.piece for other in around if other is not word)

    def near(self, wanted: frozenset[str], reach: int = 1) -> bool:
        return any(self.at(step) in wanted for step in range(-reach, reach + 1) if step)

    def number_near(self, reach: int = 1) -> bool:
        return any(self.at(step)[:1].isdigit() for step in range(-reach, reach + 1) if step)


def meaning(word: Neighbours) -> str | None:
    """What the word stands for here; None where it stands for itself."""
    low = word.at(0)
    if low in _SIGNS:
        return None if low == "#" and word.after[:1].isdigit() else _SIGNS[low]
    if (rule := _RULES.get(low)) is not None:
        return rule(word)
    if low in terms.ROMAN and (word.before in LEVEL or (word.after in LEVEL and low != "i")):
        return terms.ROMAN[low]
    if low in _ALIGNMENTS and (word.capitalized or word.near(_BESIDE_ALIGNMENT)):
        return _ALIGNMENTS[low]
    return WORDS.get(low)


# Classes as they are written, short or not.
_CLASS = frozenset((*CLASSES, *CLASSES.values()))
LEVEL = _set("level levels lvl lvls lv lev")
UNITS = _set("gp sp cp ep pp hp xp ft lb lbs")
_PEOPLE = _CLASS | _set(
    "magic wizard mage pal ill cl dwarf elf gnome halfling human half half-orc half-elf hobbit"
)
_BESIDE_ALIGNMENT = _PEOPLE | _set("align alignment character pc char")
_ABILITIES = _set("str int wis dex con cha chr strength intelligence wisdom dexterity constitution charisma")
_OF_ABILITY = _set("adj adjustment bonus bonuses score scores mod modifier table penalty stat check save")
_BEFORE_ABILITY = _set("cuz because of from w/ with what which")
_ARTICLES = _set("a an the my your our his her its each every any killing")
# After these a number is one.
_COUNTED = LEVEL | _ABILITIES | UNITS | _set(
    "ac hd d type class roll rolled got of age with by has have is are least most armor"
)  # fmt: skip
# What people want to know for something or somebody: "xp 4 ftr", "time 4 hold person".
_WANTED = _set(
    "xp exp xps points pts time save saves throw matrix cost price needed req reqs table % percent range dmg"
    " damage spells dist distance chart stats rules chance duration dur bonus penalty limit limits min max"
    " title titles profs weapons armor money gold gp value val number # adj enc"
)
_BEFORE_VERB = _set(
    "how need needs needed want wants going able used supposed trying like have hafta"
) | _set("chance % percent # up adj bonus")
_FROM_BOOK = _set("in from per phb dmg mm by see p page")
_PAGE = _set("p pg page pp says")
_CASTING = _set(
    "cast casts casting spell missile missiles dmg damage range rng darts dart save dur duration wand"
)
_BEFORE_ARE, _AFTER_ARE = (
    _set("how what where who when why they you u there these those"),
    _set("u you they we"),
)
_COINS = _set("gp sp cp ep pp")
_MEASURED = _set("hd hit dice die points pts hp")

_Rule = Callable[[Neighbours], str | None]


def _for(word: Neighbours) -> str | None:
    after, then = word.after, word.at(2)
    if not word.before or not after or word.glued or after in _MEASURED:
        return None
    if after in _ARTICLES or (word.before in _ABILITIES and word.at(-2) in _WANTED and after in _PEOPLE):
        return "for"
    numbered_level = after in LEVEL and then[:1].isdigit()
    if (
        word.before in _WANTED
        and (after.isalpha() or after.isdigit())
        and (after not in LEVEL or numbered_level)
    ):
        return "for"
    if word.before in _COUNTED or word.before[:1].isdigit():
        return None
    return "for" if after in _PEOPLE or _ORDINAL.fullmatch(after) or numbered_level else None


def _to(word: Neighbours) -> str | None:
    after, then = word.after, word.at(2)
    if not after or word.glued or not word.before:
        return None
    if after == "hit":
        return None if then in _MEASURED else "to"
    if word.before in _COINS and after in _COINS:
        return "to"
    is_verb = after.isalpha() and not after.endswith("s") and after not in _MEASURED
    return "to" if word.before in _BEFORE_VERB and is_verb and (after not in LEVEL or then == "up") else None


def _are(word: Neighbours) -> str | None:
    if word.before[:1].isdigit():
        return "radius"
    return "are" if word.before in _BEFORE_ARE or word.after in _AFTER_ARE else None


def _is_book(word: Neighbours) -> bool:
    source = word.at(-2) if word.before == "the" else word.before
    return word.after in _PAGE or (source in _FROM_BOOK and word.after != "of")


def _class(name: str) -> _Rule:
    """For a class whose shorthand is a word too: it is meant beside a level, a number or another class."""
    beside = LEVEL | _CLASS | _set("4 spells spell xp exp hp thf mu")
    return lambda word: name if word.near(beside, 2) or word.number_near(2) else None


def _ability(name: str) -> _Rule:
    """For an ability whose shorthand is a word too."""
    beside = _ABILITIES | _set("high low min max minimum")

    def rule(word: Neighbours) -> str | None:
        meant = word.number_near() or word.after in _OF_ABILITY or word.near(beside) or word.capitalized
        return name if meant or (not word.after and word.before in _BEFORE_ABILITY) else None

    return rule


def _if_after(wanted: str, name: str) -> _Rule:
    words = _set(wanted)
    return lambda word: name if word.before in words else None


def _if_before(wanted: str, name: str) -> _Rule:
    words = _set(wanted)
    return lambda word: name if word.after in words else None


def _initial(name: str) -> _Rule:
    """For "F7" and "F/MU"."""

    def rule(word: Neighbours) -> str | None:
        joined = {word.at(2 * step) for step in (-1, 1) if word.at(step) == "/"}
        return name if word.glued or joined & (_CLASS | _set("f c t")) else None

    return rule


_RULES: Mapping[str, _Rule] = {
    "4": _for,
    "2": _to,
    "r": _are,
    "/": _if_before("day round rnd rd turn level lvl lvls week wk month hour hr hp night", "per"),
    "dmg": lambda word: "Dungeon Masters Guide" if _is_book(word) else "damage",
    "mm": lambda word: "magic missile" if not _is_book(word) and word.near(_CASTING, 2) else "Monster Manual",
    "cl": lambda word: "class" if word.before in ("armor", "armour") else "cleric",
    "pal": lambda word: None if word.before in ("hey", "thanks", "sorry") else "paladin",
    "pals": _class("paladins"),
    "ill": _class("illusionist"),
    "con": _ability("constitution"),
    "int": _ability("intelligence"),
    "com": _ability("comeliness"),
    "st": _if_before("vs v versus against", "saving throw"),
    "thr": _if_after("save saving", "throw"),
    "no": _if_before("app appear appearing", "number"),
    "v": lambda word: None if word.before == "type" or not word.before or not word.after else "versus",
    "lb": _if_before("dmg damage range spell save", "lightning bolt"),
    "l": lambda word: (
        "level" if word.glued else "large" if word.before in ("vs", "versus", "s", "sm", "m", "/") else None
    ),
    "f": _initial("fighter"),
    "t": _initial("thief"),
    "c": _initial("cleric"),
    "min": lambda word: "minimum" if word.near(_ABILITIES | {"spells", "max"}, 2) else None,
    "lt": _if_before("crossbow xbow horse warhorse war cavalry", "light"),
    "res": _if_before("surv survival", "resurrection"),
    "sp": lambda word: "spells" if word.before in LEVEL else None,
}
