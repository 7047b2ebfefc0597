"""What an answer is about by and by, and what its question says."""

from __future__ import annotations

from typing import Literal, NamedTuple

from app.grounding.amounts import same
from app.grounding.books import Books, Mention
from app.grounding.figures import Value
from app.grounding.said import NONE, Said
from app.grounding.statements import Statement
from app.index import terms

Status = Literal["supported", "contradicted", "unchecked"]


# A number behind the first, and one in letters before the second, is none that a book states.
_PLACE_WORDS = "page p pp step table passage chapter section figure note option example source"
_PLACES = frozenset(_PLACE_WORDS.split())
_COUNT_WORDS = "way option thing step kind case example passage answer statement part reason"
_COUNTS = frozenset(_COUNT_WORDS.split())

# What an answer says of itself, and words that may be said of anybody.
ITSELF = frozenset(("answer", "passage", "book", "rule", "table", "text", "question", "information"))
_ANYBODY_WORDS = (
    "monster creature character spell item beast party player result number bonus total value amount cost"
    " price score roll chance level it they class group person caster wearer victim target statistic stat"
    " name feature attribute detail note category description property comparison summary yes no"
)
ANYBODY = ITSELF | frozenset(_ANYBODY_WORDS.split())
# A line of so few words and no figure is a label of what follows.
SHORT_LABEL = 5
# Of values or sentences that are alike so many are compared.
MOST_ALIKE = 12


class Claim(NamedTuple):
    """`text`: the words of the answer, as a reader sees them; `n`: the passage that says so, or says what
    the books say, verbatim, in `books_say` (a report has
    them only of what is contradicted). `value`: the figure as it is written; of names the name."""

    text: str
    status: Status
    n: int | None = None
    books_say: str | None = None
    value: str = ""


class Verdict(NamedTuple):
    status: Status = "unchecked"
    n: int | None = None
    books_say: str | None = None


class Course:
    """The question, and what the statements before are about: `mentions` of the subject and its words
    (`subject`), all words of the last one, and the one attribute of what introduces a list."""

    def __init__(self, books: Books, question: str) -> None:
        self.books = books
        self.question = Said(Statement(" ".join(question.split())), books)
        self.known = self.question.words | ANYBODY
        self._asked: dict[str, list[tuple[Value, frozenset[str]]]] = {}
        for place, token in enumerate(self.question.tokens):
            if token.value:
                same_amount = self._asked.setdefault(token.value.amount, [])
                if len(same_amount) < MOST_ALIKE:
                    same_amount.append((token.value, self.question.beside(place)))
        self.mentions: list[Mention] = []
        self.subject = NONE
        self.words = NONE
        self.attributes: list[Mention] = []

    def carry(self, said: Said) -> None:
        """What the next statement is about if it does not say so."""
        statement = said.statement
        figures = any(token.value for token in said.tokens)
        label = statement.heading or (len(said.words) <= SHORT_LABEL and not figures)
        if statement.entry and (statement.above or not label):
            return
        if said.subjects:
            # What has an entry of its own, rather than a row somewhere.
            entries = [m for m in said.subjects if not self.books.entries.isdisjoint(m.pages)]
            self.mentions = (entries or said.subjects)[:1]
            self.subject = said.words_of(self.mentions)
        elif label and (own := said.words - terms.STOP_WORDS - ANYBODY):
            # A heading that nothing in the passages is called by.
            self.mentions, self.subject = [], own
        self.words = said.words
        self.attributes = said.attributes if statement.heading and len(said.attributes) == 1 else []

    def exempt(self, said: Said, place: int) -> bool:
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
            if any(t.value and same(value, t.value) for c in heads for t in self.books.label(c)):
                return True
        near = said.beside(place)
        return any(
            same(value, other) and (near & beside or (value.unit and value.unit == other.unit))
            for other, beside in self._asked.get(value.amount, ())
        )
