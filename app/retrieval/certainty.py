"""Whether a name that is an everyday word too is meant as one: "light", "web", "guard", "ready".

The spell or monster of that name would otherwise take a place in the context of every question that uses the word.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from app.index import terms
from app.retrieval import glossary
from app.retrieval.named import Entity

Span = tuple[int, int]

# Words beside the one name of a question that leave it the subject.
_ASIDE = 1
_JOINED_BY = "and or a an the versus vs to from than"
JOINING = frozenset(_JOINED_BY.split())
_COMPARED_BY = "vs versus than or between differ differs difference compare compared rank against beat beats win wins"
_COMPARING = frozenset(_COMPARED_BY.split())
# Rules are named after everyday words throughout: standing beside one another says nothing.
_UNCOUNTED = frozenset(("rule", "table", ""))
_HINTED_BY = "spell cantrip monster creature beast class race condition feature item weapon action table"
_HINTS = frozenset(terms.stems(_HINTED_BY))
_CASTING = frozenset(terms.stems("cast casting memorize memorizing"))


def attributes(stems: list[str]) -> list[Span]:
    """Where the question says what it wants to know of something ("armor class"), rather than of what."""
    found = []
    for start in range(len(stems)):
        for size in (3, 2, 1):
            if " ".join(stems[start : start + size]) in glossary.ATTRIBUTES and start + size <= len(stems):
                found.append((start, start + size))
                break
    return found


def hinted(start: int, end: int, stems: list[str], written_large: frozenset[int]) -> bool:
    """Whether the words around it, or a capital where a sentence does not begin, say that it is a name."""
    around = stems[max(0, start - 1) : start] + stems[end : end + 1]
    return bool(_HINTS & set(around)) or bool(_CASTING & set(stems[max(0, start - 2) : start])) or start in written_large


def capitals(text: str, count: int) -> frozenset[int]:
    """The positions of words written with a capital inside a sentence; none where nearly all are."""
    found, position, beginning = set(), 0, True
    for match in re.finditer(r"[A-Za-z0-9]+(?:['’][A-Za-z]+)*|[.!?:]", text):
        word = match[0]
        if not word[0].isalnum():
            beginning = True
            continue
        if word[0].isupper() and not beginning and word != "I":
            found.add(position)
        position, beginning = position + 1, False
    return frozenset(found) if position == count and len(found) * 2 <= count else frozenset()


def compared(entities: list[Entity], words: list[str], asked: Collection[Span]) -> list[Entity]:
    """`entities` with an everyday word made certain where it is set beside a certain name of the same type.

    In "is the guard tougher than the ogre" and in "fear, quest or confusion" it is meant as a name.
    """
    comparing = not _COMPARING.isdisjoint(words)
    # The types of the certain names, and of those that end before a word and begin at it.
    anywhere: set[str] = set()
    ending: dict[int, set[str]] = {}
    beginning: dict[int, set[str]] = {}
    for entity in entities:
        if entity.certain and entity.is_heading:
            anywhere |= entity.types
            ending.setdefault(entity.end, set()).update(entity.types)
            beginning.setdefault(entity.start, set()).update(entity.types)

    def beside(entity: Entity) -> set[str]:
        """The types of what is set beside it."""
        if comparing:
            return anywhere
        found: set[str] = set()
        place = entity.start - 1
        while place >= 0 and words[place] in JOINING:
            found |= ending.get(place, set())
            place -= 1
        place = entity.end
        while place < len(words) and words[place] in JOINING:
            place += 1
            found |= beginning.get(place, set())
        return found

    return [
        entity._replace(certain=True)
        if entity.is_heading and (entity.start, entity.end) not in asked and entity.types & beside(entity) - _UNCOUNTED
        else entity
        for entity in entities
    ]


def sole_subject(entities: list[Entity], words: list[str], asked: Collection[Span]) -> list[Entity]:
    """`entities` with an everyday word made certain where there is hardly anything else: "how does cover work?"."""
    if any(entity.certain for entity in entities):
        return entities
    asides = {n for first, last in asked for n in range(first, last)}
    telling = {n for n, word in enumerate(words) if word not in terms.STOP_WORDS}
    telling_else = telling - asides
    for entity in entities:
        # What is else asked of something ("armor class") is the subject where nothing but it is said.
        is_asked = (entity.start, entity.end) in asked
        others = telling if is_asked else telling_else
        rest = len(others) - sum(n in others for n in range(entity.start, entity.end))
        if entity.heads_entry and rest <= (0 if is_asked else _ASIDE):
            return [e._replace(certain=True) if e is entity else e for e in entities]
    return entities
