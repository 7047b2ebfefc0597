"""Which cells of the grids a value is said to be, and whether they say so."""

from __future__ import annotations

import re
from typing import NamedTuple

from app.grounding.amounts import bounds, same
from app.grounding.books import Cell, Mention
from app.grounding.course import Course, Status, Verdict
from app.grounding.figures import words
from app.grounding.pages import context, likeness, taken_off
from app.grounding.said import WINDOW, Said

_NOTHING = frozenset(("nil", "none"))
_ORDINAL = re.compile(r"\d(?:st|nd|rd|th)")


class Meant(NamedTuple):
    """The cells that a value is said to be; `surely`: 3 by the statement itself, 2 by those before, 1 by the
    question, less: perhaps. `labels`: the numbers of the statement that only say which row or column."""

    cells: list[Cell]
    surely: float = 0.0
    labels: frozenset[int] = frozenset()


def in_grids(
    course: Course, said: Said, place: int, attribute: Mention | None, meant: Meant, values: list[int]
) -> Verdict:
    """The verdict of the cells that the value is said to be. `values`: those that it may be instead."""
    stated = meant.cells
    called = said.words_of([attribute] if attribute else [])
    good = [cell for cell in stated if _holds(course, cell, said, place, called)]
    if good:
        counted = any(course.books.counted_rows(cell.grid) for cell in stated)
        if len(good) < len(stated) and counted and len({cell.grid for cell in stated}) > 1:
            # Several tables may be meant, and only some say so.
            return Verdict()
        return _verdict(course, said, "supported", good)
    alone = values == [place] or (
        len(values) <= WINDOW and sum(at not in said.coordinates for at in values) == 1
    )
    if meant.surely < 1 or not alone or not any(_excludes(course, cell, said, place) for cell in stated):
        return Verdict()
    return _verdict(course, said, "contradicted", stated)


def _verdict(course: Course, said: Said, status: Status, cells: list[Cell]) -> Verdict:
    """With the passage of one of the cells, one that the statement cites if it cites one."""
    numbers = [course.books.n(cell) for cell in cells]
    n = next((n for n in numbers if n in said.statement.cites), numbers[0])
    row = [course.books.cell(cell) for cell, number in zip(cells, numbers, strict=True) if number == n]
    return Verdict(status, n, " | ".join(dict.fromkeys(row)))


def meant(course: Course, said: Said, place: int, attribute: Mention | None, values: list[int]) -> Meant:
    rows = _rows(course, said, place)
    columns, labels = _counted(course, said, place, rows)
    named: dict[int, set[int]] = {}
    for cell in attribute.cells if attribute else ():
        if cell.row < 0 and cell.column:
            every = range(1, len(course.books.grids[cell.grid].columns))
            named.setdefault(cell.grid, set()).update([cell.column] if cell.column > 0 else every)
    for grid in named.keys() - rows.keys():
        # "Of the bag 91 carries 1,500 pounds": a number that labels a row, whatever stands beside it.
        if said.words & course.books.about(grid):
            for at in values[:WINDOW]:
                if at != place and said.value(at).kind == "number":
                    for cell in course.books.labelled(grid, said.value(at)):
                        rows.setdefault(grid, {})[cell.row] = 0.5
                        labels.setdefault(at, []).append(cell)
    for grid, some in columns.items():
        if grid not in named or len(named[grid]) > len(some):
            named[grid] = some
    found = [
        (surely, Cell(grid, row, column))
        for grid, meant in rows.items()
        for row, surely in meant.items()
        for column in named.get(grid, ())
        if course.books.cell(Cell(grid, row, column))
    ]
    if not found:
        return Meant([])
    best = max(surely for surely, _ in found)
    cells = [cell for surely, cell in found if surely == best]
    if any(course.books.counted_rows(cell.grid) for cell in cells):
        # Of tables with the same labels the one that is spoken of.
        spoken = {cell.grid: _spoken_of(course, said, cell.grid) for cell in cells}
        cells = [cell for cell in cells if spoken[cell.grid] == max(spoken.values())]
    chosen = {(c.grid, c.row, -1) for c in cells} | {(c.grid, -1, c.column) for c in cells}
    used = (at for at, heads in labels.items() if not chosen.isdisjoint(heads))
    return Meant(cells, best, frozenset(used))


def _rows(course: Course, said: Said, place: int) -> dict[int, dict[int, float]]:
    """By grid the rows that are named, and how surely they are meant."""
    rows: dict[int, dict[int, float]] = {}
    about = said.about(place)
    # Of a list of prices each entry is on something of its own.
    alone = said.is_labelled and bool(course.attributes)
    for surely, mentions in ((3.0, about), (2.0, course.mentions), (1.0, course.question.subjects)):
        if (surely == 2 and (rows or alone)) or (surely == 1 and (about or alone)):
            continue
        for cell in (cell for mention in mentions for cell in mention.cells):
            if cell.row >= 0 and (surely > 1 or cell.grid not in rows):
                rows.setdefault(cell.grid, {}).setdefault(cell.row, surely)
    for cell in said.rows:
        rows.setdefault(cell.grid, {}).setdefault(cell.row, 2.0)
    return rows


def _counted(
    course: Course, said: Said, place: int, rows: dict[int, dict[int, float]]
) -> tuple[dict[int, set[int]], dict[int, list[Cell]]]:
    """By grid the columns that numbers name, and what which number of the statement names; `rows` gets
    the rows."""
    columns: dict[int, set[int]] = {}
    labels: dict[int, list[Cell]] = {}
    for source, surely in ((said, 3.0), (course.question, 1.0)):
        own = source is said
        near = range(place - WINDOW, place + WINDOW + 1) if own else sorted(source.coordinates)[:WINDOW]
        for at in near:
            cells = source.coordinates.get(at, ()) if at != place or not own else ()
            # "Double at levels 1-4, triple at 5-8": not what the other part counts.
            apart = bool(cells) and own and said.apart(place, at)
            for cell in cells:
                if cell.row >= 0 and (own or 3.0 not in rows.get(cell.grid, {}).values()):
                    rows.setdefault(cell.grid, {}).setdefault(cell.row, 0.9 if apart else surely)
                elif cell.column >= 0 and (own or cell.grid not in columns):
                    columns.setdefault(cell.grid, set()).add(cell.column)
                else:
                    continue
                if own:
                    labels.setdefault(at, []).append(cell)
    return columns, labels


def _spoken_of(course: Course, said: Said, grid: int) -> int:
    about = course.books.about(grid)
    asked = course.question.words
    return 4 * len(about & said.words) + 2 * len(about & course.words) + len(about & asked)


def _holds(course: Course, cell: Cell, said: Said, place: int, called: frozenset[str]) -> bool:
    """Whether the cell states the value."""
    tokens = course.books.cell_tokens(cell)
    stated = {i: t.value for i, t in enumerate(tokens) if t.value}
    around = said.context(place)
    value, penalty = said.value(place), taken_off(around)
    good = [i for i, one in stated.items() if same(value, one, penalty)]
    if not good:
        wanted, parts = bounds(value), [bounds(one) for one in stated.values()]
        counted = course.books.column_name(cell).startswith("number")
        # "3 attacks" of "2 claws, 1 bite"
        summed = counted and len(parts) > 1 and said.stem(place + 1) not in words(tokens)
        return summed and wanted is not None and sum(p[1] for p in parts if p) == wanted[1]
    # Several in one cell ("1d4 claw, 2d4 bite"): the words beside them say which one it is.
    if len(stated) == 1:
        return True
    alike = {i: likeness(around, context(tokens, i), called) for i in stated}
    return max(alike[i] for i in good) >= max(alike.values())


def _excludes(course: Course, cell: Cell, said: Said, place: int) -> bool:
    """Whether the cell states something that the value cannot be: 1d6 may be what a book calls 1-6."""
    value, token = said.value(place), said.tokens[place]
    if _ORDINAL.search(said.source[token.start : token.end]) and not _ORDINAL.search(course.books.cell(cell)):
        return False
    if value.spelled and not value.amount.isdigit():
        # "Half" is of something else.
        return False
    said_of = bounds(value)
    stated = [t.value for t in course.books.cell_tokens(cell) if t.value]
    if course.books.cell(cell).strip(" .").lower() in _NOTHING:
        return said_of is not None and said_of[1] > 0
    if not stated or said_of is None:
        return False
    for one in stated:
        limits = bounds(one)
        if limits is None or (one.kind != value.kind and limits[0] <= said_of[0] and said_of[1] <= limits[1]):
            return False
    return True
