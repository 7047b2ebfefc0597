"""Correcting words the collection does not know into words its names are made of: `hpynotic` into `hypnotic`.

Nothing else is corrected: a word that stands in any passage, or in the list of common English words the index was built with,
is taken as meant.
"""

from __future__ import annotations

from collections.abc import Iterable

from app import terms
from app.adapters.lexical import LexicalIndex

# Shorter words have too many neighbours; one of four letters is corrected only where a letter was left out.
SHORTEST = 5
# From this length on two edits are taken for a slip, below one.
LONG = 9
_MOST_ALTERNATIVES = 3
# Shorter beginnings and parts of words say nothing.
_SHORTEST_HALF = 4


def corrections(words: Iterable[str], index: LexicalIndex) -> dict[str, list[str]]:
    """For each of `words` that is unknown, the words of names it may stand for, most likely first; only those with any."""
    wanted = {word for word in words if len(word) >= SHORTEST - 1 and terms.bare(word).isalpha()}
    forms = {word: _forms(word) for word in wanted}
    known = index.words(form for some in forms.values() for form in some).keys()
    found = {word: _nearest(terms.bare(word), index) for word in sorted(wanted) if known.isdisjoint(forms[word])}
    return {word: others for word, others in found.items() if others}


def unseen(words: Iterable[str], index: LexicalIndex) -> set[str]:
    """Those of `words` that no passage has in any form, nor shortened ("crit"), nor in two words ("lockpicks")."""
    forms = {word: _forms(word) for word in words}
    halves = {word: _halves(terms.bare(word)) for word in forms}
    known = index.words(
        form for word, some in forms.items() for form in (*some, *(half for pair in halves[word] for half in pair))
    )
    return {
        word
        for word, some in forms.items()
        if not any(known.get(form) for form in some)
        and not any(known.get(first) and known.get(second) for first, second in halves[word])
        and not (len(word) >= _SHORTEST_HALF and index.has_word_beginning(terms.bare(word)))
    }


def _halves(word: str) -> list[tuple[str, str]]:
    """All ways to see `word` as two words written together, as stems."""
    places = range(_SHORTEST_HALF, len(word) - _SHORTEST_HALF + 1)
    return [(terms.stem(word[:place]), terms.stem(word[place:])) for place in places]


def _forms(word: str) -> set[str]:
    return {terms.stem(word), *(terms.stem(base) for base in _bases(terms.bare(word)))}


def _bases(word: str) -> list[str]:
    """What `word` may be a form of: "herding" of "herd", "baked" of "bake", "hitting" of "hit"."""
    cut = [word[: -len(ending)] for ending in ("ing", "ed", "er", "est", "ly", "ful", "less") if word.endswith(ending)]
    forms = [form for base in cut for form in (base, base + "e", base[:-1] if base[-2:-1] == base[-1:] else base)]
    return [form for form in forms if len(form) >= 3]


def _nearest(word: str, index: LexicalIndex) -> list[str]:
    allowed = 2 if len(word) >= LONG else 1
    ranked: list[tuple[int, int, str]] = []
    # The plural is compared as it is, and without its ending: "owlbeers" with "owlbear".
    for form in dict.fromkeys((word, terms.stem(word))):
        for other in index.similar_words(form):
            # A word of four letters has too many neighbours to allow more than a letter left out.
            if len(form) < SHORTEST and len(other) != len(form) + 1:
                continue
            edits = min(distance(form, other), distance(terms.common_spelling(form), terms.common_spelling(other)))
            # People misspell what they hear, seldom the first letter: that costs an edit more.
            edits += form[0] != other[0] and not {form[0], other[0]} <= set("ck") and sorted(form[:2]) != sorted(other[:2])
            if edits <= allowed and not _inflected(form, other):
                ranked.append((edits, len(ranked), other))
    return list(dict.fromkeys(other for _, _, other in sorted(ranked)))[:_MOST_ALTERNATIVES]


def _inflected(word: str, other: str) -> bool:
    """Whether the two differ by an ending only, so that each is a word of its own: "illusionist", "illusions"."""
    short, long = sorted((word, other), key=len)
    return len(long) - len(short) >= 2 and long.startswith(short[:-1])


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
