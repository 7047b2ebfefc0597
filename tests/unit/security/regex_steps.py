"""How many steps a regular expression takes on a text: a plain backtracking matcher that counts, as `re`
itself does not.

It follows `re`'s own parse of the expression, without the shortcuts of the real one: no fewer steps, of the
same order.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as sre  # type: ignore[attr-defined]
    from re import _parser as sre_parser  # type: ignore[attr-defined]
else:
    import sre_constants as sre
    import sre_parse as sre_parser

MOST_STEPS = 100_000
_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT, getattr(sre, "POSSESSIVE_REPEAT", None)}
_ONE_CHARACTER = {sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN}


class TooManySteps(Exception):
    """It took more than MOST_STEPS."""


class Matcher:
    """`pattern` on `text`; `steps` grows with each attempt to match a part of it."""

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        self._text, self._flags = text, pattern.flags
        self._tree = list(sre_parser.parse(pattern.pattern, pattern.flags))
        self._groups: dict[int, tuple[int, int]] = {}
        self.steps = 0

    def search_all(self) -> None:
        """As `finditer`: every match, one after the other."""
        start = 0
        while start <= len(self._text):
            end = next(self._sequence(self._tree, 0, start), None)
            start = start + 1 if end is None or end == start else end

    def match_whole(self) -> None:
        """As `fullmatch`."""
        for end in self._sequence(self._tree, 0, 0):
            if end == len(self._text):
                return

    def _sequence(self, items: list[Any], number: int, at: int) -> Iterator[int]:
        if number == len(items):
            yield at
            return
        for middle in self._item(items[number], at):
            yield from self._sequence(items, number + 1, middle)

    def _item(self, item: Any, at: int) -> Iterator[int]:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooManySteps
        kind, value = item
        if kind in _ONE_CHARACTER:
            if at < len(self._text) and self._is_one(item, self._text[at]):
                yield at + 1
        elif kind in _REPEATS:
            yield from self._repeated(kind, *value, at=at)
        elif kind is sre.SUBPATTERN:
            for end in self._sequence(list(value[-1]), 0, at):
                if value[0]:
                    self._groups[value[0]] = at, end
                yield end
        elif kind is sre.BRANCH:
            for branch in value[1]:
                yield from self._sequence(list(branch), 0, at)
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            direction, inside = value
            place = at if direction > 0 else at - inside.getwidth()[0]
            found = place >= 0 and next(self._sequence(list(inside), 0, place), None) is not None
            if found is (kind is sre.ASSERT):
                yield at
        elif kind is sre.AT:
            if self._is_at(value, at):
                yield at
        elif kind is sre.GROUPREF:
            start, end = self._groups.get(value, (0, 0))
            if self._text.startswith(self._text[start:end], at):
                yield at + end - start
        else:
            raise NotImplementedError(kind)

    def _repeated(self, kind: Any, least: int, most: Any, body: Any, *, at: int) -> Iterator[int]:
        most = len(self._text) + 1 if most is sre.MAXREPEAT else most
        items = list(body)
        lazy = kind is sre.MIN_REPEAT
        if len(items) == 1 and items[0][0] in _ONE_CHARACTER:
            end = at
            while end < len(self._text) and end - at < most and self._is_one(items[0], self._text[end]):
                self.steps += 1
                end += 1
            ends = range(at + least, end + 1)
            yield from ends if lazy else reversed(ends)
            return
        yield from self._nested(items, least, most, at, lazy)

    def _nested(self, items: list[Any], least: int, most: int, at: int, lazy: bool) -> Iterator[int]:
        if lazy and least <= 0:
            yield at
        if most > 0:
            for end in self._sequence(items, 0, at):
                if end > at or least > 0:
                    yield from self._nested(items, least - 1, most - 1, end, lazy)
        if not lazy and least <= 0:
            yield at

    def _is_one(self, item: Any, character: str) -> bool:
        if item[0] is sre.ANY:
            return character != "\n" or bool(self._flags & re.DOTALL)
        variants = {character}
        if self._flags & re.IGNORECASE:
            variants |= {one for one in (character.lower(), character.upper()) if len(one) == 1}
        if item[0] is sre.LITERAL:
            return chr(item[1]) in variants
        if item[0] is sre.NOT_LITERAL:
            return chr(item[1]) not in variants
        negated: bool = item[1][0][0] is sre.NEGATE
        return negated is not any(self._in_set(part, one) for part in item[1][negated:] for one in variants)

    def _in_set(self, part: Any, character: str) -> bool:
        kind, value = part
        if kind is sre.LITERAL:
            return ord(character) == value
        if kind is sre.RANGE:
            return bool(value[0] <= ord(character) <= value[1])
        name = str(value).removeprefix("CATEGORY_")
        is_it = {
            "DIGIT": character.isdigit(),
            "SPACE": character.isspace(),
            "WORD": character.isalnum() or character == "_",
        }[name.removeprefix("NOT_")]
        return is_it is not name.startswith("NOT_")

    def _is_at(self, where: Any, at: int) -> bool:
        def word(place: int) -> bool:
            return 0 <= place < len(self._text) and (self._text[place].isalnum() or self._text[place] == "_")

        text, lines = self._text, bool(self._flags & re.MULTILINE)
        name = str(where).removeprefix("AT_")
        if name in ("BOUNDARY", "NON_BOUNDARY"):
            return (word(at - 1) != word(at)) is (name == "BOUNDARY")
        if name.startswith("BEGINNING"):
            return at == 0 or (lines and name == "BEGINNING" and text[at - 1] == "\n")
        return at == len(text) or (name == "END" and (text[at:] == "\n" or (lines and text[at] == "\n")))


def steps(pattern: re.Pattern[str], text: str, *, whole: bool) -> int:
    """How many it takes to find all matches in `text`, or to see whether it is one; MOST_STEPS where it is
    more.
    """
    matcher = Matcher(pattern, text)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        (matcher.match_whole if whole else matcher.search_all)()
    except TooManySteps:
        return MOST_STEPS
    finally:
        sys.setrecursionlimit(before)
    return matcher.steps


def attacks(pattern: re.Pattern[str]) -> list[Callable[[int], str]]:
    """Texts made for this expression: what comes before a repetition, the repeated part many times, and an
    end that fails.
    """
    found: list[Callable[[int], str]] = []

    def pumped(before: str, part: str, after: str) -> Callable[[int], str]:
        return lambda length: before + (part * (length // len(part) + 1))[:length] + after

    def walk(items: Iterable[Any], before: str) -> str:
        for kind, value in items:
            if kind in _REPEATS:
                walk(value[2], before)
                part = _sample(value[2])
                for end in ("\x00", "\n", "", "a") if part and value[1] is sre.MAXREPEAT else ():
                    found.append(pumped(before, part, end))
                    # Every place at which it can begin.
                    found.append(pumped("", before + part, end))
                before += part * max(value[0], 0)
            elif kind is sre.BRANCH:
                for branch in value[1]:
                    walk(branch, before)
                before += _sample(value[1][0])
            elif kind is sre.SUBPATTERN:
                before = walk(value[-1], before)
            elif kind in (sre.ASSERT, sre.ASSERT_NOT):
                walk(value[1], before)
            else:
                before += _sample([(kind, value)])
        return before

    walk(list(sre_parser.parse(pattern.pattern, pattern.flags)), "")
    return found


def _sample(items: Iterable[Any]) -> str:
    """A text that the items match, most often."""
    text = ""
    for kind, value in items:
        if kind is sre.LITERAL:
            text += chr(value)
        elif kind in (sre.ANY, sre.NOT_LITERAL):
            text += "a"
        elif kind is sre.IN:
            text += _one_of(value)
        elif kind in _REPEATS:
            text += _sample(value[2]) * max(1, value[0])
        elif kind is sre.BRANCH:
            text += _sample(value[1][0])
        elif kind is sre.SUBPATTERN:
            text += _sample(value[-1])
    return text


def _one_of(parts: list[Any]) -> str:
    matcher = Matcher(re.compile(""), "")
    for character in "a1 \t-'\n.,:|*[(A_é":
        if matcher._is_one((sre.IN, parts), character):
            return character
    for kind, value in parts:
        if kind is sre.LITERAL:
            return chr(value)
        if kind is sre.RANGE:
            return chr(value[0])
    return "a"
