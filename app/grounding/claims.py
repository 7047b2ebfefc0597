"""What one statement of an answer says, held against the books."""

from __future__ import annotations

from app.grounding.books import Books
from app.grounding.course import Claim, Course
from app.grounding.looked_up import comparisons, in_words
from app.grounding.prose import plain
from app.grounding.said import Said
from app.grounding.statements import Statement
from app.grounding.values import figures
from app.grounding.yes_no import Asked


class Checker:
    """Holds statements against `books`, one after the other. `question`: what it says needs no support."""

    def __init__(self, books: Books, question: str) -> None:
        self._course = Course(books, question)
        self._asked = Asked(self._course)

    def check(self, statement: Statement) -> list[Claim]:
        """What the statement claims, each with its verdict."""
        course = self._course
        said = Said(statement, course.books)
        found: list[Claim] = []
        if not statement.heading:
            values = [i for i in said.values if not course.exempt(said, i)]
            found = [*in_words(course, said), *comparisons(course, said), *figures(course, said, values)]
            found = [*self._asked.answered(said, found), *found]
            if not found and not statement.above:
                found += plain(course, said)
        course.carry(said)
        return [c if c.status == "contradicted" else c._replace(books_say=None) for c in found]
