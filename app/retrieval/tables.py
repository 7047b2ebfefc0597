"""Tables that a question is about: how much of it each accounts for, and which of its rows are asked for.

A table may stand in one passage or have a passage for each row. Of the latter a question needs the rows that
it names ("a 7th level fighter" names the row "6-7" below "Level"), not their look-alikes.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import log
from typing import NamedTuple

from app.index import labels, terms
from app.index.grids import Grid
from app.index.search import LexicalIndex
from app.retrieval import numbers, vocabulary
from app.retrieval.named import Reading
from app.retrieval.numbers import Number
from app.retrieval.shorthand_rules import WORDS

# So many rows of one table are asked for at most.
_MOST_ROWS = 8
# And so many of one that is asked for no row, beside those that have a place.
_MOST_UNASKED = 3
# So many tables have a place for the words that no other accounts for, if these are such a part of all.
_MOST_TABLES = 3
_LEAST_GAIN = 0.15
_CELL, _TITLE = 0.25, 0.25
_LETTERS = terms.expression(r"[^\W\d_]+")
# A column of so many growing numbers is one of thresholds: 50,000 points lie in the row of 35,001.
_FEWEST_THRESHOLDS = 3


class Question(NamedTuple):
    """What tables are held against. `words`: each content word's stem and those of its synonyms; `weights`:
    what each of them tells; `stems`: of all words; `named`: ids of passages of which a row is named;
    `numbers`: with what they count."""

    words: Sequence[frozenset[str]]
    weights: Sequence[float]
    stems: frozenset[str]
    named: Collection[str]
    numbers: Sequence[Number]


class Table(NamedTuple):
    """`score`: BM25, the best is 1; `rows`: those that are asked for, none where the question names none;
    `covered`: which of the question's words it accounts for; `fits`: more where the
    question names row and column, and nothing else that the title has."""

    grid: Grid
    score: float
    rows: tuple[int, ...]
    covered: frozenset[int]
    fits: float = 1.0

    @property
    def is_split(self) -> bool:
        """Whether its rows stand in passages of their own."""
        return len(self.grid.passages) > 1

    @property
    def passages(self) -> list[str]:
        """The ids of the passages with the rows that are asked for; with any row where none is."""
        return list(dict.fromkeys(self.grid.rows[row].passage for row in self.rows)) or self.grid.passages


def question(reading: Reading, index: LexicalIndex) -> Question:
    """Raises DatabaseError, TimedOut."""
    named = {owner for entity in reading.entities for owner, kind in entity.owners.items() if kind == "row"}
    content = {terms.stem(word): word for word in reversed(reading.content())}
    stems = list(content)
    used, count = index.words(stems), index.count()
    return Question(
        [_ways(word) for word in content.values()],
        [log(1 + count / max(1, used.get(stem, 0))) for stem in stems],
        frozenset(reading.stems),
        named,
        numbers.read(reading.searched()).numbers,
    )


def accounted(text: str, asked: Question) -> frozenset[int]:
    """Which words of the question `text` has, but for numbers and what they count: these want a row."""
    rows = {stem for number in asked.numbers for stem in (*number.of.split(), *number.words)}
    return _covered(_written_out(text) - rows, asked)


def _covered(stems: Collection[str], asked: Question) -> frozenset[int]:
    return frozenset(n for n, ways in enumerate(asked.words) if not ways.isdisjoint(stems))


def read(grid: Grid, score: float, asked: Question) -> Table:
    """`grid` held against the question."""
    rows, held = _rows(grid, asked)
    # Of rows that are not told apart by the question only what they are called can be meant.
    meant = [grid.rows[row].cells[0] for row in rows] or [
        row.cells[0] for row in grid.rows if not _spans(row.cells[0])
    ]
    title, columns = _stems(grid.title), _stems(*grid.columns[1:])
    stems = title | columns | _stems(grid.context, grid.columns[0], *meant) | held
    covered = _covered(stems, asked)
    in_columns = _covered(columns, asked)
    is_cell = bool(rows) and bool(in_columns - _covered(_stems(*meant) | held, asked))
    title -= terms.STOP_WORDS | terms.GENERIC
    fits = len(title & asked.stems) / max(1, len(title))
    return Table(grid, score, rows, covered, 1 + _CELL * is_cell + _TITLE * fits)


def answering(found: Sequence[Table], asked: Question, left: Collection[int]) -> list[Table]:
    """Of `found` those that account for the words that are `left`, the most first."""
    least, open_ = _LEAST_GAIN * sum(asked.weights), frozenset(left)
    conditions = _covered({word for number in asked.numbers for word in number.words}, asked)
    chosen: list[Table] = []
    while found and len(chosen) < _MOST_TABLES:
        best = max(
            found,
            key=lambda table: (
                table.fits * weight(table.covered & open_, asked),
                weight(table.covered, asked),
            ),
        )
        gain = best.covered & open_
        # A number wants the row that has it, however little it weighs.
        if weight(gain, asked) <= least and not gain & conditions:
            break
        chosen.append(best)
        open_ -= best.covered
        # A question that compares wants the same table of each: "a cleric, a fighter or a thief".
        for other in found:
            if open_ & _covered(_stems(other.grid.title), asked) and _alike(best.grid, other.grid):
                chosen.append(other)
                open_ -= other.covered
    return chosen


def _alike(one: Grid, other: Grid) -> bool:
    """Whether the one has most columns of the other: the same table of somebody else."""
    shared = set(one.columns[1:]) & set(other.columns[1:])
    return 2 * len(shared) > max(len(one.columns), len(other.columns)) - 1


def weight(words: Iterable[int], asked: Question) -> float:
    return sum(asked.weights[n] for n in words)


def look_alikes(ranked: Sequence[str], found: Iterable[Table], shared: Iterable[Collection[str]]) -> set[str]:
    """Of the passages `ranked` those that hold rows of a table of which other rows are asked for.

    Of a table of which none is asked for the best rows are enough. `shared`: passages with rows of one table.
    """
    asked = {
        identity: frozenset(table.passages)
        for table in found
        if table.rows and table.is_split
        for identity in table.grid.passages
    }
    spared = {identity for identity, rows in asked.items() if identity not in rows}
    places = {identity: place for place, identity in enumerate(ranked)}
    for some in shared:
        unasked = sorted((i for i in some if i not in asked), key=lambda identity: places[identity])
        spared.update(unasked[_MOST_UNASKED:])
    return spared


def headed(grids: Iterable[Grid], reading: Reading) -> dict[str, float]:
    """By passage in which one of `grids` stands, what part of the words outside the names its title, context
    and columns have."""
    words = [_ways(word) for word in reading.rest()]
    parts: dict[str, float] = {}
    for grid in grids:
        stems = _stems(grid.title, grid.context, *grid.columns)
        part = sum(not stems.isdisjoint(ways) for ways in words) / max(1, len(words))
        parts |= {identity: max(part, parts.get(identity, 0.0)) for identity in grid.passages}
    return parts


def _stems(*texts: str) -> set[str]:
    """The stems of `texts`, and of what is written short in them: "AC" is "armor class", too."""
    return set().union(*map(_label_stems, texts))


# Tables have titles, columns and labels in common, and a worker answers many questions.
@lru_cache(maxsize=4096)
def _label_stems(label: str) -> frozenset[str]:
    return _written_out(label)


def _written_out(text: str) -> frozenset[str]:
    stems = frozenset(terms.stems(text))
    return stems.union(*(terms.stems(WORDS[stem]) for stem in stems if stem in WORDS))


@lru_cache(maxsize=4096)
def _called(label: str) -> frozenset[str]:
    """The words of a row's label that count, but for what stands in parentheses."""
    return frozenset(terms.stems(label.partition("(")[0])) - terms.STOP_WORDS


def _rows(grid: Grid, asked: Question) -> tuple[tuple[int, ...], set[str]]:
    """The rows that are asked for, and the numbers of the question that they hold, as words."""
    found: dict[int, None] = {}
    held: set[str] = set()
    for number in asked.numbers:
        keys = _keys(grid, number.of, asked.stems)
        matching = next(filter(None, (_holding(grid, column, number, asked.stems) for column in keys)), [])
        if matching:
            held.update(number.words)
        else:
            matching = next(filter(None, (_above(grid, column, number) for column in keys)), [])
        found |= dict.fromkeys(matching)
    for place, row in enumerate(grid.rows):
        if not _spans(row.cells[0]) and _is_named(grid, row.passage, row.cells[0], asked):
            found[place] = None
    return tuple(sorted(found))[:_MOST_ROWS], held


def _is_named(grid: Grid, passage: str, label: str, asked: Question) -> bool:
    if passage in asked.named and len(grid.passages) == len(grid.rows):
        return True
    stems = _called(label)
    return bool(stems) and stems <= asked.stems


def _holding(grid: Grid, column: int, number: Number, stems: frozenset[str]) -> list[int]:
    """The rows whose cell in `column` holds `number`; of several with one number those whose label has most
    of the question's words ("fighters, level 4-6")."""
    rows = [
        place
        for place, row in enumerate(grid.rows)
        if any(number.meets(span.low, span.high) for span in _spans(row.cells[column]))
    ]
    if number.low != number.high or len(rows) < 2:
        return rows
    shared = [len(stems.intersection(terms.stems(grid.rows[place].cells[0]))) for place in rows]
    return [place for place, words in zip(rows, shared, strict=True) if words == max(shared)]


def _above(grid: Grid, column: int, number: Number) -> list[int]:
    """The row of the last threshold in `column` that `number` reaches, where its cells are thresholds."""
    lows = [
        (spans[0].low, place) for place, row in enumerate(grid.rows) if (spans := _spans(row.cells[column]))
    ]
    is_growing = all(low < higher for (low, _), (higher, _) in pairwise(lows))
    if not column or len(lows) < _FEWEST_THRESHOLDS or not is_growing:
        return []
    return [place for low, place in lows if low <= number.low][-1:]


def _keys(grid: Grid, of: str, stems: frozenset[str]) -> list[int]:
    """The columns that may tell rows apart by `of`, likeliest first."""
    if not of:
        return [0]
    wanted = tuple(of.split()), _header(of)[1]
    found = []
    # Without a heading the labels say what they count: "AC 4".
    own = grid.columns[0] or " ".join(_LETTERS.findall(grid.rows[0].cells[0]))
    for column, header in enumerate((own, *grid.columns[1:])):
        words, attribute = _header(header)
        if column:
            # What tells rows apart has it last: "cleric or thief level", not "hit points per level".
            meant = any(words[-len(some) :] == some for some in wanted)
            # "Level 3 spells" and "to hit by level of attacker: 7" are values, for one number each.
            meant = meant and not any(word.isdigit() for word in words)
        else:
            meant = any(set(some) <= set(words) for some in wanted)
        if meant or attribute == wanted[1]:
            found.append((-len(stems.intersection(words)), column))
    if not found and (not own or set(wanted[0]) <= _stems(grid.title, grid.context)):
        return [0]
    return [column for _, column in sorted(found)]


@lru_cache(maxsize=4096)
def _header(header: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The stems of a column's header, and those of the one name of its attribute."""
    return tuple(terms.stems(header.partition("(")[0])), tuple(labels.attribute(header).split())


# Rows of one table are held against several numbers.
@lru_cache(maxsize=4096)
def _spans(label: str) -> tuple[labels.Span, ...]:
    return labels.spans(label)


def _ways(word: str) -> frozenset[str]:
    """The stem of `word` and those of its synonyms."""
    return frozenset(stem for other in (word, *vocabulary.expand([word])) for stem in terms.stems(other))
