"""All names a collection knows: for every key what it names, gathered from headings, tables and paragraphs.

Used when the index is built. What one heading gives is in `names`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from app.index import terms
from app.index.names import full_names, run_in_headings, variants
from app.index.plaintext import plain
from app.index.search import NAME_KINDS
from app.index.tables import TableText, read_table
from app.models import Passage

# A run-in heading that more passages have than this is a field of a form ("Hit Dice:"), not a name.
_MOST_HEADINGS = 4
# Shorter words are not taken out of a heading to stand for it.
_SHORTEST_RARE = 5
# Longer n-grams of a text are not counted as mentions of a name.
_LONGEST_NAME = 6


def collect_names(rows: Sequence[Passage]) -> dict[str, tuple[tuple[str, ...], dict[int, int]]]:
    """For every key the stems of the name and its owners: row number of the passage → the best kind of name it is there."""
    found: dict[str, tuple[tuple[str, ...], dict[int, int]]] = {}

    def add(name: str, number: int, kind: str) -> None:
        stems = tuple(terms.stems(name))
        key = "".join(stems)
        if len(key) < 3 or len(stems) > 2 * _LONGEST_NAME or all(_says_nothing(stem) for stem in stems):
            return
        owners = found.setdefault(key, (stems, {}))[1]
        owners[number] = min(owners.get(number, 99), NAME_KINDS.index(kind))

    has_children = {passage.parent for passage in rows}
    own = [plain(passage.name) for passage in rows]
    parents = dict(zip((passage.id for passage in rows), own, strict=True))
    headings: dict[str, list[int]] = defaultdict(list)
    common = common_words()
    for number, (passage, written) in enumerate(zip(rows, own, strict=True), start=1):
        # The table of a spell may be headed as the spell is; the name is the spell's.
        above = {terms.key(name) for name in full_names(parents.get(passage.parent or "", ""))}
        for name in full_names(written):
            add(name, number, "variant" if terms.key(name) in above else "full")
        head, colon, _ = written.partition(":")
        if colon and passage.id in has_children:
            # "Paladin: Class Features", which "Paladin: Lay on Hands" and the rest belong to, is what "paladin" means.
            add(head, number, "variant")
        parent = plain(str(passage.metadata.get("parent_category") or "")) or parents.get(passage.parent or "", "")
        for name in variants(written, parent, common):
            add(name, number, "variant")
        if table := read_table(passage.text):
            _add_rows(add, table, number, common)
        for heading in set(run_in_headings(plain(passage.text))):
            headings[heading].append(number)
    _add_rare_words(add, own, common)
    for heading, numbers in headings.items():
        if len(numbers) <= _MOST_HEADINGS:
            for number in numbers:
                add(heading, number, "heading")
    return found


def _add_rows(add: Callable[[str, int, str], None], table: TableText, number: int, common: frozenset[str]) -> None:
    for row in table.rows:
        for name in (*full_names(row), *variants(row, "", common)):
            add(name, number, "row")


def _add_rare_words(add: Callable[[str, int, str], None], names: Sequence[str], common: frozenset[str]) -> None:
    """A word that only one heading has stands for it: "tyrannosaurus" for Tyrannosaurus Rex."""
    headings: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for word in terms.tokens(name):
            headings[terms.stem(word)].add(name)
    unique = {stem for stem, heads in headings.items() if len(heads) == 1 and len(stem) >= _SHORTEST_RARE}
    for number, name in enumerate(names, start=1):
        words = terms.tokens(name)
        for word in words:
            if len(words) > 1 and terms.stem(word) in unique and word not in common and not any(c.isdigit() for c in word):
                add(word, number, "word")


def _says_nothing(stem: str) -> bool:
    return stem.isdigit() or stem in terms.GENERIC or stem in terms.STOP_WORDS


def ngrams(stems: Sequence[str]) -> set[str]:
    """The keys of all runs of words that may be a name."""
    return {
        "".join(stems[start : start + size]) for size in range(1, _LONGEST_NAME + 1) for start in range(len(stems) - size + 1)
    }


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """English words that are no names by themselves, whatever rule book they stand in."""
    return frozenset((Path(__file__).parent / "common_words.txt").read_text(encoding="utf-8").split())
