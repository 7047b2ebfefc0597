"""What a statement claims in figures: what each value is said to be of whom, and whether the books say so."""

from __future__ import annotations

from app.grounding.amounts import sums
from app.grounding.binding import adjoin, attributes_of
from app.grounding.books import Mention
from app.grounding.cells import Meant, in_grids, meant
from app.grounding.course import Claim, Course, Verdict
from app.grounding.prose import in_prose
from app.grounding.said import Said


def figures(course: Course, said: Said, values: list[int]) -> list[Claim]:
    """What is claimed by the values at these places."""
    near = attributes_of(said, values)
    for place, (mention, *_) in near.items():
        # "The d100 result is 91": the label of a row.
        for cell in mention.cells:
            if cell.row < 0 and cell.column == 0:
                rows = course.books.labelled(cell.grid, said.value(place))
                said.coordinates.setdefault(place, []).extend(rows)
    shown = {at: right for at, right in sums(said.tokens, said.source).items() if at in values}
    verdicts: dict[int, Verdict] = {}
    # What each value is said to be, and numbers that only say which row or column.
    bound: dict[int, Mention] = {}
    labels: set[int] = set()
    for place in values:
        if place in shown:
            right = shown[place]
            verdicts[place] = Verdict("contradicted", None, right) if right else Verdict("supported")
        else:
            verdicts[place] = _verdict(course, said, place, values, near.get(place, []), bound, labels)
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


def _verdict(
    course: Course,
    said: Said,
    place: int,
    values: list[int],
    near: list[Mention],
    bound: dict[int, Mention],
    labels: set[int],
) -> Verdict:
    """Of the value at `place`, one of `values`, with the attributes `near` it. `bound` and `labels` learn
    what it is said to be."""
    cells = Meant([])
    for candidate in near:
        bound.setdefault(place, candidate)
        if (cells := meant(course, said, place, candidate, values)).cells:
            bound[place] = candidate
            break
    attribute = bound.get(place)
    implied = None if attribute else _implied(course, said, place, bound)
    if not attribute:
        cells = meant(course, said, place, implied, values)
    verdict = in_grids(course, said, place, attribute, cells, [place] if attribute or implied else values)
    for other in near if attribute else ():
        # "Damage vs small/medium": either may be what it is.
        if verdict.status == "contradicted" and attribute and adjoin(said, attribute, other):
            also = meant(course, said, place, other, values)
            if also.cells:
                verdict = in_grids(course, said, place, other, also, [place])
    if verdict.status != "unchecked":
        labels |= cells.labels
    if verdict.status != "supported":
        prose = in_prose(course, said, place, attribute, verdict.status == "contradicted")
        if prose.status == "supported" or verdict.status == "unchecked":
            verdict = prose
    if verdict.status == "contradicted" and (said.conditional(place) or said.in_sum(place)):
        return Verdict()
    return verdict


def _implied(course: Course, said: Said, place: int, bound: dict[int, Mention]) -> Mention | None:
    """What a value without a name of its own is: "The owlbear has AC 5, the ogre 4"; "The costs are:" and
    a list of things."""
    if bound:
        last = max(bound)
        return bound[last] if said.about(last) != said.about(place) else None
    return course.attributes[0] if said.statement.entry and course.attributes else None
