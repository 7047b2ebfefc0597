"""Text for people on whatever reads along: a terminal, cron's mail, a log in an old encoding.

What the encoding cannot say is said in ASCII: ✓ as "ok", ✗ as "FAILED", a bar in "#"; any other letter by its number.
Text from elsewhere steers no terminal: see `app.escaping`.
"""

from __future__ import annotations

import codecs
import io
import json
from typing import Any, TextIO

from app.escaping import in_json

_HANDLER = "dndchat-degrade"
_ASCII = {
    "✓": "ok", "✗": "FAILED", "█": "#", "░": ".", "–": "-", "—": "-", "…": "...", "→": "->", "×": "x", "≤": "<=", "≥": ">=",
    "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ",
    # Parts of a block of a bar: the larger half counts.
    "▏": "", "▎": "", "▍": "", "▌": "#", "▋": "#", "▊": "#", "▉": "#",
}  # fmt: skip


def degrade(*streams: TextIO | None) -> None:
    """Let nothing that is written to `streams` fail for want of a letter."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def as_json(document: Any, stream: TextIO, indent: int | None = None) -> str:
    """`document` as JSON that stays JSON on `stream`: other letters as they are in UTF-8 only, else by their numbers."""
    encoding = codecs.lookup(stream.encoding or "utf-8").name
    return in_json(json.dumps(document, ensure_ascii=encoding != "utf-8", indent=indent))


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_ASCII.get(letter, letter.encode("ascii", "backslashreplace").decode()) for letter in letters), error.end


codecs.register_error(_HANDLER, _in_ascii)
