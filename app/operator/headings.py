"""What a reader sees of a heading or caption: no attributes, anchors, addresses, notes or entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Pandoc's and kramdown's attributes: `{#id .class key=value}`, `{-}`, `{: .class}`.
_ATTRIBUTES = r"\{(?::|-(?=\s*\})|\s*[#.][\w-]|\s*[\w-]+=)[^{}\n]*\}"
# `[Orc]{.smallcaps}`; an empty one is an anchor.
_SPAN = re.compile(rf"(?<!!)\[([^\[\]\n]*)\]{_ATTRIBUTES}")
_ATTRIBUTE = re.compile(rf"[ \t]*{_ATTRIBUTES}")
_WIKI_LINK = re.compile(r"\[\[(?:[^\[\]|\n]*\|)?([^\[\]|\n]*)\]\]")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,40}\]|\^\[[^\[\]\n]*\]|\^\d{1,3}\^|[ \t]\^[\w-]+$")
_CLOSING = re.compile(r"[ \t]+#+[ \t]*$")
# Longer ones are read no further.
_LONGEST = 1000
# Spans lie in one another no deeper than this.
_DEPTH = 4
# What only leads to a note: `[1](#fn1)`, `<sup>1</sup>`, `<a href="#note"><sup>*</sup></a>`.
_NOTE = re.compile(r"[\[(]?(?:\d{1,3}|[*†‡§¶↩]{1,3})[\])]?")
_TAG = re.compile(r"<(/?)([A-Za-z]+)")

_INLINE = MarkdownIt("commonmark").enable("strikethrough")


def visible(source: str, environment: MutableMapping[str, Any] | None = None) -> str:
    """The words of a heading as Markdown has it after its `#`s, on one line; "" when nothing of it is to be
    seen.

    `environment` has the document's link references (`markdown_it` fills it).
    """
    source = _WIKI_LINK.sub(r"\1", _FOOTNOTE.sub("", source[:_LONGEST]))
    for _ in range(_DEPTH):
        if (plain := _SPAN.sub(r"\1", source)) == source:
            break
        source = plain
    source = _CLOSING.sub("", _ATTRIBUTE.sub("", source))
    (token,) = _INLINE.parseInline(source, environment if environment is not None else {})
    return " ".join("".join(_words(token.children or [])).split())


def is_caption(line: str) -> bool:
    """Whether a line directly above a table (or with one blank line between) belongs to it: it begins and
    ends in bold, or begins with "table".
    """
    if re.match(r"[*_ ]*table\b", visible(line), re.IGNORECASE):
        return True
    (token,) = _INLINE.parseInline(line.strip()[:_LONGEST], {})
    marks = [child.type for child in token.children or [] if child.type != "text" or child.content]
    return "strong_open" in marks[:2] and "text" not in (marks[0], marks[-1]) and "strong_close" in marks[-2:]


def _words(tokens: list[Token]) -> Iterable[str]:
    """The texts of `tokens`, without those that are only the mark of a note."""
    texts: list[str] = []
    # Where the text of each open link and superscript begins, and whether it may be a note's mark.
    opened: list[tuple[int, bool]] = []
    for token in tokens:
        tag = _TAG.match(token.content) if token.type == "html_inline" else None
        if token.type == "link_open":
            opened.append((len(texts), "#" in str(token.attrGet("href"))))
        elif tag and not tag[1] and tag[2].lower() == "sup":
            opened.append((len(texts), True))
        elif opened and (token.type == "link_close" or (tag and tag[1] and tag[2].lower() == "sup")):
            start, may_be_note = opened.pop()
            if may_be_note and start and _NOTE.fullmatch("".join(texts[start:]).strip()):
                del texts[start:]
        elif token.type == "image":
            texts.extend(_words(token.children or []))
        elif token.type in ("softbreak", "hardbreak") or (tag and tag[2].lower() == "br"):
            texts.append(" ")
        elif token.type in ("text", "text_special", "code_inline"):
            texts.append(token.content)
    return texts
