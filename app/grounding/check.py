"""Whether the passages support the answer: its citations, numbers and names are looked up, without a model.

What this finds is a reason to look, not a proof: a number worked out from two others stands in no passage,
and a wrong statement can be made of right numbers. What it does not find is no proof either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from app.grounding.citations import CITATION, Citations
from app.index import terms
from app.models import Passage

_DICE = re.compile(r"\b(\d*)\s?[dD]\s?(\d+|%)(?:\s?([+\-−–×x])\s?(\d+))?")
_NUMBER = re.compile(
    r"(?<![\w.,/])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w]|[.,]\d)|(?<![\w.,])\d+(?=(?:st|nd|rd|th)\b)"
)
_ORDERED_LIST = re.compile(r"^[ \t]*\d{1,2}[.)]\s", re.MULTILINE)
# A run of capitalised words: "Lay on Hands", "Mind Flayer". Abbreviations (AC, THAC0) are not names.
_WORD = r"[A-Z][a-z][a-z'’-]*"
_CAPITALISED = re.compile(rf"\b{_WORD}(?:(?: (?:of|the|and|to|on))? {_WORD})*")
# Before the first word of a sentence, a list entry, a heading, a cell, a quotation a capital says nothing.
_OPENING = re.compile(r"(?:[.!?:]\s+|\n\s*(?:[-*>#|]+\s*)*|\*\*|[(\"“‘|]\s*)$")
_OPENING_LENGTH = 12
# Said in any answer, whatever it is about.
_USUAL_NAMES = frozenset(
    terms.key(name) for name in ("Advanced Dungeons", "Dungeons", "Dragons", "Dungeon Master")
)
# A model counts by itself ("two monsters"): numbers are looked up only as digits, and from this one on.
_SMALLEST_NUMBER = 2


class Grounding(NamedTuple):
    """The report on one answer: what is in it that no passage has, each as the answer writes it, in order.

    `removed` and `cited`: citations without and with a passage; `numbers` and `names`: without support.
    """

    removed: tuple[int, ...]
    cited: tuple[int, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def supported(self) -> bool:
        return not (self.removed or self.numbers or self.names)

    def errors(self) -> list[str]:
        """Sentences for `errors`; none when everything has support."""
        found = []
        if self.removed:
            numbers = ", ".join(f"[{n}]" for n in self.removed)
            found.append(f"The answer cited passages that do not exist; removed: {numbers}")
        if self.numbers:
            found.append(
                f"Numbers in the answer that stand in none of the passages: {', '.join(self.numbers)}"
            )
        if self.names:
            found.append(f"Names in the answer that stand in none of the passages: {', '.join(self.names)}")
        return found


def ground(
    answer: str, passages: Sequence[Passage], question: str = "", known_names: Iterable[str] = ()
) -> tuple[str, Grounding]:
    """`answer` without citations of passages that do not exist, and the report on it.

    `passages` in prompt order; `question`: what it says needs no support; `known_names`: names the collection
    knows that stand in the answer (`app.retrieval.entities.read`), which are looked up however they are
    written.
    """
    citations = Citations(len(passages))
    cleaned = citations.feed(answer) + citations.end()
    prose = _ORDERED_LIST.sub("", CITATION.sub(" ", cleaned))
    source = terms.both_readings(
        "\n".join([question, *(f"{p.name}\n{p.hierarchy}\n{p.book}\n{p.text}" for p in passages)])
    )
    return cleaned, Grounding(
        tuple(dict.fromkeys(citations.removed)),
        tuple(dict.fromkeys(citations.cited)),
        _unsupported_numbers(prose, source),
        _unsupported_names(prose, source, known_names),
    )


def existing_citations(pieces: Iterable[str], passages: int) -> Iterator[str]:
    """`pieces` of an answer as it is written, without citations of passages that do not exist (above
    `passages`).

    What may be the beginning of a citation is held back until it is complete. The pieces join to what
    `ground` makes of the whole answer.
    """
    citations = Citations(passages)
    for piece in pieces:
        if ready := citations.feed(piece):
            yield ready
    if rest := citations.end():
        yield rest


def _unsupported_numbers(prose: str, source: str) -> tuple[str, ...]:
    known_dice = {_dice(match) for match in _DICE.finditer(source)}
    without_dice = _DICE.sub(" ", prose)
    missing = [match[0].strip() for match in _DICE.finditer(prose) if _dice(match) not in known_dice]
    known = {_value(number) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", source.replace("½", " 1/2"))}
    known |= {
        terms.NUMBER_WORDS[word]
        for word in re.findall(r"[a-z]+", source.lower())
        if word in terms.NUMBER_WORDS
    }
    for match in _NUMBER.finditer(without_dice):
        value = _value(match[0])
        if value not in known and float(value) >= _SMALLEST_NUMBER:
            missing.append(match[0])
    return tuple(dict.fromkeys(missing))


def _dice(match: re.Match[str]) -> tuple[str, str, str, str]:
    sign = {"−": "-", "–": "-", "×": "x"}.get(match[3] or "", match[3] or "")
    return (match[1] or "1", match[2], sign, match[4] or "")


def _value(number: str) -> str:
    plain = number.replace(",", "").rstrip(".")
    return plain.lstrip("0") or "0"


def _unsupported_names(prose: str, source: str, known_names: Iterable[str]) -> tuple[str, ...]:
    text = "".join(terms.stems(source))
    words = set(terms.stems(source))
    missing = []
    for match in _CAPITALISED.finditer(prose):
        start = match.start()
        name = match[0]
        if start == 0 or _OPENING.search(prose[max(0, start - _OPENING_LENGTH) : start]):
            # The first word is there for the sentence; what follows it may be a name all the same.
            _, _, name = name.partition(" ")
        # The words in any order: "Red Dragon" of "Dragon, Red".
        unknown = [stem for stem in terms.stems(name) if stem not in words and stem not in terms.STOP_WORDS]
        if unknown and terms.key(name) not in _USUAL_NAMES:
            missing.append((start, name))
    lowered = prose.lower()
    for name in known_names:
        if terms.key(name) not in text:
            missing.append((lowered.find(name.lower()), name))
    return tuple(dict.fromkeys(name for _, name in sorted(missing)))
