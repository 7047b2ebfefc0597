"""The cells of one grid that a question names by row and column, and which of its words that leaves over."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from app.index import labels, terms
from app.index.grids import Grid
from app.retrieval import wording
from app.retrieval.naming import column_forms, entry_forms, head, row_forms, title_parts, without_marks
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
# Behind these stands another than whom the figures are of: who is fought, whom it is done to or comes from.
_FOUGHT = wording.listed("against vs versus")
_NOT_OWNERS = _FOUGHT | wording.listed("to into from by with as")
_DONE_TO = frozenset(("damage", "number of attacks"))
# Where the rows are what one is in danger of, or fights.
_FIGHTING = frozenset(("saving throw", "number of attacks", "to hit")) | _UNDEAD | TURNING
_PEOPLE = wording.roots("character player race class")
_SUBJECTS = wording.roots("monster creature item spell")
_PREPOSITIONS = wording.listed("for to by from on with of as like my your our")
_RATES = wording.listed("per each every")
_REACHING = wording.roots("reach attain become get gain need make")
_OPPONENTS = wording.roots("opponent target")
_CASTING = frozenset(("duration", "casting time"))
# Experience is given by a monster and needed by a character.
_NEEDED = wording.roots("need require become reach attain get gain")
_GIVEN = wording.roots("worth give value award")
_WE = wording.listed("i we you")
_WHICH = frozenset(("what", "which"))
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
    rows: set[int] = set()
    if grid.kind == "table":
        first = [selected for selected in selections if selected.counts is None and not selected.by]
        rows.update(n for selected in first for n in range(*selected.span))
    return [
        _match(grid, selected, target, question, naming, rows)
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
    # In "level 3 victim level 5" the victim is of the fifth.
    told = n > 0 and words[n - 1].text == "level" and not words[n].ordinal and not _apart(words[n])
    if n + 1 < len(words) and words[n + 1].number is None and not _apart(words[n + 1]) and not told:
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
                    said = {word.text for word in question.words[slice(*span)]}
                    if not any(map(_says, said)):
                        continue
                    for other in _alike(grid, number, place, said):
                        spans.append((span, len(found)))
                        found.append(Selected(other, place, span))
    return list(dict.fromkeys(found[what] for _, what in _longest(spans)))


def _alike(grid: Grid, number: int, place: int, said: set[str]) -> Iterator[int]:
    """The row, and where its label has more than is said, all others that have that as well: "oil"."""
    yield number
    if said < set(words_of(without_marks(grid.rows[number].cells[place]))):
        for other, row in enumerate(grid.rows):
            if other != number and said < set(words_of(row.cells[place][:_LONGEST_NAME])):
                yield other


# The words of a column's label whose cells are names.
_NAMING = wording.roots("title name")
# A column of levels has none of these: "Level 5 spells", "Level title".
_LABELLING = _NAMING | _SPELLS


def _says(text: str) -> bool:
    return text[0].isalpha() and text != "level"


def _rows_numbered(grid: Grid, question: Wording) -> list[Selected]:
    """The rows in whose range a number of the question is."""
    asked = {word.text for word in question.words}
    found = []
    for place, label in enumerate(grid.columns):
        own = set(words_of(label))
        if place and ("level" not in own or own & _LABELLING or any(word[0].isdigit() for word in own)):
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
    grid: Grid,
    selected: Selected,
    target: Target,
    question: Wording,
    naming: Collection[int],
    rows: Collection[int],
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
    places = (selected.by, *target.columns)
    labelled = {*titled, *" ".join([*(grid.columns[place] for place in places), *cells[-1:]]).lower().split()}
    missing, distant = [], 0
    for n, word in enumerate(question.words):
        condition = not wording.CONDITIONS.difference(titled).isdisjoint(word.before)
        known = word.text in own or word.text in title or _goes_with(word.text, cells, own)
        rate = not (_RATES - labelled).isdisjoint(word.before)
        known = (known and n not in rows and not rate) or (
            word.soft and _is_soft(grid, selected, target, question.words, n)
        )
        # "con for an elf as an elf"
        again = condition and any(other.text == word.text for other in question.words if other is not word)
        if (n in named and not again and not rate) or (known and not condition):
            continue
        asked = n in naming or word.text in wording.ATTRIBUTES
        beside = selected.counts is None and _is_beside(question.words, n, selected.span)
        if word.text in context and word.number is None and not (condition or asked or beside):
            distant += 1
        else:
            missing.append(n)
    # "How many ogres", "the number of ogres".
    first = selected.span[0]
    counting = not wording.COUNTING.isdisjoint(question.words[first].before)
    counting = counting or (first > 0 and question.words[first - 1].text == "number")
    if counting and selected.counts is None and not own & _COUNTED_ENTRIES:
        missing.append(selected.span[0])
    if _is_of_another(grid, selected, target, question.words) or _is_other(
        grid, selected, target, question.words, cells
    ):
        missing.append(selected.span[0])
    if grid.kind == "table" and not _titled(grid, selected, target, {word.text for word in question.words}):
        missing.append(-1)
    numbers = frozenset(n for n in named if question.words[n].number is not None)
    return Match(grid, selected, target, tuple(missing), numbers, distant)


def _is_soft(grid: Grid, selected: Selected, target: Target, words: Sequence[Word], n: int) -> bool:
    """Whether the soft word at `n` says nothing of whose the figures are, or for what."""
    text, before = words[n].text, set(words[n].before)
    asked = {words[at].text for at in range(*target.span)}
    opening = n < min(selected.span[0], target.span[0] if target.span[1] else n + 1)
    if text in _OPPONENTS:
        # "Damage vs. large opponents"
        return grid.kind == "table" and n == target.span[1] and not before
    if before & _RATES or (text == "know" and not opening and asked & _SPELLS):
        return False
    if text in _SUBJECTS and (before & _PREPOSITIONS or (selected.counts == "level" and text not in _SPELLS)):
        return False
    if text in _PEOPLE:
        # "A character with strength 17", no "player character ogre"
        return grid.kind == "table" and (selected.counts is not None or not before & _PREPOSITIONS)
    if "to" in words[n].before[-1:] and not opening and text not in _ROLL:
        return text in _REACHING and "experience points" in asked
    if grid.kind == "table" or text not in _SUBJECTS:
        return True
    return text != "item" and (text in _SPELLS) == any(map(_is_casting, grid.columns))


def _is_casting(label: str) -> bool:
    return not _CASTING.isdisjoint(words_of(label))


def _is_of_another(grid: Grid, selected: Selected, target: Target, words: Sequence[Word]) -> bool:
    """Whether what is named is not whose figures are asked for: "damage against an ogre"."""
    first, before = words[selected.span[0]], set(words[selected.span[0]].before)
    asked = {words[n].text for n in range(*target.span)}
    if grid.kind == "block":
        return bool(before & _NOT_OWNERS) or ("on" in before and bool(asked & _DONE_TO))
    if selected.counts == "level":
        outside = (word for n, word in enumerate(words) if not target.span[0] <= n < target.span[1])
        return bool(before & _FOUGHT) or any("from" in word.before for word in outside)
    if "with" in before and "armor class" in asked:
        return True
    fights = not _FIGHTING.isdisjoint(_words(grid.title)) and not first.number
    return selected.counts is None and ("to" in before or (bool(before & _FOUGHT) and not fights))


def _is_other(
    grid: Grid, selected: Selected, target: Target, words: Sequence[Word], cells: Sequence[str]
) -> bool:
    """Whether the question asks for something else by the same words: what is given, which spells."""
    asked = {words[n].text for n in range(*target.span)}
    texts = {word.text for word in words}
    start, end = selected.span
    said = " ".join(words[n].typed for n in range(*target.span))
    # "What is the attack of an ogre" may ask for more than how many.
    if said in _SPOKEN and _SPOKEN[said] in asked:
        return True
    counting = any(not wording.COUNTING.isdisjoint(word.before) for word in words)
    if said.startswith("appear") and said != "appearing" and not counting:
        return True
    # "Seer spells level 2" may be those of the second level.
    if selected.counts == "level":
        behind = start > 0 and words[start - 1].text in _SPELLS and not words[start].before
        before = end < len(words) and words[end].text in _SPELLS and not words[end].before
        if (before and "saving throw" not in texts) or (behind and len(target.columns) > 1):
            return True
        # So may "2nd level seer spells".
        phrase = [n for n in range(end, len(words)) if words[n].text in _SPELLS][:1]
        if len(target.columns) > 1 and phrase and not any(word.before for word in words[end : phrase[0] + 1]):
            return True
        if _SPELLS & texts and any(word.typed in _LISTING for word in words):
            return True
        # "What are the level 1 cleric spells" asks for their names.
        daily = any("day" in word.typed for word in words)
        if _SPELLS & texts and {"what", "are"} <= {*words[0].before} and not daily:
            return True
    if grid.kind == "block":
        for word in words:
            mine = word.text in _NEEDED and not _WE.isdisjoint(word.before) and "do" in word.before
            if (mine and "experience points" not in asked) or (word.text in _LEARNT and "level" in asked):
                return True
    # What is added to a roll is not the roll that is needed.
    if not BONUS & texts and "to hit" in texts and _ROLL & texts and any(map(_ADDED.match, cells[:-1])):
        return True
    if "experience points" in asked and selected.counts == "level":
        typed = {part for word in words for part in word.typed.split()}
        given = bool(_GIVEN & {wording.root(terms.stem(part)) for part in typed})
        return given or any(word.text == "get" for word in words[max(end, target.span[1]) :])
    if "experience points" in asked and selected.counts is None:
        for n, word in enumerate(words):
            if word.text in _NEEDED and n and (word.typed in _NEED or _WE.isdisjoint(word.before)):
                return True
    for n, word in enumerate(words):
        which = bool(word.before) and word.before[-1] in _WHICH
        following = [other.text for other in words[n : n + 3]]
        if which and word.text == "level" and not target.span[0] <= n < target.span[1]:
            return True
        named = which and not _SPELLS.isdisjoint(following if word.number is not None else following[:1])
        levels = word.text in _SPELLS and wording.COUNTING & {*word.before} and following[1:2] == ["level"]
        if (named or levels) and "saving throw" not in texts and not _SPELLS.isdisjoint(texts):
            return True
        if which and word.typed in _ATTACKS and not any(_LETTER.search(cell) for cell in cells[:-1]):
            return True
    return False


_LEARNT = wording.roots("need get gain cast use")
_SPOKEN = {"attack": "number of attacks", "lair": "percent in lair"}
_ADDED = terms.expression(r"[+−-]\s?\d")
_ROLL = wording.roots("need require roll")
_NEED = wording.listed("need needed needs required requires")
_ATTACKS = wording.listed("attack attacks")
_LISTING = wording.listed("list name show")
_WITH_BONUS = frozenset(("damage", "level", "number of attacks", "saving throw")) | wording.roots(
    "strength intelligence wisdom dexterity constitution charisma"
)


def _is_beside(words: Sequence[Word], n: int, span: Span) -> bool:
    """Whether the word at `n` is one with what stands at `span`: "special long sword"."""
    return (n == span[0] - 1 and not words[span[0]].before) or (n == span[1] and not words[n].before)


def _goes_with(word: str, cells: Sequence[str], own: set[str]) -> bool:
    """Whether a word that only says what kind of figure is wanted is borne out by the value."""
    value = " ".join(cells)
    if word in BONUS:
        # An armor class of 0 is no bonus.
        if own & (wording.ATTRIBUTES - _WITH_BONUS):
            return not own.isdisjoint(BONUS)
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
    title = _words(grid.title)
    if "to hit" in asked:
        own |= {"number of attacks", "armor class"}
    if not TURNING.isdisjoint(asked):
        own |= _UNDEAD
    if "to hit" in asked and BONUS.isdisjoint(asked) and not BONUS.isdisjoint(_words(grid.context) | title):
        return False
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
