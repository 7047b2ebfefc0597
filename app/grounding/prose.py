"""Held against the words of the passages: values by what stands around them, the rest by its own words."""

from __future__ import annotations

from collections.abc import Sequence

from app.grounding.amounts import bounds, same
from app.grounding.books import Mention
from app.grounding.course import ITSELF, MOST_ALIKE, SHORT_LABEL, Claim, Course, Status, Verdict
from app.grounding.figures import Token, Value
from app.grounding.pages import Context, Page, likeness, taken_off
from app.grounding.said import NEGATIONS, NONE, VERBS, Said
from app.index import terms

# A number beside these may be one of a range that the book gives.
_RANGED = frozenset(
    ("level", "roll", "d100", "d20", "result", "score", "age", "year", "strength", "armor", "die")
)
# "Not more than" denies nothing.
_LIMITS = frozenset(("more", "less", "fewer", "longer", "only", "least", "most", "exceed", "higher", "lower"))
# "4 or more above the number needed" is no 4.
_AT_LEAST = frozenset(("at", "least", "a", "of", "most"))
_BEYOND = frozenset(("above", "over", "than", "below", "under", "beyond"))
# Likeness from which on a value in prose is the one that is meant, certainly so, and word for word.
_ALIKE, _DICE_CERTAIN, _CERTAIN, _WORD_FOR_WORD = 0.3, 0.45, 0.6, 0.8
# So many of a statement's words stand together in a passage that says the same.
_TOGETHER = 0.75
# A sentence of so many times its words says little else.
_AS_LONG = 1.6
_DENIALS = NEGATIONS | {"no"}
# "Need gold" is not "have gold": in whose place these stand makes no difference.
_GRAMMAR_WORDS = (
    "a an the it its they their he his she her you your i my this these those do does did is are be can may"
)
_GRAMMAR = frozenset(_GRAMMAR_WORDS.split())

_Best = tuple[float, Page | None, int]
"""How much alike, the passage, and the place in it."""


def in_prose(course: Course, said: Said, place: int, attribute: Mention | None, stated: bool) -> Verdict:
    """The verdict of the words around values in the passages. Against what a grid has `stated` stands
    only a passage about it that says so of the very attribute, or word for word."""
    value, around = said.value(place), said.context(place)
    penalty = taken_off(around)
    called = said.words_of([attribute] if attribute else [])
    ignored = said.about_words | course.subject | ITSELF
    own, others = _pages(course, said, place)
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
            told = ignored | page.title
            for at in page.alike(around, MOST_ALIKE):
                there = page.context(at)
                close = likeness(around, there, told)
                if close <= least or (stated and close < _WORD_FOR_WORD and not called <= there.keys()):
                    continue
                found = page.tokens[at].value
                assert found is not None
                whole = found.kind != "range" or value.kind == "range"
                if (whole and same(value, found, penalty)) or _within(value, found, around, there):
                    alike = max(alike, (close, page, at), key=_first)
                elif found.kind == value.kind:
                    other = max(other, (close, page, at), key=_first)
    close, page, at = alike
    if page and close >= max(_ALIKE, 0.95 * other[0]) and not _stranger(course, said, place, page):
        first, last = page.around(at)
        agreed = Verdict("supported", page.number, page.snippet(first, last, at))
        sure = close >= _CERTAIN
        if _is_margin(said.tokens, place) != _is_margin(page.tokens, at):
            # "4 or higher" of "4 or more above the number needed".
            sure = page in own and _is_open(said.tokens, place) and _is_margin(page.tokens, at)
        elif _negated(said.tokens, place, said.first) == _negated(page.tokens, at, first):
            return agreed
        return agreed._replace(status="contradicted") if sure else Verdict()
    certain, page, at = other
    if page in own and certain >= max(enough, close / 0.7) and place not in said.coordinates:
        assert page is not None
        if not _stranger(course, said, place, page):
            return Verdict("contradicted", page.number, page.snippet(*page.around(at), at))
    return Verdict()


def _pages(course: Course, said: Said, place: int) -> tuple[list[Page], list[Page]]:
    """The passages about what the value is said of, with those that are cited; and the rest."""
    about = said.about(place)
    subject = said.words_of(about) or course.subject
    named: dict[int, None] = {}
    for mentions in (about, course.mentions, course.question.subjects):
        for mention in mentions:
            named |= dict.fromkeys(mention.pages)
            entries = (course.books.n(cell) for cell in mention.cells if cell.row >= 0)
            named |= dict.fromkeys(n for n in entries if n)
        if named:
            break
    own = [course.books.pages[n - 1] for n in named]
    others: list[Page] = []
    for page in course.books.pages:
        if page.number not in named:
            if page.number in said.statement.cites and subject <= page.words:
                own.append(page)
            elif subject <= page.words if subject else page.number not in course.books.entries:
                others.append(page)
    return own, others


def _stranger(course: Course, said: Said, place: int, page: Page) -> bool:
    """Whether the statement is about somebody whom the passage does not know."""
    known = page.words | course.known
    if said.label_words - known or (not said.subjects and course.subject - known):
        return True
    end, heads = said.opening
    return end < place and bool(heads - known)


def plain(course: Course, said: Said, *, exactly: bool = False) -> list[Claim]:
    """Whether a passage has the words of the statement together, and says it as the statement does.
    `exactly`: in a sentence that says nothing else."""
    content = said.words - terms.STOP_WORDS - ITSELF - said.about_words
    if not content or (len(said.words) <= SHORT_LABEL and said.words.isdisjoint(VERBS)):
        # A heading, "Good question!"
        return []
    own, others = _pages(course, said, len(said.tokens))
    best: _Best = (0.0, None, 0)
    for page in own or others:
        for at in page.with_words(content, MOST_ALIKE):
            following = page.bags[at + 1] if at + 1 < len(page.bags) else NONE
            covered = len(content & (page.bags[at] | following | page.title)) / len(content)
            best = max(best, (covered, page, at), key=_first)
    covered, found, at = best
    text = said.text(said.first, len(said.tokens) - 1)
    if found is None or covered < _TOGETHER:
        return [Claim(text, "unchecked")]
    bag = found.bags[at]
    agree = bool(_DENIALS & said.words) == bool(_DENIALS & bag)
    if exactly:
        exact = said.words - said.about_words - _GRAMMAR == bag - found.title - _GRAMMAR - _DENIALS
    else:
        exact = content <= bag and len(bag - terms.STOP_WORDS) <= _AS_LONG * len(content)
    if not exact and (exactly or not agree):
        return [Claim(text, "unchecked")]
    first, last = found.sentences[at]
    status: Status = "supported" if agree else "contradicted"
    return [Claim(text, status, found.number, found.snippet(first, last, first))]


def _first(best: _Best) -> float:
    return best[0]


def _within(value: Value, stated: Value, around: Context, there: Context) -> bool:
    """Whether the value is one of a range of levels, rolls and the like."""
    if stated.kind != "range" or value.kind != "number" or not (_RANGED & around.keys() & there.keys()):
        return False
    said, limits = bounds(value), bounds(stated)
    return bool(said and limits and limits[0] <= said[0] <= limits[1])


def _is_margin(tokens: Sequence[Token], place: int) -> bool:
    """Whether it is how far beyond something: "4 or more above the number", "5 more than needed", "by 4"."""
    before = [token.stem for token in tokens[max(0, place - 4) : place]]
    while before and before[-1] in _AT_LEAST:
        before.pop()
    if before[-1:] in (["by"], ["margin"]):
        return True
    behind = [token.stem for token in tokens[place + 1 : place + 6]]
    while behind and behind[0] in ("or", "point"):
        del behind[0]
    return len(behind) > 2 and behind[0] in _LIMITS and behind[1] in _BEYOND and behind[2].isalpha()


def _is_open(tokens: Sequence[Token], place: int) -> bool:
    """Whether it is the least or the most: "4 or higher"."""
    return place + 2 < len(tokens) and tokens[place + 1].stem == "or" and tokens[place + 2].stem in _LIMITS


def _negated(tokens: Sequence[Token], place: int, first: int) -> bool:
    """Whether the clause before a value says "not"."""
    for at in range(place - 1, max(first, place - 7) - 1, -1):
        if tokens[at].stem in (";", ",", "but"):
            return False
        if tokens[at].stem in NEGATIONS:
            return tokens[at + 1].stem not in _LIMITS
    return False
