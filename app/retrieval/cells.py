"""The cells of one grid that a question names by row and column, and which of its words that leaves over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from app.index import labels, terms
from app.index.grids import Grid
from app.retrieval import wording
from app.retrieval.wording import Span, Word, Wording, words_of

# More rows or columns named in one grid is no certain reading of it.
_MOST_NAMED = 24
# A longer cell is no name of its row.
_LONGEST_NAME = 60
_PARENTHESES = terms.expression(r"(?<!\s)\s*[(\[]([^)\]]*)[)\]]")
_LETTER = terms.expression(r"[^\W\d_]")
_OR = terms.expression(r"(?<!\s)\s+or\s+|/")
_LISTED = terms.expression(r"(?<!\s)\s+(?:or|and)\s+|[,/&]")
_ALSO = terms.expression(r"(?:and|or|also|including)\s+|\s*,\s*(?:and |or )?")
# What a price is for, not what is sold: "per vial", "50'", "(1 week)".
_QUANTITY = terms.expression(
    r",?\s*\b(?:per|each|for|a|an)\b.{0,40}$|,?\s*\b\d[\d,./]*\s*(?:['\"]|feet|foot|ft\.?|lbs?\.?|pounds?|inch(?:es)?|days?|weeks?)?\s*$"
)
_SIGNED = terms.expression(r"[+−-]|(?:none|nil|normal|no|0)\b", re.IGNORECASE)
_CHANCE = terms.expression(r"\d+\s*%|\d+ in \d+|\d{1,3}\s*$")
_ELSEWHERE = terms.expression(
    r"\W*(?:(?:see|varies|variable|special|as|per|referee|dm)\b|[-–—]\W*$)", re.IGNORECASE
)
BONUS = wording.roots("bonus penalty modifier adjustment")
CHANCE = wording.roots("chance percent")
_SPELLS = wording.roots("spell slot")
# Words of a label that a question leaves out.
_LOOSE = CHANCE | wording.roots("survival base rate effect")
UNITS = {
    "gp": "gp|gold", "sp": "sp|silver", "cp": "cp|copper", "pp": "pp|platinum", "ep": "ep|electrum",
    "foot": "f(?:ee|oo)?t|'", "pound": "lbs?|pound", "hour": "hour", "turn": "turn", "round": "round",
    "segment": "segment", "day": "day", "minut": "minute", "coin": "[gscpe]p",
}  # fmt: skip
# Words of a title that say nothing of what is in the table.
_GENERAL = frozenset(("experience points", "hit dice")) | wording.roots(
    "advancement progression level ability abilities day round title function general statistics type gear"
)
# Words of a title that change what its figures mean.
_QUALIFYING = wording.roots(
    "minimum maximum adjustment modifier bonus penalty limit reduced initial extra starting restriction"
    " failure multiplier reaction random racial turning proficiency matrix resistance requirement"
    " loss gain recovery"
)
# What may be asked of an entry itself with "how many" and "how much".
_COUNTED_ENTRIES = frozenset(("number appearing", "cost"))
_DIE_ROLL = terms.expression(
    r"\W*(?:\d*\s*d\s*(?:\d+|%)|%|die|dice|result|adjusted)?(?:\s+(?:die|dice|rolls?|scores?))*\W*"
)


class Selected(NamedTuple):
    """A row, the column by which it was selected, and where the question does that."""

    row: int
    by: int
    span: Span
    beside: int = 0
    by_number: bool = False


class Match(NamedTuple):
    """Cells of one row that a question may ask for.

    `by`: the column by which the row is named. `row_span` and `column_span`: where the question names them;
    `missing`: places of the words that nothing accounts for, -1 for a word of the title that it lacks;
    `numbers`: places of its numbers; `distant`: how many words only the context has; `beside`: how well
    numbers stand with what they count. `row` is None where the number that the question has is in no row.
    """

    grid: Grid
    row: int | None
    by: int
    columns: tuple[int, ...]
    row_span: Span
    column_span: Span
    missing: tuple[int, ...]
    numbers: frozenset[int]
    distant: int
    beside: int

    @property
    def named(self) -> frozenset[int]:
        """The places of the words that name row and columns."""
        return frozenset((*range(*self.row_span), *range(*self.column_span)))


def matches(grid: Grid, question: Wording) -> list[Match]:
    """All ways to read `question` as one that asks for cells of one row of `grid`."""
    found: list[Match] = []
    if grid.kind == "block":
        selections = _title_named(grid, question)
        columns = _columns_named(grid, question) if selections else []
    else:
        columns = _columns_named(grid, question) + _numbered(grid, question)
        selections = [*(_rows_named(grid, question) if columns else ()), *_rows_numbered(grid, question)]
    if len(selections) > _MOST_NAMED:
        return []
    for selected in selections:
        targets = [
            (targets, span, beside)
            for targets, span, beside in columns
            if selected.by not in targets and not _overlap(span, selected.span)
        ]
        if not targets and selected.by_number:
            targets = _unnamed(grid, selected, question)
        for places, span, beside in targets[:_MOST_NAMED]:
            match = _match(grid, selected, places, span, question)
            found.append(match._replace(beside=selected.beside + beside))
    return found


def _overlap(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _longest(spans: list[tuple[Span, int]]) -> list[tuple[Span, int]]:
    """Those that lie inside no other: "long sword" is not "sword"."""
    return [
        (span, what)
        for span, what in spans
        if not any(a <= span[0] and span[1] <= b and (a, b) != span for (a, b), _ in spans)
    ]


def _columns_named(grid: Grid, question: Wording) -> list[tuple[tuple[int, ...], Span, int]]:
    """The columns whose labels the question has, each alone, or those that begin alike together."""
    spans = [
        (span, place)
        for place, label in enumerate(grid.columns)
        if label
        for form in _column_forms(label)
        for span in question.runs.get(form, ())
    ]
    named: list[tuple[tuple[int, ...], Span, int]] = []
    seen = set()
    for span, place in _longest(spans):
        if (span, place) not in seen:
            seen.add((span, place))
            named.append(((place,), span, 0))
    heads: dict[tuple[str, ...], list[int]] = {}
    for place, label in enumerate(grid.columns):
        if place and (head := _head(label)):
            heads.setdefault(head, []).append(place)
    for head, places in heads.items():
        if len(places) > 1:
            for form in wording.forms(head):
                for span in question.runs.get(form, ()):
                    if not any(_overlap(span, other) for _, other, _ in named):
                        named.append((tuple(places), span, 0))
                        break
                else:
                    continue
                break
    return named


@lru_cache(maxsize=4096)
def _head(label: str) -> tuple[str, ...]:
    """What a column may share with others: "damage" of "Damage vs. large", "spell" of "Spells: 3"."""
    words = words_of(label)
    numbered = tuple(word for word in words if not word[0].isdigit() and word != "level")
    if len(numbered) < len(words):
        return numbered
    before, found, _ = label.partition(" vs")
    if not found:
        before, found, _ = label.partition(": ")
    return words_of(before) if found else ()


def _numbered(grid: Grid, question: Wording) -> list[tuple[tuple[int, ...], Span, int]]:
    """The columns under a number that the question has: "7-8" for "7th level"."""
    found: list[tuple[tuple[int, ...], Span, int]] = []
    for n, word in enumerate(question.words):
        if word.number is None:
            continue
        places = [
            place
            for place, label in enumerate(grid.columns)
            if place and len(label) < 24 and labels.holds(label, word.number)
        ]
        if len(places) != 1:
            continue
        place = places[0]
        own = set(words_of(grid.columns[place]))
        for span, noun in _counted(question.words, n):
            known = not noun or noun in own or noun in _words(grid.title) or noun in _words(grid.context)
            if known:
                around = _around(question.words, span)
                beside = len(around & (own | _SPELLS))
                found.append(((place,), span, beside))
    return found


def _counted(words: Sequence[Word], n: int) -> Iterator[tuple[Span, str]]:
    """The number at `n` with what it counts, behind it or before it, and alone."""
    if n + 1 < len(words) and words[n + 1].number is None and not _apart(words[n + 1]):
        yield (n, n + 2), words[n + 1].text
    if n and words[n - 1].number is None and not _apart(words[n]):
        yield (n - 1, n + 1), words[n - 1].text
    yield (n, n + 1), ""


def _apart(word: Word) -> bool:
    """Whether it begins another phrase than the word before."""
    return not set(word.before).isdisjoint(wording.CONDITIONS | wording.JOINERS | {"for", "does", "do"})


def _around(words: Sequence[Word], span: Span) -> set[str]:
    """The words on both sides of `span` that belong to the same phrase."""
    around = set()
    if span[0] and not _apart(words[span[0]]):
        around.add(words[span[0] - 1].text)
    if span[1] < len(words) and not _apart(words[span[1]]):
        around.add(words[span[1]].text)
    return around


def _rows_named(grid: Grid, question: Wording) -> list[Selected]:
    """The rows that the question names by a text in any column."""
    spans: list[tuple[Span, int]] = []
    texts: list[Selected] = []
    for place in range(len(grid.columns)):
        for number, row in enumerate(grid.rows):
            cell = row.cells[place]
            if not cell or len(cell) > _LONGEST_NAME:
                continue
            if not question.beginnings.search(cell) or not _LETTER.search(cell):
                continue
            for form in _row_forms(cell):
                for span in question.runs.get(form, ()):
                    if any(word.text[0].isalpha() for word in question.words[span[0] : span[1]]):
                        spans.append((span, len(texts)))
                        texts.append(Selected(number, place, span))
    longest = {what for _, what in _longest(spans)}
    return list(dict.fromkeys(texts[what] for what in sorted(longest)))


def _rows_numbered(grid: Grid, question: Wording) -> list[Selected]:
    """The rows in whose range a number of the question is."""
    return [
        selected
        for n, word in enumerate(question.words)
        if word.number is not None and not word.typed.startswith("+")
        for selected in _rows_holding(grid, question, n, word.number)
    ]


def _rows_holding(grid: Grid, question: Wording, n: int, number: float) -> list[Selected]:
    found = []
    for place, label in enumerate(grid.columns):
        own = set(words_of(label))
        general = _DIE_ROLL.fullmatch(label.lower()) is not None
        for span, noun in _counted(question.words, n):
            if noun not in own if noun else not general:
                continue
            rest = _specific(label) - {noun}
            asked = {word.text for word in question.words}
            if rest and not rest & asked:
                continue
            rows = [row for row, cells in enumerate(grid.rows) if labels.holds(cells.cells[place], number)]
            beside = len(_around(question.words, span) & (own | _words(grid.title) - _SPELLS))
            if len(rows) == 1:
                found.append(Selected(rows[0], place, span, beside, True))
            elif place == 0 and not rows:
                found.append(Selected(-1, place, span, beside, True))
            break
    return found


def _title_named(grid: Grid, question: Wording) -> list[Selected]:
    """The entry itself where the question has its name."""
    spans = [span for form in _entry_forms(grid.title) for span in question.runs.get(form, ())]
    return [Selected(0, 0, span) for span in dict.fromkeys(spans)]


def _unnamed(grid: Grid, selected: Selected, question: Wording) -> list[tuple[tuple[int, ...], Span, int]]:
    """The columns that are meant where none is named: the only one, or those that are numbered in order."""
    others = [place for place in range(len(grid.columns)) if place != selected.by]
    titled = any(word.text in _specific(grid.title) for word in question.words)
    if not titled:
        return []
    if len(others) == 1:
        return [((others[0],), (0, 0), 0)]
    if selected.by == 0 and all(
        re.fullmatch(r"(?:level )?\d+(?:st|nd|rd|th)?(?: level)?", grid.columns[p].lower()) for p in others
    ):
        return [(tuple(others), (0, 0), 0)]
    return []


def _match(grid: Grid, selected: Selected, places: tuple[int, ...], span: Span, question: Wording) -> Match:
    named = frozenset((*range(*selected.span), *range(*span)))
    own = {word for place in (*places, selected.by) for word in words_of(grid.columns[place])}
    row = grid.rows[selected.row] if selected.row >= 0 else None
    if row is not None and grid.kind == "table":
        own |= set(words_of(row.cells[selected.by][: labels.LONGEST_LABEL]))
    title, context = _words(grid.title), _words(grid.context)
    own |= {question.words[n].text for n in named}
    value = " ".join(row.cells[place] for place in (*places, selected.by)) if row is not None else ""
    missing, distant = [], 0
    for n, word in enumerate(question.words):
        if n in named:
            continue
        condition = not wording.CONDITIONS.isdisjoint(word.before)
        if condition and word.text not in own:
            missing.append(n)
        elif word.text in own or word.text in title or _goes_with(word.text, value, own):
            continue
        elif word.text in context and word.number is None:
            distant += 1
        else:
            missing.append(n)
    first = question.words[selected.span[0]]
    if (
        not wording.COUNTING.isdisjoint(first.before)
        and not own & _COUNTED_ENTRIES
        and not selected.by_number
    ):
        missing.append(selected.span[0])
    # What the title says must be asked for, too.
    if grid.kind == "table":
        asked = {word.text for word in question.words}
        missing += [-1] * (not _titled(grid, selected, places, asked))
    return Match(
        grid,
        None if row is None else selected.row,
        selected.by,
        places,
        selected.span,
        span,
        tuple(missing),
        frozenset(n for n in named if question.words[n].number is not None),
        distant,
        0,
    )


def _goes_with(word: str, value: str, own: set[str]) -> bool:
    """Whether a word that only says what kind of figure is wanted is borne out by the value."""
    if word in BONUS:
        return bool(_SIGNED.match(value)) or not own.isdisjoint(BONUS)
    if word in CHANCE:
        return bool(_CHANCE.match(value))
    return word in UNITS and re.search(UNITS[word], value.lower()) is not None


def _titled(grid: Grid, selected: Selected, places: tuple[int, ...], asked: set[str]) -> bool:
    """Whether the question says enough of the title.

    All of it where a number selects the row, one at least of things in a list; where a name selects it, what
    changes the meaning of the figures.
    """
    by_name = not selected.by_number and any(
        word[0].isalpha() and word not in wording.ATTRIBUTES
        for word in words_of(grid.rows[selected.row].cells[selected.by])
    )
    own = {word for place in (*places, selected.by) for word in words_of(grid.columns[place])}
    if "to hit" in asked:
        own |= {"number of attacks", "matrix", "armor class"}
    beginnings = {word[:7] for word in asked if len(word) >= 7}
    for words in _title_parts(grid.title):
        if words & (asked | own) or any(word[:7] in beginnings for word in words if len(word) >= 7):
            continue
        needed = words & (_QUALIFYING | wording.ATTRIBUTES) if by_name else words - _GENERAL - _QUALIFYING
        if by_name and "cost" in own:
            needed = needed - {"cost"}
        if needed:
            return False
    return True


@lru_cache(maxsize=1024)
def _title_parts(title: str) -> tuple[frozenset[str], ...]:
    """Each word of `title`, those of a list together: "Clerics, Druids and Monks" are one."""
    text = _PARENTHESES.sub("", title)
    parts: list[frozenset[str]] = []
    group: set[str] = set()
    pieces = re.split(r"(\s+(?:and|or)\s+|[,/&])", text)
    for n in range(0, len(pieces), 2):
        words = words_of(pieces[n])
        if not words:
            continue
        if n and parts:
            group = set(parts.pop()) | {words[0]}
            parts.append(frozenset(group))
            words = words[1:]
        parts += [frozenset((word,)) for word in words]
    return tuple(parts)


def _specific(text: str) -> frozenset[str]:
    return frozenset(words_of(text)) - _GENERAL - _QUALIFYING


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(word for line in text.split("\n") for word in words_of(line))


@lru_cache(maxsize=8192)
def _column_forms(label: str) -> frozenset[str]:
    """The forms in which a column is named in full: its words, one of those it offers, its common name."""
    bare = _PARENTHESES.sub("", label).strip() or label
    if (known := labels.attribute(bare)) in wording.ATTRIBUTES:
        return frozenset((known.replace(" ", ""),))
    texts = [label, bare]
    parts = [part.strip() for part in _LISTED.split(bare) if part.strip()]
    if len(parts) > 1:
        texts += parts if "/" not in bare or all(" " not in part for part in parts) else []
        if len(parts) == 2:
            first, second = parts[0].split(), parts[1].split()
            # "Find/remove traps", "small/medium sized"
            if len(first) == 1 and len(second) > 1:
                texts.append(" ".join((*first, *second[1:])))
                texts.append(parts[1])
            if len(first) > 1 and len(second) == 1:
                texts.append(" ".join((*first[:-1], *second)))
                texts.append(parts[0])
    forms: set[str] = set()
    for text in texts:
        words = words_of(text)
        forms |= wording.forms(words) if words else set()
        fewer = tuple(word for word in words if word not in _LOOSE)
        forms |= wording.forms(fewer) if fewer else set()
    return frozenset(forms)


@lru_cache(maxsize=16384)
def _row_forms(label: str) -> frozenset[str]:
    """The forms in which a row is named in full."""
    bare = _PARENTHESES.sub("", label).strip() or label
    texts = [label, bare, *_PARENTHESES.findall(label)]
    if (without := _QUANTITY.sub("", bare).strip()) and without != bare:
        texts.append(without)
    if "," not in bare:
        texts += [part for part in _OR.split(bare) if " " not in part.strip()]
    forms: set[str] = set()
    for text in texts:
        if _LETTER.search(text):
            forms |= _inverted_forms(text)
    return frozenset(forms)


@lru_cache(maxsize=4096)
def _entry_forms(title: str) -> frozenset[str]:
    """The forms of an entry's name: "Ghoul (and Ghast)" is "ghoul", "ghast" and both."""
    bare = _PARENTHESES.sub("", title).strip() or title
    forms = _inverted_forms(title) | _inverted_forms(bare)
    for inside in _PARENTHESES.findall(title):
        for part in _ALSO.split(inside):
            if part and len(part) > 3:
                forms |= _inverted_forms(part)
    return frozenset(forms)


def _inverted_forms(text: str) -> set[str]:
    words = words_of(text)
    if not words:
        return set()
    forms = wording.forms(words)
    parts = text.split(",")
    if 1 < len(parts) < 5:
        forms |= wording.forms([word for part in reversed(parts) for word in words_of(part)])
    return forms


def elsewhere(value: str) -> bool:
    """Whether a cell says that its value stands elsewhere, or nothing."""
    return _ELSEWHERE.match(value) is not None
