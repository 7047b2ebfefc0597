"""Reads HTML tables: merged cells, headings in rows and columns, a caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser

from app.index.reading.raw import MOST_CELLS, MOST_COLUMNS, RawTable, squared

MOST_CHARACTERS = 500_000
# The parser reads on to the end for each tag that is not closed.
_MOST_OPEN = 20
# Word processors have no other mark for headings.
_BOLD = re.compile(r"\s*<(?:b|strong)>")
_KEPT = {"b", "strong", "i", "em", "br"}


def find(lines: Sequence[str], start: int) -> tuple[list[RawTable], int] | None:
    """The table that begins in the line `start`, and the line after it; None where none begins."""
    if "<table" not in lines[start].lower():
        return None
    end = start
    while end < len(lines) and "</table" not in lines[end].lower():
        end += 1
    text = "\n".join(lines[start : end + 1])
    after = min(end + 1, len(lines))
    if len(text) > MOST_CHARACTERS or text.count("<") > text.count(">") + _MOST_OPEN:
        return [
            RawTable([], [], whys=(f"damaged HTML, or more than {MOST_CHARACTERS:,} characters of it",))
        ], after
    parser = _Parser()
    parser.feed(text)
    parser.close()
    return parser.tables, after


class _Parser(HTMLParser):
    """Puts each cell wherever it is spanned to; tables inside tables are not read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[RawTable] = []
        self._depth = 0
        self._begin()

    def _begin(self) -> None:
        self._rows: list[list[str]] = []
        self._headings: list[bool] = []
        # How many columns the first cell of each row takes.
        self._first: list[int] = []
        self._below: dict[int, tuple[int, str]] = {}
        self._row: list[str] | None = None
        self._wide = 1
        self._all_headings = True
        self._in_head = False
        self._text: list[str] | None = None
        self._span = (1, 1)
        self._caption: list[str] | None = None
        self._said = ""
        self._cells = 0
        self._whys: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._depth += 1
            if self._depth == 1:
                self._begin()
            elif self._depth == 2:
                self._whys.append("a table inside a table")
        if self._depth != 1:
            return
        if tag == "thead":
            self._in_head = True
        elif tag in ("tbody", "tfoot"):
            self._end_row()
            self._in_head = False
        elif tag == "caption":
            self._caption = []
        elif tag == "tr":
            self._end_row()
            self._row, self._all_headings, self._wide = [], True, 1
        elif tag in ("td", "th"):
            self._end_cell()
            if self._row is None:
                self._row, self._all_headings, self._wide = [], True, 1
            given = dict(attrs)
            self._span = (_count(given.get("colspan")), _count(given.get("rowspan")))
            self._all_headings &= tag == "th"
            self._text = []
        elif tag in _KEPT:
            self._add(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._depth -= 1
            if self._depth == 0:
                self._end_table()
        if self._depth != 1:
            return
        if tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "thead":
            self._end_row()
            self._in_head = False
        elif tag == "caption" and self._caption is not None:
            self._said, self._caption = "".join(self._caption), None
        elif tag in _KEPT and tag != "br":
            self._add(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        # What was an entity is one again: cells of every dialect are cleaned in one way.
        self._add(escape(data, quote=False))

    def _add(self, text: str) -> None:
        into = self._caption if self._caption is not None else self._text
        if self._depth == 1 and into is not None:
            into.append(text)

    def close(self) -> None:
        super().close()
        if self._depth > 0:
            self._end_table()

    def _end_cell(self) -> None:
        if self._text is None or self._row is None:
            return
        self._fill_from_above()
        # Blanks that the browser keeps set a label in; the others are layout.
        text = re.sub(r"[ \t\r\n]+", " ", "".join(self._text)).strip(" ")
        self._text = None
        columns, rows = self._span
        if not self._row:
            self._wide = columns
        for _ in range(columns):
            if len(self._row) <= MOST_COLUMNS and self._cells <= MOST_CELLS:
                if rows > 1:
                    self._below[len(self._row)] = (rows - 1, text)
                self._row.append(text)
                self._cells += 1

    def _fill_from_above(self) -> None:
        """The cells of rows above that reach down to where the row stands now."""
        assert self._row is not None
        while len(self._row) in self._below:
            place = len(self._row)
            rows, text = self._below.pop(place)
            if rows > 1:
                self._below[place] = (rows - 1, text)
            self._row.append(text)

    def _end_row(self) -> None:
        self._end_cell()
        if self._row is None:
            return
        self._fill_from_above()
        if self._row:
            self._rows.append(self._row)
            self._headings.append(self._in_head or self._all_headings)
            self._first.append(self._wide)
        self._row = None

    def _end_table(self) -> None:
        self._end_row()
        rows = squared(self._rows)
        heads = self._heads(rows)
        for at, row in enumerate(rows[heads:], start=heads):
            # A label over several columns heads the rows below; it is no value of theirs.
            row[1 : self._first[at]] = [""] * (min(self._first[at], len(row)) - 1)
        if rows:
            self.tables.append(
                RawTable(rows[:heads], rows[heads:], self._said, tuple(self._whys), merged=True)
            )
        self._depth = 0
        self._begin()

    def _heads(self, rows: list[list[str]]) -> int:
        """How many rows are headings. Below them a cell that stands alone in its row heads what follows."""
        marked = any(self._headings[:1])
        bold = [all(_BOLD.match(cell) for cell in row if cell) for row in rows]
        if not marked and all(bold):
            return 0
        for at, row in enumerate(rows):
            alone = row[0] and not any(row[min(self._first[at], len(row)) :])
            section = at and alone and len(set(rows[at - 1])) > 1
            if section or not (self._headings[at] if marked else bold[at]):
                return at
        return len(rows)


def _count(span: str | None) -> int:
    return min(int(span), MOST_COLUMNS) if span and span.strip().isdecimal() and int(span[:6]) > 0 else 1
