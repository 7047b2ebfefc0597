"""Reads Markdown tables whose cells are parted by bars, with or without bars at the ends."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from app.index.reading.raw import MOST_COLUMNS, RawTable, squared

# Headings above the line of dashes; where more lines stand there they are rows.
_MOST_HEADS = 4
_DASHES = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")
_BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")
_DIGIT = re.compile(r"\d")


def find(lines: Sequence[str], start: int) -> tuple[list[RawTable], int] | None:
    """The tables that begin in the line `start`, and the line after them; None where none begins."""
    if "|" not in lines[start] and not (start + 1 < len(lines) and _is_rule(lines[start + 1])):
        return None
    end = start
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    block = _joined([line.strip() for line in lines[start:end]])
    rules = [number for number, line in enumerate(block) if _is_rule(line)]
    framed = all(line.startswith("|") and line.endswith("|") for line in block)
    if not rules and not (framed and len(block) > 1):
        return None
    return list(_tables(block, rules)), end


def _tables(block: list[str], rules: list[int]) -> list[RawTable]:
    """A line of dashes ends a table's headings; a later one begins another table if headings are above it."""
    is_rule = set(rules)
    rows = [[] if number in is_rule else _cells(line) for number, line in enumerate(block)]
    if not rules:
        return [_table([], rows)]
    first = rules[0]
    if first > _MOST_HEADS:
        return [_table([], [row for row in rows if row])]
    begins = [0]
    for rule in rules[1:]:
        above = rows[rule - 1]
        if above and above == rows[first - 1]:
            # The headings again.
            rows[rule - 1] = []
            continue
        if rule - 1 > first and above and all(above) and not any(map(_DIGIT.search, above)):
            begins.append(rule - 1)
    tables = []
    for begin, end in zip(begins, [*begins[1:], len(rows)], strict=True):
        dashes = rules[bisect_left(rules, begin)]
        tables.append(_table(rows[begin:dashes], [row for row in rows[dashes:end] if row]))
    return tables


def _table(head: list[list[str]], body: list[list[str]]) -> RawTable:
    if not head:
        return RawTable([], squared(body))
    width = max(map(len, head))
    whys = []
    kept = []
    for row in body:
        if any(row[width:]):
            whys.append(f"a row of {len(row)} cells under {width} headings: {' | '.join(row)}")
        else:
            kept.append(row[:width])
    whole = squared([*head, *kept])
    return RawTable(whole[: len(head)], whole[len(head) :], whys=tuple(whys))


def _joined(lines: list[str]) -> list[str]:
    """The lines of a table with bars at both ends; a row that was broken into two lines is one again."""
    whole: list[str] = []
    for line in lines:
        if whole and whole[-1].startswith("|") and not whole[-1].endswith("|") and not line.startswith("|"):
            whole[-1] += f" {line}"
        else:
            whole.append(line)
    return whole


def _is_rule(line: str) -> bool:
    return "|" in line and "-" in line and _DASHES.fullmatch(line.strip()) is not None


def _cells(line: str) -> list[str]:
    cells, begin = [], 0
    for bar in _BAR.finditer(line):
        cells.append(line[begin : bar.end() - 1])
        begin = bar.end()
        if len(cells) > MOST_COLUMNS + 2:
            break
    cells.append(line[begin:])
    if line.startswith("|"):
        cells.pop(0)
    if len(cells) > 1 and line.endswith("|") and not cells[-1]:
        cells.pop()
    # A blank before the text is left to where it is cleaned: a row may be set in by blanks of an entity.
    return [cell.strip(" \t") for cell in cells]
