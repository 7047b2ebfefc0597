"""Answers in which nothing loads and nothing leads away: Markdown without pictures, links and HTML, whoever shows it.

A model that obeys a passage could write a picture whose address holds the question; every client that shows Markdown would
then send it there. Our page makes no such thing of any text, but other clients do. A blank in the place where the syntax is
closed leaves all words as they are, and works whatever backslashes stand before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Between "!" and "["; "]" and "("; "<" and what begins a tag or an address; "]" and ":" before an address (a link's that is
# given elsewhere), or before more blanks than anybody writes there.
_CLOSED = re.compile(
    r"(?<=!)(?=\[)|(?<=\])(?=\()|(?<=<)(?=[A-Za-z/!?])|(?<=\])(?=:(?:\s{50}|\s{0,49}(?:[A-Za-z][\w+.-]{0,49}:|[</\\])))"
)
# What may become one of these.
_OPEN = re.compile(r"[!<]|\](?::\s{0,49}(?:[A-Za-z][\w+.-]{0,49})?)?")


def inert(pieces: Iterable[str]) -> Iterator[str]:
    """`pieces` of a text as it is written; they join to the same whatever the pieces are. Linear in the text."""
    held = ""
    for piece in pieces:
        text = _CLOSED.sub(" ", held + piece)
        places = (max(0, text.rfind("]")), max(0, len(text) - 1))
        held = next((text[place:] for place in places if _OPEN.fullmatch(text, place)), "")
        if ready := text[: len(text) - len(held)]:
            yield ready
    if held:
        yield held
