"""What was read out of a question: the names in it and the words around them. Plain values; `app.retrieval.entities` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.index import terms


class Entity(NamedTuple):
    """A name found in a question: words `start` to `end` of it. `owners`: ids of the passages it names → kind of name
    (`app.index.search.NAME_KINDS`); `types`: what types of passages these are, table rows left out.

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
    def heads_entry(self) -> bool:
        """Whether an entry of its own is headed by it."""
        return any(kind in ("full", "variant") for kind in self.owners.values())

    @property
    def is_people(self) -> bool:
        """Whether it is a class or a race: what most tables are arranged by, and seldom all that a question is about."""
        return bool(self.types & {"class", "race"})


class Reading(NamedTuple):
    """A question as the index understands it: its words with misspellings corrected, and the names in it, in order."""

    text: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    entities: tuple[Entity, ...]
    corrected: Mapping[str, str]

    @property
    def has_subject(self) -> bool:
        """Whether it names what it is about: an entry that is not only the class or race it is asked for."""
        return any(entity.certain and entity.is_heading and not entity.is_people for entity in self.entities)

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
