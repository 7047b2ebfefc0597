"""The answer when no model is asked: the best passages, quoted whole, with citations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.models import Passage

PREFACE = "No language model was asked. This is what the rule books have on it, the best match first:"
NOTHING = "This is not in the books I have: no passage matches the question. (No language model was asked.)"


def quote(passages: Sequence[Passage]) -> Iterator[str]:
    """Markdown, piece by piece; what the pieces join to is the answer."""
    if not passages:
        yield NOTHING
        return
    yield PREFACE
    for number, passage in enumerate(passages, 1):
        source = f" ({passage.book})" if passage.book else ""
        lines = (f"> {line}".rstrip() for line in body(passage).splitlines())
        yield f"\n\n**{passage.name}** [{number}]{source}\n\n" + "\n".join(lines)


def body(passage: Passage) -> str:
    """The passage's text without the heading and the hierarchy line that repeat its name."""
    lines = passage.text.strip().splitlines()
    if lines and lines[0].startswith("#"):
        lines.pop(0)
    if lines and lines[0].strip() == passage.hierarchy:
        lines.pop(0)
    return "\n".join(lines).strip()
