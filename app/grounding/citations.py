"""Citations in an answer while it is written, and those of passages that do not exist taken out of it.

The whole answer and its pieces go through the same machine, a character at a time, so that what a reader sees
while it is written is what is checked in the end, however the words arrive. Time and memory are linear in the
text.
"""

from __future__ import annotations

import re

_NUMBERS = r"\[([0-9]{1,3}(?:\s*[,;–-]\s*[0-9]{1,3})*)\]"
# `[1]`, `[1, 3]`, `[2-4]`, and the blank before it; no Markdown link. As public_html/markdown.js has it.
CITATION = re.compile(rf"[ \t]?{_NUMBERS}(?!\()")
_WHOLE = re.compile(rf"[ \t]?{_NUMBERS}")
_INSIDE = frozenset("0123456789,;–-")
_BLANKS = (" ", "\t")
# A wider range is two numbers and not a range.
_WIDEST_RANGE = 50


class Citations:
    """Takes citations above `passages` out of the text it is fed; `cited` and `removed`: the numbers so far.

    What is left of `[[9]7]` when `[9]` is gone is a citation again.
    """

    def __init__(self, passages: int) -> None:
        self.cited: list[int] = []
        self.removed: list[int] = []
        self._existing = range(1, passages + 1)
        # What has not been let go: a blank that goes when the citation after it does, and what may become
        # citations, one inside the other, which begin at these positions.
        self._held: list[str] = []
        self._begun: list[int] = []
        # The innermost is whole: the next character says whether it is one, or the text of a link.
        self._whole = False

    def feed(self, text: str) -> str:
        """As much of the text until here as will stay as it is."""
        ready = []
        at = 0
        while at < len(text):
            if not self._begun:
                # Most of an answer: no bracket far and wide.
                bracket = text.find("[", at)
                end = len(text) if bracket < 0 else bracket
                self._held.append(text[at:end])
                ready.append(self._let_go())
                at = end
                if bracket < 0:
                    break
            ready.append(self._next(text[at]))
            at += 1
        return "".join(ready)

    def end(self) -> str:
        """The rest."""
        if self._whole:
            self._decide("")
        rest = "".join(self._held)
        self._held.clear()
        self._begun.clear()
        return rest

    def _next(self, character: str) -> str:
        if self._whole:
            self._decide(character)
        if character == "[":
            self._begun.append(len(self._held) - (self._held[-1:] in ([" "], ["\t"])))
            self._held.append(character)
            return ""
        self._held.append(character)
        if self._begun and (character in _INSIDE or character.isspace()):
            return ""
        if self._begun and character == "]" and _WHOLE.fullmatch("".join(self._held[self._begun[-1] :])):
            self._whole = True
            return ""
        return self._let_go()

    def _let_go(self) -> str:
        """All that is held, as none of it becomes a citation any more; but for a blank at its end."""
        self._begun.clear()
        text = "".join(self._held)
        kept = text[-1:] if text.endswith(_BLANKS) else ""
        self._held = [kept] if kept else []
        return text[: len(text) - len(kept)]

    def _decide(self, character: str) -> None:
        """What becomes of the citation that is whole, before `character`."""
        self._whole = False
        start = self._begun.pop()
        citation = "".join(self._held[start:])
        if character == "(":
            self._begun.clear()
            return
        numbers = _numbers(citation)
        kept = [n for n in numbers if n in self._existing]
        self.cited += kept
        self.removed += [n for n in numbers if n not in self._existing]
        blank = citation[:1] if citation[0] != "[" else ""
        if kept:
            self._begun.clear()
            if len(kept) < len(numbers):
                self._held[start:] = [f"{blank}[{', '.join(map(str, kept))}]"]
        else:
            # The blank goes with it, or with the next one: "a [9][1]" becomes "a [1]".
            self._held[start:] = [blank] if blank and character == "[" else []


def _numbers(citation: str) -> list[int]:
    found: list[int] = []
    for part in re.split(r"[,;]", citation):
        first, *last = (int(n) for n in re.findall(r"[0-9]+", part))
        found += (
            range(first, last[0] + 1) if last and first < last[0] <= first + _WIDEST_RANGE else [first, *last]
        )
    return found
