"""Reads Markdown tables out of the lines of a passage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_SEPARATOR = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")
_CAPTION = re.compile(r"^\*\*(?:Table\b[^:]{0,40}:)?\s*(\S.*?)\*\*$")


class Table(NamedTuple):
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read(lines: Sequence[str]) -> Iterator[Table]:
    """The tables in `lines`."""
    number = 1
    while number < len(lines):
        if "|" not in lines[number - 1] or not _SEPARATOR.fullmatch(lines[number].strip()):
            number += 1
            continue
        columns = _cells(lines[number - 1])
        caption = _CAPTION.match(lines[number - 2].strip()) if number > 1 else None
        rows = []
        number += 1
        while number < len(lines) and "|" in lines[number]:
            cells = _cells(lines[number])
            rows.append((*cells, *[""] * len(columns))[: len(columns)])
            number += 1
        if len(columns) > 1 and rows:
            yield Table(caption[1] if caption else "", columns, tuple(rows))


def _cells(line: str) -> tuple[str, ...]:
    line = line.strip().removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    return tuple(cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line))
