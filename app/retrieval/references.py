"""What a passage sends its reader to: "cast the dimension door spell", "the effect of the spell hold person".

An item that does what a spell does says hardly more than the spell's name; without the spell's passage a question about
the item is answered by half.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from app.index import terms
from app.index.plaintext import plain
from app.index.search import LexicalIndex
from app.models import Passage

# A run of words of no more than this is looked up as a name.
_LONGEST = 4
# Of so many passages they are read.
_MOST_SOURCES = 40
# Of one passage; one that refers to more is a list.
_MOST = 12
_LETTER = "0-9A-Za-zÀ-ɏ'’/-"
_WORD = rf"(?<![{_LETTER}])[A-Za-z][{_LETTER}]*"
_RUN = rf"{_WORD}(?: {_WORD}){{0,{_LONGEST - 1}}}"
# The name stands before "spell" and "(q.v.)", and after "the spell", "see" and "described under".
_BEFORE = re.compile(rf"({_RUN})[*_]* (?:spell\b|\(q\.? ?v\.?\))")
_AFTER = re.compile(
    r"\b(?:the spells?|see(?: the)?|(?:described|explained|detailed) (?:under|in|at|for)(?: the)?|description of(?: the)?)"
    rf" [*_]*({_RUN})"
)


def references(passages: Iterable[Passage], index: LexicalIndex) -> set[str]:
    """The ids of the passages that `passages` refer to by name, other than themselves.

    Raises DatabaseError when the index cannot be read.
    """
    sources = list(islice(passages, _MOST_SOURCES))
    candidates = [keys for passage in sources for keys in islice(_candidates(plain(passage.text)), _MOST)]
    names = index.names({key for keys in candidates for key in keys})
    found: set[str] = set()
    for keys in candidates:
        name = next((names[key] for key in keys if key in names and names[key].is_heading), None)
        if name is not None:
            found |= {owner for owner, kind in name.owners.items() if kind == "full"}
    return found - {passage.id for passage in sources}


def _candidates(text: str) -> Iterator[list[str]]:
    """For each reference in `text` the keys of what may be its name, longest first."""
    for match in _BEFORE.finditer(text):
        words = match[1].split()
        yield [terms.key(" ".join(words[start:])) for start in range(len(words))]
    for match in _AFTER.finditer(text):
        words = match[1].split()
        yield [terms.key(" ".join(words[:end])) for end in range(len(words), 0, -1)]
