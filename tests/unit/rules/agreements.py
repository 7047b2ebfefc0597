"""Two passages that give the same figure give the same one. Which do is in `same-figures.tsv`; no figure is
written there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.unit.rules.passages import Check, Passages, by_id

_PAIRS = Path(__file__).with_name("same-figures.tsv")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def agreements(passages: Passages) -> Iterator[str]:
    for line in _PAIRS.read_text(encoding="utf-8").splitlines()[1:]:
        first, one, second, other = line.split("\t")
        a, b = re.search(one, by_id(passages, first)), re.search(other, by_id(passages, second))
        if a is None or b is None:
            yield f"{first if a is None else second}: nothing like {one if a is None else other!r}"
        elif [figure(text) for text in a.groups()] != [figure(text) for text in b.groups()]:
            yield f"{first}: {a.groups()}, but {second}: {b.groups()}"


def figure(text: str) -> str:
    """The figure in one form: words of number as digits, "two to five" as 2-5."""
    digits = re.sub(
        r"\w+",
        lambda word: str(_WORDS.index(word[0].lower())) if word[0].lower() in _WORDS else word[0],
        text,
    )
    return digits.replace(" to ", "-").rstrip(".,;").lower()


CHECKS: tuple[Check, ...] = (agreements,)
