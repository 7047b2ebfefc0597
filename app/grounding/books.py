"""What the books state, as an answer is held against it: the cells of grids, of whom and what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.grounding import names
from app.grounding.amounts import bounds
from app.grounding.figures import Token, Value, first_stem, read, words
from app.grounding.pages import Page, beside
from app.index import terms
from app.index.grids import Grid
from app.models import Passage

# Words by which the columns of a table are counted when its headings are bare numbers.
_COUNTED_BY = frozenset(("level", "armor", "class", "die", "roll", "age", "score", "year", "distance"))
_LONGEST_PHRASE = 12
# One phrase names so many rows or columns at most.
_MOST_MEANT = 40
_LETTERS_OF = re.compile(r"[^\W\d_]+")


class Cell(NamedTuple):
    grid: int
    row: int
    column: int


class Mention(NamedTuple):
    """Words `start` to `end` (of tokens, the last included) name what `cells` says: a row (`column` -1), a
    column (`row` -1), a whole grid (both -1); or, by number, the title of a passage (`page`)."""

    start: int
    end: int
    cells: tuple[Cell, ...] = ()
    pages: tuple[int, ...] = ()


class Books:
    """The passages in prompt order and the grids that stand in them. Labels are read when a word of theirs is
    said."""

    def __init__(self, passages: Sequence[Passage], grids: Sequence[Grid]) -> None:
        self.pages = [Page(number, passage) for number, passage in enumerate(passages, 1)]
        self.grids = grids
        # The passages that are the entry of one subject: what stands there is said of it.
        self.entries: set[int] = set()
        self._numbers = {page.passage.id: page.number for page in self.pages}
        self._phrases: dict[tuple[str, ...], list[Cell | int]] = {}
        self._longest: dict[str, int] = {}
        # The whole names of rows, by grid.
        self._whole: set[tuple[int, tuple[str, ...]]] = set()
        self._unread: dict[str, list[tuple[str, Cell | int, bool]]] = {}
        self._named: dict[str, list[Cell]] = {}
        self._axes: dict[int, names.Axes] = {}
        self._cells: dict[Cell, list[Token]] = {}
        self._about: dict[int, frozenset[str]] = {}
        for page in self.pages:
            self._expect(page.passage.name, page.number)
        for number, grid in enumerate(grids):
            for at, row in enumerate(grid.rows):
                self._expect(row.cells[0], Cell(number, at, -1))
                if grid.kind == "block" and row.cells[0] != grid.title:
                    self._expect(grid.title, Cell(number, at, -1))
            for at, row in enumerate(grid.rows):
                for name in names.alternatives(row.cells[0]):
                    self._expect(name, Cell(number, at, -1), alternative=True)
            for at, label in enumerate(grid.columns):
                if label:
                    self._add_column(label, Cell(number, -1, at))
            if grid.kind == "block":
                self.entries |= {n for row in grid.rows if (n := self._numbers.get(row.passage))}
            elif head := names.head(grid.title):
                self._add((head,), Cell(number, -1, -1))

    def n(self, cell: Cell) -> int | None:
        """The number of the passage that has the cell; None when it is not in the prompt."""
        return self._numbers.get(self.grids[cell.grid].rows[cell.row].passage)

    def cell(self, cell: Cell) -> str:
        return self.grids[cell.grid].rows[cell.row].cells[cell.column]

    def about(self, grid: int) -> frozenset[str]:
        """The words of its title and of what stands above it."""
        if grid not in self._about:
            text = f"{self.grids[grid].title}\n{self.grids[grid].context}"
            self._about[grid] = frozenset(words(read(text))) - terms.STOP_WORDS
        return self._about[grid]

    def cell_tokens(self, cell: Cell) -> list[Token]:
        if cell not in self._cells:
            self._cells[cell] = read(self.cell(cell))
        return self._cells[cell]

    def label(self, cell: Cell) -> list[Token]:
        """Of a row or a column, what stands at its head."""
        grid = self.grids[cell.grid]
        return names.read_label(grid.rows[cell.row].cells[0] if cell.row >= 0 else grid.columns[cell.column])

    def column_name(self, cell: Cell) -> str:
        return names.attribute_name(self.grids[cell.grid].columns[cell.column])

    def called(self, cell: Cell) -> str:
        grid = self.grids[cell.grid]
        return f"{grid.rows[cell.row].cells[0] or grid.title} {grid.columns[cell.column]}"

    def stated_of_another(self, cell: Cell, said: list[str]) -> bool:
        """Whether the words begin as the same attribute of somebody else is stated."""
        name = self.column_name(cell)
        for number, grid in enumerate(self.grids):
            for column in range(1, len(grid.columns)):
                if self.column_name(Cell(number, 0, column)) == name:
                    for row in range(len(grid.rows)):
                        stated = words(self.cell_tokens(Cell(number, row, column)))
                        if stated and stated == said[: len(stated)]:
                            return True
        return False

    def mentions(self, tokens: Sequence[Token]) -> list[Mention]:
        """What of passages and grids the tokens name; of names inside a longer one of its kind none."""
        said = [(place, word) for place, token in enumerate(tokens) if (word := names.word(token))]
        found: list[Mention] = []
        covered = [-1] * 4
        for at, (place, word) in enumerate(said):
            for label, meaning, alternative in self._unread.pop(word, ()):
                # "AC 3" is said of a number, not a name.
                if isinstance(meaning, int) or not names.counted(0, label, frozenset()):
                    for form in names.forms(label):
                        self._add(form, meaning, alternative=alternative)
            longest = max(self._longest.get(word, 0), names.ALIAS_WORDS.get(word, 0))
            for length in range(min(longest, len(said) - at), 0, -1):
                phrase = tuple(text for _, text in said[at : at + length])
                meant: list[Cell | int] = self._phrases.get(phrase, [])[:_MOST_MEANT]
                if length <= names.ALIAS_WORDS.get(word, 0) and (name := names.ALIASES.get(" ".join(phrase))):
                    meant += self._named.get(name, [])[:_MOST_MEANT]
                end = said[at + length - 1][0]
                if kinds := [
                    m for m in dict.fromkeys(meant) if max(covered[k] for k in _KIN[_kind(m)]) < end
                ]:
                    cells = tuple(m for m in kinds if isinstance(m, Cell))
                    found.append(Mention(place, end, cells, tuple(m for m in kinds if isinstance(m, int))))
                    for one in kinds:
                        covered[_kind(one)] = end
        return found

    def counted_rows(self, grid: int) -> bool:
        """Whether its rows are labelled by numbers, as those of many tables are."""
        return bool(self._axis(grid).rows)

    def labelled(self, grid: int, value: Value) -> list[Cell]:
        """The rows of the grid that the number is the label of."""
        limits = bounds(value)
        if limits is None or value.kind == "dice":
            return []
        return [Cell(grid, one.at, -1) for one in self._axis(grid).rows if one.holds(limits)]

    def coordinates(self, tokens: Sequence[Token], place: int) -> list[Cell]:
        """The rows (column -1) and columns (row -1) that the number at `place` is the label of."""
        value = tokens[place].value
        limits = bounds(value)
        if value is None or limits is None or value.kind == "dice":
            return []
        near = {names.word(tokens[i]) for i in beside(tokens, place)}
        found: list[Cell] = []
        for grid in range(len(self.grids)):
            axes = self._axis(grid)
            if near.isdisjoint(axes.by):
                continue
            found += [Cell(grid, one.at, -1) for one in axes.rows if near & one.by and one.holds(limits)]
            found += [Cell(grid, -1, one.at) for one in axes.columns if near & one.by and one.holds(limits)]
        return found

    def counting(self, cells: Iterable[Cell]) -> frozenset[str]:
        """The words that stand beside numbers that are labels in the grids of `cells`."""
        return frozenset().union(*(self._axis(number).by for number in {cell.grid for cell in cells}))

    def _axis(self, number: int) -> names.Axes:
        if number not in self._axes:
            grid = self.grids[number]
            rows: list[names.Counted] = []
            columns: list[names.Counted] = []
            if grid.kind == "table":
                by = frozenset(filter(None, map(names.word, read(grid.columns[0])))) - terms.STOP_WORDS
                rows = [c for at, row in enumerate(grid.rows) if (c := names.counted(at, row.cells[0], by))]
                by = self.about(number) & _COUNTED_BY
                columns = [
                    c for at, label in enumerate(grid.columns) if at and (c := names.counted(at, label, by))
                ]
            words_by = frozenset().union(*(one.by for one in (*rows, *columns)))
            self._axes[number] = names.Axes(rows, columns, words_by)
        return self._axes[number]

    def _expect(self, label: str, meaning: Cell | int, *, alternative: bool = False) -> None:
        """Let the label be read when its first word is said, or the first behind its comma. `alternative`:
        it is one of several names in a label, behind every whole label."""
        for part in label.split(",", names.MOST_PARTS):
            if first := _LETTERS_OF.search(part):
                self._unread.setdefault(first_stem(first[0]), []).append((label, meaning, alternative))

    def _add(self, phrase: tuple[str, ...], meaning: Cell | int, *, alternative: bool = False) -> None:
        if not phrase or len(phrase) > _LONGEST_PHRASE or all(word in terms.STOP_WORDS for word in phrase):
            return
        if isinstance(meaning, Cell) and meaning.row >= 0:
            if alternative and (meaning.grid, phrase) in self._whole:
                return
            if not alternative:
                self._whole.add((meaning.grid, phrase))
        self._phrases.setdefault(phrase, []).append(meaning)
        self._longest[phrase[0]] = max(self._longest.get(phrase[0], 0), len(phrase))

    def _add_column(self, label: str, cell: Cell) -> None:
        """Under its label, the attribute's other names, and each of several in one label."""
        for form, name in names.attribute_forms(label):
            self._add(form, cell)
            self._named.setdefault(name, []).append(cell)


# By kind (page, row, column, grid) what a longer name must not be of: "magic" of "magic wands" is no table.
_KIN = ((0,), (1,), (2,), (2, 3))


def _kind(meaning: Cell | int) -> int:
    """Page, row, column, grid."""
    if isinstance(meaning, int):
        return 0
    return 1 if meaning.row >= 0 else 2 if meaning.column >= 0 else 3
