"""Correcting words the collection does not know into words its names are made of: `hpynotic` into `hypnotic`.

Nothing else is corrected: a word that stands in any passage, or in the list of common English words the index was built with,
is taken as meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.adapters.lexical import LexicalIndex

# Shorter words have too many neighbours; one of four letters is corrected only where a double letter was typed once.
SHORTEST = 5
# From this length on two edits are taken for a slip, below one.
LONG = 9
_MOST_ALTERNATIVES = 3


def corrections(stems: Iterable[str], index: LexicalIndex) -> dict[str, list[str]]:
    """For each of `stems` that is unknown, the words of names it may stand for, most likely first; only those with any."""
    wanted = {stem for stem in stems if len(stem) >= SHORTEST - 1 and stem.isalpha()}
    known = index.words(wanted | {base for stem in wanted for base in _bases(stem)}).keys()
    unknown = {stem for stem in wanted if stem not in known and not known & set(_bases(stem))}
    found = {stem: _nearest(stem, index) for stem in sorted(unknown)}
    return {stem: words for stem, words in found.items() if words}


def respell(tokens: Iterable[str], stems: Iterable[str], corrected: Mapping[str, list[str]]) -> list[str]:
    """`tokens` with the first correction in the place of each misspelt one."""
    return [corrected[stem][0] if stem in corrected else token for token, stem in zip(tokens, stems, strict=True)]


def _bases(stem: str) -> list[str]:
    """What `stem` may be a form of: "herding" of "herd", "baked" of "bake"."""
    cut = [stem[: -len(ending)] for ending in ("ing", "ed", "er", "est", "ly", "ful", "less") if stem.endswith(ending)]
    return [form for base in cut if len(base) >= 3 for form in (base, base + "e", base[:-1])]


def _nearest(stem: str, index: LexicalIndex) -> list[str]:
    allowed = 2 if len(stem) >= LONG else 1
    ranked: list[tuple[int, int, str]] = []
    for order, word in enumerate(index.similar_words(stem)):
        if len(stem) < SHORTEST and not _lost_a_double(stem, word):
            continue
        edits = distance(stem, word)
        # People misspell what they hear, seldom the first letter: that costs an edit more.
        edits += stem[0] != word[0] and not {stem[0], word[0]} <= set("ck") and sorted(stem[:2]) != sorted(word[:2])
        if edits <= allowed:
            ranked.append((edits, order, word))
    return [word for _, _, word in sorted(ranked)[:_MOST_ALTERNATIVES]]


def _lost_a_double(stem: str, word: str) -> bool:
    return any(stem[: i + 1] + stem[i:] == word for i in range(len(stem)))


def distance(a: str, b: str) -> int:
    """How many letters must be put in, left out, replaced or swapped with their neighbour to make `b` of `a`."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row = row, [i]
        for j, y in enumerate(b, start=1):
            edits = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                edits = min(edits, before[j - 2] + 1)
            row.append(edits)
        before = last
    return row[-1]
