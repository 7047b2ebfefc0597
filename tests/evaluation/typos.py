"""A question typed in haste: letters swapped, dropped, doubled or hit beside their key, no capitals, no
apostrophes, no question mark, players' abbreviations."""

from __future__ import annotations

import random
import re
from collections.abc import Collection

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# Never to be read as anything else at a table of players.
_SHORT = (
    (r"\bexperience points\b", "xp"),
    (r"\blevel\b", "lvl"),
    (r"\bfighter\b", "ftr"),
    (r"\bmagic-user\b", "mu"),
    (r"\bdamage\b", "dmg"),
    (r"\barmou?r class\b", "ac"),
    (r"\bhit dice\b", "hd"),
    (r"\bhit points\b", "hp"),
    (r"\bversus\b|\bagainst\b", "vs"),
    (r"\bplease\b", "pls"),
    (r"\bstrength\b", "str"),
    (r"\bdexterity\b", "dex"),
    (r"\bconstitution\b", "con"),
)
_SHORTEST = 5


def badly(text: str, rng: random.Random, known: Collection[str]) -> str:
    """`text` with one to three faults. No fault makes a word that is in `known` (lower case), which would
    ask for something else; names shorter than five letters and figures stay whole."""
    faults = rng.sample(["letter", "plain", "short", "letter"], rng.choice([1, 2, 2, 3]))
    for fault in faults:
        if fault == "plain":
            text = text.lower().replace("'", "").replace("’", "").rstrip("?.! ")
        elif fault == "short":
            pattern, short = rng.choice(_SHORT)
            text = re.sub(pattern, short, text, flags=re.IGNORECASE)
        else:
            text = _letter(text, rng, known)
    return text


def _letter(text: str, rng: random.Random, known: Collection[str]) -> str:
    words = [match for match in re.finditer(r"[A-Za-z]+", text) if len(match[0]) >= _SHORTEST]
    rng.shuffle(words)
    for match in words:
        wrong = _mistyped(match[0], rng)
        if wrong.lower() != match[0].lower() and wrong.lower() not in known:
            return text[: match.start()] + wrong + text[match.end() :]
    return text


def _mistyped(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    kind = rng.choice(["swapped", "dropped", "doubled", "beside"])
    if kind == "swapped":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "dropped":
        return word[:at] + word[at + 1 :]
    if kind == "doubled":
        return word[:at] + word[at] + word[at:]
    row = next(row for row in _KEYS if word[at].lower() in row)
    place = row.index(word[at].lower())
    beside = row[place + 1] if place + 1 < len(row) else row[place - 1]
    return word[:at] + beside + word[at + 1 :]
