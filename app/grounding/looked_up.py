"""What is said without figures of attributes that the books state: comparisons, and attributes in words."""

from __future__ import annotations

from collections.abc import Iterable

from app.grounding.amounts import bounds
from app.grounding.binding import weak
from app.grounding.books import Cell, Mention
from app.grounding.cells import meant
from app.grounding.course import Claim, Course
from app.grounding.figures import Token, words
from app.grounding.said import NEGATIONS, Said

_COPULAS = frozenset(("is", "be", "are", ":", "of", "a", "an", "the"))
_HIGHER = "higher more greater better larger bigger longer faster heavier harder difficult expensive"
_LOWER = "lower less fewer worse smaller shorter slower lighter easier cheaper"
_COMPARATIVES = dict.fromkeys(_HIGHER.split(), 1) | dict.fromkeys(_LOWER.split(), -1)
_OF_ITSELF = {"faster": "movement", "slower": "movement", "heavier": "weight", "lighter": "weight",
              "cheaper": "cost", "expensive": "cost"}  # fmt: skip


def comparisons(course: Course, said: Said) -> Iterable[Claim]:
    """ "The roc has the higher armor class": both sides looked up."""
    for at in range(said.first, len(said.tokens)):
        if said.stem(at) not in _COMPARATIVES or not (found := _compared(course, said, at)):
            continue
        name, more, last = found
        sides = _sides(course, said, at)
        cells = [cell for side in sides if (cell := _stated(course, side, name))]
        numbers = [n for cell in cells if (n := _number(course.books.cell_tokens(cell))) is not None]
        if len(numbers) != 2:
            continue
        if name == "armor class":
            # In some books a low one is the better one; none of those has one above 10.
            descends = max(numbers) <= 10
            if abs(more) == 1 and descends:
                continue
            more = -more if descends else more
        true = (numbers[0] - numbers[1]) * more > 0
        if not NEGATIONS.isdisjoint(said.stem(i) for i in range(at - 3, at)):
            true = not true
        first = min(max(said.first, sides[0].start), at) if sides[0] in said.subjects else at
        last = max(last, sides[1].end) if sides[1] in said.subjects else last
        stated = "; ".join(f"{course.books.called(cell)}: {course.books.cell(cell)}" for cell in cells)
        n = course.books.n(cells[0])
        text = said.text(first, last)
        yield Claim(text, "supported" if true else "contradicted", n, stated)


def _compared(course: Course, said: Said, at: int) -> tuple[str, int, int] | None:
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
        near = at < mention.start <= at + 3 or (at - 5 <= mention.end < at and said.stem(at + 1) == "than")
        if near and not weak(mention):
            cell = next(c for c in mention.cells if c.row < 0 and c.column > 0)
            return (
                course.books.column_name(cell),
                2 * more if stem in ("better", "worse") else more,
                mention.end,
            )
    return None


def _sides(course: Course, said: Said, at: int) -> list[Mention]:
    """What is compared at a comparative: what it is said of, and with what."""
    one = [m for m in said.subjects if m.end < at][-1:] or course.mentions
    if not one:
        return []
    after = [m for m in said.subjects if m.start > at]
    other = [m for m in (*after, *course.question.subjects) if set(m.cells).isdisjoint(one[0].cells)]
    return [*one, *other[:1]]


def _stated(course: Course, mention: Mention, name: str) -> Cell | None:
    for row in mention.cells:
        if row.row >= 0:
            for column in range(1, len(course.books.grids[row.grid].columns)):
                cell = row._replace(column=column)
                if course.books.column_name(cell) == name and course.books.cell(cell):
                    return cell
    return None


def in_words(course: Course, said: Said) -> Iterable[Claim]:
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
        stems = [said.stem(i) for i in range(first, last)]
        if first == mention.end + 1 or first < said.first or not stems:
            continue
        found = meant(course, said, mention.end, mention, [])
        cells = [c for c in found.cells if (text := course.books.cell(c)) and not _has_digit(text)]
        if not cells:
            continue
        text = said.text(max(said.first, mention.start), last - 1)
        told = [set(words(course.books.cell_tokens(cell))) for cell in cells]
        if any(one and one <= {*stems, "any"} for one in told):
            yield Claim(text, "supported", course.books.n(cells[0]), course.books.cell(cells[0]))
        elif found.surely >= 1 and course.books.stated_of_another(cells[0], stems):
            yield Claim(text, "contradicted", course.books.n(cells[0]), course.books.cell(cells[0]))
        else:
            yield Claim(text, "unchecked")


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _number(tokens: Iterable[Token]) -> float | None:
    return next((limits[1] for t in tokens if t.value and (limits := bounds(t.value))), None)
