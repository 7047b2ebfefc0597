"""What a Markdown table can answer: its column headers and the labels of its rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from app.index.terms import plain

_SEPARATOR = re.compile(r"\|?[\s:|-]+\|?")
_CAPTION = re.compile(r"^\*\*(?:Table\b[^:]*:)?\s*(\S.*?)\*\*$")
_LETTERS = re.compile(r"[A-Za-z]{3}")
_DICE = re.compile(r"[\d\s.,+%/x×-]*(?:d[\d%][\d\s.,+%/x×-]*)?")


class TableText(NamedTuple):
    """`caption`, the columns' `headers`, and the `rows`' labels: the texts of the first column, no numbers.

    All as `app.index.terms.plain` gives them.
    """

    caption: str
    headers: tuple[str, ...]
    rows: tuple[str, ...]


def read_table(text: str) -> TableText | None:
    """The first Markdown table in `text`; None when there is none."""
    lines = text.split("\n")
    for number, line in enumerate(lines[1:], start=1):
        if "|" in line and "-" in line and _SEPARATOR.fullmatch(line.strip()):
            headers = tuple(plain(cell) for cell in _cells(lines[number - 1]) if cell)
            caption = _CAPTION.match(lines[number - 2].strip()) if number > 1 else None
            return TableText(
                plain(caption[1]) if caption else "", headers, tuple(_labels(lines[number + 1 :]))
            )
    return None


def _labels(lines: list[str]) -> Iterator[str]:
    group = ""
    for line in lines:
        if "|" not in line:
            return
        cells = _cells(line)
        label = cells[0] if cells else ""
        below = label.startswith(("~", "–", "—", "&nbsp;", "↳"))
        label = plain(label.lstrip("~–—↳ ").replace("&nbsp;", "").strip("* "))
        if not _LETTERS.search(label) or _DICE.fullmatch(label):
            continue
        if below and group:
            # "Hireling / ~ Skilled" is called "skilled hireling".
            yield f"{label} {group}"
        else:
            group = label
        yield label


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
