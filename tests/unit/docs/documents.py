"""The documents that are checked, and what stands in them: code, links, headings, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.harness import ROOT

NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    "tests/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)


class Block(NamedTuple):
    """A block of code: where it begins, its language ("" where none is named), its text."""

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@cache
def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@cache
def _tokens(document: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text_of(document))


def blocks(document: str) -> list[Block]:
    """Fenced blocks, and indented ones, which have no language."""
    found = [token for token in _tokens(document) if token.type in ("fence", "code_block")]
    return [Block(document, (token.map or [0])[0] + 1, token.info.strip(), token.content) for token in found]


def _inline(document: str) -> Iterator[Token]:
    for token in _tokens(document):
        yield from token.children or ()


def code_in_text(document: str) -> list[str]:
    return [token.content for token in _inline(document) if token.type == "code_inline"]


def links(document: str) -> list[str]:
    """The addresses of links and pictures."""
    attributes = [token.attrs.get("href", token.attrs.get("src")) for token in _inline(document)]
    return [str(address) for address in attributes if address]


def headings(document: str) -> list[tuple[int, str]]:
    """Level and text of each, in order."""
    pairs = pairwise(_tokens(document))
    return [(int(mark.tag[1]), text.content) for mark, text in pairs if mark.type == "heading_open"]


def anchor(heading: str) -> str:
    """The address of a heading as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def tables(document: str) -> list[list[list[str]]]:
    """The tables: rows of cells as they are written, the head first."""
    found = re.findall(r"^\|.*\n\|[-| ]+\n(?:\|.*\n)+", text_of(document), re.MULTILINE)
    rows = [[line for line in table.splitlines() if not set(line) <= set("|- ")] for table in found]
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in table] for table in rows]
