"""A passage as an answer is held against it. A value in prose is known by the words around it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain

from app.grounding.figures import PENALTY, Token, read, words
from app.index import terms
from app.models import Passage

Context = Mapping[str, tuple[float, float]]
"""The words around a value, each with how near it is on the left and on the right, from 0 to 1."""

_PARENTHESES = re.compile(r"\([^()]{0,200}\)")
_LETTERS = re.compile(r"[a-z]+")
# So far from a value a word says nothing about it any more.
_REACH = 8.0
# A word on the other side of the value: "armor class 5" and "5 armor class".
_OTHER_SIDE = 0.75
_LONGEST_SNIPPET = 120


class Page:
    """A passage in the prompt, read when it is needed. `number` counts from 1; `title`: the stems of its
    name."""

    def __init__(self, number: int, passage: Passage) -> None:
        self.number, self.passage = number, passage
        self.title = frozenset(words(read(_PARENTHESES.sub(" ", passage.name)))) - terms.STOP_WORDS

    @cached_property
    def source(self) -> str:
        """As the book writes it, unless words are cut there or written with signs that are none."""
        plain = terms.plain(self.passage.text)
        return self.passage.text if len(plain) == len(self.passage.text) else plain

    @cached_property
    def tokens(self) -> list[Token]:
        """Without what stands in tables: without its labels a cell says nothing."""
        if "|" not in self.source and "<t" not in self.source.lower():
            return read(self.source)
        return read("\n".join(" " * len(x) if _in_table(x) else x for x in self.source.split("\n")))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(map(terms.stem, set(_LETTERS.findall(self.folded))))

    @cached_property
    def folded(self) -> str:
        """Name, place and text as words are compared in, with both readings of words that were cut."""
        passage = self.passage
        whole = f"{passage.name}\n{passage.hierarchy}\n{passage.book}\n{passage.text}"
        return terms.without_accents(terms.both_readings(whole)).lower()

    @cached_property
    def _contexts(self) -> dict[int, Context]:
        """What stands around each value."""
        return {place: context(self.tokens, place) for place, token in enumerate(self.tokens) if token.value}

    @cached_property
    def _beside(self) -> dict[str, list[int]]:
        """By word the values that it stands around."""
        return _by_word((place, words) for place, words in self._contexts.items())

    @cached_property
    def _with(self) -> dict[str, list[int]]:
        """By word the sentences that have it."""
        return _by_word(enumerate(self.bags))

    def context(self, place: int) -> Context:
        return self._contexts[place]

    def alike(self, around: Iterable[str], most: int) -> list[int]:
        """The values around which most of these words stand."""
        return _most_shared(self._beside, around, most)

    def with_words(self, content: Iterable[str], most: int) -> list[int]:
        """The sentences that have most of these words, by number."""
        return _most_shared(self._with, content, most)

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """The tokens of each: first, and behind the last."""
        found: list[tuple[int, int]] = []
        for place, token in enumerate(self.tokens):
            if found and self.tokens[place - 1].sentence == token.sentence:
                found[-1] = (found[-1][0], place + 1)
            else:
                found.append((place, place + 1))
        return found

    @cached_property
    def bags(self) -> list[frozenset[str]]:
        """The words of each sentence."""
        return [frozenset(words(self.tokens[first:last])) for first, last in self.sentences]

    def around(self, place: int) -> tuple[int, int]:
        """The sentence in which a token stands: the first of its tokens, and behind the last."""
        sentence = self.tokens[place].sentence
        first, last = place, place + 1
        while first and self.tokens[first - 1].sentence == sentence:
            first -= 1
        while last < len(self.tokens) and self.tokens[last].sentence == sentence:
            last += 1
        return first, last

    def snippet(self, first: int, last: int, place: int) -> str:
        """The words from one token to before another, cut to what stands around `place`."""
        while self.tokens[last - 1].end - self.tokens[first].start > _LONGEST_SNIPPET:
            if place - first > last - 1 - place:
                first += 1
            else:
                last -= 1
        return " ".join(self.source[self.tokens[first].start : self.tokens[last - 1].end].split())


def _in_table(line: str) -> bool:
    return line.lstrip().lower().startswith(("|", "<td", "<tr", "<th", "<table"))


def _by_word(found: Iterable[tuple[int, Iterable[str]]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, some in found:
        for word in some:
            places.setdefault(word, []).append(place)
    return places


def _most_shared(places: Mapping[str, list[int]], said: Iterable[str], most: int) -> list[int]:
    """The places that have most of the words."""
    votes = Counter(chain.from_iterable(places[word] for word in said if word in places))
    return [place for place, _ in votes.most_common(most)]


def beside(tokens: Sequence[Token], place: int, most: int = 2) -> list[int]:
    """The words beside a value, `most` on each side, up to the next value or sign."""
    found: list[int] = []
    for step in (-1, 1):
        at, left = place + step, most
        while 0 <= at < len(tokens) and left:
            if value := tokens[at].value:
                # "d100: 91"
                found += [at] if value.kind == "dice" else []
                break
            stem = tokens[at].stem
            if stem in (",", ";", "(", ")", "|") or tokens[at].sentence != tokens[place].sentence:
                break
            if stem[:1].isalpha() and stem not in terms.STOP_WORDS:
                found.append(at)
                left -= 1
            at += step
    return found


def context(tokens: Sequence[Token], place: int) -> Context:
    """The words around the value at `place`, in its sentence."""
    found: dict[str, tuple[float, float]] = {}
    sentence = tokens[place].sentence
    for side, step in ((0, -1), (1, 1)):
        distance, at = 0.0, place + step
        while 0 <= at < len(tokens) and distance < _REACH and tokens[at].sentence == sentence:
            token = tokens[at]
            if token.value:
                distance += 2
            elif not token.stem[:1].isalpha():
                distance += 0.5
            elif token.stem in terms.STOP_WORDS:
                distance += 0.25
            else:
                weight = 1 / (1 + distance / 2)
                left, right = found.get(token.stem, (0.0, 0.0))
                found[token.stem] = (left, max(right, weight)) if side else (max(left, weight), right)
                distance += 1
            at += step
    return found


def likeness(said: Context, stated: Context, ignore: frozenset[str]) -> float:
    """How much of what stands around a value in an answer stands around another in a book, from 0 to 1."""
    total = got = 0.0
    for word, (left, right) in said.items():
        if word in ignore:
            continue
        total += max(left, right)
        if word in stated:
            other_left, other_right = stated[word]
            got += max(
                min(left, other_left),
                min(right, other_right),
                _OTHER_SIDE * min(left, other_right),
                _OTHER_SIDE * min(right, other_left),
            )
    return got / total if total else 0.0


def taken_off(said: Context) -> bool:
    """Whether the words around a value say that it is a penalty."""
    return not PENALTY.isdisjoint(said)
