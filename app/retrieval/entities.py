"""The named things a question is about: monsters, spells, classes, items, rules, the rows of price lists.

A name is looked up, not recognised: every run of words in the question is brought to one form (`terms.key`) and asked of
the index, in whatever phrasing it stands. The longest name wins where two overlap.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from itertools import islice, product

from app.index import terms
from app.index.plaintext import plain
from app.index.search import LexicalIndex, Name
from app.retrieval import certainty, spelling
from app.retrieval.named import Entity, Reading

# Longer runs of words are not looked up.
LONGEST = 7
# Of a longer text (an answer, or a question of signs that stand for many) only so many words are read.
_MOST_WORDS = 2000
# What "one" stands for is looked for at so many places.
_MOST_ONES = 8
# Where a word may be one of several misspelt, so many combinations of a run are tried.
_MOST_SPELLINGS = 9
# After so many runs and spellings of them the rest of the text is read as it stands.
_MOST_TRIED = 5000
_ARTICLES = frozenset(("a", "an", "the"))


def read(text: str, index: LexicalIndex | None, *, correct: bool = True) -> Reading:
    """What `text` names; nothing without an index. `correct`: whether misspellings are corrected.

    Raises DatabaseError when the index cannot be read.
    """
    words = terms.tokens(text)[:_MOST_WORDS]
    stems = [terms.stem(word) for word in words]
    if index is None:
        return Reading(text, tuple(words), tuple(stems), (), {})
    corrected = spelling.corrections(words, index) if correct else {}
    choices = [[*(terms.stem(other) for other in corrected.get(word, [word])), *_numeral(word)] for word in words]
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
    found = [(spot, names[key]) for key, spots in keys.items() if key in names for spot in spots]
    asked = frozenset(certainty.attributes(stems))
    asked_at = _around(asked, len(words))
    capitals = certainty.capitals(plain(text), len(words))
    entities: list[Entity] = []
    # By words: whether one is in a name so far, and whether in one that is a heading.
    taken: dict[int, bool] = {}
    for (start, end, respelt), name in sorted(found, key=_precedence):
        overlapping = [taken[n] for n in range(start, end) if n in taken]
        # A row ("Elf, magic-user") does not hide the entry inside its label.
        if overlapping and (name.everyday or not name.is_heading or any(overlapping)):
            continue
        if any(first <= start and end <= last and last - first > end - start for first, last in asked_at[start]):
            continue
        certain = name.words > 1 or not name.everyday or certainty.hinted(start, end, stems, capitals)
        certain = certain and (start, end) not in asked
        entity = Entity(" ".join(words[start:end]), start, end, name.owners, name.types, certain, respelt)
        entities.append(entity)
        taken |= {n: entity.is_heading or taken.get(n, False) for n in range(start, end)}
    entities += _coordinated(entities, words, stems, index)
    entities.sort(key=lambda entity: entity.start)
    entities = certainty.sole_subject(certainty.compared(entities, words, asked), words, asked)
    return Reading(
        text,
        tuple(corrected[word][0] if word in corrected else word for word in words),
        tuple(stems),
        tuple(entities),
        {word: others[0] for word, others in corrected.items()},
    )


def _around(spans: Iterable[certainty.Span], count: int) -> list[list[certainty.Span]]:
    """For each of `count` words the `spans` that have it."""
    around: list[list[certainty.Span]] = [[] for _ in range(count)]
    for span in spans:
        for n in range(*span):
            around[n].append(span)
    return around


def _numeral(word: str) -> list[str]:
    """A number as the books may have it in a name: "type 6 demon" is headed "Type VI"."""
    if word in terms.ROMAN:
        return [terms.ROMAN[word]] if len(word) > 1 else []
    return [numeral for numeral, number in terms.ROMAN.items() if number == word]


def _coordinated(entities: list[Entity], words: list[str], stems: list[str], index: LexicalIndex) -> list[Entity]:
    """Names that share a word with the next or the last in a row: "red and white dragons", "potions of speed or healing"."""
    taken = {n for entity in entities for n in range(entity.start, entity.end)}
    tried: dict[str, int] = {}
    ones = [place for place, word in enumerate(words) if word in ("one", "ones") and place and place - 1 not in taken]
    for entity in entities:
        own = stems[entity.start : entity.end]
        if len(own) < 2:
            continue
        for step, fixed in ((-1, own[1:]), (1, own[:-1])):
            place = entity.start - 1 if step < 0 else entity.end
            while 0 <= place < len(stems) and place not in taken:
                if words[place] not in terms.STOP_WORDS:
                    tried.setdefault("".join([stems[place], *fixed] if step < 0 else [*fixed, stems[place]]), place)
                elif words[place] not in certainty.JOINING:
                    break
                place += step
        # "is a red dragon or a green one harder to hit?"
        first = bisect(ones, entity.end)
        for place in ones[first : first + _MOST_ONES]:
            tried.setdefault("".join([stems[place - 1], *own[1:]]), place - 1)
    found = [(tried[key], name) for key, name in index.names(tried).items()]
    return [
        Entity(words[place], place, place + 1, name.owners, name.types, True, False) for place, name in found if name.is_heading
    ]


def _precedence(item: tuple[tuple[int, int, bool], Name]) -> tuple[int, bool, int]:
    (start, end, respelt), name = item
    return (start - end, respelt, -name.words)
