"""The cells of one grid that a question names by row and column, and which of its words that leaves over."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from app.index import labels, terms
from app.index.grids import Grid
from app.retrieval import wording
from app.retrieval.naming import column_forms, entry_forms, head, row_forms, title_parts
from app.retrieval.wording import Span, Word, Wording, words_of

# More rows or columns named in one grid is no certain reading of it.
_MOST_NAMED = 24
# A longer cell is no name of its row, and a longer label no number of its column.
_LONGEST_NAME = 60
_LONGEST_NUMBER = 24
_LETTER = terms.expression(r"[^\W\d_]")
_SIGNED = terms.expression(r"[+−-]|(?:none|nil|normal|no|0)\b", re.IGNORECASE)
_CHANCE = terms.expression(r"\d+\s*%|\d+ in \d+|\d{1,3}\s*$")
# A cell that begins so does not say what it is asked for.
_ELSEWHERE = frozenset(("see", "varies", "variable", "special"))
# The words of the label of a column of rolls: "Roll 2d8", "d%", "Adjusted die roll".
_ROLLED = wording.listed(
    "d die dice roll rolls result results adjusted score scores percent percentile number"
)
_DIE = terms.expression(r"\d*d\d*")
_IN_ORDER = terms.expression(r"(?:level )?\d+(?:st|nd|rd|th)?(?: level)?")
BONUS = wording.roots("bonus penalty modifier adjustment")
CHANCE = wording.roots("chance percent")
UNITS = {
    "gp": "gp|gold", "sp": "sp|silver", "cp": "cp|copper", "pp": "pp|platinum", "ep": "ep|electrum",
    "foot": "f(?:ee|oo)?t|'", "pound": "lbs?|pound", "hour": "hour", "turn": "turn", "round": "round",
    "segment": "segment", "day": "day", "minut": "minute", "coin": "[gscpe]p",
}  # fmt: skip
_SPELLS = wording.roots("spell slot")
# Whoever turns undead is a cleric of some level, though the table need not say so.
TURNING = wording.roots("turning")
TURNING_BY = frozenset(("level", *wording.roots("cleric clerics")))
_UNDEAD = wording.roots("undead")
# Words of a title that say nothing of what is in the table.
_GENERAL = frozenset(("experience points", "hit dice")) | wording.roots(
    "advancement progression level ability abilities day round title function general statistics type gear"
    " table chart matrix list character number encounters beyond"
)
# Words of a title that change what its figures mean.
_QUALIFYING = wording.roots(
    "minimum maximum adjustment modifier bonus penalty limit reduced initial extra starting restriction"
    " failure multiplier reaction random racial turning proficiency matrix resistance requirement"
    " loss gain recovery"
)
# What may be asked of an entry itself with "how many" and "how much".
_COUNTED_ENTRIES = frozenset(("number appearing", "cost"))


class Selected(NamedTuple):
    """A row (-1: no row has the number), the column by which it was selected, and where the question does.

    `counts`: what the number that selects it counts, "" for a roll; None where a name selects it. `beside`:
    how many words stand with it that belong there.
    """

    row: int
    by: int
    span: Span
    counts: str | None = None
    beside: int = 0


class Target(NamedTuple):
    """The columns that are asked for, and where."""

    columns: tuple[int, ...]
    span: Span
    beside: int = 0


class Match(NamedTuple):
    """Cells of one row that a question may ask for.

    `missing`: places of the words that nothing accounts for, -1 for a word of the title that is not asked
    for; `numbers`: places of its numbers; `distant`: how many words only the context has.
    """

    grid: Grid
    selected: Selected
    target: Target
    missing: tuple[int, ...]
    numbers: frozenset[int]
    distant: int

    @property
    def named(self) -> frozenset[int]:
        """The places of the words that name row and columns."""
        return frozenset((*range(*self.selected.span), *range(*self.target.span)))

    @property
    def beside(self) -> int:
        """How well its numbers stand with what they count."""
        return self.selected.beside + self.target.beside

    @property
    def cells(self) -> tuple[str, ...] | None:
        """What is stated there; None where the number that the question has is in no row."""
        if self.selected.row < 0:
            return None
        row = self.grid.rows[self.selected.row]
        return tuple(row.cells[place] for place in self.target.columns)


def matches(grid: Grid, question: Wording) -> list[Match]:
    """All ways to read `question` as one that asks for cells of one row of `grid`."""
    if grid.kind == "block":
        names = (span for form in entry_forms(grid.title) for span in question.runs.get(form, ()))
        selections = [Selected(0, 0, span) for span in dict.fromkeys(names)]
        targets = _columns_named(grid, question) if selections else []
    else:
        targets = [*_columns_named(grid, question), *_columns_numbered(grid, question)]
        selections = [*(_rows_named(grid, question) if targets else ()), *_rows_numbered(grid, question)]
    if len(selections) > _MOST_NAMED or len(targets) > _MOST_NAMED:
        return []
    # A word that names a row or a column is asked for: what leaves it out is no reading.
    spans = [*(selected.span for selected in selections), *(target.span for target in targets)]
    naming = {n for span in spans for n in range(*span)}
    return [
        _match(grid, selected, target, question, naming)
        for selected in selections
        for target in _allowed(grid, selected, targets, question)
    ]


def elsewhere(value: str) -> bool:
    """Whether a cell says that its value stands elsewhere, or nothing."""
    words = terms.tokens(value)
    return not words or words[0] in _ELSEWHERE or words[-1] == "varies"


def _allowed(
    grid: Grid, selected: Selected, targets: Sequence[Target], question: Wording
) -> Iterator[Target]:
    """The targets that go with a row; where none is named, the only one there is, or all numbered ones."""
    found = False
    sides = _sides(grid.columns)
    for target in targets:
        # Labels are looked up by value only where the value is a number that one range holds.
        backwards = 0 in target.columns and (selected.counts is None or selected.by == 0)
        apart = selected.span[1] <= target.span[0] or target.span[1] <= selected.span[0]
        beside = all(sides[place] == sides[selected.by] for place in target.columns)
        if apart and beside and selected.by not in target.columns and not backwards:
            found = True
            yield target
    # "Wisdom 15" says no more of the Wisdom Table than its row.
    telling = _specific(grid.title) - set(words_of(grid.columns[selected.by]))
    if found or selected.counts is None or not any(word.text in telling for word in question.words):
        return
    others = tuple(place for place in range(len(grid.columns)) if place != selected.by)
    in_order = selected.by == 0 and all(_IN_ORDER.fullmatch(grid.columns[n].lower()) for n in others)
    if len(others) == 1 or in_order:
        yield Target(others, (0, 0))


@lru_cache(maxsize=1024)
def _sides(columns: tuple[str, ...]) -> list[int]:
    """For each column which of the tables set side by side it belongs to ("Weapon, Cost, Weapon, Cost")."""
    first = set(words_of(columns[0]))
    begins = [place for place, label in enumerate(columns) if not place or first & set(words_of(label))]
    if any(after - before < 2 for before, after in pairwise([*begins, len(columns)])):
        return [0] * len(columns)
    return [max(begin for begin in begins if begin <= place) for place in range(len(columns))]


def _longest(spans: list[tuple[Span, int]]) -> list[tuple[Span, int]]:
    """Those that lie inside no other: "long sword" is not "sword"."""
    return [
        (span, what)
        for span, what in spans
        if not any(a <= span[0] and span[1] <= b and (a, b) != span for (a, b), _ in spans)
    ]


def _columns_named(grid: Grid, question: Wording) -> list[Target]:
    """The columns whose labels the question has, each alone, or those that begin alike together."""
    spans = [
        (span, place)
        for place, label in enumerate(grid.columns)
        if label
        for form in column_forms(label)
        for span in question.runs.get(form, ())
    ]
    named = list(dict.fromkeys(Target((place,), span) for span, place in _longest(spans)))
    heads: dict[tuple[str, ...], list[int]] = {}
    for place, label in enumerate(grid.columns):
        if place and (common := head(label)):
            heads.setdefault(common, []).append(place)
    for common, places in heads.items():
        for span in {span for form in wording.forms(common) for span in question.runs.get(form, ())}:
            alone = all(other.span[1] <= span[0] or span[1] <= other.span[0] for other in named)
            if len(places) > 1 and alone:
                named.append(Target(tuple(places), span))
    return named


def _columns_numbered(grid: Grid, question: Wording) -> list[Target]:
    """The columns under a number that the question has: "7-8" for "7th level"."""
    found = []
    for n, word in enumerate(question.words):
        if word.number is None:
            continue
        places = [
            place
            for place, label in enumerate(grid.columns)
            if place and len(label) <= _LONGEST_NUMBER and labels.holds(label, word.number)
        ]
        if len(places) != 1:
            continue
        own = set(words_of(grid.columns[places[0]]))
        near = own | _meant(grid.title) | _words(grid.context)
        for span, noun in _counted(question.words, n):
            if not noun or noun in near:
                around = _around(question.words, span)
                found.append(Target((places[0],), span, len(around & (own | _SPELLS))))
    return found


def _counted(words: Sequence[Word], n: int) -> Iterator[tuple[Span, str]]:
    """The number at `n` with what it counts, behind it or before it, and alone."""
    if n + 1 < len(words) and words[n + 1].number is None and not _apart(words[n + 1]):
        yield (n, n + 2), words[n + 1].text
    first = n
    while first and words[first - 1].number is None and not _apart(words[first]) and not words[n].ordinal:
        first -= 1
        yield (first, n + 1), words[first].text
        if not words[first].soft:
            break
    if n and words[n].ordinal and words[n - 1].text == "level":
        yield (n - 1, n + 1), "level"
    yield (n, n + 1), ""


def _apart(word: Word) -> bool:
    """Whether it begins another phrase than the word before."""
    return not wording.CONDITIONS.isdisjoint(word.before) or not _BOUNDS.isdisjoint(word.before)


_BOUNDS = wording.JOINERS | {"for", "does", "do", "have", "has", "can", "on", ":"}


def _around(words: Sequence[Word], span: Span) -> set[str]:
    """The words on both sides of `span` that belong to the same phrase."""
    around = set()
    if span[0] and not _apart(words[span[0]]):
        around.add(words[span[0] - 1].text)
    if span[1] < len(words) and not _apart(words[span[1]]):
        around.add(words[span[1]].text)
    return around


def _rows_named(grid: Grid, question: Wording) -> list[Selected]:
    """The rows that the question names by the text of a column that names them."""
    spans: list[tuple[Span, int]] = []
    found: list[Selected] = []
    first = set(words_of(grid.columns[0]))
    for place, label in enumerate(grid.columns):
        if place and not (set(words_of(label)) & (first | _NAMING)):
            continue
        for number, row in enumerate(grid.rows):
            cell = row.cells[place]
            low = cell[: _LONGEST_NAME + 1].lower()
            if len(low) > _LONGEST_NAME or not any(begun in low for begun in question.beginnings):
                continue
            for form in row_forms(cell):
                for span in question.runs.get(form, ()):
                    if any(_says(word.text) for word in question.words[slice(*span)]):
                        spans.append((span, len(found)))
                        found.append(Selected(number, place, span))
    return list(dict.fromkeys(found[what] for _, what in _longest(spans)))


# The words of a column's label whose cells are names.
_NAMING = wording.roots("title name")


def _says(text: str) -> bool:
    return text[0].isalpha() and text != "level"


def _rows_numbered(grid: Grid, question: Wording) -> list[Selected]:
    """The rows in whose range a number of the question is."""
    asked = {word.text for word in question.words}
    found = []
    for place, label in enumerate(grid.columns):
        own = set(words_of(label))
        if place and "level" not in own:
            continue
        general = all(word in _ROLLED or _DIE.fullmatch(word) for word in terms.tokens(label))
        for n, word in enumerate(question.words):
            if word.number is None or word.typed.startswith("+"):
                continue
            for span, noun in _counted(question.words, n):
                if noun not in own if noun else not general:
                    continue
                rest = frozenset() if general else _specific(label) - {noun}
                if rest and not rest & asked:
                    continue
                rows = [at for at, row in enumerate(grid.rows) if labels.holds(row.cells[place], word.number)]
                beside = len(_around(question.words, span) & (own | _meant(grid.title) - _SPELLS))
                if len(rows) == 1 or (place == 0 and not rows):
                    found.append(Selected(rows[0] if rows else -1, place, span, noun, beside))
                break
    return found


def _match(
    grid: Grid, selected: Selected, target: Target, question: Wording, naming: Collection[int]
) -> Match:
    named = {*range(*selected.span), *range(*target.span)}
    own = {word for place in (*target.columns, selected.by) for word in words_of(grid.columns[place])}
    cells: list[str] = []
    if selected.row >= 0:
        cells = [grid.rows[selected.row].cells[place] for place in (*target.columns, selected.by)]
        own |= set(words_of(cells[-1])) if grid.kind == "table" else set()
    own |= {question.words[n].text for n in named}
    title, context = _meant(grid.title), _words(grid.context)
    titled = grid.title.lower().split()
    missing, distant = [], 0
    for n, word in enumerate(question.words):
        condition = not wording.CONDITIONS.difference(titled).isdisjoint(word.before)
        known = word.text in own or word.text in title or _goes_with(word.text, cells, own) or word.soft
        # "con for an elf as an elf"
        again = condition and any(other.text == word.text for other in question.words if other is not word)
        if (n in named and not again) or (known and not condition):
            continue
        asked = n in naming or word.text in wording.ATTRIBUTES
        if word.text in context and word.number is None and not condition and not asked:
            distant += 1
        else:
            missing.append(n)
    # "How many ogres", "the number of ogres".
    first = selected.span[0]
    counting = not wording.COUNTING.isdisjoint(question.words[first].before)
    counting = counting or (first > 0 and question.words[first - 1].text == "number")
    if counting and selected.counts is None and not own & _COUNTED_ENTRIES:
        missing.append(selected.span[0])
    if grid.kind == "table" and not _titled(grid, selected, target, {word.text for word in question.words}):
        missing.append(-1)
    numbers = frozenset(n for n in named if question.words[n].number is not None)
    return Match(grid, selected, target, tuple(missing), numbers, distant)


def _goes_with(word: str, cells: Sequence[str], own: set[str]) -> bool:
    """Whether a word that only says what kind of figure is wanted is borne out by the value."""
    value = " ".join(cells)
    if word in BONUS:
        return bool(_SIGNED.match(value)) or not own.isdisjoint(BONUS)
    if word in CHANCE:
        return bool(_CHANCE.match(value))
    return word in UNITS and re.search(UNITS[word], value.lower()) is not None


def _titled(grid: Grid, selected: Selected, target: Target, asked: set[str]) -> bool:
    """Whether the question says enough of the title.

    All of it where a level or a roll selects the row, one at least of things in a list; where something more
    telling does, what changes the meaning of the figures.
    """
    own = {word for place in (*target.columns, selected.by) for word in words_of(grid.columns[place])}
    if "to hit" in asked:
        own |= {"number of attacks", "armor class"}
    if not TURNING.isdisjoint(asked):
        own |= _UNDEAD
    telling = selected.counts not in (None, "", "level")
    if selected.counts is None:
        cell = grid.rows[selected.row].cells[selected.by]
        telling = any(_says(word) and word not in wording.ATTRIBUTES for word in words_of(cell))
    beginnings = {word[:7] for word in asked if len(word) >= 7}
    for words in title_parts(grid.title):
        if words & (asked | own) or any(word[:7] in beginnings for word in words if len(word) >= 7):
            continue
        needed = words & (_QUALIFYING | wording.ATTRIBUTES) if telling else words - _GENERAL - _QUALIFYING
        if needed - {"cost", "level"}:
            return False
    return True


def _specific(text: str) -> frozenset[str]:
    return frozenset(words_of(text)) - _GENERAL - _QUALIFYING


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(word for line in text.split("\n") for word in words_of(line))


def _meant(title: str) -> frozenset[str]:
    """The words of a title, and what goes without saying there."""
    words = _words(title)
    # "Attack matrix"
    words |= {"to hit"} if "number of attacks" in words else frozenset()
    return words if TURNING.isdisjoint(words) else words | TURNING_BY
