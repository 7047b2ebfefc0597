"""What the program's reader has of the cells that the other reader is sure of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.models import Fact
from tests.evaluation.truth import Cell, numbers, same_value

# Sentences under a heading are no statistics.
_LONGEST = 120


class Compared(NamedTuple):
    """`missing`: cells it does not have; `differing`: cells for which it has another value."""

    missing: list[Cell]
    differing: list[tuple[Cell, Fact]]


def compared(stated: Sequence[Cell], facts: Iterable[Fact]) -> Compared:
    by_passage: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_passage[fact.passage].append(fact)
    missing, differing = [], []
    for cell in stated:
        if len(cell.value) > _LONGEST:
            continue
        mine = [fact for fact in by_passage[cell.passage] if _means(fact, cell)]
        if any(same_value(fact.value, cell.value) for fact in mine):
            continue
        missing.append(cell)
        differing += [(cell, fact) for fact in mine]
    return Compared(missing, differing)


def _means(fact: Fact, cell: Cell) -> bool:
    """Whether a fact has the labels of a cell: its column, or a number of it written out; and its row."""
    label, span = _letters(cell.column), numbers(cell.column)
    column = _letters(fact.column or fact.attribute)
    one = re.search(r"(\d+)$", column)
    fits = column.endswith(label) or (span and one and span.low <= int(one[1]) <= (span.high or int(one[1])))
    # "~ Riding" below "Saddle" is "Saddle: Riding".
    row = not fact.row or not cell.row or _letters(fact.row).endswith(_letters(cell.row))
    return bool(fits) and (row or f"-row-{cell.place}" in cell.passage)


def _letters(label: str) -> str:
    return re.sub(r"[^a-z0-9+%]", "", re.sub(r"(?<=\d),(?=\d)", "", label.lower()))
