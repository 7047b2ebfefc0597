"""Text on its way to a terminal, a log or a mail: characters that would steer these are shown by their
number.

Names, comments, words of a model and errors of a server all pass through here before a person reads them.
Where the encoding of a terminal, of cron's mail or of a log lacks a letter, it is written in ASCII: ✓ as
"ok", ✗ as "FAILED".
"""

from __future__ import annotations

import codecs
import io
import json
import re
from typing import Any, TextIO

# Control characters (escape sequences begin with one), ends of lines, characters that reverse the direction
# of writing or have no width, and halves of surrogate pairs, which no encoding takes.
_STEERING = (
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_HANDLER = "dndchat-degrade"
_ASCII = {
    "✓": "ok", "✗": "FAILED", "█": "#", "░": ".", "–": "-", "—": "-", "…": "...", "→": "->", "×": "x",
    "≤": "<=", "≥": ">=", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ",
    # Parts of a block of a bar: the larger half counts.
    "▏": "", "▎": "", "▍": "", "▌": "#", "▋": "#", "▊": "#", "▉": "#",
}  # fmt: skip


def escaped(text: object, *, keep: str = "") -> str:
    """`text` on one line, harmless to whatever shows it. Characters in `keep` stay as they are."""
    line = str(text)
    if line.isprintable():
        # As nearly every line of a log: the expression below need not be compiled.
        return line
    return re.sub(_STEERING, lambda match: match[0] if match[0] in keep else _number(ord(match[0])), line)


def as_json(document: Any, stream: TextIO, indent: int | None = None) -> str:
    """`document` as JSON for `stream`: letters beyond ASCII as they are in UTF-8 only, else as `\\u…`."""
    encoding = codecs.lookup(stream.encoding or "utf-8").name
    return in_json(json.dumps(document, ensure_ascii=encoding != "utf-8", indent=indent))


def in_json(document: str) -> str:
    r"""A JSON document with its steering characters as `\u…`: it stays the same document."""
    # Characters below a blank are the document's own layout.
    return re.sub(_STEERING, lambda match: match[0] if match[0] < " " else _utf16(ord(match[0])), document)


def degrade(*streams: TextIO | None) -> None:
    """Let no write to `streams` fail because the encoding lacks a letter."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    shown = [_ASCII.get(letter, letter.encode("ascii", "backslashreplace").decode()) for letter in letters]
    return "".join(shown), error.end


codecs.register_error(_HANDLER, _in_ascii)


def _number(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _utf16(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 | code & 0x3FF:04x}"
