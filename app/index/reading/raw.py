"""A table as it was found in the text, before anything is known about its headings."""

from __future__ import annotations

from typing import NamedTuple

# A table of more is not read. The largest of the rule books have some 30 columns and 3,000 cells.
MOST_COLUMNS = 200
MOST_CELLS = 20_000


class RawTable(NamedTuple):
    """`head`: the rows that the text marks as headings, maybe none. All rows are equally long.

    `whys`: what of it was not read, and why. `merged`: the text says which cells are merged, and such a
    cell stands in every place that it covers; otherwise an empty heading may belong to the one on its left.
    """

    head: list[list[str]]
    body: list[list[str]]
    caption: str = ""
    whys: tuple[str, ...] = ()
    merged: bool = False


def squared(rows: list[list[str]]) -> list[list[str]]:
    """`rows` filled up with empty cells to the length of the longest."""
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]
