"""The names in a question, and whether a name that is an everyday word is meant as a name.

`app.retrieval.entities` finds them. A spell or monster called "light", "web", "guard" or "ready" would
otherwise get a slot in the context of every question that uses the word.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from app.index import terms
from app.retrieval.vocabulary import ATTRIBUTES

Span = tuple[int, int]

# Words beside the one name of a question that leave it the subject.
_ASIDE = 1
_JOINED_BY = "and or a an the versus vs to from than"
JOINING = frozenset(_JOINED_BY.split())
_COMPARED_BY = (
    "vs versus than or between differ differs difference compare compared rank against beat beats win wins"
)
_COMPARING = frozenset(_COMPARED_BY.split())
# Rules are named after everyday words throughout: that two stand side by side says nothing.
_UNCOUNTED = frozenset(("rule", "table", ""))
_HINTS = frozenset(
    terms.stems("spell cantrip monster creature beast class race condition feature item weapon action table")
)
_CASTING = frozenset(terms.stems("cast casting memorize memorizing"))
_WORD_OR_STOP = re.compile(r"[A-Za-z0-9]+(?:['’][A-Za-z]+)*|[.!?:]")


class Entity(NamedTuple):
    """A name found in a question: words `start` to `end` of it.

    `owners`: ids of the passages it names → kind of name (`app.index.search.NAME_KINDS`); `types`: the types
    of these passages, rows of tables left out. `certain` is false for a name that is as likely an everyday
    word. `respelt`: a misspelling was corrected to find it.
    """

    text: str
    start: int
    end: int
    owners: Mapping[str, str]
    types: frozenset[str]
    certain: bool
    respelt: bool

    @property
    def is_heading(self) -> bool:
        """Whether a text is headed by it; otherwise it is only a row of a table."""
        return any(kind != "row" for kind in self.owners.values())

    @property
    def heads_entry(self) -> bool:
        """Whether an entry of its own is headed by it."""
        return any(kind in ("full", "variant") for kind in self.owners.values())

    @property
    def is_people(self) -> bool:
        """Whether it is a class or a race: tables are arranged by these, few questions are about one."""
        return bool(self.types & {"class", "race"})


class Reading(NamedTuple):
    """A question as the index understands it: its words, misspellings corrected, and its names in order."""

    text: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    entities: tuple[Entity, ...]
    corrected: Mapping[str, str]

    @property
    def has_subject(self) -> bool:
        """Whether it names its subject: an entry that is more than the class or race of somebody."""
        return any(entity.certain and entity.is_heading and not entity.is_people for entity in self.entities)

    def searched(self) -> str:
        """The text to search for: as it was typed, or word by word where a misspelling was corrected."""
        return " ".join(self.words) if self.corrected else self.text

    def content(self) -> list[str]:
        """The words to search for: all but stop words."""
        return [word for word in self.words if word not in terms.STOP_WORDS]

    def rest(self) -> list[str]:
        """The words that belong to no name, stop words left out."""
        inside = {n for entity in self.entities for n in range(entity.start, entity.end)}
        return [word for n, word in enumerate(self.words) if n not in inside and word not in terms.STOP_WORDS]


def attributes(stems: list[str]) -> list[Span]:
    """Where the question says what it wants to know of its subject ("armor class")."""
    found = []
    for start in range(len(stems)):
        for size in (3, 2, 1):
            if start + size <= len(stems) and " ".join(stems[start : start + size]) in ATTRIBUTES:
                found.append((start, start + size))
                break
    return found


def hinted(start: int, end: int, stems: list[str], capitalized: frozenset[int]) -> bool:
    """Whether the words around it, or a capital inside a sentence, show that it is a name."""
    around = stems[max(0, start - 1) : start] + stems[end : end + 1]
    cast = not _CASTING.isdisjoint(stems[max(0, start - 2) : start])
    return cast or not _HINTS.isdisjoint(around) or start in capitalized


def capitalized(text: str, count: int) -> frozenset[int]:
    """The positions of words with a capital inside a sentence; none where nearly all have one.

    `count`: how many words `terms.tokens` finds in `text`; where this finds others, no position is sure.
    """
    found, position, beginning = set(), 0, True
    for match in _WORD_OR_STOP.finditer(text):
        word = match[0]
        if not word[0].isalnum():
            beginning = True
            continue
        if word[0].isupper() and not beginning and word != "I":
            found.add(position)
        position, beginning = position + 1, False
    return frozenset(found) if position == count and len(found) * 2 <= count else frozenset()


def compared(entities: list[Entity], words: list[str], attributes: Collection[Span]) -> list[Entity]:
    """`entities`, an everyday word made certain where it is compared with a certain name of the same type.

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
        """The types of the names that it is compared with."""
        if comparing:
            return anywhere
        found: set[str] = set()
        position = entity.start - 1
        while position >= 0 and words[position] in JOINING:
            found |= ending.get(position, set())
            position -= 1
        position = entity.end
        while position < len(words) and words[position] in JOINING:
            position += 1
            found |= beginning.get(position, set())
        return found

    def is_meant(entity: Entity) -> bool:
        is_attribute = (entity.start, entity.end) in attributes
        return entity.is_heading and not is_attribute and bool(entity.types & beside(entity) - _UNCOUNTED)

    return [entity._replace(certain=True) if is_meant(entity) else entity for entity in entities]


def sole_subject(entities: list[Entity], words: list[str], attributes: Collection[Span]) -> list[Entity]:
    """`entities`, an everyday word made certain where it is almost alone: "how does cover work?"."""
    if any(entity.certain for entity in entities):
        return entities
    telling = {n for n, word in enumerate(words) if word not in terms.STOP_WORDS}
    telling_else = telling - {n for first, last in attributes for n in range(first, last)}
    for entity in entities:
        # An attribute ("armor class") is the subject where the question has nothing else.
        is_attribute = (entity.start, entity.end) in attributes
        others = telling if is_attribute else telling_else
        rest = len(others) - sum(n in others for n in range(entity.start, entity.end))
        if entity.heads_entry and rest <= (0 if is_attribute else _ASIDE):
            return [e._replace(certain=True) if e is entity else e for e in entities]
    return entities
