"""A statement taken apart: what its words name, whose each value is, how it is said."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate

from app.grounding.books import Books, Cell, Mention
from app.grounding.figures import Value, read, words
from app.grounding.pages import Context, beside, context
from app.grounding.statements import CITATION, Statement
from app.index import terms

NONE: frozenset[str] = frozenset()
NEGATIONS = frozenset(("not", "never", "cannot", "neither"))
_SEGMENT = frozenset((",", ";", "and", "while", "but", "whereas", "("))
_VERB_WORDS = (
    "has have had is are was be need get gain cost move deal do does inflict require can may must will save"
    " hit attack use carry cast roll take give make receive add become reach cause suffer bite start begin"
    " state say show mention"
)
VERBS = frozenset(_VERB_WORDS.split())
_MARKUP = re.compile(r"\*\*|__|`|(?<!\s)\*|\*(?!\s)")
WINDOW = 12
# "If the purple worm rolls a 4"
_LONGEST_ROLL = 6
_CONDITIONS = frozenset(("if", "when", "unless", "wearing", "wear", "using", "wielding"))
_ARTICLES = frozenset(("a", "an", "the", "no"))
_JOINING = frozenset(("and", "or", ",", "the", "a", "an", "both"))
_LARGEST_GROUP = 5


class Said:
    """The tokens of a statement, what they name, and which of it belongs to which value."""

    def __init__(self, statement: Statement, books: Books) -> None:
        self.statement, self.books = statement, books
        blank = CITATION.sub(lambda found: " " * len(found[0]), statement.text)
        self.source = statement.above + blank
        self.tokens = tokens = read(self.source, whole=True)
        self.words = frozenset(words(tokens))
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
        self._contexts: dict[int, Context] = {}
        # Of each token the part of the sentence in which it stands.
        self._part = list(accumulate(token.stem in _SEGMENT for token in tokens))
        self._ends = [m.end for m in self.subjects]
        self._ending = {m.end: m for m in self.mentions}
        self._covering = {i: m for m in self.mentions for i in range(m.start, m.end + 1)}
        self._labels = [m for m in self.subjects if m.end < self.first]

    def _behind(self, start: int, ends: set[int]) -> bool:
        return start - 1 in ends or (start - 2 in ends and self.tokens[start - 1].stem == ":")

    @property
    def values(self) -> list[int]:
        """The places of its values."""
        return [i for i in range(self.first, len(self.tokens)) if self.tokens[i].value]

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

    def context(self, place: int) -> Context:
        """The words around the value at `place`."""
        if place not in self._contexts:
            self._contexts[place] = context(self.tokens, place)
        return self._contexts[place]

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
        return frozenset(self.tokens[i].stem for i in beside(self.tokens, place, 1))

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

    def apart(self, place: int, at: int) -> bool:
        """Whether a value stands in another part of the sentence than the number at `at`, with a number of
        its own."""
        part = self._part[place]
        if part == self._part[at]:
            return False
        near = range(max(0, place - WINDOW), min(len(self.tokens), place + WINDOW))
        return any(self.tokens[i].value and self._part[i] == part and i != place for i in near)

    def conditional(self, place: int) -> bool:
        """Whether it is said for a case ("with a shield", "if it runs"): cells say what holds without."""
        if self.stem(self.first) in _CONDITIONS:
            before = {self.stem(i) for i in range(self.first, place)}
            # "If you roll 4": it is the condition.
            return (
                "roll" not in before or not _SEGMENT.isdisjoint(before) or place - self.first > _LONGEST_ROLL
            )
        for at in range(place + 1, min(place + 1 + WINDOW, len(self.tokens))):
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

    @cached_property
    def opening(self) -> tuple[int, frozenset[str]]:
        """Where the first verb or sign stands, and of whom is spoken before it."""
        heads: set[str] = set()
        for at in range(self.first, len(self.tokens)):
            stem, following = self.stem(at), self.stem(at + 1)
            if stem in VERBS or stem == ":":
                return at, frozenset(heads)
            if stem in (",", ";", "("):
                # "Instead, it gains": of nobody yet.
                heads.clear()
            owner = self.source[self.tokens[at].start : self.tokens[at].end].endswith(("'s", "’s"))
            last = following in terms.STOP_WORDS or following in VERBS or not following[:1].isalpha()
            if stem[:1].isalpha() and stem not in terms.STOP_WORDS and (last or owner):
                heads.add(stem)
        return len(self.tokens), NONE

    @cached_property
    def is_labelled(self) -> bool:
        """Whether it is a list's entry on something of its own: "Longsword: 15 gp"."""
        end, heads = self.opening
        named = self.stem(end) == ":" and heads - self.words_of(self.attributes)
        return self.statement.entry and not self.statement.above and bool(named)

    @cached_property
    def label_words(self) -> frozenset[str]:
        """The words of the labels above a cell that name no attribute."""
        stems = frozenset(words(self.tokens[: self.first])) - terms.STOP_WORDS
        return stems - self.words_of(self.attributes)
