"""Reads what passages state, tables and statistics blocks, into grids. Used when the index is built.

What cannot be read with certainty is no fact: it is left out, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.index import blocks, markdown_tables
from app.index.grids import Grid, GridRow
from app.models import Passage


class Unread(NamedTuple):
    """What looks like a table or a block in the passage `id`, and why it is none."""

    id: str
    text: str
    why: str


class Reading(NamedTuple):
    grids: list[Grid]
    unread: list[Unread]


def read(passages: Sequence[Passage]) -> Reading:
    """All grids of `passages`, in their order."""
    grids: list[Grid] = []
    for passage in passages:
        grids += _tables(passage)
        if block := _block(passage):
            grids.append(block)
    return Reading(grids, [])


def _tables(passage: Passage) -> Iterator[Grid]:
    found = list(markdown_tables.read(passage.text.split("\n")))
    for table in found:
        own = len(found) == 1 or not table.caption
        title = passage.name if own else table.caption
        context = "\n".join(dict.fromkeys((passage.name, table.caption, passage.hierarchy)))
        yield Grid(
            title,
            context,
            table.columns,
            tuple(GridRow(passage.id, cells) for cells in table.rows),
            "table",
        )


def _block(passage: Passage) -> Grid | None:
    pairs = blocks.read(passage.text.split("\n"))
    if not pairs:
        return None
    columns, cells = zip(*pairs, strict=True)
    row = GridRow(passage.id, (passage.name, *cells))
    return Grid(passage.name, passage.hierarchy, ("", *columns), (row,), "block")
