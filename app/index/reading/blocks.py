"""Reads statistics blocks: what an entry says as `KEY: value`, `**Key** value`, `AC 19; HP 225` and the like.

A line is certain if its key is a name that the game has for an attribute, or it stands among such lines, or
in a list of pairs under the heading. A line of prose that has a colon is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.index import labels
from app.index.reading.cells import clean
from app.index.reading.pairs import (
    COLON,
    LONGEST_LINE,
    LONGEST_VALUE,
    PLAIN_START,
    Pair,
    is_certain,
    one,
    several,
    unnamed,
)

# The lines of a passage after these are looked at for no block.
MOST_LINES = 20_000
_MARK = re.compile(r"^(?:>\s?)*(?:[-*+•·]\s+|\d{1,2}[.)]\s+(?=\*\*))?")
_HEADING = re.compile(r"^(?:#{1,6}\s+\S|(\*\*|__)[^*_]{1,60}\1:?$|(\*\*|__)[^*_]{1,60}:\2$)")
# Headings that only lay an entry out.
_LAYOUT_NAMES = (
    "statistics/stats/stat block/combat/description/actions/reactions/legendary actions/details/abilities"
    "/ability scores/general/characteristics/properties/overview/notes"
)
_LAYOUT = frozenset(_LAYOUT_NAMES.split("/"))


class Block(NamedTuple):
    """`heading`: what it is of; "" for the entry itself. `pairs`: each attribute once, as it is written."""

    heading: str
    pairs: list[tuple[str, str]]


class _Section:
    """What stands below one heading inside an entry."""

    def __init__(self, heading: str) -> None:
        self.heading = heading
        self.found: dict[str, tuple[str, str]] = {}

    def add(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Takes the pairs of lines that stand together, and gives back those that may be another entry's.

        All where one has another value of what was stated before; from a second Armor Class on, while a
        second line of skills is none by itself.
        """
        names = [labels.attribute(pair.key) for pair in pairs]
        if any(self.found.get(name, pair)[1] != pair.value for name, pair in zip(names, pairs, strict=True)):
            return list(pairs)
        left: list[Pair] = []
        for at, (name, pair) in enumerate(zip(names, pairs, strict=True)):
            if self.found.setdefault(name, (pair.key, pair.value))[1] != pair.value:
                if is_certain(pair.key):
                    return [*left, *pairs[at:]]
                left.append(pair)
        return left


def read(lines: Sequence[str]) -> tuple[list[Block], list[str]]:
    """What the entry in `lines` (without its heading) states; what looks like it and is not, and why.

    Parts of an entry that state the same attributes are entries of their own, called as they are headed.
    """
    sections = [_Section("")]
    whys: list[str] = []
    at_head = True
    if len(lines) > MOST_LINES:
        whys.append(f"more than {MOST_LINES:,} lines")
    for paragraph in _paragraphs(lines[:MOST_LINES]):
        if len(paragraph) == 1 and (heading := _heading(paragraph[0])) is not None:
            at_head = at_head or bool(heading)
            sections.append(_Section(heading))
            continue
        pairs, rest = _pairs(paragraph, at_head)
        sure = sum(pair.sure for pair in pairs)
        enough = (sure * 2 >= len(pairs) and (sure > 1 or (sure == 1 and at_head))) or (
            at_head and len(pairs) > 2
        )
        at_head = False
        if not enough:
            whys += [f"{_why(pair)}: {pair.key}: {pair.value}" for pair in pairs]
            continue
        whys += [f"a second value: {pair.key}: {pair.value}" for pair in sections[-1].add(pairs)]
        whys += [f"a line of a block that is no pair: {line}" for line in rest]
    return _apart(sections), whys


def _why(pair: Pair) -> str:
    return "a single line in the text" if pair.sure else "no name of an attribute"


def _apart(sections: Sequence[_Section]) -> list[Block]:
    names = [name for section in sections for name in section.found]
    if len(names) == len(set(names)):
        whole = [pair for section in sections for pair in section.found.values()]
        return [Block("", whole)] if whole else []
    own: dict[str, list[tuple[str, str]]] = {}
    for section in sections:
        if section.found:
            own.setdefault(section.heading, []).extend(section.found.values())
    return [Block(heading, pairs) for heading, pairs in own.items() if len(dict(pairs)) == len(pairs)]


def _heading(line: str) -> str | None:
    """The heading that `line` is, "" for one that only lays an entry out; None where it is none."""
    if not _HEADING.match(line):
        words = line.rstrip("*").split()
        short = len(words) <= 6 and len(line) <= 60 and not COLON.match(line) and line[-1] not in ".:;,!?"
        if (
            not short
            or not all(word[0].isupper() or len(word) < 4 for word in words)
            or not words[0][0].isupper()
            or several(line)
        ):
            return None
    text = clean(line.lstrip("#")).rstrip(":*").strip()
    return "" if text.lower() in _LAYOUT else text


def _paragraphs(lines: Sequence[str]) -> Iterator[list[str]]:
    """Lines that stand together. Pairs that are paragraphs of their own stand together, too."""
    current: list[str] = []
    blank = False
    for line in lines:
        line = _MARK.sub("", line.strip())
        if not line:
            blank = True
            continue
        if (current and (_HEADING.match(line) or _HEADING.match(current[-1]))) or (
            blank and current and not (_goes_on(line) and one(current[-1]))
        ):
            yield current
            current = []
        blank = False
        current.append(line)
    if current:
        yield current


def _goes_on(line: str) -> bool:
    """Whether `line`, a paragraph by itself, may belong to the pairs above it."""
    pair = one(line)
    return pair is not None and (pair.sure or line.startswith("**"))


def _pairs(paragraph: Sequence[str], at_head: bool) -> tuple[list[Pair], list[str]]:
    """The pairs in lines that stand together, and the lines that are none."""
    pairs: list[Pair] = []
    rest: list[str] = []
    plain = [line for line in paragraph if (start := PLAIN_START.match(line)) and is_certain(start[1])]
    for line in paragraph:
        may_be = ":" in line or "=" in line or line.startswith(("**", "__")) or PLAIN_START.match(line)
        # "name: gem", "value: 50 gp": a thing in a list, whose value is not the entry's.
        listed = line.startswith("name:") or (
            rest[-1:] and rest[-1].startswith("name:") and line[:6] == "value:"
        )
        if listed or len(line) > LONGEST_LINE:
            rest.append(line)
        elif may_be and (more := several(line)):
            pairs += more
        elif may_be and (pair := one(line)):
            pairs.append(pair)
        elif len(plain) > 1 and (start := PLAIN_START.match(line)):
            pairs.append(Pair(start[1], clean(line[start.end() :]), True))
        elif at_head and not pairs and (first := unnamed(line)):
            pairs += first
        elif pairs and not rest and line[0].islower() and len(pairs[-1].value) < LONGEST_VALUE:
            # A line that was broken goes on in the case it began in.
            pairs[-1] = pairs[-1]._replace(value=f"{pairs[-1].value} {clean(line)}")
        else:
            rest.append(line)
    return pairs, rest
