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
        yield f"\n\n**{passage.name}** [{number}]{source}\n\n{_block_quote(body(passage))}"


def _block_quote(text: str) -> str:
    """A Markdown block quote that keeps the lines: those of a statistics block would run together into one paragraph."""
    lines = text.splitlines()
    quoted = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        breaks = line and following and not line.startswith("|") and not following.startswith("|")
        quoted.append(f"> {line}".rstrip() + ("  " if breaks else ""))
    return "\n".join(quoted)


def body(passage: Passage) -> str:
    """The passage's text without the heading and the hierarchy line that repeat its name."""
    lines = passage.text.strip().splitlines()
    if lines and lines[0].startswith("#"):
        lines.pop(0)
    if lines and lines[0].strip() == passage.hierarchy:
        lines.pop(0)
    return "\n".join(lines).strip()
