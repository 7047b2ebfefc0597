"""Text as words and values: numbers, ranges, dice, fractions, scores, each in one form however it is written.

1,000 = 1000 = one thousand, ½ = 1/2, 1d8 = d8, 30 feet = 30' = thirty ft. Nothing is judged here but sums.
Time is linear in the text.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
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
_DICE = re.compile(r"(\d{1,4}|%)(?:([-+x])(\d{1,5}))?")
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
_STATED_IN = frozenset(("foot", "inch", "yard"))
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
    for match in _TOKEN.finditer(text.translate(_PLAIN)):
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
    if len(word) <= 5 and (word.isupper() or lower not in terms.STOP_WORDS):
        known = labels.attribute(word)
        if known and known != lower and len(lower) <= 3 and " ".join(terms.stems(known)) != lower:
            return tuple(terms.stems(known))
    if "'" in lower and lower.endswith(("n't", "'re", "'ll", "'ve")):
        return ("not",) if lower.endswith("n't") else ()
    return (terms.stem(lower),) if lower.isascii() else tuple(terms.stems(word))


def _in_compound(word: re.Match[str]) -> bool:
    """Whether it is the beginning of a word that counts nothing: "half-orc", "two-handed"."""
    behind = _COMPOUND.match(word.string, word.end())
    return behind is not None and not {terms.stem(behind[1].lower())} & (UNITS.keys() | _COUNTING)


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


def same(said: Value, stated: Value, penalty: bool = False) -> bool:
    """Whether they are one value; one of several numbers in `stated` will do. `penalty`: of a number without
    a sign, that it is taken off."""
    if said.amount != stated.amount and said.amount not in stated.parts:
        return False
    if said.unit and stated.unit and said.unit != stated.unit and not {said.unit, stated.unit} <= _STATED_IN:
        return False
    if (said.sign == "-") != (stated.sign == "-"):
        return penalty and "+" not in (said.sign, stated.sign)
    return True


@lru_cache(maxsize=4096)
def bounds(value: Value | None) -> tuple[float, float] | None:
    """The least and the greatest that it can be; None of what is no number."""
    if value is None:
        return None
    try:
        if value.kind == "dice":
            count, rest = value.amount.split("d", 1)
            sides, sign, more = _DICE.fullmatch(rest).groups()  # type: ignore[union-attr]
            low, high = float(count), float(count) * float(100 if sides == "%" else sides)
            change = {"+": operator.add, "-": operator.sub, "x": operator.mul}.get(sign)
            return (change(low, float(more)), change(high, float(more))) if change else (low, high)
        numbers = [_float(part) for part in value.parts or (value.amount,)]
    except (ValueError, AttributeError):
        return None
    if value.sign == "-":
        numbers = [-number for number in numbers]
    return min(numbers), max(numbers)


def _float(amount: str) -> float:
    whole, _, fraction = amount.rpartition(" ")
    if "/" in fraction:
        over, under = fraction.split("/")
        return float(whole or 0) + int(over) / (int(under) or 1)
    base, _, more = amount.partition("+")
    return float(base) + float(more or 0) / 10


_OPERATORS = {"+": "+", "-": "-", "×": "*", "x": "*", "*": "*", "/": "/", "÷": "/", "plus": "+", "minus": "-",
              "times": "*"}  # fmt: skip
# So many tokens before "=" a sum may begin.
_LONGEST_SUM = 40
_NEAR_DICE = 6


def sums(tokens: Sequence[Token], source: str) -> dict[int, str]:
    """The results of sums that are shown ("5 × 8 = 40", "2d6 averages 7"), by place: "" of a right one, else
    the sum with what comes out. `source` is the text of the tokens."""
    found: dict[int, str] = {}
    for at, token in enumerate(tokens):
        if token.stem == "=":
            result = next((i for i in (at + 1, at + 2) if i < len(tokens) and tokens[i].value), None)
            worked = _worked_out(tokens, at)
            stated = bounds(tokens[result].value) if result else None
            if result is None or worked is None or stated is None:
                continue
            first, (low, high) = worked
            if low != high and stated[0] == stated[1]:
                continue
            right = abs(stated[0] - low) < 0.01 and abs(stated[1] - high) < 0.01
            shown = f"{low:g}" if low == high else f"{low:g}-{high:g}"
            found[result] = "" if right else f"{source[tokens[first].start : tokens[at - 1].end]} = {shown}"
        elif token.stem == "average":
            near = range(max(0, at - _NEAR_DICE), min(len(tokens), at + _NEAR_DICE + 1))
            dice = [i for i in near if (v := tokens[i].value) and v.kind == "dice"]
            plain = [i for i in near if (v := tokens[i].value) and v.kind == "number"]
            plain = [i for i in plain if i > at] or plain
            if len(dice) == 1 and plain and (limits := bounds(tokens[dice[0]].value)):
                stated, mean = bounds(tokens[plain[0]].value), sum(limits) / 2
                if stated:
                    shown = source[tokens[dice[0]].start : tokens[dice[0]].end]
                    found[plain[0]] = "" if abs(stated[0] - mean) <= 0.5 else f"{shown} averages {mean:g}"
    return found


def _worked_out(tokens: Sequence[Token], end: int) -> tuple[int, tuple[float, float]] | None:
    """The sum before the sign at `end`: its first token, and what comes out at least and at most."""
    numbers: list[tuple[float, float]] = []
    operators: list[str] = []
    first, wanted = end, True
    for at in range(end - 1, max(-1, end - _LONGEST_SUM), -1):
        token = tokens[at]
        if token.value:
            limits = bounds(token.value)
            if limits is None or (not wanted and not tokens[first].value.sign):  # type: ignore[union-attr]
                break
            if not wanted:
                # "5 +3": the sign is the number's.
                operators.insert(0, "+")
            numbers.insert(0, limits)
            first, wanted = at, False
        elif token.stem in _OPERATORS:
            if wanted:
                return None
            operators.insert(0, _OPERATORS[token.stem])
            wanted = True
        elif not token.stem[:1].isalpha() or token.stem in ("is", "be", "are"):
            break
    if wanted:
        operators = operators[1:]
    # Dice and what is added to them are one value.
    summed = len(numbers) > 1 or (len(numbers) == 1 and numbers[0][0] < numbers[0][1])
    if not summed or len(operators) != len(numbers) - 1:
        return None
    # Products first.
    added = [("+", numbers[0])]
    for sign, (low, high) in zip(operators, numbers[1:], strict=True):
        before, (least, most) = added[-1]
        if sign == "*":
            added[-1] = (before, (least * low, most * high))
        elif sign == "/":
            if not low or not high:
                return None
            added[-1] = (before, (least / high, most / low))
        else:
            added.append((sign, (low, high)))
    low = sum(one[0] if sign == "+" else -one[1] for sign, one in added)
    high = sum(one[1] if sign == "+" else -one[0] for sign, one in added)
    return first, (low, high)
