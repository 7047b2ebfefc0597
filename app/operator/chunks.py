"""Passages out of files: JSON, JSON Lines, CSV and Markdown. Reads; embeds and stores nothing.

Takes what a passage needs from wherever its maker puts it (this project's own chunk files, Chroma, LangChain,
LlamaIndex, Haystack); other fields go into the metadata, where the metadata has no such key itself. What
Chroma cannot store is refused, never left out in silence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.operator.entries import Notes, Reader
from app.operator.problems import OperatorError
from app.operator.quotas import shown, with_short_id
from app.operator.records import Record
from app.operator.shapes import IDS, LOOKS_LIKE_JSON, TEXTS, Entry, Wrong, json_entries
from app.operator.texts import MOST_BYTES, Foreign, text_of

MARKDOWN = (".md", ".markdown", ".txt")
TABLES = {".csv": ",", ".tsv": "\t"}
JSON = (".json", ".jsonl", ".ndjson")
SHORTENED = "id of more than 128 bytes shortened, the old one is in original_id"
PROBLEMS_SHOWN = 20
COLUMNS = frozenset((*IDS, *TEXTS, "metadata", "name", "title"))
# Excel's own first line.
SEPARATOR = re.compile(r"sep=(.)\n")


def read(files: Sequence[Path], part_bytes: int, say: Callable[[str], None] = lambda _: None) -> list[Record]:
    """The passages of all files, without embeddings; `say` is told what was done about them that nobody might
    expect.

    Raises OperatorError with everything that is wrong with them.
    """
    records: list[Record] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for file in files:
        notes = Notes()
        for where, found in _passages(file, part_bytes, notes):
            if isinstance(found, str):
                problems.append(f"{where}: {found}")
                continue
            record = with_short_id(found)
            notes[SHORTENED] += record.id != found.id
            if record.id in seen:
                problems.append(f"{where}: id {shown(found.id)!r} is used already ({seen[record.id]})")
            else:
                seen[record.id] = where
                records.append(record)
        for note, count in notes.items():
            if count:
                say(f"{file}: {note}" + (f" ({count} passages)" if count > 1 else ""))
    if problems:
        if (more := len(problems) - PROBLEMS_SHOWN) > 0:
            problems[PROBLEMS_SHOWN:] = [f"… and {more} more"]
        raise OperatorError("The files cannot be used; nothing was embedded.", problems)
    return records


def _csv_entries(text: str, delimiter: str) -> Iterator[Entry]:
    """Every row of a table with a header. Raises Foreign when its columns are not those of passages."""
    csv.field_size_limit(MOST_BYTES)
    if named := SEPARATOR.match(text):
        text, delimiter = text[named.end() :], named[1]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [
            name.lower() if name.lower() in COLUMNS else name for name in map(str.strip, next(rows, []))
        ]
        if not ({"metadata", *header} & set(TEXTS) and set(IDS) & set(header)):
            raise Foreign(
                f"is a table (CSV) with the columns {', '.join(map(repr, header[:12]))}; a passage needs one "
                f"of {', '.join(IDS[:2])} and one of {', '.join(TEXTS)}: rename them"
            )
        for row in rows:
            if len(row) > len(header):
                yield f":{rows.line_num}", Wrong(f"{len(row)} cells under {len(header)} columns")
            elif any(row):
                cells = zip(header, row, strict=False)
                yield f":{rows.line_num}", {name: cell for name, cell in cells if name and cell}
    except csv.Error as error:
        raise Foreign(f"is no table that can be read (line {rows.line_num}: {error})") from error


def _passages(file: Path, part_bytes: int, notes: Notes) -> Iterator[tuple[str, Record | str]]:
    """Every passage and where it is; a text instead of a record says what is wrong there."""
    try:
        text, suffix, note = text_of(file)
        if note:
            notes[note] += 1
        if suffix in MARKDOWN and not (suffix == ".txt" and LOOKS_LIKE_JSON.match(text)):
            # Imported late: its parser is not installed where nothing is ingested.
            from app.operator.markdown import sections

            name = file.name.split(".")[0] if file.suffix.lower() == ".gz" else file.stem
            yield from ((f"{file}: {section.id}", section) for section in sections(text, name, part_bytes))
            return
        if suffix in TABLES:
            header = text.split("\n", 1)[0]
            entries = _csv_entries(text, max(TABLES[suffix], ";", "\t", key=header.count))
        elif suffix in JSON or LOOKS_LIKE_JSON.match(text):
            entries = json_entries(text, lambda note: notes.update([note]))
        else:
            raise Foreign(
                "is of no kind that is known here; give .json, .jsonl or .md files (.csv, .txt and .gz are "
                "read, too)"
            )
        reader = Reader(file, notes)
        for where, entry in entries:
            yield f"{file}{where}", reader.record(entry)
    except Foreign as error:
        yield str(file), str(error)
