"""Markdown to passages: one per section, tables whole with their caption, long sections in parts, the heading
path kept.

Where what begins and ends is `markdown_it`'s word (CommonMark with GitHub's tables); the lines themselves are
never changed.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.operator.headings import is_caption, visible
from app.operator.records import Record

HTML_TABLE = re.compile(r"[ \t]*<table\b", re.IGNORECASE)
HTML_HEADING = re.compile(
    r"\s*<h([1-6])\b[^<>]*>(.*?)</h\1>[ \t]*$", re.IGNORECASE | re.DOTALL | re.MULTILINE
)
# The first line that is not blank names a key: what only stands between two rules of the text is text.
FRONT_MATTER = re.compile(
    r"\A(?:---[ \t]*\n(?:[ \t]*\n)*(?:[\w\"'][\w \"'.-]*:(?=\s).*?\n)?(?:---|\.\.\.)|"
    r"\+\+\+[ \t]*\n(?:[ \t]*\n)*(?:[\w\"'][\w\"'.-]*[ \t]*=.*?\n)?\+\+\+)[ \t]*(?:\n|\Z)",
    re.DOTALL,
)
DIVIDER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
SENTENCE_END = re.compile(r"[.!?][\"”')]*\s")
ID_BYTES = 100

# Positions are all that is wanted of a document: what stands inside its blocks is not parsed.
_PARSER = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])


@dataclass
class _Block:
    """What is kept together as long as it fits: a paragraph, a list, code, a table with its caption."""

    text: str
    table: bool = False


@dataclass
class _Section:
    headings: tuple[tuple[int, str], ...]
    """Level and words of each heading above, outermost first."""
    blocks: list[_Block]
    says_something: bool = False
    """Whether there is more than blank lines and rules."""


def sections(text: str, stem: str, part_bytes: int) -> Iterator[Record]:
    """The passages of a document; `stem` begins their ids. Only a table has more than `part_bytes`."""
    used: set[str] = set()
    for section in _sections(text):
        parts = _parts(section.blocks, part_bytes)
        path = [words for _, words in section.headings]
        name, ids = _ids(_slug(f"{stem} {' '.join(path)}"), len(parts), used)
        path = path or [stem]
        used.update((name, *ids))
        hierarchy = " > ".join(path)
        for number, (identity, blocks) in enumerate(zip(ids, parts, strict=True), 1):
            metadata: dict[str, Any] = {"name": path[-1], "hierarchy": hierarchy, "book": stem}
            if all(block.table for block in blocks):
                metadata["type"] = "table"
            if len(parts) > 1:
                metadata |= {"chunk_part": number, "total_parts": len(parts), "first_part_id": ids[0]}
            body = "\n\n".join(block.text for block in blocks)
            yield Record(identity, f"## {path[-1]}\n{hierarchy}\n\n{body}", metadata, None)


def _ids(base: str, parts: int, used: Set[str]) -> tuple[str, list[str]]:
    """A name for a section, and the ids of its parts. Sections with equal headings are numbered."""
    name, number = base, 1
    while True:
        ids = [f"{name}-part-{part}" for part in range(1, parts + 1)] if parts > 1 else [name]
        if used.isdisjoint((name, *ids)):
            return name, ids
        number += 1
        name = f"{base}-{number}"


def _sections(text: str) -> Iterator[_Section]:
    """What stands under each heading; headings with nothing under them live on in the paths of others."""
    # Only these end lines: a form feed or a line separator is part of the text.
    text = FRONT_MATTER.sub("", re.sub(r"\r\n?", "\n", text))
    lines = text.split("\n")
    references: dict[str, object] = {}
    tokens = _PARSER.parse(text, references)
    current, waiting = _Section((), []), list[str]()

    def flush() -> None:
        if body := "\n".join(waiting).strip("\n"):
            current.blocks.append(_Block(body))
        waiting.clear()

    for start, end, kind, words in _units(tokens, lines):
        if isinstance(kind, int):
            flush()
            if current.says_something:
                yield current
            above = tuple(entry for entry in current.headings if entry[0] < kind)
            current = _Section((*above, (kind, visible(words, references) or "…")), [])
            continue
        if kind != "rule" and any(line.strip() for line in lines[start:end]):
            current.says_something = True
        if start and not lines[start - 1].strip():
            flush()
        if kind == "table":
            caption = _caption(waiting, current.blocks)
            flush()
            current.blocks.append(_Block("\n".join([*caption, *lines[start:end]]).strip("\n"), table=True))
        else:
            waiting += lines[start:end]
    flush()
    if current.says_something:
        yield current


_Unit = tuple[int, int, int | str, str]
"""First line, line after the last, there may be none between; a heading's level, "table", "rule" or "text"; a
heading's words."""


def _units(tokens: list[Token], lines: list[str]) -> Iterator[_Unit]:
    """The document from its first line to its last. Lines without a token (link references) are text."""
    ends_of_tables = [number for number, line in enumerate(lines, 1) if "</table>" in line.lower()]
    position = 0
    for token, following in itertools.pairwise([*tokens, Token("end", "", 0)]):
        if token.level or not token.map or token.map[1] <= position:
            continue
        yield position, token.map[0], "text", ""
        start, end = max(token.map[0], position), token.map[1]
        position, words = end, following.content
        # A line of dashes makes no heading of the last line of a paragraph, as a parser has it.
        is_heading = token.markup[:1] == "#" or not ("\n" in words or "|" in words)
        if token.type == "heading_open" and is_heading:
            yield start, end, int(token.tag[1:]), words
        elif token.type == "html_block" and (heading := HTML_HEADING.match("\n".join(lines[start:end]))):
            below = start + heading[0].count("\n") + 1
            yield start, below, int(heading[1]), heading[2]
            yield below, end, "text", ""
        elif token.type == "html_block" and HTML_TABLE.match(lines[start]):
            # A blank line ends HTML for a parser, not for people.
            number = bisect_left(ends_of_tables, start + 1)
            below = ends_of_tables[number] if number < len(ends_of_tables) else end
            yield start, below, "table", ""
            yield below, end, "text", ""
            position = max(below, end)
        elif token.type == "paragraph_open" and (head := _loose_table(lines, start, end)) is not None:
            yield start, head, "text", ""
            yield head, end, "table", ""
        else:
            yield start, end, {"table_open": "table", "hr": "rule"}.get(token.type, "text"), ""
    yield position, len(lines), "text", ""


def _loose_table(lines: list[str], start: int, end: int) -> int | None:
    """The line in a paragraph on which a table begins whose rule has not as many columns as its header."""
    for head, rule in itertools.pairwise(range(start, end)):
        if "|" in lines[head] and "|" in lines[rule] and DIVIDER.match(lines[rule]):
            return head
    return None


def _caption(waiting: list[str], blocks: list[_Block]) -> list[str]:
    """Take the caption of the table that comes now from what was read before it."""
    if waiting:
        return [waiting.pop()] if is_caption(waiting[-1]) else []
    if blocks and not blocks[-1].table and "\n" not in blocks[-1].text and is_caption(blocks[-1].text):
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
    """`text` cut between lines, after sentences, between words, and only then anywhere."""
    while len(text.encode()) > limit:
        # A character has at most four bytes, so this many always fit; more may.
        window = text.encode()[:limit].decode("utf-8", "ignore")
        sentences = [match.end() for match in SENTENCE_END.finditer(window)]
        cuts = (window.rfind("\n") + 1, *sentences[-1:], window.rfind(" ") + 1, len(window))
        cut = next(cut for cut in cuts if cut > limit // 8 or cut == len(window))
        yield text[:cut].rstrip()
        text = text[cut:].lstrip("\n ")
    if text:
        yield text


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(slug) <= ID_BYTES and slug:
        return slug
    # Of two long paths that begin alike, or of one in another script, the hash is what differs.
    return f"{slug[: ID_BYTES - 13]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}".strip("-")
