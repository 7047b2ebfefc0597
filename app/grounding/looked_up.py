"""What is said without figures of attributes that the books state: comparisons, and attributes in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.grounding.amounts import bounds
from app.grounding.binding import weak
from app.grounding.books import Cell, Mention
from app.grounding.cells import meant
from app.grounding.course import ITSELF, Claim, Course
from app.grounding.figures import Token, words
from app.grounding.said import NEGATIONS, Said
from app.index import terms

_COPULAS = frozenset(("is", "be", "are", ":", "of", "a", "an", "the"))
_HIGHER = "higher more greater better larger bigger longer faster heavier harder difficult expensive"
_LOWER = "lower less fewer worse smaller shorter slower lighter easier cheaper"
_HIGHEST = "highest most greatest best largest biggest longest fastest heaviest hardest"
_LOWEST = "lowest least fewest worst smallest shortest slowest lightest easiest cheapest"
_COMPARATIVES = dict.fromkeys(_HIGHER.split(), 1) | dict.fromkeys(_LOWER.split(), -1)
_SUPERLATIVES = dict.fromkeys(_HIGHEST.split(), 1) | dict.fromkeys(_LOWEST.split(), -1)
_DIRECTIONS = _COMPARATIVES | _SUPERLATIVES
_OF_ITSELF = {
    word: name
    for name, said in {
        "movement": "faster fastest slower slowest",
        "weight": "heavier heaviest lighter lightest",
        "cost": "cheaper cheapest expensive",
    }.items()
    for word in said.split()
}
_TO_HIT = frozenset(("harder", "hardest", "difficult", "easier", "easiest"))
_BETTER = frozenset(("better", "best", "worse", "worst"))
# A question that is answered with a name.
_CHOOSING = frozenset(("which", "who", "or"))
_MOST_SIDES = 5


def comparisons(course: Course, said: Said) -> Iterator[Claim]:
    """ "The roc has the higher armor class", "both have the same": all sides looked up."""
    for at in range(said.first, len(said.tokens)):
        if said.stem(at) in ("same", "equal"):
            yield from _same(course, said, at)
        elif found := _compared(course, said, at):
            name, more, last = found
            sides = _sides(course, said, at)
            if sides:
                first = min(max(said.first, sides[0].start), at) if sides[0] in said.subjects else at
                last = max(last, sides[1].end) if sides[1] in said.subjects else last
                yield from _held(course, said, at, name, more, sides, said.text(first, last))
    yield from _chosen(course, said)


def _held(
    course: Course, said: Said, at: int, name: str, more: int, sides: list[Mention], text: str
) -> Iterator[Claim]:
    """Whether the first of `sides` has more of the attribute than each other one, as is `said` at `at`."""
    cells = [cell for side in sides if (cell := _stated(course, side, name))]
    numbers = [n for cell in cells if (n := _number(course.books.cell_tokens(cell))) is not None]
    if len(numbers) != len(sides):
        return
    if name == "armor class":
        # In some books a low one is the better one; none of those has one above 10.
        descends = max(numbers) <= 10
        if abs(more) == 1 and descends:
            return
        more = -more if descends else more
    true = all((numbers[0] - other) * more > 0 for other in numbers[1:])
    yield _claim(course, text, true != _denied(said, at), cells)


def _claim(course: Course, text: str, true: bool, cells: list[Cell]) -> Claim:
    stated = "; ".join(f"{course.books.called(cell)}: {course.books.cell(cell)}" for cell in cells)
    return Claim(text, "supported" if true else "contradicted", course.books.n(cells[0]), stated)


def _denied(said: Said, at: int) -> bool:
    return not NEGATIONS.isdisjoint(said.stem(i) for i in range(at - 3, at))


def _compared(course: Course, said: Said, at: int) -> tuple[str, int, int] | None:
    """The attribute that is compared by the word at `at`, in which direction (2: what is better), and the
    last token of it."""
    stem = said.stem(at)
    more = _DIRECTIONS.get(stem)
    if more is None or (stem in ("most", "least") and said.stem(at - 1) == "at"):
        return None
    if stem in _OF_ITSELF:
        return _OF_ITSELF[stem], -more if said.stem(at - 1) in ("less", "least") else more, at
    following = [said.stem(i) for i in range(at + 1, at + 6)]
    if stem in _TO_HIT:
        return ("armor class", 2 * more, at + 1 + following.index("hit")) if "hit" in following else None
    for mention in said.attributes:
        # "Its speed is higher than", "the highest": than what follows, and not in what.
        alone = said.stem(at + 1) == "than" or (stem in _SUPERLATIVES and at + 1 == len(said.tokens))
        near = at < mention.start <= at + 3 or (at - 5 <= mention.end < at and alone)
        if near and not weak(mention):
            return _column(course, mention), 2 * more if stem in _BETTER else more, mention.end
    return None


def _column(course: Course, mention: Mention) -> str:
    return course.books.column_name(next(c for c in mention.cells if c.row < 0 and c.column > 0))


def _sides(course: Course, said: Said, at: int) -> list[Mention]:
    """What is compared at `at`: what it is said of, and with what."""
    one = [m for m in said.subjects if m.end < at][-1:] or course.mentions
    if not one:
        return []
    after = [m for m in said.subjects if m.start > at][:1]
    others = _others(one[0], after) or _others(one[0], course.question.subjects)
    if said.stem(at) not in _SUPERLATIVES:
        others = others[:1]
    return [*one, *others] if others else []


def _others(one: Mention, mentions: Iterable[Mention]) -> list[Mention]:
    return [m for m in mentions if set(m.cells).isdisjoint(one.cells)][:_MOST_SIDES]


def _same(course: Course, said: Said, at: int) -> Iterator[Claim]:
    """ "The owlbear and the ogre have the same armor class"."""
    mention = next((m for m in said.attributes if at < m.start <= at + 2 and not weak(m)), None)
    subjects = said.subjects if len(said.subjects) > 1 else course.question.subjects
    if mention is None or len(subjects) < 2 or len(subjects) > _MOST_SIDES:
        return
    cells = [cell for one in subjects if (cell := _stated(course, one, _column(course, mention)))]
    told = [[t.value or t.stem for t in course.books.cell_tokens(cell)] for cell in cells]
    if len(cells) == len(subjects):
        equal = all(one == told[0] for one in told)
        if equal or any(one[:1] != told[0][:1] for one in told):
            first = min(max(said.first, subjects[0].start), at) if subjects is said.subjects else at
            text = said.text(first, max(mention.end, subjects[-1].end if subjects is said.subjects else 0))
            yield _claim(course, text, equal != _denied(said, at), cells)


def _chosen(course: Course, said: Said) -> Iterator[Claim]:
    """ "The owlbear." where it was asked which of two is faster."""
    asked = course.question
    named = said.words - terms.STOP_WORDS - ITSELF
    sentence = said.source.rstrip(" *_").endswith((".", "!")) and not said.statement.entry
    if not sentence or len(said.subjects) != 1 or named != said.about_words or said.values:
        return
    if not NEGATIONS.isdisjoint(said.words) or _CHOOSING.isdisjoint(asked.words):
        return
    others = _others(said.subjects[0], asked.subjects)
    for at in range(len(asked.tokens)):
        found = _compared(course, asked, at)
        if found and 0 < len(others) < len(asked.subjects):
            text = said.text(said.first, len(said.tokens) - 1)
            yield from _held(course, asked, at, found[0], found[1], [said.subjects[0], *others], text)


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
