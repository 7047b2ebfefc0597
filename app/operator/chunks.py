"""Passages out of files: JSON and JSON-Lines chunks, and Markdown. Reads; embeds and stores nothing.

JSON: an object per passage with `uid` or `id`, `text`, `document` or `content`, and a `metadata` object; a `.json` file holds a
list of them (or an object with the list under `chunks`, `documents` or `passages`), a `.jsonl` file one a line. Other fields
go into the metadata, where the metadata has no such key itself. What Chroma cannot store is refused, never left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.operator.markdown import sections
from app.operator.problems import OperatorError
from app.operator.records import Record

IDS = ("uid", "id")
TEXTS = ("text", "document", "content")
LISTS = ("chunks", "documents", "passages")
MARKDOWN = (".md", ".markdown")
PROBLEMS_SHOWN = 20
# What JSON can write and UTF-8 cannot.
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Problem:
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def read(files: Sequence[Path], part_bytes: int) -> list[Record]:
    """The passages of all files, without embeddings. Raises OperatorError with everything that is wrong with them."""
    records: list[Record] = []
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for file in files:
        for place, found in _passages(file, part_bytes):
            if isinstance(found, str):
                problems.append(Problem(place, found))
            elif found.id in seen:
                problems.append(Problem(place, f"id {found.id!r} is used already ({seen[found.id]})"))
            else:
                seen[found.id] = place
                records.append(found)
    if problems:
        more = f"\n  … and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        lines = "\n".join(f"  {problem}" for problem in problems[:PROBLEMS_SHOWN])
        raise OperatorError(f"The files cannot be used; nothing was embedded.\n{lines}{more}")
    return records


def _passages(file: Path, part_bytes: int) -> Iterator[tuple[str, Record | str]]:
    """Every passage with its place; what is wrong with one comes as text in its stead."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        yield str(file), f"cannot be read as UTF-8 text ({error})"
        return
    if file.suffix.lower() in MARKDOWN:
        for section in sections(text, file.stem, part_bytes):
            yield f"{file}: {section.id}", section
    elif file.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{file}:{number}", _parsed(line)
    elif file.suffix.lower() == ".json":
        yield from _list(file, text)
    else:
        yield str(file), "give .json, .jsonl or .md files"


def _list(file: Path, text: str) -> Iterator[tuple[str, Record | str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield str(file), f"no JSON ({error})"
        return
    if isinstance(document, dict):
        document = next((document[key] for key in LISTS if isinstance(document.get(key), list)), None)
    if not isinstance(document, list):
        yield str(file), f"neither a list of passages nor an object with one under {', '.join(LISTS)}"
        return
    for number, entry in enumerate(document, 1):
        yield f"{file}: passage {number}", _record(entry)


def _parsed(line: str) -> Record | str:
    try:
        return _record(json.loads(line))
    except (ValueError, RecursionError) as error:
        return f"no JSON ({error})"


def _record(entry: Any) -> Record | str:
    if not isinstance(entry, dict):
        return "no JSON object"
    identity = next((entry[key] for key in IDS if entry.get(key) not in (None, "")), None)
    if not isinstance(identity, str | int) or isinstance(identity, bool):
        return f"no {' or '.join(IDS)} that is text or a whole number"
    text = next((value for key in TEXTS if isinstance(value := entry.get(key), str) and value.strip()), "")
    if not text:
        return f"{identity}: no {', '.join(TEXTS)} with text in it"
    metadata = entry.get("metadata") or {}
    if not isinstance(metadata, dict):
        return f"{identity}: metadata is no object"
    others = {key: value for key, value in entry.items() if key not in (*IDS, *TEXTS, "metadata")}
    # Chroma has neither null nor an empty list; a key that is not there says the same.
    merged = {key: value for key, value in {**others, **metadata}.items() if value is not None and value != []}
    for key, value in merged.items():
        if not _storable(value):
            return f"{identity}: {key} is neither text, a number of 64 bits, a truth value nor a list of one of these"
    if SURROGATE.search(json.dumps([str(identity), text, merged], ensure_ascii=False)):
        return f"{identity!a}: half a character (an unpaired surrogate) in it"
    return Record(str(identity), text, merged or None, None)


def _storable(value: Any) -> bool:
    """Whether Chroma takes it as a metadata value."""
    if isinstance(value, list):
        return len({type(item) for item in value}) == 1 and not isinstance(value[0], list) and all(map(_storable, value))
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, str)
