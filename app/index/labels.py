"""Labels of rows, columns and statistics as the game writes them: the numbers they hold, their one name.

Nothing is read out of a label that is longer than LONGEST_LABEL characters.
"""

import re
from functools import lru_cache
from math import inf
from typing import NamedTuple

from app.index import terms

LONGEST_LABEL = 200
# What "over 20" begins with: more than 20, and less than anything that a book writes above it.
_STEP = 0.0001

_ORDINAL = terms.expression(r"(?<=\d)(?:st|nd|rd|th)\b")
_WORD = re.compile(r"[a-z]+")
_NUMBER = r"(?:18/\d\d|\d[\d,]*(?:\.\d+)?(?: [1-9]/(?:[2-9]|10)|/(?:[2-68]|10))?(?!\d))"
_SIGNED = rf"(?:(?<![\w.)])[+-])?{_NUMBER}"
# What may stand between a number and what makes a range of it: "9 HD or more", "1st level to 3rd level".
_UNIT = r"""['"%]{0,2}(?:(?: ?[a-z.]{1,12}){1,2}(?= (?:or|and|to|through) | ?&))?"""
_SPAN = terms.expression(
    rf"(?:\b(?P<before>over|above|more than|greater than|under|below|less than|fewer than|up to|at most"
    rf"|at least|from|to) )?(?P<low>{_SIGNED})(?P<open>\+(?! ?\d)|\+(?P<more>[1-9])(?!\d))?{_UNIT}"
    rf"(?: ?(?:-|to|through|thru|&(?= ?\d+\+)) ?(?P<high>{_SIGNED})(?P<loose>\+(?!\d))?['\"%]{{0,2}})?"
    r"(?: (?:or|and|&) (?P<after>[a-z]+))?"
)
_DICE = terms.expression(r"(?<!\d)\d*d(?:\d+|%)(?: ?[-+x*] ?\d+)?")
_UP = frozenset(("up", "above", "over", "higher", "more", "greater", "beyond", "longer", "larger", "later"))
_DOWN = frozenset(("down", "below", "under", "lower", "less", "fewer", "shorter", "smaller", "earlier"))
_ABOVE = frozenset(("over", "above", "more than", "greater than"))
_BELOW = frozenset(("under", "below", "less than", "fewer than"))


class Span(NamedTuple):
    """The numbers from `low` to `high`, both included; without an end the infinite.

    Strength 18/01 is 18.001 and 18/00 18.1; hit dice 4+1 are 4.1.
    """

    low: float
    high: float

    def holds(self, number: float) -> bool:
        return self.low <= number <= self.high


@lru_cache(maxsize=16384)
def spans(label: str) -> tuple[Span, ...]:
    """The numbers and ranges that `label` names, in order; dice are none.

    "5-8", "2,001-4,000", "9+", "11 and up", "over 20", "-10", "91-00", "4th level", "three", "18/01-18/50".
    """
    if len(label) > LONGEST_LABEL:
        return ()
    text = _WORD.sub(lambda word: terms.NUMBER_WORDS.get(word[0], word[0]), terms.fold(label))
    text = " ".join(text.split())
    low, dash, high = text.partition("-")
    if low.isdecimal() and (high.isdecimal() or not dash):
        # Most labels, without the expression.
        return (_from_to(_value(low), high) if dash else _only(low),)
    if not any(map(str.isdigit, text)):
        return ()
    text = _DICE.sub(" ", _ORDINAL.sub("", text))
    return tuple(_span(found) for found in _SPAN.finditer(text))


def holds(label: str, number: float) -> bool:
    """Whether one of the numbers or ranges of `label` has `number`."""
    return any(span.holds(number) for span in spans(label))


def _span(found: re.Match[str]) -> Span:
    before, after = found["before"], found["after"]
    low = _value(found["low"]) + int(found["more"] or 0) / 10
    if found["high"]:
        return _from_to(low, found["high"], of_18=found["low"].startswith("18/"), loose=bool(found["loose"]))
    if found["low"] == "00":
        low = 100.0
    if before in _ABOVE:
        return Span(low + _STEP, inf)
    if before in _BELOW:
        return Span(-inf, low - _STEP)
    if before in ("up to", "at most", "to") or after in _DOWN:
        return Span(-inf, low)
    if before == "at least" or after in _UP or (found["open"] and not found["more"]):
        return Span(low, inf)
    return Span(low, low)


def _only(written: str) -> Span:
    low = 100.0 if written == "00" else _value(written)
    return Span(low, low)


def _from_to(low: float, written: str, *, of_18: bool = False, loose: bool = False) -> Span:
    """The range from `low` to what is `written`; `of_18`: it begins at an exceptional strength."""
    high = _value(written)
    if of_18 and "/" not in written and high <= 99:
        high = 18 + (high or 100) / 1000
    elif high == 0 and len(written) > 1:
        # The highest roll of percentile dice is written 00.
        high = 10.0 ** len(written)
    if loose:
        high += 1 - _STEP
    elif low == high:
        # Hit dice 1-1 are less than one.
        return Span(low - high / 10, low - high / 10)
    return Span(min(low, high), max(low, high))


def _value(written: str) -> float:
    sign = -1 if written.startswith("-") else 1
    number = written.lstrip("+-").replace(",", "")
    if number.startswith("18/"):
        return 18 + (int(number[3:]) or 100) / 1000
    whole, _, fraction = number.rpartition(" ")
    if "/" in fraction:
        over, under = fraction.split("/")
        return sign * (float(whole or 0) + int(over) / int(under))
    return sign * float(number)


# One name for what books, sheets and players call differently; each beside its canonical form.
_SAME = {
    "armor class": "ac",
    "hit dice": "hd/hit die",
    "hit points": "hp/hit point",
    "experience points": "xp/exp/xp value/experience/experience value/xp award/ep/exp pt",
    "number of attacks": "at/number at/attack/number attack/attack per round/atk/natt",
    "damage": "dmg/dam/damage attack/damage per attack/dam attack",
    "movement": "mv/move/movement rate/move rate/mov/speed",
    "number appearing": "na/number app/no app/appearing",
    "treasure type": "tt/treasure",
    "alignment": "al/align",
    "morale": "ml/mor",
    "save as": "sv/saf/save a",
    "saving throw": "save/st/saving",
    "strength": "str",
    "intelligence": "int",
    "wisdom": "wi/wis",
    "dexterity": "dex",
    "constitution": "con",
    "charisma": "cha/chr",
    "magic resistance": "mr/magical resistance",
    "size": "sz",
    "percent in lair": "in lair/percent lair/lair",
    "frequency": "freq",
    "psionic ability": "psionic/psi",
    "special attacks": "sa/special attack",
    "special defenses": "sd/special defense",
    "thac0": "to hit armor class 0/to hit ac 0",
    "casting time": "ct/cast time",
    "area of effect": "aoe/area effect",
    "duration": "dur",
    "range": "rng",
    "components": "comp/component",
    "level": "lvl/lv",
    "weight": "wt",
    "cost": "price",
    "challenge rating": "cr/challenge",
}
# Alias (as stems) → the one name.
CANONICAL = {
    alias: name
    for name, aliases in _SAME.items()
    for alias in (" ".join(terms.stems(name)), *aliases.split("/"))
}
# The canonical names: what the game says of a monster, a spell or a character, in all books.
KNOWN = frozenset(_SAME)
_INITIALS = terms.expression(r"\b(?:[a-z]\.){1,5}(?:[a-z]\b)?")
_SIGNS = terms.expression(r"\bno\.|\bno(?= (?:of|appear|app|attack))|\bnum\b\.?|#|%")
_SMALL = frozenset(("of", "the", "a", "an", "s"))


def attribute(label: str) -> str:
    """One form of the name of an attribute: "AC", "Armour Class" and "armor_class" give "armor class".

    A name that is not of the game's common ones comes back as its stems.
    """
    text = terms.fold(label[:LONGEST_LABEL]).replace("_", " ")
    if "." in text:
        text = _INITIALS.sub(lambda found: found[0].replace(".", ""), text)
    if any(sign in text for sign in ("no.", "no ", "num", "#", "%")):
        text = _SIGNS.sub(lambda found: " percent " if found[0] == "%" else " number ", text)
    words = terms.stems(text)
    named = CANONICAL.get(" ".join(words))
    if named is None:
        bare = " ".join(word for word in words if word not in _SMALL)
        named = CANONICAL.get(bare) or bare
    return named
