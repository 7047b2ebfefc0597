"""What the books state, as an answer is held against it: cells of grids, and values in the passages' words.

Grids know of whom and what a value is. In prose a value is known by the words around it (`likeness`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple

from app.grounding.figures import PENALTY, UNITS, Token, Value, first_stem, read
from app.index import labels, terms
from app.index.grids import Grid
from app.models import Passage

Context = Mapping[str, tuple[float, float]]
"""The words around a value, each with how near it is on the left and on the right, from 0 to 1."""

_PARENTHESES = re.compile(r"\([^()]{0,200}\)")
_LETTERS = re.compile(r"[a-z]+")
# So far from a value a word says nothing about it any more.
_REACH = 8.0
# A word on the other side of the value: "armor class 5" and "5 armor class".
_OTHER_SIDE = 0.75
_LONGEST_SNIPPET = 120
# Words by which the columns of a table are counted when its headings are bare numbers.
_COUNTED_BY = frozenset(("level", "armor", "class", "die", "roll", "age", "score", "year", "distance"))
# In a title these say what kind of thing it is, not of what.
_SEVERAL = re.compile(r"[,/:;]|\bor\b|\band\b")
_LONGEST_PHRASE = 12
# One phrase names so many rows or columns at most.
_MOST_MEANT = 40
_MOST_PARTS = 3
_LETTERS_OF = re.compile(r"[^\W\d_]+")
_PER = frozenset(
    ("attack", "hit", "round", "turn", "segment", "level", "die", "hour", "day", "week", "month")
)
_KINDS = frozenset(("table", "chart", "matrix", "list", "general", "type"))


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


class Page:
    """A passage in the prompt, read when it is needed. `number` counts from 1; `title`: the stems of its
    name."""

    def __init__(self, number: int, passage: Passage) -> None:
        self.number, self.passage = number, passage
        self.title = frozenset(words(read(_PARENTHESES.sub(" ", passage.name)))) - terms.STOP_WORDS

    @cached_property
    def source(self) -> str:
        """As the book writes it, unless words are cut there or written with signs that are none."""
        plain = terms.plain(self.passage.text)
        return self.passage.text if len(plain) == len(self.passage.text) else plain

    @cached_property
    def tokens(self) -> list[Token]:
        """Without what stands in tables: without its labels a cell says nothing."""
        if "|" not in self.source and "<t" not in self.source.lower():
            return read(self.source)
        return read("\n".join(" " * len(x) if _in_table(x) else x for x in self.source.split("\n")))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(map(terms.stem, set(_LETTERS.findall(self.folded))))

    @cached_property
    def folded(self) -> str:
        """Name, place and text as words are compared in, with both readings of words that were cut."""
        passage = self.passage
        whole = f"{passage.name}\n{passage.hierarchy}\n{passage.book}\n{passage.text}"
        return terms.without_accents(terms.both_readings(whole)).lower()

    @cached_property
    def _contexts(self) -> dict[int, Context]:
        """What stands around each value."""
        return {place: context(self.tokens, place) for place, token in enumerate(self.tokens) if token.value}

    @cached_property
    def _beside(self) -> dict[str, list[int]]:
        """By word the values that it stands around."""
        return _by_word((place, words) for place, words in self._contexts.items())

    @cached_property
    def _with(self) -> dict[str, list[int]]:
        """By word the sentences that have it."""
        return _by_word(enumerate(self.bags))

    def context(self, place: int) -> Context:
        return self._contexts[place]

    def alike(self, around: Iterable[str], most: int) -> list[int]:
        """The values around which most of these words stand."""
        return _most_shared(self._beside, around, most)

    def with_words(self, content: Iterable[str], most: int) -> list[int]:
        """The sentences that have most of these words, by number."""
        return _most_shared(self._with, content, most)

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """The tokens of each: first, and behind the last."""
        found: list[tuple[int, int]] = []
        for place, token in enumerate(self.tokens):
            if found and self.tokens[place - 1].sentence == token.sentence:
                found[-1] = (found[-1][0], place + 1)
            else:
                found.append((place, place + 1))
        return found

    @cached_property
    def bags(self) -> list[frozenset[str]]:
        """The words of each sentence."""
        return [frozenset(words(self.tokens[first:last])) for first, last in self.sentences]

    def around(self, place: int) -> tuple[int, int]:
        """The sentence in which a token stands: the first of its tokens, and behind the last."""
        sentence = self.tokens[place].sentence
        first, last = place, place + 1
        while first and self.tokens[first - 1].sentence == sentence:
            first -= 1
        while last < len(self.tokens) and self.tokens[last].sentence == sentence:
            last += 1
        return first, last

    def snippet(self, first: int, last: int, place: int) -> str:
        """The words from one token to before another, cut to what stands around `place`."""
        while self.tokens[last - 1].end - self.tokens[first].start > _LONGEST_SNIPPET:
            if place - first > last - 1 - place:
                first += 1
            else:
                last -= 1
        return " ".join(self.source[self.tokens[first].start : self.tokens[last - 1].end].split())


def _in_table(line: str) -> bool:
    return line.lstrip().lower().startswith(("|", "<td", "<tr", "<th", "<table"))


def _by_word(found: Iterable[tuple[int, Iterable[str]]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, some in found:
        for word in some:
            places.setdefault(word, []).append(place)
    return places


def _most_shared(places: Mapping[str, list[int]], said: Iterable[str], most: int) -> list[int]:
    """The places that have most of the words."""
    votes = Counter(chain.from_iterable(places[word] for word in said if word in places))
    return [place for place, _ in votes.most_common(most)]


class Books:
    """The passages in prompt order and the grids that stand in them. Labels are read when a word of theirs is
    said."""

    def __init__(self, passages: Sequence[Passage], grids: Sequence[Grid]) -> None:
        self.pages = [Page(number, passage) for number, passage in enumerate(passages, 1)]
        self.grids = grids
        self.about = [
            frozenset(words(read(f"{grid.title}\n{grid.context}"))) - terms.STOP_WORDS for grid in grids
        ]
        # The passages that are the entry of one subject: what stands there is said of it.
        self.entries: set[int] = set()
        self._numbers = {page.passage.id: page.number for page in self.pages}
        self._phrases: dict[tuple[str, ...], list[Cell | int]] = {}
        self._longest: dict[str, int] = {}
        self._unread: dict[str, list[tuple[str, Cell | int]]] = {}
        self._named: dict[str, list[Cell]] = {}
        self._axes: dict[int, _Axes] = {}
        self._cells: dict[Cell, list[Token]] = {}
        for page in self.pages:
            self._expect(page.passage.name, page.number)
        for number, grid in enumerate(grids):
            for at, row in enumerate(grid.rows):
                self._expect(row.cells[0], Cell(number, at, -1))
                if grid.kind == "block" and row.cells[0] != grid.title:
                    self._expect(grid.title, Cell(number, at, -1))
            for at, label in enumerate(grid.columns):
                if label:
                    self._add_column(label, Cell(number, -1, at))
            if grid.kind == "block":
                self.entries |= {n for row in grid.rows if (n := self._numbers.get(row.passage))}
            elif head := _head(grid.title):
                self._add((head,), Cell(number, -1, -1))

    def n(self, cell: Cell) -> int | None:
        """The number of the passage that has the cell; None when it is not in the prompt."""
        return self._numbers.get(self.grids[cell.grid].rows[cell.row].passage)

    def cell(self, cell: Cell) -> str:
        return self.grids[cell.grid].rows[cell.row].cells[cell.column]

    def cell_tokens(self, cell: Cell) -> list[Token]:
        if cell not in self._cells:
            self._cells[cell] = read(self.cell(cell))
        return self._cells[cell]

    def label(self, cell: Cell) -> list[Token]:
        """Of a row or a column, what stands at its head."""
        grid = self.grids[cell.grid]
        return _read_label(grid.rows[cell.row].cells[0] if cell.row >= 0 else grid.columns[cell.column])

    def column_name(self, cell: Cell) -> str:
        return attribute_name(self.grids[cell.grid].columns[cell.column])

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
        said = [(place, word) for place, token in enumerate(tokens) if (word := _word(token))]
        found: list[Mention] = []
        covered = [-1] * 4
        for at, (place, word) in enumerate(said):
            for label, meaning in self._unread.pop(word, ()):
                # "AC 3" is said of a number, not a name.
                if isinstance(meaning, int) or not _counted(0, label, frozenset()):
                    for form in _forms(label):
                        self._add(form, meaning)
            longest = max(self._longest.get(word, 0), _ALIAS_WORDS.get(word, 0))
            for length in range(min(longest, len(said) - at), 0, -1):
                phrase = tuple(text for _, text in said[at : at + length])
                meant: list[Cell | int] = self._phrases.get(phrase, [])[:_MOST_MEANT]
                if length <= _ALIAS_WORDS.get(word, 0) and (name := _ALIASES.get(" ".join(phrase))):
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
        span = _span(value)
        rows = self._axis(grid).rows if span else ()
        return [Cell(grid, one.at, -1) for one in rows if span and one.holds(span)]

    def coordinates(self, tokens: Sequence[Token], place: int) -> list[Cell]:
        """The rows (column -1) and columns (row -1) that the number at `place` is the label of."""
        value = tokens[place].value
        if value is None or value.kind == "dice" or not self.grids:
            return []
        near = {_word(tokens[i]) for i in beside(tokens, place)}
        found: list[Cell] = []
        for grid in range(len(self.grids)):
            axes = self._axis(grid)
            if near.isdisjoint(axes.by) or not (span := _span(value)):
                continue
            found += [Cell(grid, one.at, -1) for one in axes.rows if near & one.by and one.holds(span)]
            found += [Cell(grid, -1, one.at) for one in axes.columns if near & one.by and one.holds(span)]
        return found

    def counting(self, cells: Iterable[Cell]) -> frozenset[str]:
        """The words that stand beside numbers that are labels in the grids of `cells`."""
        return frozenset().union(*(self._axis(number).by for number in {cell.grid for cell in cells}))

    def _axis(self, number: int) -> _Axes:
        if number not in self._axes:
            grid = self.grids[number]
            rows: list[_Counted] = []
            columns: list[_Counted] = []
            if grid.kind == "table":
                by = frozenset(filter(None, map(_word, read(grid.columns[0])))) - terms.STOP_WORDS
                rows = [c for at, row in enumerate(grid.rows) if (c := _counted(at, row.cells[0], by))]
                by = self.about[number] & _COUNTED_BY
                columns = [
                    c for at, label in enumerate(grid.columns) if at and (c := _counted(at, label, by))
                ]
            words_by = frozenset().union(*(one.by for one in (*rows, *columns)))
            self._axes[number] = _Axes(rows, columns, words_by)
        return self._axes[number]

    def _expect(self, label: str, meaning: Cell | int) -> None:
        """Let the label be read when its first word is said, or the first behind its comma."""
        for part in label.split(",", _MOST_PARTS):
            if first := _LETTERS_OF.search(part):
                self._unread.setdefault(first_stem(first[0]), []).append((label, meaning))

    def _add(self, phrase: tuple[str, ...], meaning: Cell | int) -> None:
        if phrase and len(phrase) <= _LONGEST_PHRASE and not all(word in terms.STOP_WORDS for word in phrase):
            self._phrases.setdefault(phrase, []).append(meaning)
            self._longest[phrase[0]] = max(self._longest.get(phrase[0], 0), len(phrase))

    def _add_column(self, label: str, cell: Cell) -> None:
        """Under its label, the attribute's other names, and each of several in one label."""
        for form, name in _attribute_forms(label):
            self._add(form, cell)
            self._named.setdefault(name, []).append(cell)


class _Counted(NamedTuple):
    """A row or column (`at`) that is labelled by a number, and the words that such a number stands beside."""

    at: int
    spans: tuple[labels.Span, ...]
    by: frozenset[str]

    def holds(self, span: labels.Span) -> bool:
        return any(one.low <= span.low and span.high <= one.high for one in self.spans)


class _Axes(NamedTuple):
    rows: list[_Counted]
    columns: list[_Counted]
    by: frozenset[str]


_ALIASES = labels.CANONICAL
_ALIAS_WORDS: dict[str, int] = {}
for _alias in _ALIASES:
    if len(_alias) < 3 or _alias in terms.STOP_WORDS:
        # In capitals they are written out when they are read ("AT", "IN").
        continue
    _first, *_more = _alias.split()
    _ALIAS_WORDS[_first] = max(_ALIAS_WORDS.get(_first, 0), 1 + len(_more))


def _counted(at: int, label: str, by: frozenset[str]) -> _Counted | None:
    if not any(c.isdigit() for c in label):
        return None
    bare = _PARENTHESES.sub(" ", label)
    spans = labels.spans(bare)
    own = frozenset(words(read(bare))) - terms.STOP_WORDS
    if not spans or len(own) > 4:
        return None
    return _Counted(at, spans, by | own)


@lru_cache(maxsize=1024)
def _span(value: Value) -> labels.Span | None:
    spans = labels.spans(("-" if value.sign == "-" else "") + value.amount)
    return spans[0] if spans else None


@lru_cache(maxsize=1024)
def _read_label(label: str) -> list[Token]:
    return read(label)


@lru_cache(maxsize=1024)
def attribute_name(label: str) -> str:
    return labels.attribute(_PARENTHESES.sub(" ", label))


def _word(token: Token) -> str:
    if token.value:
        return token.value.amount
    return token.stem if token.stem[:1].isalnum() else ""


def words(tokens: Iterable[Token]) -> list[str]:
    """The stems of the words among them."""
    return [token.stem for token in tokens if token.stem[:1].isalpha()]


# By kind (page, row, column, grid) what a longer name must not be of: "magic" of "magic wands" is no table.
_KIN = ((0,), (1,), (2,), (2, 3))


def _kind(meaning: Cell | int) -> int:
    """Page, row, column, grid."""
    if isinstance(meaning, int):
        return 0
    return 1 if meaning.row >= 0 else 2 if meaning.column >= 0 else 3


def _forms(name: str) -> set[tuple[str, ...]]:
    """How a name is said: "Dragon, Red" also "red dragon"."""
    bare = _PARENTHESES.sub(" ", name) if "(" in name else name
    forms = {tuple(filter(None, map(_word, read(bare))))}
    if 0 < bare.count(",") <= _MOST_PARTS:
        forms.add(tuple(filter(None, map(_word, read(" ".join(reversed(bare.split(","))))))))
    return forms


@lru_cache(maxsize=1024)
def _attribute_forms(label: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """How a column is called, and the attribute's one name."""
    bare = _PARENTHESES.sub(" ", label)
    *others, last = bare.split() or [""]
    if others and first_stem(last) in UNITS:
        # "Cost Gp"
        bare = " ".join(others)
    pieces = _SEVERAL.split(bare)
    found: dict[tuple[str, ...], str] = {}
    whole = tuple(filter(None, map(_word, read(label))))
    if any("-" in word for word in whole) or (whole and not any(c.isdigit() for c in label)):
        found[whole] = labels.attribute(label)
    for piece in dict.fromkeys((bare, *pieces)):
        said = tuple(words(read(piece)))
        name = labels.attribute(piece)
        if len(said) == 1 and said[0] in _PER and f"/{piece}" in bare:
            # "Damage/attack": the second says how, and is no number of attacks.
            continue
        found.setdefault(said, name)
        found.setdefault(tuple(name.split()), name)
    return tuple(found.items())


def _head(title: str) -> str:
    """What a table states: "range" of "Missile Weapon Ranges", "spell" of "Cleric Spells per Day"."""
    head = ""
    for token in read(title):
        if token.stem in terms.STOP_WORDS or token.stem in ("per", ",", "(", ":"):
            if head:
                break
        elif token.stem[:1].isalpha() and token.stem not in _KINDS:
            head = token.stem
    return head


def beside(tokens: Sequence[Token], place: int, most: int = 2) -> list[int]:
    """The words beside a value, `most` on each side, up to the next value or sign."""
    found: list[int] = []
    for step in (-1, 1):
        at, left = place + step, most
        while 0 <= at < len(tokens) and left:
            if value := tokens[at].value:
                # "d100: 91"
                found += [at] if value.kind == "dice" else []
                break
            stem = tokens[at].stem
            if stem in (",", ";", "(", ")", "|") or tokens[at].sentence != tokens[place].sentence:
                break
            if stem[:1].isalpha() and stem not in terms.STOP_WORDS:
                found.append(at)
                left -= 1
            at += step
    return found


def context(tokens: Sequence[Token], place: int) -> Context:
    """The words around the value at `place`, in its sentence."""
    found: dict[str, tuple[float, float]] = {}
    sentence = tokens[place].sentence
    for side, step in ((0, -1), (1, 1)):
        distance, at = 0.0, place + step
        while 0 <= at < len(tokens) and distance < _REACH and tokens[at].sentence == sentence:
            token = tokens[at]
            if token.value:
                distance += 2
            elif not token.stem[:1].isalpha():
                distance += 0.5
            elif token.stem in terms.STOP_WORDS:
                distance += 0.25
            else:
                weight = 1 / (1 + distance / 2)
                left, right = found.get(token.stem, (0.0, 0.0))
                found[token.stem] = (left, max(right, weight)) if side else (max(left, weight), right)
                distance += 1
            at += step
    return found


def likeness(said: Context, stated: Context, ignore: frozenset[str]) -> float:
    """How much of what stands around a value in an answer stands around another in a book, from 0 to 1."""
    total = got = 0.0
    for word, (left, right) in said.items():
        if word in ignore:
            continue
        total += max(left, right)
        if word in stated:
            other_left, other_right = stated[word]
            got += max(
                min(left, other_left),
                min(right, other_right),
                _OTHER_SIDE * min(left, other_right),
                _OTHER_SIDE * min(right, other_left),
            )
    return got / total if total else 0.0


def taken_off(said: Context) -> bool:
    """Whether the words around a value say that it is a penalty."""
    return not PENALTY.isdisjoint(said)
