"""What was read out of a collection as facts, and what was not, as people and machines read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from app.index.reader import Reading

# Of one passage so many things that were not read are shown; the JSON document has all.
_SHOWN = 3


def summary(reading: Reading) -> str:
    """One line."""
    facts = _counted(reading)
    line = f"{facts['facts']:,} facts of {facts['tables']:,} tables and {facts['blocks']:,} statistics blocks"
    return f"{line}; {len(reading.unread):,} lines or tables were not read" if reading.unread else line


def lines(reading: Reading) -> Iterator[str]:
    """All of it: how much of what, then what was not read and why, passage by passage."""
    facts = _counted(reading)
    yield f"Facts in tables: {facts['in_tables']:,}, in statistics blocks: {facts['in_blocks']:,}."
    yield f"Tables whose rows are passages, or that go on in the next one: {facts['joined']:,}."
    if not reading.unread:
        yield "Nothing that looks like a table or a block was left out."
        return
    yield "Not read, and so no fact:"
    whys = Counter(unread.why.partition(":")[0] for unread in reading.unread)
    yield from (f"  {count:6,} × {why}" for why, count in whys.most_common())
    for identity, group in groupby(reading.unread, lambda unread: unread.id):
        told = [unread.why for unread in group]
        yield f"  {identity}"
        yield from (f"    {why}" for why in told[:_SHOWN])
        if len(told) > _SHOWN:
            yield f"    and {len(told) - _SHOWN:,} more"


def to_dict(reading: Reading) -> dict[str, Any]:
    """The same for a machine; `not_read` is a list of passage ids and reasons."""
    return {**_counted(reading), "not_read": [[unread.id, unread.why] for unread in reading.unread]}


def _counted(reading: Reading) -> dict[str, int]:
    facts: Counter[str] = Counter()
    grids: Counter[str] = Counter()
    for grid in reading.grids:
        grids[grid.kind] += 1
        facts[grid.kind] += sum(1 for _ in grid.facts())
    return {
        "facts": facts.total(),
        "tables": grids["table"],
        "blocks": grids["block"],
        "in_tables": facts["table"],
        "in_blocks": facts["block"],
        "joined": sum(len(grid.passages) > 1 for grid in reading.grids),
    }
