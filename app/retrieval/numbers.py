"""The numbers in a text and what each of them counts: "a 7th level fighter against AC 4" has level 7 and
armor class 4, "levels five to seven" has level 5 to 7.

Words are brought to the form in which rows and `query_must` can be held against a question: stems, number
words and ordinals as numbers, abbreviations written out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from app.index import terms
from app.retrieval.shorthand_rules import CLASSES, WORDS
from app.retrieval.vocabulary import ATTRIBUTES

# "-3" is negative where nothing stands before it: the 13 of "10-13" is 13. No part of "7.5" is a number.
_TOKEN = re.compile(
    r"(?<![\w.])-\d{1,9}(?![\w.]*\w)|\d{1,3}(?:,\d{3})+(?![\w,])|\d+(?:\.\d+)+|[a-z0-9]+(?:'[a-z]+)*"
)
_INITIALS = re.compile(r"\b(?:[a-z]\.){2,}")
_NUMBER = re.compile(r"(-?\d{1,9})(st|nd|rd|th)?")
_LONGEST_ATTRIBUTE = 3
# Between a number and what it counts: "strength of 17", "17 in strength", "AC is 4".
_BETWEEN = frozenset(("of", "is", "at", "was", "are", "in", "a", "an", "score"))
_MOST_BETWEEN = 2
_TO = frozenset(("to", "through", "thru", "till", "until"))
_AND = frozenset(("and", "or", "versus", "vs"))
# A range of more numbers is its two ends; all ranges of a text together are written out to so many.
_WIDEST = 100
_MOST_PHRASES = 200
_ORDINAL_WORDS = frozenset(list(terms.NUMBER_WORDS)[1::2])
# Behind one of these a number is a level: "fighter 7".
_PEOPLE = frozenset(terms.stems(" ".join(CLASSES.values())))


class Number(NamedTuple):
    """The whole numbers from `low` to `high`. `of`: the stems of what they count, "" if that is not said."""

    low: int
    high: int
    of: str

    def meets(self, low: float, high: float) -> bool:
        return self.low <= high and low <= self.high


class Numbered(NamedTuple):
    """The words of a text, and its numbers in order."""

    words: tuple[str, ...]
    numbers: tuple[Number, ...]

    def phrases(self) -> list[str]:
        """Each number behind what it counts: "level 8" of "8th level"."""
        return [
            f"{number.of} {value}"
            for number in self.numbers
            if number.of
            for value in range(number.low, number.high + 1)
        ][:_MOST_PHRASES]


class _Word(NamedTuple):
    stem: str
    value: int | None = None
    ordinal: bool = False
    # What stands between it and the word before.
    gap: str = ""


# A question is held against many passages, and rows of one table demand the same terms.
@lru_cache(maxsize=2048)
def read(text: str) -> Numbered:
    """The words and numbers of `text`; time is linear in its length."""
    words = _words(_INITIALS.sub(lambda match: match[0].replace(".", ""), terms.fold(text)))
    numbers: list[Number] = []
    n = 0
    while n < len(words):
        if words[n].value is None:
            n += 1
            continue
        first, values = n, [words[n].value or 0]
        ranges: list[tuple[int, int]] = []
        # "5, 6 and 7", "5th to 7th", "5-7" count the same.
        while (found := _next(words, n)) is not None:
            other, is_range = found
            value = words[other].value or 0
            if is_range and values and values[-1] < value <= values[-1] + _WIDEST:
                ranges.append((values.pop(), value))
            else:
                values.append(value)
            n = other
        of = _counted(words, first, n)
        numbers += (Number(low, high, of) for low, high in [*ranges, *((value, value) for value in values)])
        n += 1
    return Numbered(tuple(word.stem for word in words), tuple(numbers))


def _words(text: str) -> list[_Word]:
    words: list[_Word] = []
    end = 0
    for match in _TOKEN.finditer(text):
        token, gap, end = match[0].replace(",", ""), text[end : match.start()].strip(), match.end()
        token = terms.NUMBER_WORDS.get(token, token) if token.isalpha() else token
        if number := _NUMBER.fullmatch(token):
            ordinal = bool(number[2]) or match[0] in _ORDINAL_WORDS
            words.append(_Word(str(int(number[1])), int(number[1]), ordinal, gap))
        else:
            words += (_Word(stem, None, False, gap) for stem in terms.stems(WORDS.get(token, token)))
    return words


def _next(words: list[_Word], n: int) -> tuple[int, bool] | None:
    """The number that is listed after the one at `n`, and whether both are the ends of a range."""
    for step in (1, 2):
        if n + step >= len(words) or words[n + step].value is None:
            continue
        gap = words[n + 1].gap
        if step == 1:
            return (n + 1, gap == "-") if gap and not gap.strip(",/&-") else None
        between = words[n + 1].stem
        if between in _TO or between in _AND:
            return n + 2, between in _TO
    return None


def _counted(words: list[_Word], first: int, last: int) -> str:
    """What the numbers from word `first` to `last` count."""
    before, after = _before(words, first), _after(words, last)
    if words[last].ordinal:
        return after or before
    if not before and first and words[first - 1].stem in _PEOPLE and not after:
        return "level"
    return before or after


def _before(words: list[_Word], n: int) -> str:
    for skipped in range(_MOST_BETWEEN + 1):
        end = n - skipped
        for start in range(max(0, end - _LONGEST_ATTRIBUTE), end):
            if (phrase := " ".join(word.stem for word in words[start:end])) in ATTRIBUTES:
                return phrase
        if end <= 0 or words[end - 1].stem not in _BETWEEN:
            break
    return ""


def _after(words: list[_Word], n: int) -> str:
    for start in (n + 1, n + 2):
        for end in range(min(len(words), start + _LONGEST_ATTRIBUTE), start, -1):
            if (phrase := " ".join(word.stem for word in words[start:end])) in ATTRIBUTES:
                return phrase
        if start >= len(words) or words[start].stem not in _BETWEEN:
            break
    return ""
