"""What "yes" and "no" say: the question is held against the books as a statement.

Only where each word of it is accounted for: "does it have AC 5 at night?" is answered by no armor class.
"""

from __future__ import annotations

import re
from functools import cached_property

from app.grounding.course import ANYBODY, Claim, Course
from app.grounding.figures import read, words
from app.grounding.looked_up import comparisons, in_words
from app.grounding.prose import plain
from app.grounding.said import NEGATIONS, VERBS, Said
from app.grounding.statements import Statement
from app.grounding.values import figures
from app.index import terms

_ASKING_WORDS = "do does did is are was were can could may might will would should must has have had"
_ASKING = frozenset(_ASKING_WORDS.split())
# Before the question itself: "and", a comma, the end of another sentence.
_BEFORE = frozenset((",", ";", ":", "and", "so", "but", "then", "-"))
_END = re.compile(r"[.!?\n]")
# "Is it 5 or 4?", "isn't it?", "only at night?" ask for something else than what the other words state.
_CHANGING_WORDS = "no or only without except unless if when any all every always other alone too also"
_CHANGING = NEGATIONS | frozenset(_CHANGING_WORDS.split())
_ANSWERS = frozenset(("yes", "no"))
_SAYING = frozenset(("the", "answer", "is", "be", "so", ":"))
_FOLLOWING = frozenset(("", ",", ";", ":", ".", "-", "it", "they", "you", "there"))


class Asked:
    """The question of `course`, if it is one that is answered by yes or no."""

    def __init__(self, course: Course) -> None:
        self._course = course

    def answered(self, said: Said, others: list[Claim]) -> list[Claim]:
        """What a statement claims that begins with "yes" or "no", beside `others`, before anything is said of
        anybody: later it may answer something else."""
        at = said.first
        while said.stem(at) in _SAYING:
            at += 1
        if said.statement.above or said.stem(at) not in _ANSWERS or said.stem(at + 1) not in _FOLLOWING:
            return []
        if self._course.subject or self._statement is None:
            return []
        text = said.text(at, at)
        if (stated := self._stated) is None:
            return [] if others or at + 1 < len(said.tokens) else [Claim(text, "unchecked")]
        right = (said.stem(at) == "yes") == (stated.status == "supported")
        return [Claim(text, "supported" if right else "contradicted", stated.n, stated.books_say)]

    @cached_property
    def _statement(self) -> Said | None:
        """The question from its verb on."""
        question = self._course.question
        start = None
        for at, token in enumerate(question.tokens):
            between = question.source[question.tokens[at - 1].end if at else 0 : token.start]
            if token.stem in _ASKING and (not at or question.stem(at - 1) in _BEFORE or _END.search(between)):
                start = token.start
        if start is None or "?" in question.source[:start]:
            return None
        said = Said(Statement(question.source[start:]), self._course.books)
        return said if _CHANGING.isdisjoint(said.words) else None

    @cached_property
    def _stated(self) -> Claim | None:
        """What the books say of it, for certain: that it is so, or that it is not."""
        course, asked = self._course, self._statement
        if asked is None:
            return None
        found = [*in_words(course, asked), *comparisons(course, asked), *figures(course, asked, asked.values)]
        if not found:
            found = plain(course, asked, exactly=True)
            accounted = asked.words
        else:
            accounted = asked.about_words | asked.words_of(asked.attributes)
            accounted |= {word for claim in found for word in words(read(claim.text))}
            accounted = accounted.union(*(asked.beside(at) for at in asked.coordinates))
            accounted = accounted.union(*(course.books.pages[c.n - 1].title for c in found if c.n))
        if asked.words - accounted - terms.STOP_WORDS - VERBS - ANYBODY:
            return None
        wrong = [claim for claim in found if claim.status == "contradicted"]
        right = found if all(claim.status == "supported" for claim in found) else []
        return next((claim for claim in wrong or right if claim.books_say), None)
