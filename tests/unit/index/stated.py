"""What the reader finds in one passage, or in a few, as short tuples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.index.reader import Reading, read
from app.models import Passage

Cells = list[tuple[str, str, str]]


def passage(text: str, name: str = "Test Table", identity: str = "p", **metadata: Any) -> Passage:
    return Passage(identity, text, {"name": name, "type": "table", **metadata})


def reading(text: str, **metadata: Any) -> Reading:
    return read([passage(text, **metadata)])


def cells(text: str, **metadata: Any) -> Cells:
    """Row, column and value of every cell that is a fact."""
    return cells_of(reading(text, **metadata))


def cells_of(found: Reading) -> Cells:
    return [
        (fact.row or "", fact.attribute, fact.value)
        for grid in found.grids
        if grid.kind == "table"
        for fact in grid.facts()
    ]


def blocks(text: str, name: str = "Owlbear", **metadata: Any) -> Mapping[str, Mapping[str, str]]:
    """Subject → attribute → value."""
    found = read([passage(text, name, type="monster", **metadata)])
    assert all(grid.kind == "block" for grid in found.grids)
    return {grid.title: {fact.attribute: fact.value for fact in grid.facts()} for grid in found.grids}


def whys(text: str, **metadata: Any) -> list[str]:
    return [unread.why for unread in reading(text, **metadata).unread]
