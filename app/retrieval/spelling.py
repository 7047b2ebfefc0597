"""Correcting words the collection does not know into words its names are made of: `hpynotic` into `hypnotic`.

Nothing else is corrected: a word that stands in any passage, or in the list of common English words the index
was built with, is taken as meant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from app.index import terms
from app.index.search import LONGEST_WORD, LexicalIndex

# Shorter words have too many neighbours; one of four letters is corrected only where a letter was left out.
SHORTEST = 5
# From this length on two edits are taken for a slip, below one.
LONG = 9
_MOST_ALTERNATIVES = 3
# So many unknown words of one text are corrected.
_MOST_CORRECTED = 40
# Shorter ones are those of many words.
_TELLING_SOUND = 4
# Shorter beginnings and parts of words say nothing.
_SHORTEST_HALF = 4
_VOWEL = terms.expression("[aeiouyhw]")
_DOUBLED = terms.expression(r"(.)\1+")
# First letters that are heard the same.
_ALIKE = {"c": "cks", "k": "ckq", "s": "cs", "f": "fp", "p": "pf", "j": "gj", "g": "gj", "z": "sz", "q": "kq"}
_HEARD = (
    ("tion", "sn"), ("sion", "sn"), ("ph", "f"), ("ck", "k"), ("ce", "se"), ("ci", "si"), ("cy", "sy"),
    ("ge", "je"), ("gi", "ji"), ("c", "k"), ("q", "k"), ("z", "s"), ("x", "ks"),
)  # fmt: skip


def corrections(words: Iterable[str], index: LexicalIndex) -> dict[str, list[str]]:
    """For each unknown word that may stand for words of names: these, most likely first."""
    wanted = {word for word in words if len(word) >= SHORTEST - 1 and terms.bare(word).isalpha()}
    unknown = sorted(wanted - known(wanted, index))[:_MOST_CORRECTED]
    found = {word: _nearest(terms.bare(word), index) for word in unknown}
    return {word: others for word, others in found.items() if others}


def known(words: Iterable[str], index: LexicalIndex, plain: Collection[str] = ()) -> set[str]:
    """Those of `words` that a passage, the index's list of common words or `plain` has in any form."""
    forms = {word: _forms(word) for word in words}
    found = index.words(form for some in forms.values() for form in some).keys()
    return {word for word, some in forms.items() if not (found.isdisjoint(some) and some.isdisjoint(plain))}


def unseen(words: Iterable[str], index: LexicalIndex) -> set[str]:
    """Those that no passage has in any form, nor shortened ("crit"), nor in two words ("lockpicks")."""
    forms = {word: _forms(word) for word in words}
    pairs = {word: halves(terms.bare(word)) for word in forms}
    known = index.words(
        form
        for word, some in forms.items()
        for form in (*some, *(half for pair in pairs[word] for half in pair))
    )
    return {
        word
        for word, some in forms.items()
        if not any(known.get(form) for form in some)
        and not any(known.get(first) and known.get(second) for first, second in pairs[word])
        and not (len(word) >= _SHORTEST_HALF and index.has_word_beginning(terms.bare(word)))
    }


def doubtful(words: Iterable[str], index: LexicalIndex) -> set[str]:
    """Those of `words`, which no passage has, that may be written for one a passage has: shorthand, or
    misspelt worse than `corrections` mends. "ftr" has no vowel, "gelatanus" sounds like "gelatinous"."""
    return {word for word in words if _abbreviated(terms.bare(word)) or _resembles(terms.bare(word), index)}


def _abbreviated(word: str) -> bool:
    return len(word) < _SHORTEST_HALF or not _VOWEL.search(word) or not word.isalpha()


def _resembles(word: str, index: LexicalIndex) -> bool:
    if len(word) > LONGEST_WORD:
        return False
    sound, letters = _sound(word), set(word)
    usual = (len(word) >= SHORTEST) + (len(word) >= LONG - 1)
    for other in index.words_like(_ALIKE.get(word[0], word[0]), len(word) - 2, len(word) + 2):
        # An edit changes no more than two of the letters that occur: that rules most words out.
        changed = len(letters.symmetric_difference(other))
        if changed > 2 * (usual + 1):
            continue
        heard = _sound(other)
        same = heard == sound
        allowed = (usual + (same and len(sound) >= _TELLING_SOUND)) or same
        if heard[0] == sound[0] and changed <= 2 * allowed and distance(word, other, allowed) <= allowed:
            return True
    return False


def _sound(word: str) -> str:
    """Its consonants as they are heard, one for two: what is left when vowels are guessed."""
    for written, heard in _HEARD:
        word = word.replace(written, heard)
    return word[0] + _DOUBLED.sub(r"\1", _VOWEL.sub("", word[1:])) if word else ""


def halves(word: str) -> list[tuple[str, str]]:
    """All ways to see `word` as two words written together, as stems."""
    cuts = range(_SHORTEST_HALF, len(word) - _SHORTEST_HALF + 1) if len(word) <= LONGEST_WORD else ()
    return [(terms.stem(word[:cut]), terms.stem(word[cut:])) for cut in cuts]


def _forms(word: str) -> set[str]:
    return {terms.stem(word), *(terms.stem(base) for base in _bases(terms.bare(word)))}


def _bases(word: str) -> list[str]:
    """What `word` may be a form of: "herding" of "herd", "baked" of "bake", "hitting" of "hit"."""
    cut = [
        word[: -len(ending)]
        for ending in ("ing", "ed", "er", "est", "ly", "ful", "less")
        if word.endswith(ending)
    ]
    forms = [
        form for base in cut for form in (base, base + "e", base[:-1] if base[-2:-1] == base[-1:] else base)
    ]
    return [form for form in forms if len(form) >= 3]


def _nearest(word: str, index: LexicalIndex) -> list[str]:
    allowed = 2 if len(word) >= LONG else 1
    ranked: list[tuple[int, int, int, str]] = []
    # The plural is compared as it is, and without its ending: "owlbeers" with "owlbear".
    for form in dict.fromkeys((word, terms.stem(word))):
        for other in index.similar_words(form):
            # A word of four letters has too many neighbours to allow more than a letter left out.
            if len(form) < SHORTEST and len(other) != len(form) + 1:
                continue
            spelt = terms.common_spelling(form), terms.common_spelling(other)
            edits = min(distance(form, other, allowed), distance(*spelt, allowed))
            # People misspell what they hear, seldom the first letter: that costs an edit more.
            edits += (
                form[0] != other[0]
                and not {form[0], other[0]} <= set("ck")
                and sorted(form[:2]) != sorted(other[:2])
            )
            if edits <= allowed and not _inflected(form, other):
                # A letter is left out more often than typed wrong or too many: "fightr" is no "fights".
                ranked.append((edits, len(form) - len(other), len(ranked), other))
    return list(dict.fromkeys(other for *_, other in sorted(ranked)))[:_MOST_ALTERNATIVES]


def _inflected(word: str, other: str) -> bool:
    """Whether only an ending differs, so that each is a word of its own: "illusionist", "illusions"."""
    short, long = sorted((word, other), key=len)
    return len(long) - len(short) >= 2 and long.startswith(short[:-1])


def distance(a: str, b: str, most: int = 2 * LONGEST_WORD) -> int:
    """How many letters must be put in, left out, replaced or swapped with their neighbour to make `b` of `a`.

    Where it is more than `most`, some number that is more, too.
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row = row, [i]
        for j, y in enumerate(b, start=1):
            edits = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                edits = min(edits, before[j - 2] + 1)
            row.append(edits)
        if min(row) > most and min(last) > most:
            return most + 1
        before = last
    return row[-1]
