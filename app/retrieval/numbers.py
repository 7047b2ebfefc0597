"""The numbers in a text and what each of them counts: "a 7th level fighter against AC 4" has level 7 and
armor class 4, "levels five to seven" has level 5 to 7.

Words are brought to the form in which rows and `query_must` can be held against a question: stems, number
words and ordinals as numbers, abbreviations written out.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from app.index import labels, terms
from app.retrieval.shorthand_rules import CLASSES, WORDS
from app.retrieval.vocabulary import ATTRIBUTES

# "-3" is negative where nothing stands before it: the 13 of "10-13" is 13. No part of "7.5" is a number.
_TOKEN = re.compile(
    r"(?<![\w.])-\d{1,9}(?![\w.]*\w)|(?<!\d)(?<!\d,)\d{1,3}(?:,\d{3})+(?![\w,])|\d+(?:\.\d+)+"
    r"|\d{1,2}\+\d(?!\w)|18/\d\d(?!\w)|[a-z0-9]+(?:'[a-z]+)*"
)
_INITIALS = terms.expression(r"\b(?:[a-z]\.){2,}")
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
# Of a text with more numbers the rest are words alone: nobody asks for so many rows.
_MOST_NUMBERS = 200
_ORDINAL_WORDS = frozenset(list(terms.NUMBER_WORDS)[1::2])
# Behind one of these a number is a level: "fighter 7".
_PEOPLE = frozenset(terms.stems(" ".join(CLASSES.values())))


class Number(NamedTuple):
    """The numbers from `low` to `high`, as `app.index.labels` reads them: hit dice 6+6 are 6.6.

    `of`: the stems of what they count, "" if that is not said; `words`: of the numbers themselves.
    """

    low: float
    high: float
    of: str
    words: tuple[str, ...] = ()

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
            if number.of and number.low == int(number.low)
            for value in range(int(number.low), int(number.high) + 1)
        ][:_MOST_PHRASES]


class _Word(NamedTuple):
    stem: str
    # What stands between it and the word before.
    gap: str = ""
    value: float | None = None
    ordinal: bool = False
    written: str = ""


# A question is held against many passages, and rows of one table demand the same terms.
@lru_cache(maxsize=2048)
def read(text: str) -> Numbered:
    """The words and numbers of `text`; time is linear in its length."""
    text = terms.fold(text)
    if "." in text:
        text = _INITIALS.sub(lambda match: match[0].replace(".", ""), text)
    words = _words(text)
    numbers: list[Number] = []
    n = 0
    while n < len(words) and len(numbers) < _MOST_NUMBERS:
        if words[n].value is None:
            n += 1
            continue
        first, ends = n, [(n, n)]
        # "5, 6 and 7", "5th to 7th", "5-7" count the same.
        while (found := _next(words, n)) is not None:
            low, n = n, found[0]
            is_range = found[1] and ends[-1] == (low, low)
            if is_range and _value(words[low]) < _value(words[n]) <= _value(words[low]) + _WIDEST:
                ends[-1] = (low, n)
            else:
                ends.append((n, n))
        of = _counted(words, first, n)
        for low, high in ends:
            written = tuple(terms.stems(f"{words[low].written} {words[high].written}"))
            numbers.append(Number(_value(words[low]), _value(words[high]), of, written))
        n += 1
    return Numbered(tuple(word.stem for word in words), tuple(numbers))


def _value(word: _Word) -> float:
    return word.value or 0


def _words(text: str) -> list[_Word]:
    words: list[_Word] = []
    end = 0
    for match in _TOKEN.finditer(text):
        token, gap, end = match[0].replace(",", ""), text[end : match.start()].strip(), match.end()
        token = terms.NUMBER_WORDS.get(token, token) if token.isalpha() else token
        if number := _NUMBER.fullmatch(token):
            ordinal = bool(number[2]) or match[0] in _ORDINAL_WORDS
            written = token if match[0].isalpha() else match[0]
            words.append(_Word(str(int(number[1])), gap, int(number[1]), ordinal, written))
        elif "+" in token or "/" in token:
            words.append(_Word(token, gap, labels.spans(token)[0].low, False, match[0]))
        else:
            words += (_Word(stem, gap) for stem in terms.stems(WORDS.get(token, token)))
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
    """What the numbers from word `first` to `last` count: an ordinal what follows, else what is nearest."""
    after = [_after(words, last, between) for between in range(_MOST_BETWEEN)]
    before = [_before(words, first, between) for between in range(_MOST_BETWEEN + 1)]
    nearest = [before[0], after[0], *before[1:], *after[1:]]
    if words[last].ordinal:
        nearest = [*after, *before]
    counted = next(filter(None, nearest), "")
    return counted or ("level" if first and words[first - 1].stem in _PEOPLE else "")


def _before(words: list[_Word], n: int, between: int) -> str:
    """The attribute that ends before word `n` and so many small words."""
    end = n - between
    if any(word.stem not in _BETWEEN for word in words[max(0, end) : n]):
        return ""
    phrases = (words[start:end] for start in range(max(0, end - _LONGEST_ATTRIBUTE), end))
    return _attribute(phrases)


def _after(words: list[_Word], n: int, between: int) -> str:
    """The attribute that begins after word `n` and so many small words."""
    start = n + 1 + between
    if any(word.stem not in _BETWEEN for word in words[n + 1 : start]):
        return ""
    return _attribute(words[start:end] for end in range(start + _LONGEST_ATTRIBUTE, start, -1))


def _attribute(phrases: Iterable[list[_Word]]) -> str:
    texts = (" ".join(word.stem for word in phrase) for phrase in phrases)
    return next((text for text in texts if text in ATTRIBUTES), "")
