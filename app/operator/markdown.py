"""Markdown to passages: one per section, tables whole with their caption, long sections in parts, the heading path kept.

Not a Markdown parser: it knows headings (`#` to `######`), fenced code, tables and paragraphs, and never changes text.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from app.operator.records import Record

HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
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


def sections(text: str, stem: str, part_bytes: int) -> Iterator[Record]:
    """The passages of one document; `stem` begins their ids. A part has at most `part_bytes`, except a table that has more."""
    used: set[str] = set()
    for section in _sections(text):
        parts = _parts(_blocks(section.lines), part_bytes)
        path = section.path or (stem,)
        base = _slug(f"{stem} {' '.join(section.path)}")
        # Two sections with the same headings are told apart by their order.
        name = next(name for number in itertools.count(1) if (name := f"{base}-{number}" if number > 1 else base) not in used)
        used.add(name)
        for number, blocks in enumerate(parts, 1):
            metadata = {"name": path[-1], "hierarchy": " > ".join(path), "book": stem}
            if all(block.table for block in blocks):
                metadata["type"] = "table"
            numbers = {"chunk_part": number, "total_parts": len(parts)} if len(parts) > 1 else {}
            identity = f"{name}-part-{number}" if numbers else name
            body = "\n\n".join(block.text for block in blocks)
            yield Record(identity, f"## {path[-1]}\n{metadata['hierarchy']}\n\n{body}", {**metadata, **numbers}, None)


def _sections(text: str) -> Iterator[_Section]:
    """The text under each heading; headings with nothing under them live on in the paths of others."""
    current, fence = _Section((), []), ""
    for line in _without_front_matter(text).splitlines():
        mark = FENCE.match(line)
        if fence:
            # A fence is closed by one at least as long, of the same kind, with nothing after it.
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        elif heading := HEADING.match(line):
            if any(map(str.strip, current.lines)):
                yield current
            level = len(heading[1])
            above = tuple(entry for entry in current.headings if entry[0] < level)
            current = _Section((*above, (level, heading[2] or "…")), [])
            continue
        current.lines.append(line)
    if any(map(str.strip, current.lines)):
        yield current


def _without_front_matter(text: str) -> str:
    match = re.match(r"---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|$)", text, re.DOTALL)
    return text[match.end() :] if match else text


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
        elif _table_begins(lines, position):
            end = position
            while end < len(lines) and "|" in lines[end] and lines[end].strip():
                end += 1
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


def _table_begins(lines: list[str], position: int) -> bool:
    below = lines[position + 1] if position + 1 < len(lines) else ""
    return "|" in lines[position] and "-" in below and "|" in below + lines[position] and bool(DIVIDER.match(below))


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
