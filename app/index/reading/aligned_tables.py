"""Reads tables that are drawn with characters or set in columns: pandoc's grid, simple and multiline tables,
text parted by tabs or by wide blanks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from app.index.reading.raw import MOST_COLUMNS, RawTable, squared

_BORDER = re.compile(r"\+(?:[-=:]+\+)+")
_DASHES = re.compile(r"(?:-{2,}|={2,})(?: +(?:-{2,}|={2,}))*")
_GROUP = re.compile(r"-{2,}|={2,}")
_WIDE = re.compile(r" {2,}|\t+")
_WORDS = re.compile(r"\S+(?: \S+)*")
_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")
# Fewer lines that happen to have tabs or wide blanks are no table.
_FEWEST_LINES = 3
# A table of rows of several lines ends within so many.
_MOST_LINES = 2_000
Found = tuple[list[RawTable], int] | None


def grid(lines: Sequence[str], start: int) -> Found:
    """A table in a frame of `+---+---+`; a line of `=` ends its headings."""
    if not _BORDER.fullmatch(lines[start].strip()):
        return None
    end = start
    while end < len(lines) and lines[end].strip()[:1] in ("+", "|"):
        end += 1
    block = [line.strip() for line in lines[start:end]]
    edges = sorted({at for line in block if line[0] == "+" for at, sign in enumerate(line) if sign == "+"})
    if len(edges) - 1 > MOST_COLUMNS:
        return [], end
    rows: list[list[str]] = []
    heads = 0
    open_row: list[list[str]] | None = None
    for line in block:
        if line[0] == "+" or "+-" in line:
            if not _BORDER.fullmatch(line):
                return [RawTable([], [], whys=("a frame with cells merged downwards",))], end
            if open_row:
                rows.append([_lines(parts) for parts in open_row])
            open_row = None
            heads = len(rows) if "=" in line and rows else heads
            continue
        cells = [line[left + 1 : right] for left, right in pairwise(edges)]
        bars = [edge < len(line) and line[edge] == "|" for edge in edges]
        if not (bars[0] and bars[-1]):
            return [RawTable([], [], whys=("a line that is out of its frame",))], end
        open_row = open_row or [[] for _ in cells]
        text = ""
        first = 0
        for place, cell in enumerate(cells):
            text += cell
            if bars[place + 1]:
                for covered in range(first, place + 1):
                    open_row[covered].append(text.strip())
                text, first = "", place + 1
            else:
                text += line[edges[place + 1]]
    return [RawTable(rows[:heads], rows[heads:], merged=True)], end


def ruled(lines: Sequence[str], start: int) -> Found:
    """A table whose columns are as wide as the groups in a line of dashes below its headings.

    A line of dashes above begins a table of rows of several lines, parted by empty ones, or one without
    headings; a line of dashes ends it.
    """
    if _is_one_rule(lines[start]) or _is_columns(lines[start]):
        top, at = True, start + 1
    else:
        top, at = False, start
    head: list[str] = []
    while at < len(lines) and lines[at].strip() and not _is_columns(lines[at]) and len(head) < 4:
        head.append(lines[at])
        at += 1
    if (
        top
        and _is_columns(lines[start])
        and not (len(head) == 1 and at + 1 < len(lines) and _is_columns(lines[at]) and _is_row(lines[at + 1]))
    ):
        # Columns are given at once, and not again below a heading: what follows are rows without headings.
        head, at = [], start
    if at >= len(lines) or not _is_columns(lines[at]) or (not top and len(head) != 1):
        return None
    places = [found.span() for found in _GROUP.finditer(lines[at])]
    if len(places) > MOST_COLUMNS:
        return [], at + 1
    at += 1
    several = top and bool(head) and not _is_columns(lines[start]) and _is_closed(lines, at)
    rows: list[list[str]] = []
    whys: list[str] = []
    current: list[str] = []
    while at < len(lines):
        line = lines[at]
        closes = _is_columns(line) or _is_one_rule(line)
        if closes or not line.strip():
            if current:
                rows.append(_columns(current, places, whys))
                current = []
            at += 1
            if closes or not several:
                break
            continue
        if not several and current:
            rows.append(_columns(current, places, whys))
            current = []
        current.append(line)
        at += 1
    if current:
        rows.append(_columns(current, places, whys))
    if not rows:
        return None
    heading = [_columns(head, places, whys)] if head else []
    return [RawTable(heading, [row for row in rows if row], whys=tuple(whys))], at


def spaced(lines: Sequence[str], start: int) -> Found:
    """Lines with as many columns each, parted by tabs or by two blanks and more, the first the headings."""
    if not _WIDE.search(lines[start].strip()):
        return None
    rows: list[list[str]] = []
    at = start
    while at < len(lines) and len(cells := _split(lines[at])) == (len(rows[0]) if rows else len(cells)) > 1:
        rows.append(cells)
        at += 1
    if len(rows) < _FEWEST_LINES or len(rows[0]) > MOST_COLUMNS:
        return None
    if "\t" not in lines[start].strip() and not _is_aligned(lines[start:at]):
        return None
    if any(": " in cell or cell.endswith(":") for cell in rows[0]):
        # Pairs of a statistics block, several on a line.
        return None
    head, *body = rows
    # A heading is certain where below it stand figures, and none in it.
    figures = [all(_DIGIT.search(row[column]) for row in body) for column in range(len(head))]
    named = [bool(_LETTER.search(cell)) for cell in head]
    if (
        not any(figures)
        or not all(named)
        or any(_DIGIT.search(head[c]) for c, is_ in enumerate(figures) if is_)
    ):
        return [RawTable([], rows, whys=("columns without a heading that is certain",))], at
    return [RawTable([head], squared(body))], at


def _lines(parts: list[str]) -> str:
    return " ".join(part for part in parts if part)


def _is_one_rule(line: str) -> bool:
    line = line.strip()
    return len(line) >= 8 and set(line) in ({"-"}, {"="})


def _is_columns(line: str) -> bool:
    line = line.strip()
    return " " in line and _DASHES.fullmatch(line) is not None


def _is_closed(lines: Sequence[str], at: int) -> bool:
    return any(_is_one_rule(lines[number]) for number in range(at, min(at + _MOST_LINES, len(lines))))


def _is_row(line: str) -> bool:
    return bool(line.strip()) and not _is_columns(line) and not _is_one_rule(line)


def _columns(lines: list[str], places: list[tuple[int, int]], whys: list[str]) -> list[str]:
    """The cells of one row; [] where it is not certain to which column a word belongs.

    Words with one blank between them are of one cell if they touch one column only, else each is by itself.
    """
    cells: list[list[str]] = [[] for _ in places]
    for line in map(str.expandtabs, lines):
        for run in _WORDS.finditer(line):
            touched = _touched(run, places)
            words = [run] if len(touched) == 1 else list(_WORD.finditer(line, *run.span()))
            for word in words:
                touched = _touched(word, places)
                if len(touched) != 1:
                    whys.append(f"a row that is out of its columns: {line.strip()}")
                    return []
                cells[touched[0]].append(word[0])
    return [_lines(parts) for parts in cells]


def _touched(found: re.Match[str], places: list[tuple[int, int]]) -> list[int]:
    return [n for n, (left, right) in enumerate(places) if found.start() < right and found.end() > left]


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in _WIDE.split(line.strip())]


def _is_aligned(lines: Sequence[str]) -> bool:
    """Whether in each column all cells begin at one place, or end there."""
    spans = [[found.span() for found in _WORDS.finditer(line.rstrip())] for line in lines]
    if len({len(row) for row in spans}) != 1:
        return False
    return all(
        len({start for start, _ in column}) == 1 or len({end for _, end in column[1:]}) == 1
        for column in zip(*spans, strict=True)
    )
