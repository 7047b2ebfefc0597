"""What people call a table or an entry."""

from __future__ import annotations

import re

from app.index import terms
from app.index.reading.cells import heading
from app.models import Passage

_PART = re.compile(
    r" ?(?:[(\[](?:part )?\d{1,3} of \d{1,3}[)\]]|[,:(\[]? ?\bpart \d{1,3}(?: of \d{1,3})?[)\]]?"
    r"|[,(\[]? ?\bcont(?:inued|'d|\.)[)\]]?)$",
    re.IGNORECASE,
)
# "Table 3-1. Knights" is called "Knights".
_NUMBER = re.compile(r"^(?:Table|TABLE)\s+(?:\d[\w.–-]{0,9}|[IVX]{1,6}(?:[.–-]\w{1,4})?)[.:]?\s+(?=\S)")
_SMALL_WORDS = "a an and as at by for from in of on or per the to vs vs. with"
_SMALL = frozenset(_SMALL_WORDS.split())
_SHORT = re.compile(
    r"[(\[]?(?:[IVX]+|AC|HD|HP|XP|GP|NPC|PC|DM|[A-Z](?:\.[A-Z])*\.?|[IVX]+\.[A-Z]?\.?)[)\].,:;]*"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ARROW = re.compile(r" (?:>|→|»|/) ")


def called(passage: Passage) -> str:
    """What people call the entry or the table of `passage`, without the mark of a part."""
    name = str(passage.metadata.get("name") or passage.metadata.get("title") or "").strip()
    if not name:
        # Rows without any title are of the table that they stand under.
        under = _ARROW.split(passage.hierarchy)[-1].strip()
        name = heading(passage.text.strip().split("\n", 1)[0]) or under or passage.id
    return spoken(_NUMBER.sub("", unparted(terms.plain(name))) or name)


def unparted(title: str) -> str:
    """`title` without the mark of a part: "(2 of 3)", "continued"."""
    return _PART.sub("", " ".join(title.split()))


def spoken(title: str) -> str:
    """`title`, in lower case with capitals where it was in capitals only."""
    if not title.isupper() or len(title) < 3:
        return title
    words = title.split()
    return " ".join(
        word
        if _SHORT.fullmatch(word)
        else word.lower()
        if word.lower().lstrip("(") in _SMALL and at
        else _WORD.sub(lambda found: found[0].capitalize(), word)
        for at, word in enumerate(words)
    )
