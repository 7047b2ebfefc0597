"""Makes the labels of rows whole, and finds the columns that label them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from app.index import labels
from app.index.reading.cells import clean, is_nothing, label

_FEWEST_RANGES = 3
# A cell of so many blanks is prose, which may go on in lower case; of fewer it may be a list of names.
_PROSE = 3
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]{3}")
_DITTO = re.compile(r"\"|''|[″”„〃]|\^\^|ditto|do\.", re.IGNORECASE)
_GOES_ON = re.compile(r"[a-z(+&/,;]")
_OPEN_END = re.compile(r"(?:[,;:/&-]|\b(?:and|or|of|the|with|to|per))$")


class Table(NamedTuple):
    """`columns`: the first labels the rows; () where headings are not known. `over`: a heading of it all."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    over: str = ""


def labelled(columns: tuple[str, ...], body: list[list[str]], over: str, spanned: bool = False) -> Table:
    """The rows with full labels: of what is set under a row, goes on with it or is merged with it as well.

    `spanned`: a merged label stands in each of its rows.
    """
    rows: list[list[str]] = []
    sections: list[str] = []
    section = group = ""
    below_group = merged = False
    for raw in body:
        text, below = label(raw[0])
        cells = [clean(cell) for cell in raw[1:]]
        if len(cells) > 1 and set(cells) == {text} and _LETTERS.search(text):
            # A heading that was merged over all columns.
            cells = [""] * len(cells)
        cells = [
            above if rows and _DITTO.fullmatch(cell) else cell
            for cell, above in zip(cells, rows[-1][1:] if rows else cells, strict=True)
        ]
        filled = any(cells)
        if not text and rows and filled:
            if _continues(rows[-1][1:], cells):
                rows[-1][1:] = [
                    " ".join(filter(None, pair)) for pair in zip(rows[-1][1:], cells, strict=True)
                ]
                continue
            apart = not (labels.spans(rows[-1][0]) and labels.spans(cells[0]))
            if len(cells) > 1 and all(cells) and all(rows[-1]) and apart:
                merged = True
                text = rows[-1][0]
        elif below:
            text = f"{group}, {text}" if group else text
            below_group = True
        elif text:
            group = text
            if not filled and columns:
                section = text
        rows.append([text, *cells])
        sections.append(section if not below and filled else "")
    if not below_group:
        _told_apart(rows, sections)
    if columns and (merged or _repeats(rows, spanned)):
        columns, rows = _two_labels(columns, rows)
    return Table(columns, tuple(map(tuple, rows)), over)


def _continues(above: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether each of `cells` that is not empty goes on with the text above it."""
    pairs = [(before, after) for before, after in zip(above, cells, strict=True) if after]
    return len(pairs) < len(cells) and all(
        _OPEN_END.search(before)
        or (before and _GOES_ON.match(after) and (not after[0].isalpha() or before.count(" ") >= _PROSE))
        for before, after in pairs
    )


def _told_apart(rows: list[list[str]], sections: Sequence[str]) -> None:
    """Labels that stand under several headings inside the table are said with theirs."""
    often = Counter(row[0] for row, section in zip(rows, sections, strict=True) if section and any(row[1:]))
    for row, section in zip(rows, sections, strict=True):
        if section and often[row[0]] > 1 and any(row[1:]):
            row[0] = f"{section}, {row[0]}"


def _repeats(rows: Sequence[Sequence[str]], spanned: bool) -> bool:
    """Whether labels stand in groups of the same, as merged cells do; a few are enough where names follow."""
    told = [row[0] for row in rows if row[0]]
    few = spanned and not any(_DIGIT.search(row[1]) for row in rows if len(row) > 1)
    return (
        len(told) > 2
        and (len(set(told)) * 2 <= len(told) or (few and len(set(told)) < len(told)))
        and len(set(told)) == sum(1 for before, after in pairwise(["", *told]) if before != after)
    )


def _two_labels(columns: tuple[str, ...], rows: list[list[str]]) -> tuple[tuple[str, ...], list[list[str]]]:
    """The first two columns as one label where only both together tell the rows apart."""
    pairs = {(row[0], row[1]) for row in rows if any(row[1:])}
    told = [row for row in rows if any(row[1:])]
    if len(columns) < 3 or len(pairs) != len(told) or not all(row[1] for row in told):
        return columns, rows
    return (
        (", ".join(filter(None, columns[:2])), *columns[2:]),
        [[", ".join(filter(None, row[:2])), *row[2:]] for row in rows],
    )


def other_labels(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[int]]:
    """For each further column that labels the rows as the first does: its place, and those of the values.

    Beside fighters' levels stand clerics', each in ranges of its own that go on without a gap.
    """
    keys = [place for place in range(len(columns)) if _is_key([row[place] for row in rows])]
    values = [place for place in range(len(columns)) if place not in keys]
    return [[key, *values] for key in keys[1:]] if values and keys[:1] == [0] else []


def _is_key(cells: Sequence[str]) -> bool:
    """Whether `cells` are ranges each of which goes on where the last one ends."""
    spans = [labels.spans(cell) for cell in cells if not is_nothing(cell)]
    if len(spans) < _FEWEST_RANGES or not all(len(found) == 1 for found in spans):
        # One word among the numbers ("NM", "special") is a label, too.
        spans = [found for found in spans if len(found) == 1]
        if len(spans) < _FEWEST_RANGES or len(spans) + 1 < sum(not is_nothing(cell) for cell in cells):
            return False
    steps = [found[0] for found in spans]
    return any(step.low < step.high for step in steps[1:]) and all(
        0 < after.low - before.high <= 1 for before, after in pairwise(steps)
    )
