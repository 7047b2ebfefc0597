"""Whether the books say what the answer says: held against them while it is written, without a model.

Each figure, and what an attribute is said to be in words, is bound to what its statement says it is of whom,
and compared (`app.grounding.claims`). What is not found to be wrong is no proof of being right: docs/facts.md
says what is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from app.grounding.books import Books
from app.grounding.claims import Checker
from app.grounding.course import Claim, Status
from app.grounding.figures import Value, read
from app.grounding.statements import CITATION, Citations, Statement, Statements
from app.index import terms
from app.index.grids import Grid
from app.models import Passage

# A run of capitalised words: "Lay on Hands", "Mind Flayer". Abbreviations (AC, THAC0) are not names.
_WORD = r"[A-Z][a-z][a-z'’-]*"
_CAPITALISED = re.compile(rf"\b{_WORD}(?:(?: (?:of|the|and|to|on))? {_WORD})*")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_DICE = re.compile(r"\d{0,3}d(?:\d{1,4}|%)")
# Behind a number as it is written: its unit, the ending of an ordinal.
_ENDING = re.compile(r"(?:st|nd|rd|th|\s?['\"%]|[\s-][A-Za-z].*)$")
# Before the first word of a sentence, a list entry, a heading, a cell, a quotation a capital says nothing.
_OPENING = re.compile(r"(?:[.!?:]\s+|\n\s*(?:[-*>#|]+\s*)*|\*\*|[(\"“‘|]\s*)$")
_OPENING_LENGTH = 12
# Said in any answer, whatever it is about.
_USUAL_NAMES = frozenset(
    terms.key(name) for name in ("Advanced Dungeons", "Dungeons", "Dragons", "Dungeon Master")
)


class Grounding(NamedTuple):
    """The report on one answer: `claims` in order; `uncited`: statements with a figure and no citation.

    `removed` and `cited`: citations without and with a passage. `numbers` and `names`: those that no passage
    has, as the answer writes them.
    """

    claims: tuple[Claim, ...] = ()
    uncited: int = 0
    removed: tuple[int, ...] = ()
    cited: tuple[int, ...] = ()
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def verdict(self) -> Status:
        """The worst; where nothing was looked at, unchecked."""
        found = {claim.status for claim in self.claims}
        if "contradicted" in found:
            return "contradicted"
        return "unchecked" if "unchecked" in found or self.names or not found else "supported"

    @property
    def supported(self) -> bool:
        return self.verdict == "supported"

    def errors(self) -> list[str]:
        """Sentences for `errors`; none when nothing is wrong."""
        found = []
        for claim in self.claims:
            if claim.status == "contradicted":
                right = f'the books say "{claim.books_say}" [{claim.n}]' if claim.n else claim.books_say
                found.append(f'The answer says "{claim.text}"; {right}.')
        if self.removed:
            numbers = ", ".join(f"[{n}]" for n in self.removed)
            found.append(f"The answer cited passages that do not exist; removed: {numbers}")
        if self.numbers:
            found.append(
                f"Numbers in the answer that stand in none of the passages: {', '.join(self.numbers)}"
            )
        if self.names:
            found.append(f"Names in the answer that stand in none of the passages: {', '.join(self.names)}")
        return found


class Check:
    """An answer is fed in as it is written; what a reader gets of it comes back.

    `passages` in prompt order; `grids`: what stands in them; `question`: what it says needs no support.
    """

    def __init__(self, passages: Sequence[Passage], question: str = "", grids: Sequence[Grid] = ()) -> None:
        self._question = question
        self._citations = Citations(len(passages))
        self._statements = Statements()
        self._shown: list[str] = []
        self._books = Books(passages, grids)
        self._checker = Checker(self._books, question)
        self._checked: list[tuple[Statement, list[Claim]]] = []

    def shown(self, pieces: Iterable[str]) -> Iterator[str]:
        """`pieces` of the answer as it is written, without citations of passages that do not exist.

        What may be the beginning of a citation is held back until it is complete.
        """
        for piece in pieces:
            yield from self._take(self._citations.feed(piece))
        yield from self._take(self._citations.end())
        self._check(self._statements.end())

    def report(self, known_names: Iterable[str] = ()) -> Grounding:
        """The report on what was shown.

        `known_names`: names the collection knows that stand in the answer (`app.retrieval.entities.read`),
        which are looked up however they are written.
        """
        names = self._unknown_names(known_names)
        unknown = re.compile("|".join(map(re.escape, names)) or "(?!)", re.IGNORECASE)
        claims: list[Claim] = []
        uncited: dict[int, None] = {}
        for statement, found in self._checked:
            of_unknown = unknown.search(statement.above + statement.text)
            for claim in found:
                # Whatever a passage says, it does not say it of somebody whom none knows.
                doubtful = of_unknown and claim.status == "supported"
                claims.append(claim._replace(status="unchecked", n=None) if doubtful else claim)
                if claim.value and not statement.cites:
                    uncited[statement.unit] = None
        claims += [Claim(name, "unchecked", value=name) for name in names]
        return Grounding(
            tuple(dict.fromkeys(claims)),
            len(uncited),
            tuple(dict.fromkeys(self._citations.removed)),
            tuple(dict.fromkeys(self._citations.cited)),
            self._unknown_numbers(claim.value for claim in claims if claim.status != "supported"),
            names,
        )

    def _take(self, ready: str) -> Iterator[str]:
        if ready:
            self._shown.append(ready)
            # The reader first.
            yield ready
            self._check(self._statements.feed(ready))

    def _check(self, statements: Iterable[Statement]) -> None:
        self._checked += ((statement, self._checker.check(statement)) for statement in statements)

    def _unknown_numbers(self, values: Iterable[str]) -> tuple[str, ...]:
        """Those of `values` that stand nowhere; a model counts by itself, so only digits, and from 2 on."""
        wanted: dict[str, Value] = {}
        for written in values:
            if (found := read(written)) and (value := found[0].value) and not value.spelled:
                wanted[_ENDING.sub("", written)] = value
        if not wanted:
            return ()
        source = "\n".join((self._question, *(page.folded for page in self._books.pages)))
        known = {"0", "1"} | {number.replace(",", "") for number in _NUMBER.findall(source)}
        known |= {terms.NUMBER_WORDS[word] for word in terms.NUMBER_WORDS.keys() & set(source.split())}
        dice = {f"1{found}" if found[0] == "d" else found for found in _DICE.findall(source)}
        return tuple(
            text
            for text, value in wanted.items()
            if not (
                value.amount.partition("+")[0] in dice
                if value.kind == "dice"
                else known.issuperset(_NUMBER.findall(value.amount))
            )
        )

    def _unknown_names(self, known_names: Iterable[str]) -> tuple[str, ...]:
        """Names that no passage has, and the question does not."""
        prose = CITATION.sub(" ", "".join(self._shown))
        words = set(terms.stems(self._question)).union(*(page.words for page in self._books.pages))
        missing = []
        for match in _CAPITALISED.finditer(prose):
            start = match.start()
            name = match[0]
            if start == 0 or _OPENING.search(prose[max(0, start - _OPENING_LENGTH) : start]):
                # The first word is there for the sentence; what follows it may be a name all the same.
                _, _, name = name.partition(" ")
            # The words in any order: "Red Dragon" of "Dragon, Red".
            unknown = set(terms.stems(name)) - words - terms.STOP_WORDS
            if unknown and terms.key(name) not in _USUAL_NAMES:
                missing.append((start, name))
        lowered = prose.lower()
        for name in known_names:
            if terms.key(name) not in self._all_words:
                missing.append((lowered.find(name.lower()), name))
        return tuple(dict.fromkeys(name for _, name in sorted(missing)))

    @cached_property
    def _all_words(self) -> str:
        """Question and passages, stem after stem."""
        texts = (self._question, *(page.folded for page in self._books.pages))
        return "".join(terms.stem(token) for text in texts for token in terms.tokens(text))


def ground(
    answer: str,
    passages: Sequence[Passage],
    question: str = "",
    known_names: Iterable[str] = (),
    grids: Sequence[Grid] = (),
) -> tuple[str, Grounding]:
    """A whole answer through `Check`."""
    check = Check(passages, question, grids)
    shown = "".join(check.shown([answer]))
    return shown, check.report(known_names)
