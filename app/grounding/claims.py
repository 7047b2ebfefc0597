"""What one statement of an answer says, held against the books: of whom its values are said, as what, and
whether the books say so."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Literal, NamedTuple

from app.grounding import books as b
from app.grounding.books import Books, Cell, Mention, Page
from app.grounding.figures import Token, Value, bounds, read, same, sums
from app.grounding.statements import CITATION, Statement
from app.index import terms

Status = Literal["supported", "contradicted", "unchecked"]

_NONE: frozenset[str] = frozenset()
# A number behind the first, and one in letters before the second, is none that a book states.
_PLACES = frozenset(
    (
        "page",
        "p",
        "pp",
        "step",
        "table",
        "passage",
        "chapter",
        "section",
        "figure",
        "note",
        "option",
        "example",
        "source",
    )
)
_COUNTS = frozenset(
    (
        "way",
        "option",
        "thing",
        "step",
        "kind",
        "case",
        "example",
        "passage",
        "answer",
        "statement",
        "part",
        "reason",
    )
)
# A number beside these may be one of a range that the book gives.
_RANGED = frozenset(
    ("level", "roll", "d100", "d20", "result", "score", "age", "year", "strength", "armor", "die")
)
_NEGATIONS = frozenset(("not", "never", "cannot", "neither"))
# "Not more than" denies nothing.
_LIMITS = frozenset(("more", "less", "fewer", "longer", "only", "least", "most", "exceed", "higher", "lower"))
_SEGMENT = frozenset((",", ";", "and", "while", "but", "whereas", "("))
_COPULAS = frozenset(("is", "be", "are", ":", "of", "a", "an", "the"))
_HIGHER = "higher more greater better larger bigger longer faster heavier harder difficult expensive"
_LOWER = "lower less fewer worse smaller shorter slower lighter easier cheaper"
_COMPARATIVES = dict.fromkeys(_HIGHER.split(), 1) | dict.fromkeys(_LOWER.split(), -1)
_OF_ITSELF = {"faster": "movement", "slower": "movement", "heavier": "weight", "lighter": "weight",
              "cheaper": "cost", "expensive": "cost"}  # fmt: skip
_VERB_WORDS = (
    "has have had is are was be need get gain cost move deal do does inflict require can may must will save"
    " hit attack use carry cast roll take give make receive add become reach cause suffer bite start begin"
    " state say show mention"
)
_VERBS = frozenset(_VERB_WORDS.split())
# What an answer says of itself, and words that may be said of anybody.
_ITSELF = frozenset(("answer", "passage", "book", "rule", "table", "text", "question", "information"))
_ANYBODY_WORDS = (
    "monster creature character spell item beast party player result number bonus total value amount cost"
    " price score roll chance level it they class group person caster wearer victim target statistic stat"
    " name feature attribute detail note category description property comparison summary yes no"
)
_ANYBODY = _ITSELF | frozenset(_ANYBODY_WORDS.split())
_MARKUP = re.compile(r"\*\*|__|`|(?<!\s)\*|\*(?!\s)")
_NOTHING = frozenset(("nil", "none"))
_ORDINAL = re.compile(r"\d(?:st|nd|rd|th)")
# Likeness from which on a value in prose is the one that is meant, certainly so, and word for word.
_ALIKE, _DICE_CERTAIN, _CERTAIN, _WORD_FOR_WORD = 0.3, 0.45, 0.6, 0.8
# So many of a statement's words stand together in a passage that says the same.
_TOGETHER = 0.75
# A line of so few words and no figure is a label of what follows.
_SHORT_LABEL = 5
# So far from a value, in words, its attribute is looked for, and in tokens what labels its row or column.
_FAR = 6.0
_WINDOW = 12
_CONDITIONS = frozenset(("if", "when", "unless", "wearing", "wear", "using", "wielding"))
_ARTICLES = frozenset(("a", "an", "the", "no"))
_JOINING = frozenset(("and", "or", ",", "the", "a", "an", "both"))
_LARGEST_GROUP = 5
# Of values or sentences that are alike so many are compared.
_MOST_ALIKE = 12


class Claim(NamedTuple):
    """`text`: the words of the answer, as a reader sees them; `n`: the passage that says so, or says what
    the books say, verbatim, in `books_say`. `value`: the figure as it is written; of names the name."""

    text: str
    status: Status
    n: int | None = None
    books_say: str | None = None
    value: str = ""


class Verdict(NamedTuple):
    status: Status = "unchecked"
    n: int | None = None
    books_say: str | None = None


class _Meant(NamedTuple):
    """The cells that a value is said to be; `surely`: 3 by the statement itself, 2 by those before, 1 by the
    question, less: perhaps. `labels`: the numbers of the statement that only say which row or column."""

    cells: list[Cell]
    surely: float = 0.0
    labels: frozenset[int] = frozenset()


_Best = tuple[float, Page | None, int]
"""How much alike, the passage, and the place in it."""


class Said:
    """The tokens of a statement, what they name, and which of it belongs to which value."""

    def __init__(self, statement: Statement, books: Books) -> None:
        self.statement, self.books = statement, books
        blank = CITATION.sub(lambda found: " " * len(found[0]), statement.text)
        self.source = statement.above + blank
        self.tokens = tokens = read(self.source, whole=True)
        self.words = frozenset(b.words(tokens))
        above = len(statement.above)
        self.first = next((i for i, t in enumerate(tokens) if t.start >= above), len(tokens))
        self.mentions = books.mentions(tokens)
        self.attributes = [m for m in self.mentions if any(c.row < 0 for c in m.cells)]
        ends = {m.end for m in self.attributes}
        # Some tables have their attributes in rows.
        columns = [m for m in self.attributes if any(c.column > 0 for c in m.cells)]
        self.rows = [c for m in columns for c in m.cells if c.row >= 0]
        # "Save as: fighter": that is no subject, but what is said of one.
        self.subjects = [
            m
            for m in self.mentions
            if (m.pages or (any(c.row >= 0 for c in m.cells) and m not in columns))
            and (m.start < self.first or not self._behind(m.start, ends))
        ]
        self.about_words = self.words_of(self.subjects)
        self.coordinates: dict[int, list[Cell]] = {}
        for place, token in enumerate(tokens):
            if token.value and (found := books.coordinates(tokens, place)):
                self.coordinates[place] = found
        # Of each token the part of the sentence in which it stands.
        self._part = list(accumulate(token.stem in _SEGMENT for token in tokens))
        self._ends = [m.end for m in self.subjects]
        self._ending = {m.end: m for m in self.mentions}
        self._covering = {i: m for m in self.mentions for i in range(m.start, m.end + 1)}
        self._labels = [m for m in self.subjects if m.end < self.first]

    def _behind(self, start: int, ends: set[int]) -> bool:
        return start - 1 in ends or (start - 2 in ends and self.tokens[start - 1].stem == ":")

    def value(self, place: int) -> Value:
        value = self.tokens[place].value
        assert value is not None
        return value

    def stem(self, place: int) -> str:
        return self.tokens[place].stem if 0 <= place < len(self.tokens) else ""

    def text(self, first: int, last: int) -> str:
        """The words from one token to another, as a reader sees them."""
        text = self.source[self.tokens[first].start : self.tokens[last].end]
        return " ".join(_MARKUP.sub("", text).split())

    def in_name(self, place: int) -> bool:
        """Whether the value is part of a name or a label: "potion of 3 wishes", the column "5-8" of a row."""
        mention = self._covering.get(place)
        if mention is None or self.value(place).kind != "range":
            return mention is not None and mention.start < mention.end
        cells = [c for found in self.coordinates.values() for c in found]
        rows = {c.grid for c in (*cells, *(c for m in self.subjects for c in m.cells)) if c.row >= 0}
        return not rows.isdisjoint(c.grid for c in mention.cells)

    def named_before(self, place: int) -> list[Mention]:
        """What is named shortly before a value."""
        return [m for at in range(place - 4, place) if (m := self._ending.get(at))]

    def words_of(self, mentions: Iterable[Mention]) -> frozenset[str]:
        return frozenset(self.tokens[i].stem for m in mentions for i in range(m.start, m.end + 1))

    def beside(self, place: int) -> frozenset[str]:
        """The word on each side."""
        return frozenset(self.tokens[i].stem for i in b.beside(self.tokens, place, 1))

    def about(self, place: int) -> list[Mention]:
        """The subjects of the value at `place`: in the labels above it, else named in its part of the
        sentence, else before, else behind."""
        if self._labels or not self.subjects:
            return self._labels
        before = bisect(self._ends, place - 1)
        at = min(place, len(self.tokens) - 1)
        chosen = max(0, before - 1)
        behind = self.subjects[before : before + 1]
        if (
            behind
            and self._part[behind[0].start] == self._part[at] != self._part[self.subjects[chosen].start]
        ):
            chosen = before
        group = [self.subjects[chosen]]
        # "The owlbear and the ogre have": all of them.
        while chosen and len(group) < _LARGEST_GROUP:
            chosen -= 1
            between = range(self.subjects[chosen].end + 1, group[0].start)
            if not 0 < len(between) <= 3 or not {self.stem(i) for i in between} <= _JOINING:
                break
            group.insert(0, self.subjects[chosen])
        return group

    def attributes_of(self, values: Sequence[int]) -> dict[int, list[Mention]]:
        """Of each value what it may be said to be: the names of attributes near it, the nearest first."""
        ending = {m.end: m for m in self.attributes}
        beginning = {m.start: m for m in self.attributes}
        free = frozenset(values)
        bound: dict[int, list[Mention]] = {}
        used: set[int] = set()
        for place in values:
            if (
                place - 2 in bound
                and self.stem(place - 1) in ("/", ",")
                and not self.stem(place + 1).isalpha()
            ):
                # "Range 60, 120, 180"
                bound[place] = bound[place - 2]
                continue
            found = [
                *self._beside(range(place - 1, -1, -1), ending, free),
                *self._beside(range(place + 1, len(self.tokens)), beginning, free),
            ]
            costs = [(far + self._extra(m, place) + 1.5 * (m.start in used), m) for far, m in found]
            near = [(cost, m) for cost, m in costs if cost <= (_FAR / 2 if _weak(m) else _FAR)]
            if near:
                bound[place] = [m for _, m in sorted(near, key=lambda pair: pair[0])]
                used.add(bound[place][0].start)
        return bound

    def _beside(
        self, places: Iterable[int], mentions: dict[int, Mention], values: frozenset[int]
    ) -> Iterator[tuple[float, Mention]]:
        """The attributes on one side, each with how far it is, in words and what divides them."""
        far = 0.0
        for at in places:
            if far > _FAR:
                return
            if at in mentions:
                yield far, mentions[at]
            token = self.tokens[at]
            if token.value:
                far += 2 if at in values else 0.5
            elif token.stem in (";", ","):
                far += 3 if token.stem == ";" else 0.8
            else:
                far += 0.3 if token.stem in terms.STOP_WORDS or not token.stem[:1].isalpha() else 1

    def _extra(self, mention: Mention, place: int) -> float:
        """What makes an attribute belong to another value than that at `place`."""
        extra = 1.5 * _weak(mention)
        for at in (mention.start - 1, mention.start - 2, mention.end + 1, mention.end + 2):
            # "18/00 strength", "level 7": it says what that number counts.
            if at != place and at in self.coordinates:
                extra += 10 * (self.words_of([mention]) <= self.books.counting(self.coordinates[at]))
        extra += 4 * (self.stem(mention.start - 1) in ("/", "per"))
        for at, step in ((mention.start - 1, -1), (mention.end + 1, 1)):
            # "12th-level": that number's.
            at += step * (self.stem(at) == "-")
            extra += 3 * bool(at != place and 0 <= at < len(self.tokens) and self.tokens[at].value)
        after = mention.end + 1
        if mention.start > place and after < len(self.tokens):
            extra += 2 * bool(self.tokens[after].value or self.stem(after) in (":", "of", "is", "="))
        return extra

    def apart(self, place: int, at: int) -> bool:
        """Whether a value stands in another part of the sentence than the number at `at`, with a number of
        its own."""
        part = self._part[place]
        if part == self._part[at]:
            return False
        near = range(max(0, place - _WINDOW), min(len(self.tokens), place + _WINDOW))
        return any(self.tokens[i].value and self._part[i] == part and i != place for i in near)

    def conditional(self, place: int) -> bool:
        """Whether it is said for a case ("with a shield", "if it runs"): cells say what holds without."""
        if self.stem(self.first) in _CONDITIONS:
            return True
        for at in range(place + 1, min(place + 1 + _WINDOW, len(self.tokens))):
            stem = self.stem(at)
            if self.tokens[at].value or stem in (";", ","):
                return False
            if stem in _CONDITIONS or (stem in ("with", "behind") and self.stem(at + 1) in _ARTICLES):
                return True
        return False

    def in_sum(self, place: int) -> bool:
        """Whether it is a number of a sum that is shown: each may be somebody else's."""
        near = {self.stem(place - 1), self.stem(place + 1)}
        return bool(near & {"+", "-", "×", "*"}) and any(token.stem == "=" for token in self.tokens)

    def adjoin(self, one: Mention, other: Mention) -> bool:
        """Whether nothing but small words stands between two names of attributes."""
        first, last = sorted((one, other), key=lambda m: m.start)
        between = [self.stem(i) for i in range(first.end + 1, last.start)]
        return (
            first.end < last.start
            and len(between) <= 2
            and all(s in terms.STOP_WORDS or s == "/" for s in between)
        )

    @cached_property
    def opening(self) -> tuple[int, frozenset[str]]:
        """Where the first verb or sign stands, and of whom is spoken before it."""
        heads: set[str] = set()
        for at in range(self.first, len(self.tokens)):
            stem, following = self.stem(at), self.stem(at + 1)
            if stem in _VERBS or stem == ":":
                return at, frozenset(heads)
            if stem in (",", ";", "("):
                # "Instead, it gains": of nobody yet.
                heads.clear()
            owner = self.source[self.tokens[at].start : self.tokens[at].end].endswith(("'s", "’s"))
            last = following in terms.STOP_WORDS or following in _VERBS or not following[:1].isalpha()
            if stem[:1].isalpha() and stem not in terms.STOP_WORDS and (last or owner):
                heads.add(stem)
        return len(self.tokens), _NONE

    @cached_property
    def is_labelled(self) -> bool:
        """Whether it is a list's entry on something of its own: "Longsword: 15 gp"."""
        end, heads = self.opening
        named = self.stem(end) == ":" and heads - self.words_of(self.attributes)
        return self.statement.entry and not self.statement.above and bool(named)

    @cached_property
    def label_words(self) -> frozenset[str]:
        """The words of the labels above a cell that name no attribute."""
        words = frozenset(b.words(self.tokens[: self.first])) - terms.STOP_WORDS
        return words - self.words_of(self.attributes)


def _weak(mention: Mention) -> bool:
    """What a whole table is about, or its rows are called by, is an attribute only beside the value."""
    return all(cell.column <= 0 for cell in mention.cells if cell.row < 0)


class Checker:
    """Holds statements against `books`, one after the other. `question`: what it says needs no support."""

    def __init__(self, books: Books, question: str) -> None:
        self._books = books
        self._question = Said(Statement(" ".join(question.split())), books)
        self._known = self._question.words | _ANYBODY
        self._asked: dict[str, list[tuple[Value, frozenset[str]]]] = {}
        for place, token in enumerate(self._question.tokens):
            if token.value:
                same_amount = self._asked.setdefault(token.value.amount, [])
                if len(same_amount) < _MOST_ALIKE:
                    same_amount.append((token.value, self._question.beside(place)))
        # What the statements before are about: the subject, its words, and all words of the last of them.
        self._carried: list[Mention] = []
        self._carried_subject = _NONE
        self._carried_words = _NONE
        self._carried_attributes: list[Mention] = []

    def check(self, statement: Statement) -> list[Claim]:
        """What the statement claims, each with its verdict."""
        said = Said(statement, self._books)
        found: list[Claim] = []
        if not statement.heading:
            found += self._in_words(said)
            found += self._comparisons(said)
            places = range(said.first, len(said.tokens))
            found += self._figures(
                said, [i for i in places if said.tokens[i].value and not self._exempt(said, i)]
            )
            if not found and not statement.above:
                found += self._plain(said)
        self._carry(said)
        return found

    def _carry(self, said: Said) -> None:
        """What the next statement is about if it does not say so."""
        statement = said.statement
        figures = any(token.value for token in said.tokens)
        label = statement.heading or (len(said.words) <= _SHORT_LABEL and not figures)
        if statement.entry and (statement.above or not label):
            return
        if said.subjects:
            # What has an entry of its own, rather than a row somewhere.
            entries = [m for m in said.subjects if not self._books.entries.isdisjoint(m.pages)]
            self._carried = (entries or said.subjects)[:1]
            self._carried_subject = said.words_of(self._carried)
        elif label and (own := said.words - terms.STOP_WORDS - _ANYBODY):
            # A heading that nothing in the passages is called by.
            self._carried, self._carried_subject = [], own
        self._carried_words = said.words
        self._carried_attributes = said.attributes if statement.heading and len(said.attributes) == 1 else []

    # Figures

    def _exempt(self, said: Said, place: int) -> bool:
        """Whether a number needs no support: pages, steps, labels, what the question says."""
        value = said.value(place)
        if said.stem(place - 1) in _PLACES:
            return True
        stem, following = said.stem(place), said.stem(place + 1)
        if value.spelled and not value.unit and (value.amount == "1" or following in _COUNTS):
            return True
        if value.spelled and stem.endswith(("st", "nd", "rd", "th")) and following != "level":
            # "First, … Second, …"
            return True
        if said.in_name(place):
            return True
        for mention in said.named_before(place):
            # "Heavy (61 to 90 pounds)"
            heads = [c for c in mention.cells if c.row >= 0 or c.column > 0]
            if any(t.value and same(value, t.value) for c in heads for t in self._books.label(c)):
                return True
        near = said.beside(place)
        return any(
            same(value, other) and (near & beside or (value.unit and value.unit == other.unit))
            for other, beside in self._asked.get(value.amount, ())
        )

    def _figures(self, said: Said, values: list[int]) -> list[Claim]:
        near = said.attributes_of(values)
        for place, (mention, *_) in near.items():
            # "The d100 result is 91": the label of a row.
            for cell in mention.cells:
                if cell.row < 0 and cell.column == 0:
                    rows = self._books.labelled(cell.grid, said.value(place))
                    said.coordinates.setdefault(place, []).extend(rows)
        verdicts: dict[int, Verdict] = {
            at: Verdict("contradicted", None, right) if right else Verdict("supported")
            for at, right in sums(said.tokens, said.source).items()
            if at in values
        }
        labels: set[int] = set()
        bound: dict[int, Mention] = {}
        for place in values:
            if place not in verdicts:
                meant = _Meant([])
                for candidate in near.get(place, ()):
                    bound.setdefault(place, candidate)
                    if (meant := self._meant(said, place, candidate, values)).cells:
                        bound[place] = candidate
                        break
                attributed = bound.get(place)
                implied = None if attributed else self._implied(said, place, bound)
                if not attributed:
                    meant = self._meant(said, place, implied, values)
                named = attributed is not None or implied is not None
                verdict = self._in_grids(said, place, attributed, meant, values if not named else [place])
                if verdict.status == "contradicted" and attributed:
                    for other in near.get(place, ()):
                        # "Damage vs small/medium": either may be what it is.
                        if said.adjoin(attributed, other) and verdict.status == "contradicted":
                            also = self._meant(said, place, other, values)
                            if also.cells:
                                verdict = self._in_grids(said, place, other, also, [place])
                if verdict.status != "unchecked":
                    labels |= meant.labels
                if verdict.status != "supported":
                    prose = self._in_prose(said, place, attributed, verdict.status == "contradicted")
                    if prose.status == "supported" or verdict.status == "unchecked":
                        verdict = prose
                if verdict.status == "contradicted" and (said.conditional(place) or said.in_sum(place)):
                    verdict = Verdict()
                verdicts[place] = verdict
        told = {bound[at].start for at in bound if verdicts[at].status == "supported"}
        found = []
        for place in values:
            verdict = verdicts[place]
            another = said.stem(place - 1) in ("or", "(") and place in bound and bound[place].start in told
            if verdict.status == "contradicted" and another:
                # "AC 5, or 3 in the dark": what the books say has been said.
                verdict = Verdict()
            if place in labels and verdict.status != "supported":
                continue
            first, last = max(said.first, place - 3), min(len(said.tokens) - 1, place + 2)
            if (attribute := bound.get(place)) and attribute.start >= said.first:
                first, last = min(place, attribute.start), max(place, attribute.end)
            written = said.source[said.tokens[place].start : said.tokens[place].end].strip()
            found.append(Claim(said.text(first, last), *verdict, value=written))
        return found

    def _implied(self, said: Said, place: int, bound: dict[int, Mention]) -> Mention | None:
        """What a value without a name of its own is: "The owlbear has AC 5, the ogre 4"; "The costs are:" and
        a list of things."""
        if bound:
            last = max(bound)
            return bound[last] if said.about(last) != said.about(place) else None
        return self._carried_attributes[0] if said.statement.entry and self._carried_attributes else None

    def _in_grids(
        self, said: Said, place: int, attribute: Mention | None, meant: _Meant, values: list[int]
    ) -> Verdict:
        """The verdict of the cells that the value is said to be. `values`: those that it may be instead."""
        stated = meant.cells
        called = said.words_of([attribute] if attribute else [])
        good = [cell for cell in stated if self._holds(cell, said, place, called)]
        if good:
            counted = any(self._books.counted_rows(cell.grid) for cell in stated)
            if len(good) < len(stated) and counted and len({cell.grid for cell in stated}) > 1:
                # Several tables may be meant, and only some say so.
                return Verdict()
            return Verdict("supported", self._n(said, good))
        alone = values == [place] or (
            len(values) <= _WINDOW and sum(at not in said.coordinates for at in values) == 1
        )
        if meant.surely < 1 or not alone or not any(self._excludes(cell, said, place) for cell in stated):
            return Verdict()
        n = self._n(said, stated)
        row = [self._books.cell(cell) for cell in stated if self._books.n(cell) == n]
        return Verdict("contradicted", n, " | ".join(dict.fromkeys(row)))

    def _n(self, said: Said, cells: list[Cell]) -> int | None:
        """The passage of one of the cells, one that the statement cites if it cites one."""
        numbers = [self._books.n(cell) for cell in cells]
        return next((n for n in numbers if n in said.statement.cites), numbers[0])

    def _meant(self, said: Said, place: int, attribute: Mention | None, values: list[int]) -> _Meant:
        rows = self._rows(said, place)
        columns, labels = self._counted(said, place, rows)
        named: dict[int, set[int]] = {}
        for cell in attribute.cells if attribute else ():
            if cell.row < 0 and cell.column:
                every = range(1, len(self._books.grids[cell.grid].columns))
                named.setdefault(cell.grid, set()).update([cell.column] if cell.column > 0 else every)
        for grid in named.keys() - rows.keys():
            # "Of the bag 91 carries 1,500 pounds": a number that labels a row, whatever stands beside it.
            if said.words & self._books.about[grid]:
                for at in values[:_WINDOW]:
                    if at != place and said.value(at).kind == "number":
                        for cell in self._books.labelled(grid, said.value(at)):
                            rows.setdefault(grid, {})[cell.row] = 0.5
                            labels.setdefault(at, []).append(cell)
        for grid, some in columns.items():
            if grid not in named or len(named[grid]) > len(some):
                named[grid] = some
        found = [
            (surely, Cell(grid, row, column))
            for grid, meant in rows.items()
            for row, surely in meant.items()
            for column in named.get(grid, ())
            if self._books.cell(Cell(grid, row, column))
        ]
        if not found:
            return _Meant([])
        best = max(surely for surely, _ in found)
        cells = [cell for surely, cell in found if surely == best]
        if any(self._books.counted_rows(cell.grid) for cell in cells):
            # Of tables with the same labels the one that is spoken of.
            spoken = {cell.grid: self._spoken_of(said, cell.grid) for cell in cells}
            cells = [cell for cell in cells if spoken[cell.grid] == max(spoken.values())]
        chosen = {(c.grid, c.row, -1) for c in cells} | {(c.grid, -1, c.column) for c in cells}
        used = (at for at, heads in labels.items() if not chosen.isdisjoint(heads))
        return _Meant(cells, best, frozenset(used))

    def _rows(self, said: Said, place: int) -> dict[int, dict[int, float]]:
        """By grid the rows that are named, and how surely they are meant."""
        rows: dict[int, dict[int, float]] = {}
        about = said.about(place)
        # Of a list of prices each entry is on something of its own.
        alone = said.is_labelled and bool(self._carried_attributes)
        for surely, mentions in ((3.0, about), (2.0, self._carried), (1.0, self._question.subjects)):
            if (surely == 2 and (rows or alone)) or (surely == 1 and (about or alone)):
                continue
            for cell in (cell for mention in mentions for cell in mention.cells):
                if cell.row >= 0 and (surely > 1 or cell.grid not in rows):
                    rows.setdefault(cell.grid, {}).setdefault(cell.row, surely)
        for cell in said.rows:
            rows.setdefault(cell.grid, {}).setdefault(cell.row, 2.0)
        return rows

    def _counted(
        self, said: Said, place: int, rows: dict[int, dict[int, float]]
    ) -> tuple[dict[int, set[int]], dict[int, list[Cell]]]:
        """By grid the columns that numbers name, and what which number of the statement names; `rows` gets
        the rows."""
        columns: dict[int, set[int]] = {}
        labels: dict[int, list[Cell]] = {}
        for source, surely in ((said, 3.0), (self._question, 1.0)):
            own = source is said
            near = (
                range(place - _WINDOW, place + _WINDOW + 1) if own else sorted(source.coordinates)[:_WINDOW]
            )
            for at in near:
                cells = source.coordinates.get(at, ()) if at != place or not own else ()
                # "Double at levels 1-4, triple at 5-8": not what the other part counts.
                apart = bool(cells) and own and said.apart(place, at)
                for cell in cells:
                    if cell.row >= 0 and (own or 3.0 not in rows.get(cell.grid, {}).values()):
                        rows.setdefault(cell.grid, {}).setdefault(cell.row, 0.9 if apart else surely)
                    elif cell.column >= 0 and (own or cell.grid not in columns):
                        columns.setdefault(cell.grid, set()).add(cell.column)
                    else:
                        continue
                    if own:
                        labels.setdefault(at, []).append(cell)
        return columns, labels

    def _spoken_of(self, said: Said, grid: int) -> int:
        about = self._books.about[grid]
        asked = self._question.words
        return 4 * len(about & said.words) + 2 * len(about & self._carried_words) + len(about & asked)

    def _holds(self, cell: Cell, said: Said, place: int, called: frozenset[str]) -> bool:
        """Whether the cell states the value."""
        tokens = self._books.cell_tokens(cell)
        stated = {i: t.value for i, t in enumerate(tokens) if t.value}
        around = b.context(said.tokens, place)
        value, penalty = said.value(place), b.taken_off(around)
        good = [i for i, one in stated.items() if same(value, one, penalty)]
        if not good:
            wanted, parts = bounds(value), [bounds(one) for one in stated.values()]
            counted = self._books.column_name(cell).startswith("number")
            # "3 attacks" of "2 claws, 1 bite"
            summed = counted and len(parts) > 1 and said.stem(place + 1) not in b.words(tokens)
            return summed and wanted is not None and sum(p[1] for p in parts if p) == wanted[1]
        # Several in one cell ("1d4 claw, 2d4 bite"): the words beside them say which one it is.
        alike = {i: b.likeness(around, b.context(tokens, i), called) for i in stated}
        return len(stated) == 1 or max(alike[i] for i in good) >= max(alike.values())

    def _excludes(self, cell: Cell, said: Said, place: int) -> bool:
        """Whether the cell states something that the value cannot be: 1d6 may be what a book calls 1-6."""
        value, token = said.value(place), said.tokens[place]
        if _ORDINAL.search(said.source[token.start : token.end]) and not _ORDINAL.search(
            self._books.cell(cell)
        ):
            return False
        if value.spelled and not value.amount.isdigit():
            # "Half" is of something else.
            return False
        said_of = bounds(value)
        stated = [t.value for t in self._books.cell_tokens(cell) if t.value]
        if self._books.cell(cell).strip(" .").lower() in _NOTHING:
            return said_of is not None and said_of[1] > 0
        if not stated or said_of is None:
            return False
        for one in stated:
            limits = bounds(one)
            if limits is None or (
                one.kind != value.kind and limits[0] <= said_of[0] and said_of[1] <= limits[1]
            ):
                return False
        return True

    def _in_prose(self, said: Said, place: int, attribute: Mention | None, stated: bool) -> Verdict:
        """The verdict of the words around values in the passages. Against what a grid has `stated` stands
        only a passage about it that says so of the very attribute, or word for word."""
        value, around = said.value(place), b.context(said.tokens, place)
        penalty = b.taken_off(around)
        called = said.words_of([attribute] if attribute else [])
        ignored = said.about_words | self._carried_subject | _ITSELF
        own, others = self._pages(said, place)
        alike: _Best = (0.0, None, 0)
        other: _Best = (0.0, None, 0)
        page: Page | None
        # Dice are said of few things.
        enough = _DICE_CERTAIN if value.kind == "dice" else _CERTAIN
        for pages in (own, others):
            if pages is others and (stated or alike[0] >= _ALIKE or other[0] >= enough):
                break
            for page in pages:
                # A passage about something else has to say it clearly.
                least = _CERTAIN if stated or (pages is others and page.title.isdisjoint(said.words)) else 0.0
                for at in page.alike(around, _MOST_ALIKE):
                    there = page.context(at)
                    likeness = b.likeness(around, there, ignored | page.title)
                    if likeness <= least or (
                        stated and likeness < _WORD_FOR_WORD and not called <= there.keys()
                    ):
                        continue
                    found = page.tokens[at].value
                    assert found is not None
                    whole = found.kind != "range" or value.kind == "range"
                    if (whole and same(value, found, penalty)) or _within(value, found, around, there):
                        alike = max(alike, (likeness, page, at), key=_first)
                    elif found.kind == value.kind:
                        other = max(other, (likeness, page, at), key=_first)
        likeness, page, at = alike
        if page and likeness >= max(_ALIKE, 0.95 * other[0]) and not self._stranger(said, place, page):
            first, last = page.around(at)
            if _negated(said.tokens, place, said.first) == _negated(page.tokens, at, first):
                return Verdict("supported", page.number)
            sure = likeness >= _CERTAIN
            return Verdict("contradicted", page.number, page.snippet(first, last, at)) if sure else Verdict()
        certain, page, at = other
        if page in own and certain >= max(enough, likeness / 0.7) and place not in said.coordinates:
            assert page is not None
            if not self._stranger(said, place, page):
                return Verdict("contradicted", page.number, page.snippet(*page.around(at), at))
        return Verdict()

    def _pages(self, said: Said, place: int) -> tuple[list[Page], list[Page]]:
        """The passages about what the value is said of, with those that are cited; and the rest."""
        about = said.about(place)
        subject = said.words_of(about) or self._carried_subject
        named: dict[int, None] = {}
        for mentions in (about, self._carried, self._question.subjects):
            for mention in mentions:
                named |= dict.fromkeys(mention.pages)
                entries = (self._books.n(cell) for cell in mention.cells if cell.row >= 0)
                named |= dict.fromkeys(n for n in entries if n)
            if named:
                break
        own = [self._books.pages[n - 1] for n in named]
        others: list[Page] = []
        for page in self._books.pages:
            if page.number not in named:
                if page.number in said.statement.cites and subject <= page.words:
                    own.append(page)
                elif subject <= page.words if subject else page.number not in self._books.entries:
                    others.append(page)
        return own, others

    def _stranger(self, said: Said, place: int, page: Page) -> bool:
        """Whether the statement is about somebody whom the passage does not know."""
        known = page.words | self._known
        if said.label_words - known or (not said.subjects and self._carried_subject - known):
            return True
        end, heads = said.opening
        return end < place and bool(heads - known)

    # What is said without figures

    def _comparisons(self, said: Said) -> Iterable[Claim]:
        """ "The roc has the higher armor class": both sides looked up."""
        for at in range(said.first, len(said.tokens)):
            if said.stem(at) not in _COMPARATIVES or not (found := self._compared(said, at)):
                continue
            name, more, last = found
            sides = self._sides(said, at)
            cells = [cell for side in sides if (cell := self._stated(side, name))]
            numbers = [n for cell in cells if (n := _number(self._books.cell_tokens(cell))) is not None]
            if len(numbers) != 2:
                continue
            if name == "armor class":
                # In some books a low one is the better one; none of those has one above 10.
                descends = max(numbers) <= 10
                if abs(more) == 1 and descends:
                    continue
                more = -more if descends else more
            true = (numbers[0] - numbers[1]) * more > 0
            if not _NEGATIONS.isdisjoint(said.stem(i) for i in range(at - 3, at)):
                true = not true
            first = min(max(said.first, sides[0].start), at) if sides[0] in said.subjects else at
            last = max(last, sides[1].end) if sides[1] in said.subjects else last
            stated = "; ".join(f"{self._books.called(cell)}: {self._books.cell(cell)}" for cell in cells)
            n = self._books.n(cells[0])
            text = said.text(first, last)
            yield Claim(text, "supported", n) if true else Claim(text, "contradicted", n, stated)

    def _compared(self, said: Said, at: int) -> tuple[str, int, int] | None:
        """The attribute that the comparative at `at` is about, in which direction (2: what is better), and
        the last token of it."""
        stem = said.stem(at)
        more = _COMPARATIVES[stem]
        if stem in _OF_ITSELF:
            return _OF_ITSELF[stem], more, at
        following = [said.stem(i) for i in range(at + 1, at + 6)]
        if stem in ("harder", "difficult", "easier"):
            return ("armor class", 2 * more, at + 1 + following.index("hit")) if "hit" in following else None
        for mention in said.attributes:
            # "Its speed is higher than": than what follows, and not in what.
            near = at < mention.start <= at + 3 or (
                at - 5 <= mention.end < at and said.stem(at + 1) == "than"
            )
            if near and not _weak(mention):
                cell = next(c for c in mention.cells if c.row < 0 and c.column > 0)
                return (
                    self._books.column_name(cell),
                    2 * more if stem in ("better", "worse") else more,
                    mention.end,
                )
        return None

    def _sides(self, said: Said, at: int) -> list[Mention]:
        """What is compared at a comparative: what it is said of, and with what."""
        one = [m for m in said.subjects if m.end < at][-1:] or self._carried
        if not one:
            return []
        after = [m for m in said.subjects if m.start > at]
        other = [m for m in (*after, *self._question.subjects) if set(m.cells).isdisjoint(one[0].cells)]
        return [*one, *other[:1]]

    def _stated(self, mention: Mention, name: str) -> Cell | None:
        for row in mention.cells:
            if row.row >= 0:
                for column in range(1, len(self._books.grids[row.grid].columns)):
                    cell = row._replace(column=column)
                    if self._books.column_name(cell) == name and self._books.cell(cell):
                        return cell
        return None

    def _in_words(self, said: Said) -> Iterable[Claim]:
        """ "Its alignment is chaotic evil": attributes that the books state in words."""
        for mention in said.attributes:
            first = mention.end + 1
            while said.stem(first) in _COPULAS:
                first += 1
            last = first
            while said.stem(last)[:1].isalpha() and not said.tokens[last].value and last < first + 5:
                if said.stem(last) in ("and", "with", "while", "but"):
                    break
                last += 1
            words = [said.stem(i) for i in range(first, last)]
            if first == mention.end + 1 or first < said.first or not words:
                continue
            meant = self._meant(said, mention.end, mention, [])
            cells = [c for c in meant.cells if (text := self._books.cell(c)) and not _has_digit(text)]
            if not cells:
                continue
            text = said.text(max(said.first, mention.start), last - 1)
            told = [set(b.words(self._books.cell_tokens(cell))) for cell in cells]
            if any(one and one <= {*words, "any"} for one in told):
                yield Claim(text, "supported", self._books.n(cells[0]))
            elif meant.surely >= 1 and self._books.stated_of_another(cells[0], words):
                yield Claim(text, "contradicted", self._books.n(cells[0]), self._books.cell(cells[0]))
            else:
                yield Claim(text, "unchecked")

    def _plain(self, said: Said) -> Iterable[Claim]:
        """Whether a passage has the words of the statement together, and says it as the statement does."""
        content = said.words - terms.STOP_WORDS - _ITSELF - said.about_words
        if not content or (len(said.words) <= _SHORT_LABEL and said.words.isdisjoint(_VERBS)):
            # A heading, "Good question!"
            return
        own, others = self._pages(said, len(said.tokens))
        best: _Best = (0.0, None, 0)
        for page in own or others:
            for at in page.with_words(content, _MOST_ALIKE):
                following = page.bags[at + 1] if at + 1 < len(page.bags) else _NONE
                covered = len(content & (page.bags[at] | following | page.title)) / len(content)
                best = max(best, (covered, page, at), key=_first)
        covered, found, at = best
        text = said.text(said.first, len(said.tokens) - 1)
        if found is None or covered < _TOGETHER:
            yield Claim(text, "unchecked")
        elif bool(_DENIALS & said.words) == bool(_DENIALS & found.bags[at]):
            yield Claim(text, "supported", found.number)
        elif content <= found.bags[at] and len(found.bags[at] - terms.STOP_WORDS) <= 1.6 * len(content):
            first, last = found.sentences[at]
            yield Claim(text, "contradicted", found.number, found.snippet(first, last, first))
        else:
            yield Claim(text, "unchecked")


_NO_LABELS: frozenset[int] = frozenset()
_DENIALS = _NEGATIONS | {"no"}


def _first(best: _Best) -> float:
    return best[0]


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _number(tokens: Iterable[Token]) -> float | None:
    return next((limits[1] for t in tokens if t.value and (limits := bounds(t.value))), None)


def _within(value: Value, stated: Value, around: b.Context, there: b.Context) -> bool:
    """Whether the value is one of a range of levels, rolls and the like."""
    if stated.kind != "range" or value.kind != "number" or not (_RANGED & around.keys() & there.keys()):
        return False
    said, limits = bounds(value), bounds(stated)
    return bool(said and limits and limits[0] <= said[0] <= limits[1])


def _negated(tokens: Sequence[Token], place: int, first: int) -> bool:
    """Whether the clause before a value says "not"."""
    for at in range(place - 1, max(first, place - 7) - 1, -1):
        if tokens[at].stem in (";", ",", "but"):
            return False
        if tokens[at].stem in _NEGATIONS:
            return tokens[at + 1].stem not in _LIMITS
    return False
