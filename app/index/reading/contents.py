"""What stands in one passage: its tables in whatever dialect, each with what is above it; the other lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from app.index.reading import aligned_tables, html_tables, json_tables, pipe_tables
from app.index.reading.cells import clean, heading
from app.index.reading.raw import RawTable
from app.index.reading.row_labels import Table
from app.index.reading.shaping import shape
from app.models import Passage

# Longer passages are read to here: a rule book has none of a tenth of it.
MOST_CHARACTERS = 2_000_000
# Longer lines are no lines of a table that is set in columns.
_LONGEST_ALIGNED = 2_000
_CAPTION = re.compile(
    r"^(?:\*\*|__|\*|_)?(?:Table\b[^:*]{0,20}[:.]\s*)?(\S.*?)(?:\*\*|__|\*|_)$|^Table\b[^:]{0,20}:\s*(\S.*)$"
    r"|^Table\s+(?:\d[\w.–-]{0,9}|[IVX]{1,6}(?:[.–-]\w{1,4})?)\.?\s+(\S.{0,100}[^\s.;,])$"
)
_QUOTED = re.compile(r"^(?: {0,3}>)+ ?")
# A short line of text right above a table.
_LEAD = re.compile(r"[A-Z(][^|:.;]{2,60}(?::|(?<=[^.,;!?]))")
_CAPTION_BELOW = re.compile(r"^(?:Table)?:\s+(\S.*)$")
# What begins like JSON and is none is read to the end of the passage: so often.
_MOST_TRIES = 20


class Found(NamedTuple):
    """A table in a passage. `heading`: the last one above it inside the passage; `caption`: its own.

    `raw`: the number of the drawn table that it was in, alone or beside others.
    """

    table: Table
    heading: str
    caption: str
    raw: int


class Contents:
    """What stands in one passage."""

    def __init__(self) -> None:
        self.tables: list[Found] = []
        self.raws = 0
        self.json: list[json_tables.JsonTable] = []
        self.lines: list[str] = []
        self.whys: list[str] = []


def contents_of(passage: Passage) -> Contents:
    """The tables of a passage, and the lines that are none."""
    found = Contents()
    text = passage.text
    if len(text) > MOST_CHARACTERS:
        found.whys.append(f"more than {MOST_CHARACTERS:,} characters")
        text = text[:MOST_CHARACTERS]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = [_QUOTED.sub("", line) if ">" in line[:4] else line for line in lines]
    at = 0
    while at < len(lines) and not lines[at].strip():
        at += 1
    headed_by = (heading(lines[at]) if at < len(lines) else None) or ""
    title = str(passage.metadata.get("title") or passage.metadata.get("name") or headed_by)
    if headed_by:
        at += 1
        if at < len(lines) and lines[at].strip() and lines[at].strip() == passage.hierarchy.strip():
            at += 1
    above = caption = led = ""
    leads: list[str] = []
    tries = _MOST_TRIES
    while at < len(lines):
        line = lines[at].strip()
        if not line:
            found.lines.append("")
            at += 1
            continue
        if tries > 0 and (read_json := json_tables.find(lines, at, title)):
            stated, at = read_json
            found.json += stated.tables
            found.whys += stated.whys
            found.lines.append("")
            continue
        tries -= line[0] in "[{"
        if drawn := _drawn(lines, at):
            raws, at = drawn
            below = next((row.strip() for row in lines[at : at + 2] if row.strip()), "")
            if not caption and raws and (said := _CAPTION_BELOW.match(below)):
                caption = clean(said[1])
            for raw in raws:
                found.raws += 1
                shaped = shape(raw)
                found.whys += shaped.whys
                said_of_it = clean(raw.caption) or caption
                found.tables += [Found(table, above, said_of_it, found.raws) for table in shaped.tables]
                leads += [led if not said_of_it else ""] * len(shaped.tables)
            caption = led = ""
            found.lines.append("")
            continue
        if (headed := heading(line)) is not None:
            above, caption = headed, ""
        elif said := _CAPTION.match(line):
            caption = clean(said[1] or said[2] or said[3]).rstrip(":")
        else:
            caption = ""
        led = line.rstrip(":") if _LEAD.fullmatch(line) else ""
        found.lines.append(lines[at])
        at += 1
    if found.raws > 1:
        # Of several tables the line above says which one it is.
        name = headed_by or clean(title)
        found.tables = [
            table._replace(caption=f"{name}: {clean(lead)}") if lead else table
            for table, lead in zip(found.tables, leads, strict=True)
        ]
    return found


def _drawn(lines: Sequence[str], at: int) -> tuple[list[RawTable], int] | None:
    """The tables that begin in the line `at`, in whatever dialect."""
    if html := html_tables.find(lines, at):
        return html
    if len(lines[at]) <= _LONGEST_ALIGNED and (framed := aligned_tables.grid(lines, at)):
        return framed
    if piped := pipe_tables.find(lines, at):
        return piped
    if len(lines[at]) <= _LONGEST_ALIGNED:
        return aligned_tables.ruled(lines, at) or aligned_tables.spaced(lines, at)
    return None
