"""What the books state, as grids: one table, or the statistics block of one entry. Values only, no reading.

`app.index.reader` makes grids out of passages when the index is built; `app.index.search` gives them back.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from app.index import terms
from app.models import Fact

_LETTERS = terms.expression(r"[A-Za-z]{3}")
_DICE = terms.expression(r"[\d\s.,+%/x×-]*(?:d[\d%][\d\s.,+%/x×-]*)?")


class GridRow(NamedTuple):
    """`passage`: the id of the passage in which it stands; `cells`: as the book writes them, "" for none."""

    passage: str
    cells: tuple[str, ...]


class Grid(NamedTuple):
    """`title`: what people would call it; `context`: caption, headings above, hierarchy: also meant by these.

    `columns`: full labels, a heading of two levels joined ("Spells by level: 3"); the first labels the rows.
    A block has one row; its first column is "" and the cell there the entry's name.
    """

    title: str
    context: str
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    kind: Literal["table", "block"]

    @property
    def passages(self) -> list[str]:
        """The ids of the passages it stands in, each once, in order."""
        return list(dict.fromkeys(row.passage for row in self.rows))

    def facts(self) -> Iterator[Fact]:
        """What is stated in every cell that has a label on both sides, row by row."""
        table = self.kind == "table"
        for passage, (label, *cells) in self.rows:
            for column, value in zip(self.columns[1:], cells, strict=True):
                if label and column and value:
                    where = (label, column, self.columns[0]) if table else ()
                    yield Fact(self.title if table else label, column, value, passage, *where)


class TableLabels(NamedTuple):
    """What a passage's tables can answer: titles and `headers`, and the labels of the `rows` that are there.

    As `app.index.terms.plain` gives them. Labels that are only numbers or dice are none.
    """

    headers: tuple[str, ...]
    rows: tuple[str, ...]


def labels_of(grids: Iterable[Grid]) -> dict[str, TableLabels]:
    """The labels of the tables among `grids`, by the id of the passage."""
    found: dict[str, TableLabels] = {}
    for grid in grids:
        if grid.kind == "block":
            continue
        headers = tuple(map(terms.plain, (grid.title, *grid.context.split("\n"), *grid.columns)))
        rows: dict[str, list[str]] = {}
        for row in grid.rows:
            label = terms.plain(row.cells[0])
            names = rows.setdefault(row.passage, [])
            if _LETTERS.search(label) and not _DICE.fullmatch(label):
                names.append(label)
        for passage, names in rows.items():
            known = found.get(passage, TableLabels((), ()))
            found[passage] = TableLabels(known.headers + headers, known.rows + tuple(names))
    return {
        passage: TableLabels(*(tuple(dict.fromkeys(filter(None, names))) for names in labels))
        for passage, labels in found.items()
    }


def to_json(grid: Grid) -> str:
    """A compact text that `from_json` reads: a row begins with the place of its passage in a list of ids."""
    places = {identity: place for place, identity in enumerate(grid.passages)}
    rows = [(places[row.passage], *row.cells) for row in grid.rows]
    return json.dumps(
        (grid.title, grid.context, grid.kind, grid.columns, list(places), rows),
        ensure_ascii=False,
        separators=(",", ":"),
    )


def from_json(text: str) -> Grid:
    """The grid that `to_json` was given."""
    title, context, kind, columns, passages, rows = json.loads(text)
    return Grid(
        title,
        context,
        tuple(columns),
        tuple(GridRow(passages[place], tuple(cells)) for place, *cells in rows),
        kind,
    )
