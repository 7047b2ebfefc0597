"""The answer when no model is asked: the best passages, quoted whole, with citations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.models import Passage

PREFACE = "No language model was asked. This is what the rule books have on it, the best match first:"
UNSURE = (
    "No language model was asked, and without one only plain English is understood: "
    "I could not make out all of the question. This is the nearest I found:"
)
NO_MODEL = " (No language model was asked.)"


def quote(passages: Sequence[Passage], *, read: bool) -> Iterator[str]:
    """Markdown, piece by piece, which join to the answer. `read`: whether the question was understood."""
    if not passages:
        yield nothing(read=read) + NO_MODEL
        return
    yield PREFACE if read else UNSURE
    for number, passage in enumerate(passages, 1):
        source = f" ({passage.book})" if passage.book else ""
        yield f"\n\n**{passage.name}** [{number}]{source}\n\n{_block_quote(passage.body)}"


def nothing(*, read: bool) -> str:
    """What to say without a passage: that it is in no book only where the question was understood."""
    if read:
        return "This is not in the books I have: no passage matches the question."
    return (
        "I could not find this, which does not mean that it is not in the books: "
        "I could not make out the question. "
        "Ask in plain English, with the name of the monster, spell, class or rule as the books print it."
    )


def _block_quote(text: str) -> str:
    """A Markdown block quote that keeps the lines: a statistics block would become one paragraph."""
    lines = text.splitlines()
    quoted = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        breaks = line and following and not line.startswith("|") and not following.startswith("|")
        quoted.append(f"> {line}".rstrip() + ("  " if breaks else ""))
    return "\n".join(quoted)
