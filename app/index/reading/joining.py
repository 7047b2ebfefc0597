"""Puts together what was stored apart: rows that are passages, a table that goes on in the next passage."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.index import labels, terms
from app.index.grids import Grid, GridRow
from app.index.reading.json_rows import JsonRow, split_place, split_title
from app.index.reading.json_tables import JsonTable
from app.index.reading.raw import MOST_CELLS, MOST_COLUMNS
from app.index.reading.row_labels import other_labels
from app.index.reading.titles import called, spoken
from app.models import Passage

# Of one table so many properties with parts are compared with one another.
_MOST_PARENTS = 50
# What tells two labels apart that have the same words and figures.
_SIGNS = re.compile(r"(?<!\w)[-−](?=\d)|[+<>=≤≥%*†‡#'\"/]")


class JsonPart(NamedTuple):
    """What the JSON of one passage states."""

    passage: Passage
    table: JsonTable


def json_grids(parts: Sequence[JsonPart]) -> Iterator[Grid]:
    """One grid for all rows of each table, at the place of its first."""
    groups: dict[tuple[str, ...], list[JsonPart]] = {}
    last: tuple[str, ...] | None = None
    for part in parts:
        title = part.table.title or _title_of(part)
        key = (part.passage.book, *sorted(terms.stems(title)))
        if not part.table.place:
            key = (*key, part.passage.id)
        elif key not in groups and last and _shortened(part, groups[last], key, last):
            key = last
        groups.setdefault(key, []).append(part)
        last = key if part.table.place else None
    for group in groups.values():
        for same in _by_hierarchy(group):
            yield from _grids(same)


def _title_of(part: JsonPart) -> str:
    return _in_title(part, part.table.rows[0])[0]


def _in_title(part: JsonPart, row: JsonRow) -> tuple[str, str]:
    """What the heading of the passage says of the table, and of the row's place: "level 7"."""
    name = called(part.passage)
    return split_place(name, row.label) if part.table.place else split_title(name)


def _key(part: JsonPart, row: JsonRow) -> str:
    """What the label of `row` counts; "" where neither it nor the heading of its passage says so."""
    if row.key or not part.table.place:
        return row.key
    words, label = _in_title(part, row)[1].split(), terms.stems(row.label)
    own = [word for word in words[: len(words) - len(row.label.split())] if terms.stem(word.lower()) != "row"]
    return " ".join(own) if terms.stems(" ".join(words))[-len(label) :] == label else ""


def _shortened(part: JsonPart, group: Sequence[JsonPart], key: Sequence[str], last: Sequence[str]) -> bool:
    """Whether a row that follows on `group` is of it although a word of the title is missing or added."""
    one, other = set(key[1:]), set(last[1:])
    if key[0] != last[0] or not (one < other or other < one) or len(one ^ other) > 2:
        return False
    told = {row.label for known in group for row in known.table.rows}
    columns = {terms.key(name) for name in group[-1].table.rows[0].cells}
    new = part.table.rows[0]
    return new.label not in told and {terms.key(name) for name in new.cells} == columns


def _by_hierarchy(group: list[JsonPart]) -> list[list[JsonPart]]:
    """Tables with one title that state other things of the same rows are told apart by where they stand."""
    seen: dict[str, dict[str, str]] = {}
    for part in group:
        for row in part.table.rows:
            if seen.setdefault(terms.key(row.label), row.cells) != row.cells:
                apart: dict[str, list[JsonPart]] = {}
                for one in group:
                    apart.setdefault(one.passage.hierarchy, []).append(one)
                return list(apart.values())
    return [group]


def _grids(parts: Sequence[JsonPart]) -> Iterator[Grid]:
    rows = [(part, row) for part in parts for row in part.table.rows]
    columns, cells = _aligned([row for _, row in rows])
    if not columns or len(columns) > MOST_COLUMNS or len(columns) * len(rows) > MOST_CELLS:
        return
    keys = Counter(filter(None, (_key(part, row) for part, row in rows)))
    key = keys.most_common(1)[0][0] if keys else ""
    made = [
        GridRow(part.passage.id, (_label(row, key), *values))
        for (part, row), values in zip(rows, cells, strict=True)
    ]
    titles = Counter(spoken(part.table.title or _title_of(part)) for part in parts)
    title = titles.most_common(1)[0][0]
    names = (key, *columns)
    grid = Grid(title, _context(title, parts), names, tuple(_ordered(made)), "table")
    yield grid
    for places in other_labels(names, [row.cells for row in grid.rows]):
        relabelled = (GridRow(row.passage, tuple(row.cells[place] for place in places)) for row in grid.rows)
        yield grid._replace(
            columns=tuple(names[place] for place in places),
            rows=tuple(row for row in relabelled if row.cells[0]),
        )


def _label(row: JsonRow, key: str) -> str:
    """The label alone where a row has only its place, "armor class 3", and the others say of what it is."""
    words, known = row.label.split(), terms.stems(key)
    if not row.key and known and terms.stems(" ".join(words[: len(known)])) == known and words[len(known) :]:
        return " ".join(words[len(known) :])
    return row.label


def _aligned(rows: Sequence[JsonRow]) -> tuple[list[str], list[list[str]]]:
    """The columns of all rows together, each once however it is written, and the cells of each row."""
    shown: dict[str, str] = {}
    keyed: list[dict[str, str]] = []
    for row in rows:
        cells: dict[str, str] = {}
        for name, value in row.cells.items():
            key = _column_key(name)
            if cells.setdefault(key, value) != value:
                # One row has both: they are not the same.
                cells[key := name] = value
            shown.setdefault(key, name)
        keyed.append(cells)
    for old, new in _same_parents(keyed).items():
        for cells in keyed:
            for name in [name for name in cells if _parent(name) == old]:
                moved = f"{new}: {_leaf(name)}" if new else _leaf(name)
                cells[moved] = cells.pop(name)
                shown.setdefault(moved, shown[name])
    order = dict.fromkeys(name for cells in keyed for name in cells)
    return [shown[name] for name in order], [[cells.get(name, "") for name in order] for cells in keyed]


def _column_key(name: str) -> str:
    """One form of a label however its words are written; "1", "1+", "-1" and "1*" stay apart."""
    return ": ".join(
        " ".join([*terms.stems(part), *_SIGNS.findall(part)]) or part for part in name.split(": ")
    )


def _parent(name: str) -> str:
    return name.rpartition(": ")[0]


def _leaf(name: str) -> str:
    return name.rpartition(": ")[2]


def _same_parents(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Property names that say the same in different rows: none of them has both, and they hold the same."""
    leaves: dict[str, set[str]] = {}
    at: dict[str, set[int]] = {}
    for number, cells in enumerate(rows):
        for name in cells:
            leaves.setdefault(_parent(name), set()).add(_leaf(name))
            at.setdefault(_parent(name), set()).add(number)
    if len(at) > _MOST_PARENTS:
        return {}
    by_use = sorted(at, key=lambda parent: -len(at[parent]))
    same: dict[str, str] = {}
    for index, parent in enumerate(by_use[1:], start=1):
        for other in by_use[:index]:
            shared = leaves[parent] & leaves[other]
            if (
                other not in same
                and len(shared) > 1
                and len(shared) * 2 >= len(leaves[parent])
                and not at[parent] & at[other]
            ):
                same[parent] = other
                at[other] |= at[parent]
                break
    return same


def _ordered(rows: list[GridRow]) -> list[GridRow]:
    """The rows by their numbers, if each has one and they neither rise nor fall throughout already."""
    lows = [spans[0].low if (spans := labels.spans(row.cells[0])) else None for row in rows]
    known = [low for low in lows if low is not None]
    if len(known) < len(rows) or known in (sorted(known), sorted(known, reverse=True)):
        return rows
    return [row for _, row in sorted(zip(known, rows, strict=True), key=lambda pair: pair[0])]


def _context(title: str, parts: Sequence[JsonPart]) -> str:
    """What all rows say of their table: the words that all descriptions share, names that all must have."""
    said = [part.table.said for part in parts if part.table.said]
    words = [set(terms.stems(text)) for text in said]
    common = set.intersection(*words) if words else set()
    shared = " ".join(word for word in (said[0].split() if said else ()) if set(terms.stems(word)) & common)
    musts = [_groups(part.passage.metadata.get("query_must") or part.table.must) for part in parts]
    everywhere = set.intersection(*musts) if musts and all(musts) else set()
    places = dict.fromkeys(part.passage.hierarchy for part in parts)
    names = (word for group in sorted(everywhere) for word in group)
    return "\n".join(dict.fromkeys(filter(None, (title, *places, shared, *names))))


def _groups(must: Any) -> set[tuple[str, ...]]:
    """The groups of names of which a question must contain one each to get the passage."""
    try:
        must = json.loads(must) if isinstance(must, str) and len(must) < 10_000 else must
    except (ValueError, RecursionError):
        return set()
    groups = must.get("contain_one_of") if isinstance(must, dict) else None
    if not isinstance(groups, list):
        return set()
    return {tuple(map(str, group)) for group in groups if isinstance(group, list)}


def goes_on(above: Grid, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table with these headings, maybe none, is the rest of `above`."""
    width = len(columns) or len(rows[0])
    if above.kind != "table" or len(above.columns) != width:
        return False
    return not columns or list(map(terms.key, above.columns)) == list(map(terms.key, columns))


def follows(above: Grid, rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of `rows` begins where the last row of `above` ends: 11-15 after 06-10."""
    before, after = labels.spans(above.rows[-1].cells[0]), labels.spans(rows[0][0])
    return len(before) == len(after) == 1 and 0 < after[0].low - before[0].high <= 1
