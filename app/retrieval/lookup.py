"""What the index has for a question: matching texts and tables, the entries of its names, their references.

An entry sends its reader elsewhere: "cast the dimension door spell", "the effect of the spell hold person".
An item that does what a spell does says hardly more than the spell's name; without the spell a question about
the item gets half an answer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from app.index import terms
from app.index.search import LexicalIndex, Match
from app.models import Passage
from app.retrieval import tables
from app.retrieval.named import Reading
from app.retrieval.tables import Question, Table

_WORD_MATCHES = 60
_TABLE_MATCHES = 20
# So many passages are fetched for all names, an equal share for each: those that it heads come first.
_MOST_OWNERS = 300
# Longer runs of words are not looked up as the name of a reference.
_LONGEST = 4
# So many passages are read for references, and so many references of one; a passage with more is a list.
_MOST_SOURCES = 40
_MOST_REFERENCES = 12
_LETTER = "0-9A-Za-zÀ-ɏ'’/-"
_WORD = rf"(?<![{_LETTER}])[A-Za-z][{_LETTER}]*"
_RUN = rf"{_WORD}(?: {_WORD}){{0,{_LONGEST - 1}}}"
# The name stands before "spell" and "(q.v.)", and after "the spell", "see" and "described under".
_BEFORE = terms.expression(rf"({_RUN})[*_]* (?:spell\b|\(q\.? ?v\.?\))")
_AFTER = terms.expression(
    r"\b(?:the spells?|see(?: the)?|(?:described|explained|detailed) (?:under|in|at|for)(?: the)?"
    rf"|description of(?: the)?) [*_]*({_RUN})"
)
# One of these is in each text that has a name after such words; few texts have any.
_REFERRING = ("the spell", "see ", "described ", "explained ", "detailed ", "description of")


class Found(NamedTuple):
    """Passages by id: the names' `owners`, the `categories` of these, what they refer to (`referred`), and
    those in which the `tables` stand that match (`tabled`). `headed`: of the tables with a row that is named,
    what part of the question's other words their titles and columns have."""

    matches: Sequence[Match] = ()
    tables: Sequence[Table] = ()
    tabled: Mapping[str, Passage] = MappingProxyType({})
    headed: Mapping[str, float] = MappingProxyType({})
    owners: Mapping[str, Passage] = MappingProxyType({})
    categories: Mapping[str, Passage] = MappingProxyType({})
    referred: Mapping[str, Passage] = MappingProxyType({})
    asked: Question | None = None


def look_up(
    reading: Reading, synonyms: Sequence[str], index: LexicalIndex, *, wanted: bool, follow_references: bool
) -> Found:
    """What `index` has for the words, `synonyms` and names of `reading`. Raises DatabaseError, TimedOut.

    Tables are looked for where one is `wanted`.
    """
    alternatives = [*reading.content(), *synonyms]
    share = max(1, _MOST_OWNERS // max(1, len(reading.entities)))
    owners = index.passages(
        identity for entity in reading.entities for identity in islice(entity.owners, share)
    )
    owned = [
        (entity, kind, owners[identity])
        for entity in reading.entities
        for identity, kind in entity.owners.items()
        if identity in owners
    ]
    entries = [
        passage
        for entity, kind, passage in owned
        if entity.certain and not entity.is_people and kind in ("full", "variant")
    ]
    parents = index.passages(
        parent for _, kind, passage in owned if kind != "row" and (parent := passage.parent)
    )
    found: list[Table] = []
    headed: dict[str, float] = {}
    asked = tables.question(reading, index)
    if wanted:
        matches = index.tables(alternatives, _TABLE_MATCHES)
        found = [tables.read(grid, score / matches[0][1], asked) for grid, score in matches]
        with_rows = (passage.id for _, kind, passage in owned if kind == "row")
        headed = tables.headed(index.grids_in(with_rows), reading)
    return Found(
        index.search(alternatives, _WORD_MATCHES),
        found,
        index.passages(identity for table in found for identity in table.passages),
        headed,
        owners,
        {identity: passage for identity, passage in parents.items() if passage.type == "category"},
        index.passages(references(entries, index)) if entries and follow_references else {},
        asked,
    )


def references(passages: Iterable[Passage], index: LexicalIndex) -> set[str]:
    """The ids of the other passages that `passages` refer to by name. Raises DatabaseError, TimedOut."""
    sources = list(islice(passages, _MOST_SOURCES))
    candidates = [
        keys
        for passage in sources
        for keys in islice(_candidates(terms.plain(passage.text)), _MOST_REFERENCES)
    ]
    names = index.names({key for keys in candidates for key in keys})
    found: set[str] = set()
    for keys in candidates:
        name = next((names[key] for key in keys if key in names and names[key].is_heading), None)
        if name is not None:
            found |= {owner for owner, kind in name.owners.items() if kind == "full"}
    return found - {passage.id for passage in sources}


def _candidates(text: str) -> Iterator[list[str]]:
    """For each reference in `text` the keys of what may be its name, longest first."""
    for match in _BEFORE.finditer(text) if " spell" in text or " (q" in text else ():
        words = match[1].split()
        yield [terms.key(" ".join(words[start:])) for start in range(len(words))]
    for match in _AFTER.finditer(text) if any(words in text for words in _REFERRING) else ():
        words = match[1].split()
        yield [terms.key(" ".join(words[:end])) for end in range(len(words), 0, -1)]
