"""The text of one cell, as a person reads it: verbatim, without the marks that only lay it out."""

from __future__ import annotations

import re
from html import unescape
from typing import NamedTuple

_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|code|div|em|font|i|p|s|small|span|strong|sub|sup|tt|u)(?:\s[^<>]*)?/?>", re.I
)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_NOTE = re.compile(r"\[\^[^\]\s]{1,40}\]")
_STRONG = re.compile(r"(\*\*|__)(?=\S)([^*_]+)(?<=\S)\1")
# A star that opens a word and one that closes it; "1-4*" and "D* or T*" keep theirs, which mean something.
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=\S)([^*]+)(?<=\S)\*(?![\w*])|(?<![\w_])_(?=\S)([^_]+)(?<=\S)_(?![\w_])"
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
# What sets a row under the one above it: "~ Gallon" and "&nbsp;&nbsp;Gallon" below "Ale".
_BELOW = re.compile(
    r"(?:&nbsp;|&emsp;|&ensp;|[\u00a0\u2002\u2003~↳└•→])(?:&nbsp;|&emsp;|&ensp;|[\s~↳└•→])*|[-–—] (?=[^\W\d])"
)
_HEADING = re.compile(r"#{1,6}[ \t]+(\S.*)")
# A dash, or a word for one, that says that there is nothing.
_RULE = re.compile(r"[-–—_. ]*")


class Label(NamedTuple):
    """The label of a row; `below`: whether it stands under the last one that does not."""

    text: str
    below: bool


def clean(cell: str) -> str:
    """`cell` without markup, entities and needless blanks; breaks are blanks."""
    cell = cell.strip()
    if "<" in cell:
        cell = _TAG.sub("", _BREAK.sub(" ", cell))
    if "[" in cell:
        cell = _LINK.sub(r"\1", _NOTE.sub("", cell))
    if "*" in cell or "_" in cell:
        cell = _STRONG.sub(r"\2", cell)
        cell = _EMPHASIS.sub(lambda found: found[1] or found[2], cell)
    if len(cell) > 1 and cell.startswith("`") and cell.endswith("`"):
        cell = cell.strip("`")
    if "\\" in cell:
        cell = _ESCAPE.sub(r"\1", cell)
    if "&" in cell:
        cell = unescape(cell)
    return " ".join(cell.split())


def label(cell: str) -> Label:
    """The label in the first `cell` of a row."""
    cell = re.sub(r"^(?:\*\*|__)(?=[~↳&])", "", cell.strip(" \t"))
    below = _BELOW.match(cell)
    return Label(clean(cell[below.end() :] if below else cell), below is not None)


def heading(line: str) -> str | None:
    """What `line` heads, where it is a heading of Markdown."""
    found = _HEADING.match(line.strip())
    return clean(found[1].rstrip("# \t")) if found else None


def is_nothing(cell: str) -> bool:
    """Whether `cell` is empty or only a rule."""
    return not cell or _RULE.fullmatch(cell) is not None
