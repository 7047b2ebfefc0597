"""Which passages an answer cites."""

from __future__ import annotations

import re


def cited(answer: str) -> set[int]:
    """The numbers in brackets: `[1]`, `[1][3]`, `[1, 3]`. A Markdown link's text is none."""
    groups = re.findall(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()", answer)
    return {int(number) for group in groups for number in group.split(",")}
