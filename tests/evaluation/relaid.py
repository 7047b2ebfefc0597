"""A corpus laid out anew, as collections made for language models are: statistics as a list, one passage of
JSON for each row of a table, headings in capitals, arrows between them.

`hand` is how a table's row is written: `nested` puts the values under one key, `flat` beside the title,
`expanded` also writes a range of column labels out, one key a number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from app.models import Passage
from tests.evaluation import spoken
from tests.evaluation.truth import numbers

Hand = Literal["nested", "flat", "expanded"]
HANDS: tuple[Hand, ...] = ("nested", "flat", "expanded")
_WIDEST = 30
_NIL = frozenset({"nil", "none"})


def relaid(passages: Sequence[Passage], hand: Hand) -> list[Passage]:
    """All of `passages`, in order. A row of the table `ID` is the passage `ID-row-PLACE`, from 0."""
    found: list[Passage] = []
    for passage in passages:
        made = list(_rows(passage, hand)) or [_statistics(passage) or _rule(passage)]
        found += made
    return found


def _arrows(passage: Passage) -> str:
    return passage.hierarchy.replace(" > ", " → ").upper()


def _kept(passage: Passage) -> dict[str, Any]:
    """The metadata that tell how passages belong together."""
    renamed = {"first_part_id": "original_chunk_uid"}
    kept = ("chunk_part", "total_parts", "first_part_id", "parent_category_id")
    return {renamed.get(key, key): passage.metadata[key] for key in kept if key in passage.metadata}


def _statistics(passage: Passage) -> Passage | None:
    """An entry with a block of `KEY: value` lines as a list; None where it has none."""
    heading, _, rest = passage.text.partition("\n\n")
    stated, _, text = rest.partition("\n\n")
    lines = stated.split("\n")
    pairs = [line.partition(": ") for line in lines]
    if passage.type != "monster" or len(pairs) < 4 or not all(value for _, _, value in pairs):
        return None
    listed = "\n".join(f"- {key.title()}: {value}" for key, _, value in pairs if value.casefold() not in _NIL)
    name = heading.split("\n")[0].lstrip("# ").upper()
    document = f"## {name}\n\n**Statistics:**\n{listed}\n\n**Description:**\n{text}"
    metadata = {"name": name, "type": "monster", "book": "Monster_Manual", "uid": passage.id}
    return Passage(passage.id, document, {**metadata, "hierarchy": _arrows(passage), **_kept(passage)})


def _rule(passage: Passage) -> Passage:
    text = passage.text if passage.text.startswith("#") else f"# {passage.name}\n\n{passage.text}"
    first, _, rest = text.partition("\n")
    kind = passage.type if passage.type in ("spell", "magic_item", "category", "monster") else "rule"
    metadata = {"title": passage.name.upper(), "type": kind, "book": passage.book.replace(" ", "_")}
    document = f"{first.upper()}\n{rest}"
    return Passage(passage.id, document, {**metadata, "hierarchy": _arrows(passage), **_kept(passage)})


def _rows(passage: Passage, hand: Hand) -> Iterator[Passage]:
    """The rows of a table that is read by number; none for other passages, which stay as they are."""
    lines = [line.strip().strip("|").split("|") for line in passage.text.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line] for line in lines]
    if len(table) < 4 or passage.type != "table" or not _by_number(table):
        return
    labels, body = table[0], table[2:]
    caption = re.search(r"^\*\*Table: (.+)\*\*$", passage.text, re.MULTILINE)
    if any(len(row) != len(labels) for row in body) or "" in labels:
        return
    for place, row in enumerate(body):
        label = labels[0].lower()
        title = f"{passage.name.upper()} -- {label} {row[0].lower()}"
        stated: dict[str, Any] = {
            "title": title,
            "description": f"{caption[1] if caption else passage.name}, for {label} {row[0]}",
            label: _typed(row[0]),
        }
        values = _values(labels[1:], row[1:], hand)
        stated |= values if hand == "flat" else {"values": values}
        must = _query_must(passage.name, row[0])
        metadata = {"title": title, "type": "rule", "book": passage.book.replace(" ", "_")}
        if must:
            stated["query_must"] = must
            metadata["query_must"] = json.dumps(must)
        text = f"#### {title}\n\n```json\n{json.dumps(stated, indent=2, ensure_ascii=False)}\n```"
        yield Passage(f"{passage.id}-row-{place}", text, {**metadata, "hierarchy": _arrows(passage)})


def _by_number(table: Sequence[Sequence[str]]) -> bool:
    counted = [numbers(row[0]) is not None or re.fullmatch(r"AC -?\d+", row[0]) for row in table[2:]]
    return sum(map(bool, counted)) > len(counted) * 0.8


def _values(labels: Sequence[str], cells: Sequence[str], hand: Hand) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for label, cell in zip(labels, cells, strict=True):
        span = numbers(label)
        if hand == "expanded" and span and span.high is not None and span.high - span.low < _WIDEST:
            values |= {str(number): _typed(cell) for number in range(span.low, span.high + 1)}
        else:
            values[label.lower()] = _typed(cell)
    return values


def _typed(cell: str) -> int | str:
    return int(cell.replace(",", "")) if re.fullmatch(r"-?\d[\d,]*", cell) else cell


def _query_must(title: str, label: str) -> dict[str, Any]:
    must: dict[str, Any] = {}
    if classes := spoken.classes_in(title):
        must["contain_one_of"] = [[form for one in classes for form in (one, spoken.CLASSES[one][0])]]
        span = numbers(label)
        if span and span.high is not None and span.low < span.high:
            must["contain_range"] = {"min": span.low, "max": span.high}
    return must
