"""The named things a question is about: monsters, spells, classes, items, rules, the rows of price lists.

A name is looked up, not recognised: every run of words in the question is brought to one form (`app.terms.key`) and asked of
the index, in whatever phrasing it stands. The longest name wins where two overlap.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product

from app import terms
from app.adapters.lexical import LexicalIndex, Name
from app.rag import glossary, spelling

LONGEST = 7
_MOST_SPELLINGS = 9
# Words beside the one name of a question that leave it the subject.
_ASIDE = 1
_ARTICLES = frozenset(("a", "an", "the"))
_JOINED_BY = "and or a an the versus vs to from than"
_JOINING = frozenset(_JOINED_BY.split())
_COMPARED_BY = "vs versus than or between differ differs difference compare compared rank against beat beats win wins"
_COMPARING = frozenset(_COMPARED_BY.split())
# Rules are named after everyday words throughout: standing beside one another says nothing.
_UNCOUNTED = frozenset(("rule", "table", ""))
# The words of names are everyday words too ("light", "web", "ready"): such a name counts only with a hint that it is one.
_HINTED_BY = "spell cantrip monster creature beast class race condition feature item weapon action table"
_HINTS = frozenset(terms.stems(_HINTED_BY))
_CASTING = frozenset(terms.stems("cast casting memorize memorizing"))


@dataclass(frozen=True, slots=True)
class Entity:
    """A name found in a question: words `start` to `end` of it. `owners`: ids of the passages it names → kind of name
    (`app.adapters.lexical.NAME_KINDS`); `types`: what types of passages these are, table rows left out.

    `certain` is false for a name that is as likely an everyday word. `respelt`: a misspelling was corrected to find it.
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
    def is_people(self) -> bool:
        """Whether it is a class or a race: what most tables are arranged by, and seldom all that a question is about."""
        return bool(self.types & {"class", "race"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A question as the index understands it: its words with misspellings corrected, and the names in it, in order."""

    text: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    entities: tuple[Entity, ...]
    corrected: Mapping[str, str]

    def searched(self) -> str:
        """The text to search for: as it was asked, or word by word where a misspelling was corrected."""
        return " ".join(self.words) if self.corrected else self.text

    def content(self) -> list[str]:
        """The words to search for: all but stop words."""
        return [word for word in self.words if word not in terms.STOP_WORDS]

    def rest(self) -> list[str]:
        """The words that belong to no name, stop words left out."""
        inside = {n for entity in self.entities for n in range(entity.start, entity.end)}
        return [word for n, word in enumerate(self.words) if n not in inside and word not in terms.STOP_WORDS]


def read(text: str, index: LexicalIndex | None, *, correct: bool = True) -> Reading:
    """What `text` names; nothing without an index. `correct`: whether misspellings are corrected.

    Raises DatabaseError when the index cannot be read.
    """
    words = terms.tokens(text)
    stems = [terms.stem(word) for word in words]
    if index is None:
        return Reading(text, tuple(words), tuple(stems), (), {})
    corrected = spelling.corrections(words, index) if correct else {}
    choices = [[terms.stem(other) for other in corrected.get(word, [word])] for word in words]
    stems = [choice[0] for choice in choices]
    keys: dict[str, list[tuple[int, int, bool]]] = {}
    for start in range(len(stems)):
        for end in range(start + 1, min(start + LONGEST, len(stems)) + 1):
            span = range(start, end)
            if words[start] in _ARTICLES or (end - start == 1 and words[start] in terms.STOP_WORDS):
                continue
            for parts in islice(product(*choices[start:end]), _MOST_SPELLINGS):
                keys.setdefault("".join(parts), []).append((start, end, any(words[n] in corrected for n in span)))
    names = index.names(keys)
    found = [(spot, names[key]) for key, spots in keys.items() if key in names for spot in spots]
    attributes = _attributes(stems)
    capitals = _capitals(text, len(words))
    entities: list[Entity] = []
    for (start, end, respelt), name in sorted(found, key=_precedence):
        overlapping = [other for other in entities if start < other.end and other.start < end]
        # A row ("Elf, magic-user") does not hide the entry inside its label.
        if overlapping and (name.everyday or not name.is_heading or any(other.is_heading for other in overlapping)):
            continue
        if any(first <= start and end <= last and last - first > end - start for first, last in attributes):
            continue
        certain = name.words > 1 or not name.everyday or _hinted(start, end, stems, capitals)
        entities.append(
            Entity(
                " ".join(words[start:end]),
                start,
                end,
                name.owners,
                name.types,
                certain and (start, end) not in attributes,
                respelt,
            )
        )
    entities += _coordinated(entities, words, stems, index)
    entities.sort(key=lambda entity: entity.start)
    entities = _sole_subject(_compared(entities, words, attributes), words, attributes)
    return Reading(
        text,
        tuple(corrected[word][0] if word in corrected else word for word in words),
        tuple(stems),
        tuple(entities),
        {word: others[0] for word, others in corrected.items()},
    )


def _attributes(stems: list[str]) -> list[tuple[int, int]]:
    """Where the question says what it wants to know of something ("armor class"), rather than of what."""
    found = []
    for start in range(len(stems)):
        for size in (3, 2, 1):
            if " ".join(stems[start : start + size]) in glossary.ATTRIBUTES and start + size <= len(stems):
                found.append((start, start + size))
                break
    return found


def _coordinated(entities: list[Entity], words: list[str], stems: list[str], index: LexicalIndex) -> list[Entity]:
    """Names that share a word with the next or the last in a row: "red and white dragons", "potions of speed or healing"."""
    taken = {n for entity in entities for n in range(entity.start, entity.end)}
    tried: dict[str, int] = {}
    for entity in entities:
        own = stems[entity.start : entity.end]
        if len(own) < 2:
            continue
        for step, fixed in ((-1, own[1:]), (1, own[:-1])):
            place = entity.start - 1 if step < 0 else entity.end
            while 0 <= place < len(stems) and place not in taken:
                if words[place] not in terms.STOP_WORDS:
                    tried.setdefault("".join([stems[place], *fixed] if step < 0 else [*fixed, stems[place]]), place)
                elif words[place] not in _JOINING:
                    break
                place += step
    found = [(tried[key], name) for key, name in index.names(tried).items()]
    return [
        Entity(words[place], place, place + 1, name.owners, name.types, True, False) for place, name in found if name.is_heading
    ]


def _compared(entities: list[Entity], words: list[str], attributes: Collection[tuple[int, int]]) -> list[Entity]:
    """`entities` with an everyday word made certain where it is set beside a certain name of the same type.

    In "is the guard tougher than the ogre" and in "fear, quest or confusion" it is meant as a name.
    """
    comparing = not _COMPARING.isdisjoint(words)
    certain = [entity for entity in entities if entity.certain and entity.is_heading]

    def beside(entity: Entity, other: Entity) -> bool:
        between = words[min(entity.end, other.end) : max(entity.start, other.start)]
        return comparing or (bool(between) and _JOINING.issuperset(between))

    return [
        replace(entity, certain=True)
        if entity.is_heading
        and (entity.start, entity.end) not in attributes
        and any(entity.types & other.types - _UNCOUNTED and beside(entity, other) for other in certain)
        else entity
        for entity in entities
    ]


def _sole_subject(entities: list[Entity], words: list[str], attributes: Collection[tuple[int, int]]) -> list[Entity]:
    """`entities` with an everyday word made certain where there is hardly anything else: "how does cover work?"."""
    headed = [e for e in entities if e.is_heading and (e.start, e.end) not in attributes]
    if len(headed) != 1 or any(entity.certain for entity in entities):
        return entities
    only = headed[0]
    asides = {n for first, last in attributes for n in range(first, last)} | set(range(only.start, only.end))
    rest = [word for n, word in enumerate(words) if n not in asides and word not in terms.STOP_WORDS]
    return [replace(e, certain=True) if e is only else e for e in entities] if len(rest) <= _ASIDE else entities


def _precedence(item: tuple[tuple[int, int, bool], Name]) -> tuple[int, bool, int]:
    (start, end, respelt), name = item
    return (start - end, respelt, -name.words)


def _hinted(start: int, end: int, stems: list[str], capitals: frozenset[int]) -> bool:
    """Whether the words around it, or a capital where a sentence does not begin, say that it is a name."""
    around = stems[max(0, start - 1) : start] + stems[end : end + 1]
    return bool(_HINTS & set(around)) or bool(_CASTING & set(stems[max(0, start - 2) : start])) or start in capitals


def _capitals(text: str, count: int) -> frozenset[int]:
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
