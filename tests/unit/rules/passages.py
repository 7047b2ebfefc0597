"""Reads the sample rules into what the checks compare: statistics blocks, tables, dice, names.

A check is a function from all passages to complaints (`passage id: what is wrong`). It knows the rules of the
notation and what the passages say of one another; it holds no list of right values. `planted` makes the
mistakes that show that it can fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.harness.sample_collection import Record, sample_records

_LINE = re.compile(r"^([A-Z%][A-Z./% ]+): *(.*)$", re.MULTILINE)
_TABLE = re.compile(r"^\|.*$", re.MULTILINE)
# A range of numbers that is no part of a longer one ("18/01-18/50", "1-1-2", a date) and no level of plus
# ("8+1-2").
RANGE = re.compile(r"(?<![\w/+.,-])(\d[\d,]*)-(\d[\d,]*)(?![\w/.,]*\d|-)")
HIT_DICE = r"\d+(?:[+-]\d+)?(?:-\d+)?"


class Monster(NamedTuple):
    """A statistics block (`AC` is `ARMOR CLASS` and so on, as written) and the prose below it."""

    id: str
    name: str
    block: Mapping[str, str]
    prose: str
    parent: str

    @property
    def spoken(self) -> str:
        """How prose names it: "Beetle, Fire" is a fire beetle; "Demon, Type I (Vrock)" stays as it is."""
        return spoken(self.name)


class Table(NamedTuple):
    """A passage's table, and the prose of the passage without it."""

    id: str
    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: str

    def column(self, title: str) -> list[str]:
        return [row[self.head.index(title)] for row in self.rows]

    def row(self, label: str) -> dict[str, str]:
        return next(
            dict(zip(self.head, row, strict=True))
            for row in self.rows
            if row[0].casefold() == label.casefold()
        )


Passages = Sequence[Record]
Check = Callable[[Passages], Iterator[str]]


def shipped() -> list[Record]:
    return sample_records()


def planted(passages: Passages, identity: str, old: str, new: str) -> list[Record]:
    """`passages` with the first `old` in one of them made `new`."""
    [there] = [passage for passage in passages if passage.id == identity]
    assert old in there.document, (identity, old)
    changed = Record(there.id, there.document.replace(old, new, 1), there.metadata)
    return [changed if passage is there else passage for passage in passages]


def spoken(name: str) -> str:
    return " ".join(reversed(name.split(", "))).lower()


def body(passage: Record) -> str:
    """The passage without heading and place."""
    return "\n".join(passage.document.splitlines()[2:])


def by_id(passages: Passages, identity: str) -> str:
    return next(body(passage) for passage in passages if passage.id == identity)


def monsters(passages: Passages) -> Iterator[Monster]:
    for passage in passages:
        if passage.metadata["type"] == "monster":
            text = body(passage)
            prose = _LINE.sub("", text).strip()
            parent = passage.metadata.get("parent_category_id", "")
            yield Monster(passage.id, passage.metadata["name"], dict(_LINE.findall(text)), prose, parent)


def tables(passages: Passages) -> Iterator[Table]:
    for passage in passages:
        lines = _TABLE.findall(passage.document)
        if lines:
            head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
            yield Table(
                passage.id, passage.metadata["name"], head, rows, _TABLE.sub("", body(passage)).strip()
            )


def table(passages: Passages, identity: str) -> Table:
    return next(found for found in tables(passages) if found.id == identity)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def bounds(cell: str) -> tuple[int, int | None] | None:
    """What "3", "3-5", "0-1,500", "21+", "13 and up", "over 5" count from and to (None: without end)."""
    if found := re.match(
        r"(-?\d(?:[\d,]*\d)?)(?:-(\d(?:[\d,]*\d)?)| ?(\+)$| (and up|or more|or higher))?(?:$|[ (])", cell
    ):
        low = number(found[1])
        return low, None if found[3] or found[4] else number(found[2]) if found[2] else low
    return None


def dice_range(count: int, sides: int, plus: int) -> tuple[int, int]:
    return count + plus, count * sides + plus


def is_dice_roll(low: int, high: int) -> bool:
    """Whether some number of dice of one kind, times a power of ten, plus at most nine, gives these as least
    and most.
    """
    while low % 10 == 0 and high % 10 == 0 and low:
        low, high = low // 10, high // 10
    return any(
        (high - plus) == (low - plus) * sides
        for plus in range(min(low, 10))
        for sides in (2, 3, 4, 6, 8, 10, 12, 20, 100)
    )
