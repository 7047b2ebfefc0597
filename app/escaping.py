"""Text from elsewhere on its way to a terminal, a log or a mail: what would steer these is shown by its number.

Names, comments, words of a model, a server's errors: all of them pass through here before a person reads them.
"""

from __future__ import annotations

import re

# Control characters (escape sequences begin with one), ends of lines, marks that turn the direction of writing around or have
# no width, and halves of characters, which no encoding takes.
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def escaped(text: object, *, keep: str = "") -> str:
    """`text` on one line, harmless to whatever shows it. What is in `keep` stays as it is."""
    return _STEERING.sub(lambda match: match[0] if match[0] in keep else _number(ord(match[0])), str(text))


def in_json(document: str) -> str:
    r"""The same for a JSON document, which stays what it is: inside its strings `\u…` is how JSON says a character."""
    # Below a blank there is nothing but the document's own layout.
    return _STEERING.sub(lambda match: match[0] if match[0] < " " else _utf16(ord(match[0])), document)


def _number(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _utf16(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 | code & 0x3FF:04x}"
