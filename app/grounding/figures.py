"""Text as words and values: numbers, ranges, dice, fractions, scores, each in one form however it is written.

1,000 = 1000 = one thousand, ½ = 1/2, 1d8 = d8, 30 feet = 30' = thirty ft.
Time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from app.index import labels, terms

# Each of one character, as positions must stay.
_PLAIN = str.maketrans(
    dict.fromkeys("‐‑‒–—―−﹣－", "-") | dict.fromkeys("’‘ʼ′", "'") | dict.fromkeys("“”„″", '"')
)
_FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
_N = r"(?<!\d)(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?!\d)(?:\.\d{1,6})?"
_TOKEN = re.compile(
    r"(?P<dice>(?<!\w)\d{0,3}[dD](?:\d{1,4}|%)(?![^\Wx])(?:\s?[-+x×*]\s?\d{1,5}(?![\ddD]))?)"
    rf"|(?P<sign>(?<![\w)\]'\"%.])[-+])?(?P<number>{_N}|(?<!\w)[½¼¾⅓⅔])"
    rf"(?:(?P<plus>\+\d{{1,2}}(?!\w))|(?P<ordinal>st|nd|rd|th)\b|(?P<over>/\d{{1,2}}(?:-(?:\d\d/)?\d\d)?(?![\w/]))"
    rf"|(?P<part>\s?[½¼¾⅓⅔]|\s1/[234](?![\w/]))|(?P<high>-(?:\d\d/)?{_N}(?:/\d\d)?(?![\w]))?)?"
    r"(?P<unit>[%'\"](?!\w))?"
    r"|(?P<word>\b(?:[A-Za-z]\.){2,4}|[^\W\d_]+(?:'[^\W\d_]+)?)|(?P<end>[.!?](?=\s|$)|\n)|(?P<mark>[,;:()|/=×*+-])"
)
_MULTIPLES = (
    "double/2 doubled/2 twice/2 triple/3 tripled/3 thrice/3 quadruple/4 quintuple/5 half/1/2 once/1 dozen/12"
)
_COUNTED = dict(pair.split("/", 1) for pair in _MULTIPLES.split())
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 10 * n for n, word in enumerate(_TENS_WORDS.split(), 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
UNITS = {
    alias: name
    for name, aliases in {
        "foot": "ft", "inch": "", "yard": "yd", "mile": "", "gp": "gold", "sp": "silver", "cp": "copper",
        "ep": "electrum", "pp": "platinum", "pound": "lb", "%": "percent", "day": "", "week": "", "month": "",
        "year": "", "action": "", "round": "", "turn": "", "segment": "", "hour": "", "minute": "",
    }.items()
    for alias in (name, *aliases.split())
}  # fmt: skip
_COMPOUND = re.compile(r"-([^\W\d_]+)")
_COUNTING = terms.NUMBER_WORDS.keys() | _COUNTED.keys() | _TENS.keys() | _SCALES.keys()
_SPECIAL = UNITS.keys() | _COUNTING
_MARKS = {"'": "foot", '"': "inch", "%": "%"}
PENALTY = frozenset(
    ["penalty", "minus", "less", "lose", "subtract", "deduct", "reduce", "worse", "lower", "reduction"]
)


class Value(NamedTuple):
    """`amount`: "5", "5-8", "2d6+1", "1/2", "18/00"; `parts`: the numbers in it, where there are several."""

    amount: str
    sign: str = ""
    unit: str = ""
    parts: tuple[str, ...] = ()
    spelled: bool = False

    @property
    def kind(self) -> str:
        return "dice" if "d" in self.amount else "range" if "-" in self.amount else "number"


class Token(NamedTuple):
    """A word's `stem`, or a sign; with a `value` what is counted. `end` is behind its unit."""

    stem: str
    start: int
    end: int
    sentence: int
    value: Value | None = None


def read(text: str, *, whole: bool = False) -> list[Token]:
    """The words, values and signs of `text`, in order; `start` and `end` are positions in it. `whole`: it is
    one sentence, whatever stands in it."""
    found: list[Token] = []
    sentence = 0
    for match in _TOKEN.finditer(text if text.isascii() else text.translate(_PLAIN)):
        kind = match.lastgroup
        start, end = match.span()
        if kind == "word":
            # "A.C." is AC.
            written = match[0].replace(".", "")
            stems = _stems(written)
            for stem in stems:
                found.append(Token(stem, start, end, sentence))
            if stems and stems[-1] in _SPECIAL and not _in_compound(match):
                _count(found)
        elif kind == "end":
            sentence += not whole
        elif kind == "mark":
            found.append(Token(match[0], start, end, sentence))
        else:
            value = Value(_plain(match[0])) if kind == "number" and not match["sign"] else _value(match)
            found.append(Token("", start, end, sentence, value))
            _join_range(found)
    return found


@lru_cache(maxsize=8192)
def _stems(word: str) -> tuple[str, ...]:
    """Of an abbreviation of the game the stems of what it stands for."""
    lower = word.lower()
    if len(lower) <= 3 and (word.isupper() or lower not in terms.STOP_WORDS):
        known = labels.attribute(word)
        if known and known != lower and " ".join(terms.stems(known)) != lower:
            return tuple(terms.stems(known))
    if "'" in lower and lower.endswith(("n't", "'re", "'ll", "'ve")):
        return ("not",) if lower.endswith("n't") else ()
    if not lower.isascii():
        return tuple(terms.stems(word))
    stem = terms.stem(lower)
    # "Does" stays what it is.
    return (lower if lower in terms.STOP_WORDS and stem not in terms.STOP_WORDS else stem,)


def _in_compound(word: re.Match[str]) -> bool:
    """Whether it is the beginning of a word that counts nothing: "half-orc", "two-handed"."""
    behind = _COMPOUND.match(word.string, word.end())
    return behind is not None and not {terms.stem(behind[1].lower())} & _SPECIAL


def first_stem(word: str) -> str:
    """The stem of the first word that `read` makes of one word; "" of none."""
    return next(iter(_stems(word)), "")


def _value(match: re.Match[str]) -> Value:
    if dice := match["dice"]:
        count, rest = dice.lower().split("d", 1)
        return Value(f"{int(count or 1)}d{''.join(rest.split()).replace('×', 'x').replace('*', 'x')}")
    amount = _plain(match["number"])
    parts: tuple[str, ...] = ()
    if match["part"]:
        amount = f"{amount} {_FRACTIONS.get(match['part'].strip(), match['part'].strip())}"
    elif match["over"]:
        over = match["over"][1:]
        # A fraction and a score of strength are one number; moving 9"/15" is two.
        if amount != "18" and int(amount) > 3 and over.isdigit():
            parts = (amount, _plain(over))
        amount += match["over"]
    elif match["plus"]:
        amount += match["plus"]
    elif match["high"]:
        high = match["high"][1:]
        parts = (amount, _plain(high))
        amount = f"{amount}-{_plain(high)}"
    unit = _MARKS.get(match["unit"] or "", "")
    return Value(amount, match["sign"] or "", unit, parts)


def _plain(number: str) -> str:
    if number in _FRACTIONS:
        return _FRACTIONS[number]
    if "/" in number:
        return number
    number = number.replace(",", "")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number.lstrip("0") or "0"


def _count(found: list[Token]) -> None:
    """Make the last word a value, or part of one, or its unit, if it is that."""
    word = found[-1]
    before = found[-2] if len(found) > 1 and found[-2].sentence == word.sentence else None
    # "8-foot", "one hundred and fifty"
    linked = before is not None and before.stem in ("-", "and")
    if linked:
        before = found[-3] if len(found) > 2 and found[-3].value else None
    stem = word.stem
    if before is not None and (value := before.value):
        unit = UNITS.get(stem)
        if (
            unit
            and found[-2].stem != "and"
            and not value.unit
            and value.kind != "dice"
            and word.start - before.end <= 1
        ):
            found[-3 if linked else -2 :] = [before._replace(value=value._replace(unit=unit), end=word.end)]
            return
        if stem in _SCALES and value.amount.isdigit() and (value.spelled or before.end + 1 == word.start):
            total = int(value.amount)
            low = total % 1000
            total = total - low + low * 100 if stem == "hundred" else total * _SCALES[stem]
            _merge(found, before, word, total, linked)
            return
    number = terms.NUMBER_WORDS.get(stem) or _COUNTED.get(stem)
    if stem in _TENS:
        number = str(_TENS[stem])
    elif stem in _SCALES:
        number = str(_SCALES[stem])
    if number is None:
        return
    if before is not None and (value := before.value) and value.spelled and value.amount.isdigit():
        total, more = int(value.amount), int(number) if number.isdigit() else 0
        if (0 < more < 10 and total % 10 == 0 and total >= 20) or (
            0 < more < 100 and total % 100 == 0 < total
        ):
            _merge(found, before, word, total + more, linked)
            return
    found[-1] = word._replace(stem=stem, value=Value(number, spelled=True))


def _merge(found: list[Token], before: Token, word: Token, total: int, linked: bool) -> None:
    value = Value(str(total), spelled=True)
    found[-3 if linked else -2 :] = [before._replace(value=value, end=word.end)]


def _join_range(found: list[Token]) -> None:
    """ "5 to 8", "between 5 and 8", "5 through 8" are one range."""
    if len(found) < 3 or not (low := found[-3].value) or not (high := found[-1].value):
        return
    between = found[-2].stem == "and" and len(found) > 3 and found[-4].stem == "between"
    if (found[-2].stem not in ("to", "through") and not between) or found[-3].sentence != found[-1].sentence:
        return
    if (
        low.amount.isdigit()
        and high.amount.isdigit()
        and int(low.amount) < int(high.amount)
        and not high.sign
    ):
        both = Value(f"{low.amount}-{high.amount}", low.sign, high.unit, (low.amount, high.amount))
        found[-3:] = [found[-3]._replace(value=both, end=found[-1].end)]


def words(tokens: Iterable[Token]) -> list[str]:
    """The stems of the words among them."""
    return [token.stem for token in tokens if token.stem[:1].isalpha()]
