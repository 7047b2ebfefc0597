"""The names a passage can be asked for by: how rule books head an entry, and how people say it.

Used when the index is built. What comes out are plain strings; `app.index.terms.key` makes them comparable.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_PARENTHESES = re.compile(r"(?<!\s)\s*[(\[]([^)\]]*)[)\]]")
_LEADING = re.compile(r"(?:and|or|including|also|see|with|the|an?)\s+", re.IGNORECASE)
_CONJUNCTION = re.compile(r"(?<!\s)\s+(?:and|or|&)\s+|/|;", re.IGNORECASE)
_DESCRIPTION = re.compile(r"(?<!\s)\s+(?:tables?|charts?|matrix|matrices|lists?|general|traits|template)$", re.IGNORECASE)
_PART = re.compile(r"(?<!\s)\s*[(\[]?\b(?:part|continued|cont\.?)\b.*$", re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(r"^(?:giant|huge|large|small|normal|common|ordinary)\s+", re.IGNORECASE)
# A heading that opens a paragraph: "Drow Poison (Injury). A creature …", "**Infravision:** …".
_RUN_IN = re.compile(r"^(?:\*\*|__)?([A-Z][\w'’/ ()+,-]{2,48}?)(?:\*\*|__)?[.:](?:\*\*|__)?(?=\s)", re.MULTILINE)

# What heads the two halves of every entry in the owner's collection.
_FORM = frozenset(("Statistics", "Description"))


def full_names(name: str) -> Iterator[str]:
    """`name` itself and the same name as people say it: `Dragon, Red` also as `Red Dragon`."""
    name = _PART.sub("", name).strip() or name
    bare = _PARENTHESES.sub("", name).strip() or name
    yield bare
    yield name
    yield from _uninverted(bare)


def variants(name: str, parent: str, common: Collection[str]) -> Iterator[str]:
    """Other names the heading gives: what stands in parentheses, behind a colon, on each side of a slash or of an "and".

    `parent` is the heading of the category page ("" without one); words in `common` are no name on their own.
    """
    name = _PART.sub("", name).strip() or name
    bare = _PARENTHESES.sub("", name).strip() or name
    for inside in _PARENTHESES.findall(name):
        yield from _each(_LEADING.sub("", inside.strip(), count=1))
    yield from _each(bare)
    yield _LEADING.sub("", bare, count=1)
    if (plain := _DESCRIPTION.sub("", bare)) != bare:
        yield plain
        yield _LEADING.sub("", plain, count=1)
    head, colon, tail = bare.partition(":")
    if colon:
        tail = tail.split(":")[-1].strip()
        yield tail
        yield f"{tail} {head}"
        yield f"{head} {tail}"
    _, comma, species = bare.partition(", ")
    if comma and not any(word.lower() in common for word in re.findall(r"\w+", species)):
        yield species
    for uninverted in _uninverted(bare):
        if (sizeless := _SIZE.sub("", uninverted)) != uninverted and " " in sizeless:
            yield sizeless
    sides = re.split(r"-", bare)
    if len(sides) == 2 and " " not in bare and all(len(side) > 3 and side.lower() not in common for side in sides):
        yield from sides
    parent = _PARENTHESES.sub("", _PART.sub("", parent)).strip()
    if parent and parent.lower() not in bare.lower() and len(parent.split()) <= 2:
        yield f"{bare} {parent}"


def run_in_headings(text: str) -> Iterator[str]:
    """Headings that open a paragraph of `text`, without what stands in parentheses after them."""
    for heading in _RUN_IN.findall(text):
        words = _PARENTHESES.sub("", heading).split()
        capitals = sum(word[0].isupper() for word in words)
        if words and len(words) <= 5 and capitals * 2 > len(words) and heading not in _FORM:
            yield " ".join(words)


def _uninverted(name: str) -> Iterator[str]:
    """`Golem, Iron` as `Iron Golem`; `Weasel, Normal and Giant` as both; nothing for a name without a comma."""
    genus, comma, species = name.partition(", ")
    if not comma or not species[:1].isalpha():
        return
    for one in _CONJUNCTION.split(species):
        yield f"{one.strip()} {genus}"
    if ", " in species:
        yield " ".join(reversed(name.split(", ")))


def _each(name: str) -> Iterator[str]:
    """The names in an enumeration: `Bat, Giant`, `Fighter, Paladin or Ranger`, `Enlarge/Reduce`."""
    yield from _uninverted(name)
    parts = [_LEADING.sub("", part.strip(), count=1) for part in _CONJUNCTION.split(name)]
    if len(parts) > 1:
        yield from (part for part in parts if len(part) > 2)
    elif ", " not in name:
        yield name
