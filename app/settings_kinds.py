"""Kinds of settings: how the text of one becomes a value, and what the hint for a wrong one says.

Strict: a value that is not exactly of its kind is refused. A parser raises ValueError, and its hint is shown
in place of the text, which may be a secret that was pasted into the wrong line.
"""

import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.pricing import nanodollars

# In place of an interval without end: 11 days, of which a bucket can still count a million.
NEVER_US = 1_000_000_000_000

# What Chroma accepts.
COLLECTION_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{1,510}[A-Za-z0-9]"

_SWITCH = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}
_ORIGIN = r"https?://(?:[A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_HOST = r"(?:(https?)://)?(?:([A-Za-z0-9._-]+)|\[?((?:[0-9A-Fa-f.]*:){2,}[0-9A-Fa-f.]*)\]?)/?"

# What needs encryption to another machine unless ALLOW_INSECURE names it; what someone on the line could do.
INSECURE = {
    "AUTH_API_URL": "reads tokens and says who somebody is",
    "OPENAI_BASE_URL": "reads the key and the questions, and writes the answers",
    "CHROMA_CLOUD_SSL": "reads the key, and writes the passages",
    "CHROMA_HOST": "reads and writes the passages",
    "SMTP_HOST": "reads the password and the alerts",
    "API_URL": "reads the token",  # of scripts/test_flask_query.sh
}


class Kind(NamedTuple):
    """`parse` raises ValueError for a text that is no such value; `hint` says what to give."""

    parse: Callable[[str], Any]
    hint: str
    secret: bool = False


class Unusable(ValueError):
    """A text with problems of its own: each of `args` is shown in place of the kind's hint."""


def whole(low: int, high: int) -> Kind:
    def parse(text: str) -> int:
        # int() accepts digits of other scripts, too, and takes long for a thousand of them.
        _require(text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high)
        return int(text)

    return Kind(parse, f"give a whole number from {low} to {high}")


def number(low: float, high: float) -> Kind:
    """A decimal number or a fraction such as 1/60."""

    def parse(text: str) -> float:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:/([0-9]+))?", text)
        if not match or not float(match[2] or 1):
            raise ValueError
        value = float(match[1]) / float(match[2] or 1)
        _require(low <= value <= high)
        return value

    return Kind(parse, f"give a number from {low:g} to {high:g}")


def dollars(hint: str) -> Kind:
    """Decimal text below a million, with at most 9 decimals."""

    def parse(text: str) -> str:
        _require(nanodollars(text) < nanodollars("1000000"))
        return text

    return Kind(parse, hint)


def names_among(known: Collection[str]) -> Kind:
    def parse(text: str) -> frozenset[str]:
        names = frozenset(_entries(text))
        _require(names <= frozenset(known))
        return names

    return Kind(parse, f"give names among {', '.join(known)}, separated by commas")


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def _entries(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _line(text: str) -> str:
    # In the head of a mail or of an HTTP request a second line would be a second header.
    _require(text.isprintable())
    return text


def _secret_line(text: str) -> str:
    _require("\n" not in text and "\r" not in text)
    return text


def _key(text: str) -> str:
    # It goes into an HTTP header: anything but visible ASCII is a slip of the clipboard.
    if not all("\x21" <= character <= "\x7e" for character in text):
        raise Unusable("holds blanks or characters no key has; copy it again")
    return text


def _collection(text: str) -> str:
    _require(re.fullmatch(COLLECTION_NAME, text) is not None)
    return text


def _interval(text: str) -> int:
    """Microseconds for one token, to the nearest, from tokens per second; NEVER_US for 0."""
    match = re.fullmatch(r"([0-9]{0,9})(?:\.([0-9]{1,20}))?(?:/([0-9]{1,9}))?", text)
    if not match:
        raise ValueError
    decimals = match[2] or ""
    tokens, seconds = int(match[1] + decimals), int("1" + "0" * len(decimals)) * int(match[3] or 1)
    if seconds and not tokens:
        return NEVER_US
    _require(0 < seconds <= tokens * 86_400 and tokens <= 1000 * seconds)
    return (seconds * 1_000_000 + tokens // 2) // tokens


def _switch(text: str) -> bool:
    _require(text.lower() in _SWITCH)
    return _SWITCH[text.lower()]


def _url(text: str) -> str:
    """An http(s) address without account, query and slash at its end."""
    parts = urlsplit(text)
    _require(parts.scheme in ("http", "https") and bool(parts.hostname) and len(text.split()) == 1)
    _require(not (parts.query or parts.fragment or parts.username or parts.password))
    _ = parts.port  # raises ValueError for a port that is none
    return text.rstrip("/")


def _origins(text: str) -> frozenset[str]:
    wrong = []
    for origin in _entries(text):
        if origin == "*":
            wrong.append("* is refused, as answers carry credentials; list each origin")
        elif not re.fullmatch(_ORIGIN, origin):
            hint = "give scheme, host and port only, such as https://react.example.com"
            wrong.append(f"one entry is no origin; {hint}")
    if wrong:
        raise Unusable(*wrong)
    return frozenset(_entries(text.lower()))


def _host(text: str) -> tuple[str, str]:
    """A host's name or address without brackets, and the scheme before it ("" if there is none)."""
    match = re.fullmatch(_HOST, text)
    if not match:
        raise ValueError
    return match[2] or match[3], match[1] or ""


LINE = Kind(_line, "give one line, without control characters")
SECRET = Kind(
    _secret_line,
    r"give one line; in double quotes \n is a line break, in single quotes it is not",
    secret=True,
)
KEY = Kind(_key, "give the key as it was issued", secret=True)
COLLECTION = Kind(_collection, "give 3 to 512 letters, digits, dots, dashes or underscores")
INTERVAL = Kind(_interval, "give tokens per second: 0, or 1/86400 to 1000, such as 1/60")
SWITCH = Kind(_switch, "say on or off")
URL = Kind(_url, "give an address such as https://api.example.com")
ORIGINS = Kind(_origins, "give origins such as https://react.example.com, separated by commas")
HOST = Kind(_host, "give a host's name or address alone; its port has a setting of its own")
# `app.settings.Reader` makes a path of it: that depends on the home directory and the project root.
PATH = Kind(str, "give the path of a place on this machine")
