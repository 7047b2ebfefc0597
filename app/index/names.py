"""The names a collection knows: how rule books head an entry, and what people call it. To build the index.

Names are plain strings until `app.index.terms.key` makes them comparable.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from app.index import terms
from app.index.grids import Grid, TableLabels
from app.index.search import NAME_KINDS
from app.models import Passage

# A heading inside a paragraph that more passages have is a field of a form ("Hit Dice:"), not a name.
_MOST_HEADINGS = 4
# Shorter words are not taken out of a heading to stand for it.
_SHORTEST_RARE = 5
# Longer n-grams of a text are not counted as mentions of a name.
_LONGEST_NAME = 6

_PARENTHESES = re.compile(r"(?<!\s)\s*[(\[]([^)\]]*)[)\]]")
_LEADING = re.compile(r"(?:and|or|including|also|see|with|the|an?)\s+", re.IGNORECASE)
_CONJUNCTION = re.compile(r"(?<!\s)\s+(?:and|or|&)\s+|/|;", re.IGNORECASE)
_DESCRIPTION = re.compile(
    r"(?<!\s)\s+(?:tables?|charts?|matrix|matrices|lists?|general|traits|template)$", re.IGNORECASE
)
_SIZE = re.compile(r"^(?:giant|huge|large|small|normal|common|ordinary)\s+", re.IGNORECASE)
# A heading that opens a paragraph: "Drow Poison (Injury). A creature …", "**Infravision:** …".
_RUN_IN = re.compile(
    r"^(?:\*\*|__)?([A-Z][\w'’/ ()+,-]{2,48}?)(?:\*\*|__)?[.:](?:\*\*|__)?(?=\s)", re.MULTILINE
)

_Add = Callable[[str, int, str], None]


def collect_names(
    rows: Sequence[Passage], tables: Mapping[str, TableLabels], grids: Sequence[Grid]
) -> dict[str, tuple[tuple[str, ...], dict[int, int]]]:
    """Key → the name's stems, and its owners: row number of the passage → the best kind of name there.

    `tables`: by the id of their passage. Rows of one table in `grids` are headed by its title.
    """
    found: dict[str, tuple[tuple[str, ...], dict[int, int]]] = {}

    def add(name: str, number: int, kind: str) -> None:
        stems = tuple(terms.stems(name))
        key = "".join(stems)
        if len(key) < 3 or len(stems) > 2 * _LONGEST_NAME or all(_says_nothing(stem) for stem in stems):
            return
        owners = found.setdefault(key, (stems, {}))[1]
        owners[number] = min(owners.get(number, 99), NAME_KINDS.index(kind))

    has_children = {passage.parent for passage in rows}
    titles = {
        identity: grid.title
        for grid in grids
        if grid.kind == "table" and len(grid.passages) > 1
        for identity in grid.passages
    }
    own = [terms.plain(titles.get(passage.id, passage.name)) for passage in rows]
    parents = dict(zip((passage.id for passage in rows), own, strict=True))
    # Where no passage tells its parent, the first of several with one head stands for them.
    heads: dict[str, list[int]] = defaultdict(list)
    for number, (name, passage) in enumerate(zip(own, rows, strict=True), start=1):
        if ":" in name and passage.parent is None:
            heads[name.partition(":")[0]].append(number)
    first_of = {head: numbers[0] for head, numbers in heads.items() if len(numbers) > 1}
    headings: dict[str, list[int]] = defaultdict(list)
    common = common_words()
    for number, (passage, written) in enumerate(zip(rows, own, strict=True), start=1):
        # The table of a spell may be headed as the spell is; the name is the spell's.
        above = {terms.key(name) for name in _full_names(parents.get(passage.parent or "", ""))}
        # A row is no entry: what it is called is a heading inside its passage.
        full, variant = ("heading", "heading") if passage.id in titles else ("full", "variant")
        for name in _full_names(written):
            add(name, number, variant if terms.key(name) in above else full)
        head, colon, _ = written.partition(":")
        if colon and (passage.id in has_children or first_of.get(head) == number):
            # "Paladin: Class Features", the parent of "Paladin: Lay on Hands", is what "paladin" means.
            add(head, number, "variant")
        parent = terms.plain(str(passage.metadata.get("parent_category") or ""))
        for name in _variants(written, parent or parents.get(passage.parent or "", ""), common):
            add(name, number, variant)
        if table := tables.get(passage.id):
            for row in table.rows:
                for name in (*_full_names(row), *_variants(row, "", common)):
                    add(name, number, "row")
        for heading in set(_run_in_headings(terms.plain(passage.text))):
            headings[heading].append(number)
    _add_rare_words(add, own, common)
    for heading, numbers in headings.items():
        if len(numbers) <= _MOST_HEADINGS:
            for number in numbers:
                add(heading, number, "heading")
    return found


def _add_rare_words(add: _Add, names: Sequence[str], common: frozenset[str]) -> None:
    """A word that only one heading has stands for it: "tyrannosaurus" for Tyrannosaurus Rex."""
    headings: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for word in terms.tokens(name):
            headings[terms.stem(word)].add(name)
    unique = {stem for stem, heads in headings.items() if len(heads) == 1 and len(stem) >= _SHORTEST_RARE}
    for number, name in enumerate(names, start=1):
        words = terms.tokens(name)
        for word in words if len(words) > 1 else ():
            if terms.stem(word) in unique and word not in common and not any(c.isdigit() for c in word):
                add(word, number, "word")


def _says_nothing(stem: str) -> bool:
    return stem.isdigit() or stem in terms.GENERIC or stem in terms.STOP_WORDS


def ngrams(stems: Sequence[str]) -> set[str]:
    """The keys of all runs of words that may be a name."""
    sizes = range(1, _LONGEST_NAME + 1)
    return {"".join(stems[start : start + size]) for size in sizes for start in range(len(stems) - size + 1)}


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """English words that are no names by themselves, whatever rule book they stand in."""
    return frozenset((Path(__file__).parent / "common_words.txt").read_text(encoding="utf-8").split())


def _full_names(name: str) -> Iterator[str]:
    """`name` itself and the same name as people say it: `Dragon, Red` also as `Red Dragon`."""
    bare = _PARENTHESES.sub("", name).strip() or name
    yield bare
    yield name
    yield from _uninverted(bare)


def _variants(name: str, parent: str, common: Collection[str]) -> Iterator[str]:
    """Other names the heading gives: what stands in parentheses, behind a colon, beside a slash or an "and".

    `parent` is the heading of the category page ("" without one); words in `common` are no name on their own.
    """
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
        yield from (tail, f"{tail} {head}", f"{head} {tail}")
    _, comma, species = bare.partition(", ")
    if comma and not any(word.lower() in common for word in re.findall(r"\w+", species)):
        yield species
    for uninverted in _uninverted(bare):
        if (sizeless := _SIZE.sub("", uninverted)) != uninverted and " " in sizeless:
            yield sizeless
    sides = re.split(r"-", bare)
    if len(sides) == 2 and " " not in bare and all(len(s) > 3 and s.lower() not in common for s in sides):
        yield from sides
    parent = _PARENTHESES.sub("", parent).strip()
    if parent and parent.lower() not in bare.lower() and len(parent.split()) <= 2:
        yield f"{bare} {parent}"


# Headings that ingesting puts before the parts of an entry: they name no rule.
_LAYOUT = frozenset(("Statistics", "Description"))


def _run_in_headings(text: str) -> Iterator[str]:
    """Headings that open a paragraph of `text`, without what stands in parentheses after them."""
    for heading in _RUN_IN.findall(text):
        words = _PARENTHESES.sub("", heading).split()
        capitals = sum(word[0].isupper() for word in words)
        if words and len(words) <= 5 and capitals * 2 > len(words) and heading not in _LAYOUT:
            yield " ".join(words)


def _uninverted(name: str) -> Iterator[str]:
    """`Golem, Iron` as `Iron Golem`; `Weasel, Normal and Giant` as both; nothing without a comma."""
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
