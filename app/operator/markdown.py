"""Markdown to passages: one per section, tables whole with their caption, long sections in parts, the heading path kept.

Not a Markdown parser: it knows headings (`#` to `######`, and one line underlined with `=` or `-`), fenced code, tables (with
pipes or in HTML) and paragraphs, and never changes text.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Set
from dataclasses import dataclass

from app.operator.records import Record

HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
UNDERLINE = re.compile(r" {0,3}(?:(=+)|-{2,})[ \t]*$")
# What can have a line of dashes below it without being a heading: a list, a quotation, indented code, a row of a table, HTML.
NO_HEADING = re.compile(r" {0,3}(?:[-+*] |\d+[.)] |[<>])| {4}|\t|.*\|")
# Three backticks that are closed on the same line are code within a sentence.
FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
# A blank line, or one that only divides.
RULE = re.compile(r"\s*(?:([-*_])[ \t]*(?:\1[ \t]*){2,})?$")
HTML_TABLE = re.compile(r"[ \t]*<table\b", re.IGNORECASE)
# The first line that is not blank names a key: what only stands between two rules of the text is text.
FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(?:[ \t]*\n)*(?:[\w\"'][\w \"'.-]*:(?=\s).*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL
)
DIVIDER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
# A line in bold, or one that begins with the word, directly above a table (or with one blank line between).
CAPTION = re.compile(r"[ \t]*(?:\*\*.+\*\*|__.+__|(?:\*|_)?Table\b.*)[ \t]*$", re.IGNORECASE)
ID_BYTES = 100


@dataclass
class _Section:
    headings: tuple[tuple[int, str], ...]
    """Level and words of each heading above, outermost first."""
    lines: list[str]

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(words for _, words in self.headings)

    def says_something(self) -> bool:
        """Whether there is more than blank lines and rules."""
        return not all(map(RULE.match, self.lines))


def sections(text: str, stem: str, part_bytes: int) -> Iterator[Record]:
    """The passages of one document; `stem` begins their ids. A part has at most `part_bytes`, except a table that has more."""
    used: set[str] = set()
    for section in _sections(text):
        parts = _parts(_blocks(section.lines), part_bytes)
        path = section.path or (stem,)
        name, ids = _ids(_slug(f"{stem} {' '.join(section.path)}"), len(parts), used)
        used.update((name, *ids))
        for number, (identity, blocks) in enumerate(zip(ids, parts, strict=True), 1):
            metadata = {"name": path[-1], "hierarchy": " > ".join(path), "book": stem}
            if all(block.table for block in blocks):
                metadata["type"] = "table"
            numbers = {"chunk_part": number, "total_parts": len(parts), "first_part_id": ids[0]} if len(parts) > 1 else {}
            body = "\n\n".join(block.text for block in blocks)
            yield Record(identity, f"## {path[-1]}\n{metadata['hierarchy']}\n\n{body}", {**metadata, **numbers}, None)


def _ids(base: str, parts: int, used: Set[str]) -> tuple[str, list[str]]:
    """A name for a section, and the ids of its parts. Sections with the same headings are told apart by their order."""
    for number in itertools.count(1):
        name = f"{base}-{number}" if number > 1 else base
        ids = [f"{name}-part-{part}" for part in range(1, parts + 1)] if parts > 1 else [name]
        if used.isdisjoint((name, *ids)):
            return name, ids
    raise AssertionError("unreachable: numbers do not end")


def _sections(text: str) -> Iterator[_Section]:
    """The text under each heading; headings with nothing under them live on in the paths of others."""
    current, fence = _Section((), []), ""
    # Only line feeds end lines: a form feed or a line separator is part of the text.
    for line in FRONT_MATTER.sub("", text).split("\n"):
        mark = FENCE.match(line)
        if fence:
            # A fence is closed by one at least as long, of the same kind, with nothing after it.
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        elif heading := _heading(line, current.lines):
            if current.says_something():
                yield current
            above = tuple(entry for entry in current.headings if entry[0] < heading[0])
            current = _Section((*above, heading), [])
            continue
        current.lines.append(line)
    if current.says_something():
        yield current


def _heading(line: str, before: list[str]) -> tuple[int, str] | None:
    """Level and words of the heading that `line` makes; one that only underlines takes its words from `before`."""
    if found := HEADING.match(line):
        return len(found[1]), found[2] or "…"
    underline = UNDERLINE.match(line)
    if not underline or not before or not before[-1].strip() or NO_HEADING.match(before[-1]):
        return None
    if len(before) > 1 and before[-2].strip():
        # The last line of a paragraph is no heading, whatever a parser would say.
        return None
    return 1 if underline[1] else 2, before.pop().strip()


@dataclass
class _Block:
    """What is kept together as long as it fits: a paragraph, a list, a piece of code, a table with its caption."""

    text: str
    table: bool = False


def _blocks(lines: list[str]) -> list[_Block]:
    blocks: list[_Block] = []
    waiting: list[str] = []
    position, fence = 0, ""

    def flush() -> None:
        if body := "\n".join(waiting).strip("\n"):
            blocks.append(_Block(body))
        waiting.clear()

    while position < len(lines):
        line = lines[position]
        if fence or (mark := FENCE.match(line)):
            if fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            elif not fence and mark:
                fence = mark[1]
            waiting.append(line)
        elif (end := _table_end(lines, position)) > position:
            caption = _caption(waiting, blocks)
            flush()
            blocks.append(_Block("\n".join([*caption, *lines[position:end]]), table=True))
            position = end
            continue
        elif line.strip():
            waiting.append(line)
        else:
            flush()
        position += 1
    flush()
    return blocks


def _table_end(lines: list[str], position: int) -> int:
    """The line after the table that begins at `position`; `position` itself when none does."""
    end = position
    if HTML_TABLE.match(lines[position]):
        return next((n + 1 for n in range(position, len(lines)) if "</table>" in lines[n].lower()), position)
    below = lines[position + 1] if position + 1 < len(lines) else ""
    if "|" in lines[position] and "|" in below and DIVIDER.match(below):
        while end < len(lines) and "|" in lines[end]:
            end += 1
    return end


def _caption(waiting: list[str], blocks: list[_Block]) -> list[str]:
    """Take the caption of the table that comes now from what was read before it."""
    if waiting:
        return [waiting.pop()] if CAPTION.match(waiting[-1]) else []
    if blocks and not blocks[-1].table and "\n" not in blocks[-1].text and CAPTION.match(blocks[-1].text):
        return [blocks.pop().text, ""]
    return []


def _parts(blocks: list[_Block], limit: int) -> list[list[_Block]]:
    """The blocks in order, as many in each part as fit into `limit` bytes."""
    parts: list[list[_Block]] = []
    room = 0
    for block in blocks:
        for piece in [block] if block.table else [_Block(text) for text in _pieces(block.text, limit)]:
            length = len(piece.text.encode()) + 2
            if parts and length <= room:
                parts[-1].append(piece)
            else:
                parts.append([piece])
                room = limit
            room -= length
    return parts


def _pieces(text: str, limit: int) -> Iterator[str]:
    """`text` cut where it hurts least: between lines, after sentences, between words, and only then anywhere."""
    while len(text.encode()) > limit:
        # A character has at most four bytes, so this many always fit; more may.
        window = text.encode()[:limit].decode("utf-8", "ignore")
        cuts = (window.rfind("\n") + 1, _last(r"[.!?][\"”')]*\s", window), window.rfind(" ") + 1, len(window))
        cut = next(cut for cut in cuts if cut > limit // 8 or cut == len(window))
        yield text[:cut].rstrip()
        text = text[cut:].lstrip("\n ")
    if text:
        yield text


def _last(pattern: str, text: str) -> int:
    return max((match.end() for match in re.finditer(pattern, text)), default=0)


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(slug) <= ID_BYTES and slug:
        return slug
    # Of two long paths that begin alike, or of one in another script, the hash is what differs.
    return f"{slug[: ID_BYTES - 13]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}".strip("-")
