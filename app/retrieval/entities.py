"""Finding the names in a question: monsters, spells, classes, items, rules, the rows of price lists.

A name is looked up, not recognised: every run of words in the question is brought to one form (`terms.key`)
and looked up in the index, in whatever phrasing it stands. The longest name wins where two overlap.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Iterable
from itertools import islice, product

from app.index import terms
from app.index.search import LexicalIndex, Name
from app.retrieval import named, spelling
from app.retrieval.named import Entity, Reading, Span

# Longer runs of words are not looked up.
LONGEST = 7
# Of a longer text (an answer, or a question of signs that stand for many) only so many words are read.
_MOST_WORDS = 2000
# So many positions are tried for what "one" stands for.
_MOST_ONES = 8
# Where a word may be one of several misspelt, so many combinations of a run are tried.
_MOST_SPELLINGS = 9
# After so many runs and spellings of them the rest of the text is read as it stands.
_MOST_TRIED = 5000
_ARTICLES = frozenset(("a", "an", "the"))


def read(text: str, index: LexicalIndex | None, *, correct: bool = True) -> Reading:
    """The names in `text`; none without an index. `correct`: whether misspellings are corrected.

    Raises DatabaseError when the index cannot be read.
    """
    words = terms.tokens(text)[:_MOST_WORDS]
    stems = [terms.stem(word) for word in words]
    if index is None:
        return Reading(text, tuple(words), tuple(stems), (), {})
    corrected = spelling.corrections(words, index) if correct else {}
    choices = [
        [*(terms.stem(other) for other in corrected.get(word, [word])), *_numeral(word)] for word in words
    ]
    stems = [choice[0] for choice in choices]
    keys: dict[str, list[tuple[int, int, bool]]] = {}
    tried = 0
    for start in range(len(stems)):
        for end in range(start + 1, min(start + LONGEST, len(stems)) + 1):
            if words[start] in _ARTICLES or (end - start == 1 and words[start] in terms.STOP_WORDS):
                continue
            run = start, end, not corrected.keys().isdisjoint(words[start:end])
            for parts in islice(product(*choices[start:end]), _MOST_SPELLINGS if tried < _MOST_TRIED else 1):
                keys.setdefault("".join(parts), []).append(run)
                tried += 1
    names = index.names(keys)
    found = [(run, names[key]) for key, runs in keys.items() if key in names for run in runs]
    attributes = frozenset(named.attributes(stems))
    attributes_at = _around(attributes, len(words))
    capitalized = named.capitalized(terms.plain(text), len(words))
    entities: list[Entity] = []
    # By words: whether one is in a name so far, and whether in one that is a heading.
    taken: dict[int, bool] = {}
    for (start, end, respelt), name in sorted(found, key=_precedence):
        overlapping = [taken[n] for n in range(start, end) if n in taken]
        # A row ("Elf, magic-user") does not hide the entry inside its label.
        if overlapping and (name.everyday or not name.is_heading or any(overlapping)):
            continue
        if any(a <= start and end <= b and b - a > end - start for a, b in attributes_at[start]):
            continue
        certain = name.words > 1 or not name.everyday or named.hinted(start, end, stems, capitalized)
        certain = certain and (start, end) not in attributes
        entity = Entity(" ".join(words[start:end]), start, end, name.owners, name.types, certain, respelt)
        entities.append(entity)
        taken |= {n: entity.is_heading or taken.get(n, False) for n in range(start, end)}
    entities += _coordinated(entities, words, stems, index)
    entities.sort(key=lambda entity: entity.start)
    entities = named.sole_subject(named.compared(entities, words, attributes), words, attributes)
    return Reading(
        text,
        tuple(corrected[word][0] if word in corrected else word for word in words),
        tuple(stems),
        tuple(entities),
        {word: others[0] for word, others in corrected.items()},
    )


def _around(spans: Iterable[Span], count: int) -> list[list[Span]]:
    """For each of `count` words the `spans` that have it."""
    around: list[list[Span]] = [[] for _ in range(count)]
    for span in spans:
        for n in range(*span):
            around[n].append(span)
    return around


def _numeral(word: str) -> list[str]:
    """A number as the books may have it in a name: "type 6 demon" is headed "Type VI"."""
    if word in terms.ROMAN:
        return [terms.ROMAN[word]] if len(word) > 1 else []
    return [numeral for numeral, number in terms.ROMAN.items() if number == word]


def _coordinated(
    entities: list[Entity], words: list[str], stems: list[str], index: LexicalIndex
) -> list[Entity]:
    """Names that share a word with another: "red and white dragons", "potions of speed or healing".

    Also where that word stands apart: "a dragon, red or gold", "elementals … a fire one".
    """
    taken = {n for entity in entities for n in range(entity.start, entity.end)}
    tried: dict[str, int] = {}
    ones = [n for n, word in enumerate(words) if word in ("one", "ones") and n and n - 1 not in taken]
    joined = _joined(words, taken)
    for entity in entities:
        own = stems[entity.start : entity.end]
        if len(own) < 2:
            if entity.certain and entity.heads_entry:
                for n in joined:
                    tried.setdefault("".join([stems[n], *own]), n)
        else:
            for step, fixed in ((-1, own[1:]), (1, own[:-1])):
                n = entity.start - 1 if step < 0 else entity.end
                while 0 <= n < len(stems) and n not in taken:
                    if words[n] not in terms.STOP_WORDS:
                        tried.setdefault("".join([stems[n], *fixed] if step < 0 else [*fixed, stems[n]]), n)
                    elif words[n] not in named.JOINING:
                        break
                    n += step
        # "is a red dragon or a green one harder to hit?"
        first = bisect(ones, entity.end)
        for n in ones[first : first + _MOST_ONES]:
            tried.setdefault("".join([stems[n - 1], *(own[1:] or own)]), n - 1)
    found = [(tried[key], name) for key, name in index.names(tried).items() if name.is_heading]
    return [Entity(words[n], n, n + 1, name.owners, name.types, True, False) for n, name in found]


def _joined(words: list[str], taken: Collection[int]) -> list[int]:
    """The words of no name that "or" or "and" joins."""
    return [
        n
        for joint in [n for n, word in enumerate(words) if word in ("or", "and")][:_MOST_ONES]
        for n in (joint - 1, joint + 1)
        if 0 <= n < len(words) and n not in taken and words[n] not in terms.STOP_WORDS
    ]


def _precedence(item: tuple[tuple[int, int, bool], Name]) -> tuple[int, bool, int]:
    (start, end, respelt), name = item
    return (start - end, respelt, -name.words)
