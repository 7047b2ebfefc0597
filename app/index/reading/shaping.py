"""Makes of a table as it was found what it says: full headings, one label a row, and a table of each that
stands beside or below another in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from app.index.reading.cells import clean, is_nothing
from app.index.reading.raw import MOST_CELLS, MOST_COLUMNS, RawTable
from app.index.reading.row_labels import Table, labelled, other_labels

_MOST_LEVELS = 3
_DIGIT = re.compile(r"\d")
_UNIT_NAMES = (
    r"[gscpe]\.?p\.?|coins?|lbs?\.?|pounds?|oz\.?|f(?:ee|oo)?t\.?|in(?:ch(?:es)?|\.)|yards?|miles?|rounds?|turns?"
    r"|days?|hours?|segments?|years?|months?|%|'|\""
)
_UNIT = re.compile(
    rf"\([^()\d]{{1,40}}\)|(?:in )?(?:{_UNIT_NAMES})(?:(?: ?/ ?| per )[a-z]{{1,12}})?", re.IGNORECASE
)
_DICE = re.compile(r"(?:roll )?(?:\d*d(?:\d+|%)|d%|%)(?: roll)?", re.IGNORECASE)


class Shaped(NamedTuple):
    """`whys`: what was left out, and why."""

    tables: list[Table]
    whys: list[str]


def shape(raw: RawTable) -> Shaped:
    """The tables in `raw`, left to right, top to bottom."""
    whys = list(raw.whys)
    width = max((len(row) for row in (*raw.head, *raw.body)), default=0)
    if width > MOST_COLUMNS or width * len(raw.body) > MOST_CELLS:
        return Shaped([], [*whys, f"larger than {MOST_COLUMNS} columns or {MOST_CELLS:,} cells"])
    if not raw.body:
        return Shaped([], [*whys, "no rows"] if raw.head and not whys else whys)
    head = [[clean(cell) for cell in row] for row in raw.head]
    body = [list(row) for row in raw.body]
    if not raw.merged:
        head = [*map(_reaching, head[:-1]), *head[-1:]]
        head, body = _lower_heads(head, body)
    # A heading over all columns says what the table is.
    over = ""
    while len(head) > 1 and head[0][0] and len(set(head[0])) == 1:
        over = head.pop(0)[0]
    columns = _full(head)
    if not columns:
        columns, body = _headed(body)
    columns, body = _with_units(columns, body)
    tables: list[Table] = []
    for places in _beside(columns, body):
        for names, rows in _below(
            [columns[place] for place in places], [[r[p] for p in places] for r in body]
        ):
            table = labelled(tuple(names) if any(names) else (), rows, over, raw.merged)
            for at, name in enumerate(table.columns[1:], start=1):
                if not name and (filled := [row[at] for row in table.rows if row[at]]):
                    whys.append(f"a column without a heading: {', '.join(filled)}")
            if len(table.columns or next(iter(table.rows), ())) < 2:
                whys.append("one column only")
                continue
            others = [_with_labels(table, places) for places in other_labels(table.columns, table.rows)]
            tables += [table, *others]
            if not others:
                whys += [f"a row without a label: {' | '.join(row)}" for row in table.rows if not row[0]]
    return Shaped(_continued(tables), whys)


def _lower_heads(head: list[list[str]], body: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows that are headings although no mark says so: below merged headings stand their parts."""
    while head and len(head) < _MOST_LEVELS and len(body) > 1:
        over = head[-1]
        first = [clean(cell) for cell in body[0]]
        unnamed = [at for at, cell in enumerate(over) if at and (not cell or cell in over[:at])]
        if not unnamed or not all(first[at] for at in unnamed):
            break
        one = (
            sum(map(bool, over)) == 1 and len(over) > 2 and all(first) and not any(map(_DIGIT.search, first))
        )
        parts = not first[0] and all(first[at] or over[at] for at in range(len(over)))
        if not one and not parts:
            break
        head[-1:] = [_reaching(over), first]
        body = body[1:]
    return head, body


def _reaching(row: list[str]) -> list[str]:
    """A row of headings, each over the empty ones on its right; one over the labels only if it is alone."""
    if sum(map(bool, row)) == 1 and row[0]:
        return [row[0]] * len(row)
    reaching = row[:1]
    for cell in row[1:]:
        reaching.append(cell or (reaching[-1] if len(reaching) > 1 else ""))
    return reaching


def _full(head: list[list[str]]) -> list[str]:
    """One heading a column: its levels from the top, each once."""
    if not head:
        return []
    return [": ".join(dict.fromkeys(filter(None, levels))) for levels in zip(*head, strict=True)]


def _headed(body: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A table without marked headings has its first row for them if it has no figures and the others do."""
    first = [clean(cell) for cell in body[0]]
    if len(body) > 2 and all(first) and len(set(first)) == len(first) and not any(map(_DIGIT.search, first)):
        for cells in list(zip(*body[1:], strict=True))[1:]:
            if all(map(_DIGIT.search, cells)):
                return first, body[1:]
    return [""] * len(first), body


def _with_units(columns: list[str], body: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A first row that only says in what the columns are counted belongs to their headings."""
    units = [clean(cell) for cell in body[0]]
    if (
        len(body) < 2
        or not all(columns)
        or sum(map(bool, units)) < 2
        or not all(not u or _UNIT.fullmatch(u) for u in units)
    ):
        return columns, body
    return [" ".join(filter(None, both)) for both in zip(columns, units, strict=True)], body[1:]


def _beside(columns: Sequence[str], body: Sequence[Sequence[str]]) -> list[list[int]]:
    """The columns of each of several tables: an empty one is between them, or their headings repeat."""
    parts: list[list[int]] = [[]]
    for at, name in enumerate(columns):
        if not name and 0 < at < len(columns) - 1 and not any(row[at].strip() for row in body):
            parts.append([])
        else:
            parts[-1].append(at)
    parts = [part for part in parts if part]
    if len(parts) > 1 and min(map(len, parts)) > 1:
        return parts
    places = list(range(len(columns)))
    starts = [at for at in places if columns[at] and columns[at] == columns[0]]
    steps = {after - before for before, after in pairwise([*starts, len(columns)])}
    if len(starts) > 1 and len(steps) == 1 and steps.pop() > 1:
        return [places[start:end] for start, end in pairwise([*starts, len(columns)])]
    return [places]


def _below(names: list[str], body: list[list[str]]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Tables one below another: a row with another die to roll begins one. Repeated headings are left out."""
    rows: list[list[str]] = []
    for row in body:
        cleaned = [clean(cell) for cell in row]
        if not any(cleaned):
            continue
        if cleaned == names:
            continue
        if names and _DICE.fullmatch(names[0]) and _DICE.fullmatch(cleaned[0]) and all(cleaned):
            yield names, rows
            names, rows = cleaned, []
            continue
        rows.append(row)
    yield names, rows


def _with_labels(table: Table, places: Sequence[int]) -> Table:
    rows = (tuple(row[place] for place in places) for row in table.rows if not is_nothing(row[places[0]]))
    return Table(tuple(table.columns[place] for place in places), tuple(rows), table.over)


def _continued(tables: list[Table]) -> list[Table]:
    """Tables with the same headings that stood beside one another are one, if no label is there twice."""
    whole: list[Table] = []
    for table in tables:
        last = whole[-1] if whole else None
        if last and last.columns == table.columns and any(last.columns):
            told = Counter(row[0] for row in (*last.rows, *table.rows) if any(row[1:]))
            if max(told.values(), default=0) == 1:
                whole[-1] = last._replace(rows=last.rows + table.rows)
                continue
        whole.append(table)
    return whole
