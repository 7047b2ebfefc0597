"""An answer taken apart while it is written: citations of passages that do not exist are taken out of it, and
what is left is divided into statements: sentences, list entries, the cells of its tables.

The whole answer and its pieces go through the same machines, so that what a reader sees while it is written
is what is checked in the end, however the words arrive. Time and memory are linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_NUMBERS = r"\[([0-9]{1,3}(?:\s*[,;–-]\s*[0-9]{1,3})*)\]"
# `[1]`, `[1, 3]`, `[2-4]`, and the blank before it; no Markdown link. As public_html/markdown.js has it.
CITATION = re.compile(rf"[ \t]?{_NUMBERS}(?!\()")
_WHOLE = re.compile(rf"[ \t]?{_NUMBERS}")
_INSIDE = frozenset("0123456789,;–-")
_BLANKS = (" ", "\t")
# A wider range is two numbers and not a range.
_WIDEST_RANGE = 50
# The end of a sentence, with the citations behind it; what follows begins another one.
_END = re.compile(r"[.!?][\"'”’)*_]{0,4}(?:[ \t]?\[[0-9 ,;–-]{1,40}\]){0,20}[ \t]+(?=[^\sa-z\[])")
_STOP = re.compile(r"[.!?]")
_LONGEST_END = 80
_ABBREVIATED = re.compile(
    r"(?:^|[\s(.])(?:[a-z]|vs|ft|in|lbs?|no|e\.g|i\.e|approx|pp?|st|mr|dr|etc|cf|max|min|yds?)\.$", re.I
)
_LIST = re.compile(r"[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t]+")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
_RULE = frozenset("|-: \t")
# Longer without an end it is cut, at a blank.
_LONGEST = 2000
# So many cells of a row are read, and so much of a label is said of them.
_MOST_CELLS, _LONGEST_LABEL = 60, 100
# By so many characters a line's beginning says what it is.
_SHORTEST = 8


class Citations:
    """Takes citations above `passages` out of the text it is fed; `cited` and `removed`: the numbers so far.

    What is left of `[[9]7]` when `[9]` is gone is a citation again.
    """

    def __init__(self, passages: int) -> None:
        self.cited: list[int] = []
        self.removed: list[int] = []
        self._existing = range(1, passages + 1)
        # What has not been let go: a blank that goes when the citation after it does, and what may become
        # citations, one inside the other, which begin at these positions.
        self._held: list[str] = []
        self._begun: list[int] = []
        # The innermost is whole: the next character says whether it is one, or the text of a link.
        self._whole = False

    def feed(self, text: str) -> str:
        """As much of the text until here as will stay as it is."""
        ready = []
        at = 0
        while at < len(text):
            if not self._begun:
                # Most of an answer: no bracket far and wide.
                bracket = text.find("[", at)
                end = len(text) if bracket < 0 else bracket
                self._held.append(text[at:end])
                ready.append(self._let_go())
                at = end
                if bracket < 0:
                    break
            ready.append(self._next(text[at]))
            at += 1
        return "".join(ready)

    def end(self) -> str:
        """The rest."""
        if self._whole:
            self._decide("")
        rest = "".join(self._held)
        self._held.clear()
        self._begun.clear()
        return rest

    def _next(self, character: str) -> str:
        if self._whole:
            self._decide(character)
        if character == "[":
            self._begun.append(len(self._held) - (self._held[-1:] in ([" "], ["\t"])))
            self._held.append(character)
            return ""
        self._held.append(character)
        if self._begun and (character in _INSIDE or character.isspace()):
            return ""
        if self._begun and character == "]" and _WHOLE.fullmatch("".join(self._held[self._begun[-1] :])):
            self._whole = True
            return ""
        return self._let_go()

    def _let_go(self) -> str:
        """All that is held, as none of it becomes a citation any more; but for a blank at its end."""
        self._begun.clear()
        text = "".join(self._held)
        kept = text[-1:] if text.endswith(_BLANKS) else ""
        self._held = [kept] if kept else []
        return text[: len(text) - len(kept)]

    def _decide(self, character: str) -> None:
        """What becomes of the citation that is whole, before `character`."""
        self._whole = False
        start = self._begun.pop()
        citation = "".join(self._held[start:])
        if character == "(":
            self._begun.clear()
            return
        cited = numbers(citation)
        kept = [n for n in cited if n in self._existing]
        self.cited += kept
        self.removed += [n for n in cited if n not in self._existing]
        blank = citation[:1] if citation[0] != "[" else ""
        if kept:
            self._begun.clear()
            if len(kept) < len(cited):
                self._held[start:] = [f"{blank}[{', '.join(map(str, kept))}]"]
        else:
            # The blank goes with it, or with the next one: "a [9][1]" becomes "a [1]".
            self._held[start:] = [blank] if blank and character == "[" else []


def numbers(citation: str) -> list[int]:
    """The numbers of passages that a citation (as CITATION finds it) has, in order."""
    found: list[int] = []
    for part in re.split(r"[,;]", citation):
        first, *last = (int(n) for n in re.findall(r"[0-9]+", part))
        found += (
            range(first, last[0] + 1) if last and first < last[0] <= first + _WIDEST_RANGE else [first, *last]
        )
    return found


class Statement(NamedTuple):
    """`text` as it is written, in one line; `above`: the labels of a table's cell. `unit`: a number that the
    cells of one row share. `heading`: it only says what follows is about. `entry`: of a list or a table."""

    text: str
    cites: tuple[int, ...] = ()
    unit: int = 0
    above: str = ""
    heading: bool = False
    entry: bool = False


class Statements:
    """Takes the text of an answer piece by piece. Time and memory are linear in it."""

    def __init__(self) -> None:
        self._line = ""
        # The beginning of this line has been given out.
        self._begun = False
        self._entry = False
        self._unit = 0
        self._header: list[str] | None = None
        # What the line before a list or a table cites is said of all of it.
        self._introduced: tuple[int, ...] = ()

    def feed(self, piece: str) -> Iterator[Statement]:
        """The statements that are whole now."""
        *lines, self._line = (self._line + piece).split("\n")
        for line in lines:
            yield from self._take(line, whole=True)
        # Behind the sign that ends a sentence citations may stand.
        recent = max(0, len(self._line) - len(piece) - _LONGEST_END)
        if _STOP.search(self._line, recent) or len(self._line) > _LONGEST:
            yield from self._take(self._line, whole=False)

    def end(self) -> Iterator[Statement]:
        """The rest."""
        yield from self._take(self._line, whole=True)
        self._line = ""

    def _take(self, line: str, whole: bool) -> Iterator[Statement]:
        start = 0
        if not self._begun:
            if line.lstrip().startswith("|"):
                if whole:
                    yield from self._row(line)
                return
            if len(line) < _SHORTEST and not whole:
                return
            opening = _LIST.match(line)
            self._entry, self._header = opening is not None, None
            start = opening.end() if opening else 0
        for end in _END.finditer(line, start):
            before = line[max(start, end.start() - 8) : end.start() + 1]
            if not _ABBREVIATED.search(before):
                yield from self._said(line[start : end.end()])
                start, self._begun = end.end(), True
        if whole or len(line) - start > _LONGEST:
            yield from self._said(line[start:])
            start = len(line)
        self._begun = not whole and (self._begun or start == len(line))
        if not whole and self._begun:
            self._line = line[start:]

    def _said(self, text: str) -> Iterator[Statement]:
        if not text.strip(" \t*_#>-"):
            return
        self._unit += 1
        cites = cited(text)
        bare = CITATION.sub("", text).strip().rstrip("*_ ")
        heading = _HEADING.match(text) is not None or bare.endswith(":")
        if not self._entry:
            self._introduced = cites if heading else ()
        yield Statement(
            text, cites or (self._introduced if self._entry else ()), self._unit, "", heading, self._entry
        )

    def _row(self, line: str) -> Iterator[Statement]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")[:_MOST_CELLS]]
        if self._header is None:
            self._header = cells
            return
        if set(line) <= _RULE:
            return
        self._unit += 1
        row_cites = cited(line)
        label = _bare(cells[0])
        for at, cell in enumerate(cells):
            header = self._header[at] if at < len(self._header) else ""
            cites = row_cites or cited(header) or cited(self._header[0]) or self._introduced
            above = f"{label}, {_bare(header)}: " if at else f"{_bare(header)}: "
            yield Statement(cell, cites, self._unit, above, heading=at == 0, entry=True)


def _bare(cell: str) -> str:
    return CITATION.sub("", cell[:_LONGEST_LABEL]).replace("*", "").strip()


def cited(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(n for match in CITATION.finditer(text) for n in numbers(match[0])))
