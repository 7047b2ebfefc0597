"""Reads what passages state, tables and statistics blocks, into grids. Used when the index is built.

What cannot be read with certainty is no fact: it is left out, and said to be. The dialects are in
`app.index.reading`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.index import labels, terms
from app.index.grids import Grid, GridRow
from app.index.reading import blocks, json_rows, json_tables
from app.index.reading.contents import Contents, Found, contents_of
from app.index.reading.joining import JsonPart, follows, goes_on, json_grids
from app.index.reading.pairs import is_certain, is_known, of_metadata
from app.index.reading.raw import MOST_CELLS
from app.index.reading.row_labels import Table
from app.index.reading.titles import called, spoken
from app.models import Passage

# Of what was not read, so much is told.
_TOLD = 120

_IS_ROW = re.compile(r" (?:--|—|–) |--|—")
# What is not itself a table, however large the one inside it is.
_ENTRIES = frozenset(("monster", "spell", "magic_item"))
_VALUE_HEADS = frozenset(("", "value", "statistic", "stat", "score", "rating"))


class Unread(NamedTuple):
    """What looks like a table or a block in the passage `id`, and why it is none."""

    id: str
    why: str


class Reading(NamedTuple):
    grids: list[Grid]
    unread: list[Unread]


def read(passages: Sequence[Passage]) -> Reading:
    """All grids of `passages`: tables and blocks in their order, a table of many passages at its first."""
    grids: list[Grid] = []
    parts: list[JsonPart] = []
    unread: list[Unread] = []
    rows = _rows(passages)
    for number, passage in enumerate(passages):
        contents = contents_of(passage)
        pairs: list[tuple[str, str]] = []
        name = called(passage)
        row = rows.get(passage.id)
        for at, found in enumerate(contents.tables):
            if row and len(found.table.rows) == 1 and found.table.columns:
                cells = dict(zip(found.table.columns, found.table.rows[0], strict=True))
                parts.append(JsonPart(passage, row.of(cells)))
            elif stated := _pairs_of(found.table, name):
                pairs += stated
            elif not _appended(grids, passages[number - 1] if number else None, passage, found, at == 0):
                if found.table.columns:
                    grids.append(_grid(passage, name, found, _is_inside(passage, contents)))
                else:
                    contents.whys.append(f"rows without headings: {' | '.join(found.table.rows[0])}")
        for table in contents.json:
            if table.is_entry and terms.key(table.title or name) != terms.key(name):
                cells = table.rows[0].cells
                grids += _block(passage, spoken(table.title), name, list(cells.items()))
            elif table.is_entry:
                pairs += table.rows[0].cells.items()
            else:
                parts.append(JsonPart(passage, table))
        for block in _blocks(passage, name, contents, pairs):
            if row:
                parts.append(
                    JsonPart(
                        passage, row.of(dict(zip(block.columns[1:], block.rows[0].cells[1:], strict=True)))
                    )
                )
            else:
                grids.append(block)
        unread += [Unread(passage.id, why[:_TOLD]) for why in contents.whys]
    grids += json_grids(parts)
    return Reading(grids, unread)


class _Row(NamedTuple):
    """What the title of a passage says that is one row of a table: "SAVES -- level 3"."""

    title: str
    place: str

    def of(self, cells: dict[str, str]) -> json_tables.JsonTable:
        row = json_rows.row_of(cells, self.place, list(cells)) or json_rows.JsonRow("", self.place, cells)
        return json_tables.JsonTable(self.title, self.place, "", [row])


def _rows(passages: Sequence[Passage]) -> dict[str, _Row]:
    """By their ids the passages whose titles differ only in the number of the row that they are."""
    found: dict[tuple[str, ...], dict[str, _Row]] = {}
    for passage in passages:
        title = str(passage.metadata.get("title") or passage.metadata.get("name") or "")
        base, place = json_rows.split_title(title)
        if _IS_ROW.search(title) and any(map(str.isdigit, place)):
            key = (passage.book, *sorted(terms.stems(base)))
            found.setdefault(key, {})[passage.id] = _Row(base, place)
    return {identity: row for rows in found.values() if len(rows) > 1 for identity, row in rows.items()}


def _pairs_of(table: Table, name: str) -> list[tuple[str, str]]:
    """The attributes of an entry that are set as a table: two columns, names and values, or one row."""
    rows = [row for row in table.rows if any(row)]
    if len(table.columns) > 1 and len(rows) == 1 and all(map(is_known, table.columns)):
        return [(key, value) for key, value in zip(table.columns, rows[0], strict=True) if value]
    if not rows or len(rows[0]) != 2:
        return []
    heads = table.columns or ("", "")
    if all(heads) and is_known(heads[0]):
        rows = [heads, *rows]
    elif terms.key(heads[1]) not in _VALUE_HEADS and terms.key(heads[1]) != terms.key(name):
        return []
    known = sum(is_known(key) for key, _ in rows)
    if known < 2 or known * 2 < len(rows):
        return []
    return [(key, value) for key, value in rows if key and value]


def _appended(grids: list[Grid], before: Passage | None, passage: Passage, found: Found, first: bool) -> bool:
    """Whether the table was the rest of the one at the end of the passage before, and is now its rows."""
    above = grids[-1] if grids else None
    if not (first and above and before and above.rows[-1].passage == before.id):
        return False
    table = found.table
    if not table.rows or not goes_on(above, table.columns, table.rows):
        return False
    parts = passage.section is not None and passage.section == before.section
    same = called(passage) == called(before) and passage.hierarchy == before.hierarchy
    if not parts and not (same and follows(above, table.rows)):
        return False
    if len(above.columns) * (len(above.rows) + len(table.rows)) > MOST_CELLS:
        return False
    grids[-1] = above._replace(rows=above.rows + tuple(GridRow(passage.id, cells) for cells in table.rows))
    return True


def _is_inside(passage: Passage, contents: Contents) -> bool:
    """Whether the tables are inside something; False where the passage is one table, with notes at most."""
    if contents.raws > 1 or passage.type in _ENTRIES:
        return True
    notes = sum(map(len, contents.lines))
    headed = any(found.heading for found in contents.tables)
    return passage.type not in ("table", "") and (headed or notes * 2 > len(passage.text))


def _grid(passage: Passage, name: str, found: Found, inside: bool) -> Grid:
    """Among several tables, and inside an entry, a table is called as it is headed itself."""
    own = spoken(found.caption or found.heading)
    title = own if own and inside else name
    context = (name, spoken(found.heading), found.caption, found.table.over, passage.hierarchy)
    return Grid(
        title,
        "\n".join(dict.fromkeys(filter(None, context))),
        found.table.columns,
        tuple(GridRow(passage.id, cells) for cells in found.table.rows),
        "table",
    )


def _blocks(passage: Passage, name: str, contents: Contents, pairs: list[tuple[str, str]]) -> Iterator[Grid]:
    """The statistics of the entry, from its text, its tables, and what its metadata have beside them."""
    read_blocks, whys = blocks.read(contents.lines)
    contents.whys += whys
    own = next((block.pairs for block in read_blocks if not block.heading), [])
    stated = {labels.attribute(key): (key, value) for key, value in own}
    others = of_metadata(passage.metadata)
    for key, value in (
        *pairs,
        *(others if stated or pairs or any(map(is_certain, dict(others))) else ()),
    ):
        stated.setdefault(labels.attribute(key), (key.replace("_", " "), value))
    for subject, some in (
        (name, list(stated.values())),
        *((_part(name, spoken(block.heading)), block.pairs) for block in read_blocks if block.heading),
    ):
        yield from _block(passage, subject, name, some)


def _part(name: str, heading: str) -> str:
    """What a part of an entry is called: "Greater" in "Quil, Lesser and Greater" is "Quil, Greater"."""
    head, comma, rest = name.partition(", ")
    return f"{head}, {heading}" if comma and set(terms.stems(heading)) <= set(terms.stems(rest)) else heading


def _block(passage: Passage, subject: str, name: str, pairs: list[tuple[str, str]]) -> Iterator[Grid]:
    if pairs:
        context = "\n".join(dict.fromkeys(filter(None, (name, passage.hierarchy))))
        columns, cells = zip(*pairs, strict=True)
        yield Grid(subject, context, ("", *columns), (GridRow(passage.id, (subject, *cells)),), "block")
