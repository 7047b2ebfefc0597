"""How rows, columns and tables are called: the phrases that name them, the numbers they are labelled by."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from app.grounding.figures import UNITS, Token, first_stem, read, words
from app.index import labels, terms

_PARENTHESES = re.compile(r"\([^()]{0,200}\)")
# In a title these say what kind of thing it is, not of what.
_SEVERAL = re.compile(r"[,/:;]|\bor\b|\band\b")
MOST_PARTS = 3
_PER = frozenset(
    ("attack", "hit", "round", "turn", "segment", "level", "die", "hour", "day", "week", "month")
)
_EITHER = re.compile(r"/| or ")
_MOST_ALTERNATIVES = 4
# "Large or smaller" has no two names.
_COMPARED = frozenset(
    ("more", "less", "fewer", "higher", "lower", "larger", "smaller", "closer", "better", "worse")
)
_KINDS = frozenset(("table", "chart", "matrix", "list", "general", "type"))


class Counted(NamedTuple):
    """A row or column (`at`) that is labelled by a number, and the words that such a number stands beside."""

    at: int
    spans: tuple[labels.Span, ...]
    by: frozenset[str]

    def holds(self, limits: tuple[float, float]) -> bool:
        low, high = limits
        return any(one.low <= low and high <= one.high for one in self.spans)


class Axes(NamedTuple):
    rows: list[Counted]
    columns: list[Counted]
    by: frozenset[str]


ALIASES = labels.CANONICAL
ALIAS_WORDS: dict[str, int] = {}
for _alias in ALIASES:
    if len(_alias) < 3 or _alias in terms.STOP_WORDS:
        # In capitals they are written out when they are read ("AT", "IN").
        continue
    _first, *_more = _alias.split()
    ALIAS_WORDS[_first] = max(ALIAS_WORDS.get(_first, 0), 1 + len(_more))


def counted(at: int, label: str, by: frozenset[str]) -> Counted | None:
    if not any(c.isdigit() for c in label):
        return None
    bare = _PARENTHESES.sub(" ", label)
    spans = labels.spans(bare)
    own = frozenset(words(read(bare))) - terms.STOP_WORDS
    if not spans or len(own) > 4:
        return None
    return Counted(at, spans, by | own)


@lru_cache(maxsize=1024)
def read_label(label: str) -> list[Token]:
    return read(label)


@lru_cache(maxsize=1024)
def attribute_name(label: str) -> str:
    return labels.attribute(_PARENTHESES.sub(" ", label))


def word(token: Token) -> str:
    """As it stands in a name; "" of a sign."""
    if token.value:
        return token.value.amount
    return token.stem if token.stem[:1].isalnum() else ""


def forms(name: str) -> set[tuple[str, ...]]:
    """How a name is said: "Dragon, Red" also "red dragon"."""
    bare = _PARENTHESES.sub(" ", name) if "(" in name else name
    said = {tuple(filter(None, map(word, read(bare))))}
    if 0 < bare.count(",") <= MOST_PARTS:
        said.add(tuple(filter(None, map(word, read(" ".join(reversed(bare.split(","))))))))
    return said


def alternatives(label: str) -> list[str]:
    """The names of a row that has several: "Longsword/Scimitar", "Holy or unholy water"."""
    pieces = [piece.strip() for piece in _EITHER.split(_PARENTHESES.sub(" ", label))]
    if not 1 < len(pieces) <= _MOST_ALTERNATIVES or "," in label or any(c.isdigit() for c in label):
        return []
    if not all(len(piece) > 2 for piece in pieces) or not _COMPARED.isdisjoint(label.lower().split()):
        return []
    last = pieces[-1].split()
    if pieces[-1][0].isupper():
        return pieces
    # "Stone/frost giant": what is of fewer words shares the last one.
    return [piece if len(piece.split()) >= len(last) else f"{piece} {last[-1]}" for piece in pieces]


@lru_cache(maxsize=1024)
def attribute_forms(label: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """How a column is called, and the attribute's one name."""
    bare = _PARENTHESES.sub(" ", label)
    *others, last = bare.split() or [""]
    if others and first_stem(last) in UNITS:
        # "Cost Gp"
        bare = " ".join(others)
    pieces = _SEVERAL.split(bare)
    found: dict[tuple[str, ...], str] = {}
    whole = tuple(filter(None, map(word, read(label))))
    if any("-" in part for part in whole) or (whole and not any(c.isdigit() for c in label)):
        found[whole] = labels.attribute(label)
    for piece in dict.fromkeys((bare, *pieces)):
        said = tuple(words(read(piece)))
        name = labels.attribute(piece)
        if len(said) == 1 and said[0] in _PER and f"/{piece}" in bare:
            # "Damage/attack": the second says how, and is no number of attacks.
            continue
        found.setdefault(said, name)
        found.setdefault(tuple(name.split()), name)
    return tuple(found.items())


def head(title: str) -> str:
    """What a table states: "range" of "Missile Weapon Ranges", "spell" of "Cleric Spells per Day"."""
    last = ""
    for token in read(title):
        if token.stem in terms.STOP_WORDS or token.stem in ("per", ",", "(", ":"):
            if last:
                break
        elif token.stem[:1].isalpha() and token.stem not in _KINDS:
            last = token.stem
    return last
