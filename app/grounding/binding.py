"""What each value of a statement may be said to be: the names of attributes near it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from app.grounding.books import Mention
from app.grounding.said import Said
from app.index import terms

# So far from a value, in words, its attribute is looked for, and in tokens what labels its row or column.
_FAR = 6.0


def attributes_of(said: Said, values: Sequence[int]) -> dict[int, list[Mention]]:
    """Of each value what it may be said to be: the names of attributes near it, the nearest first."""
    ending = {m.end: m for m in said.attributes}
    beginning = {m.start: m for m in said.attributes}
    free = frozenset(values)
    bound: dict[int, list[Mention]] = {}
    used: set[int] = set()
    for place in values:
        if place - 2 in bound and said.stem(place - 1) in ("/", ",") and not said.stem(place + 1).isalpha():
            # "Range 60, 120, 180"
            bound[place] = bound[place - 2]
            continue
        found = [
            *_beside(said, range(place - 1, -1, -1), ending, free),
            *_beside(said, range(place + 1, len(said.tokens)), beginning, free),
        ]
        costs = [(far + _extra(said, m, place) + 1.5 * (m.start in used), m) for far, m in found]
        near = [(cost, m) for cost, m in costs if cost <= (_FAR / 2 if weak(m) else _FAR)]
        if near:
            bound[place] = [m for _, m in sorted(near, key=lambda pair: pair[0])]
            used.add(bound[place][0].start)
    return bound


def _beside(
    said: Said, places: Iterable[int], mentions: dict[int, Mention], values: frozenset[int]
) -> Iterator[tuple[float, Mention]]:
    """The attributes on one side, each with how far it is, in words and what divides them."""
    far = 0.0
    for at in places:
        if far > _FAR:
            return
        if at in mentions:
            yield far, mentions[at]
        token = said.tokens[at]
        if token.value:
            far += 2 if at in values else 0.5
        elif token.stem in (";", ","):
            far += 3 if token.stem == ";" else 0.8
        else:
            far += 0.3 if token.stem in terms.STOP_WORDS or not token.stem[:1].isalpha() else 1


def _extra(said: Said, mention: Mention, place: int) -> float:
    """What makes an attribute belong to another value than that at `place`."""
    extra = 1.5 * weak(mention)
    for at in (mention.start - 1, mention.start - 2, mention.end + 1, mention.end + 2):
        # "18/00 strength", "level 7": it says what that number counts.
        if at != place and at in said.coordinates:
            extra += 10 * (said.words_of([mention]) <= said.books.counting(said.coordinates[at]))
    extra += 4 * (said.stem(mention.start - 1) in ("/", "per"))
    for at, step in ((mention.start - 1, -1), (mention.end + 1, 1)):
        # "12th-level": that number's.
        at += step * (said.stem(at) == "-")
        extra += 3 * bool(at != place and 0 <= at < len(said.tokens) and said.tokens[at].value)
    after = mention.end + 1
    if mention.start > place and after < len(said.tokens):
        extra += 2 * bool(said.tokens[after].value or said.stem(after) in (":", "of", "is", "="))
    return extra


def adjoin(said: Said, one: Mention, other: Mention) -> bool:
    """Whether nothing but small words stands between two names of attributes."""
    first, last = sorted((one, other), key=lambda m: m.start)
    between = [said.stem(i) for i in range(first.end + 1, last.start)]
    return (
        first.end < last.start
        and len(between) <= 2
        and all(s in terms.STOP_WORDS or s == "/" for s in between)
    )


def weak(mention: Mention) -> bool:
    """What a whole table is about, or its rows are called by, is an attribute only beside the value."""
    return all(cell.column <= 0 for cell in mention.cells if cell.row < 0)
