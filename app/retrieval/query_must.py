"""`query_must`: the words a question must contain for a passage to be meant, from the collection's metadata.

A table that was split by rows carries, for example, `{"contain_one_of": [["cleric", "clerics"], ["armor class
6", "ac 6"]]}`: the row for clerics against armour class 6 and no other. Other questions are spared this row
among its look-alikes. In doubt a passage is kept: metadata that cannot be read demand nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from app.models import Metadata
from app.retrieval import numbers

# Explanatory notes hold for every question, whatever their metadata demand.
_REFERENCE = ("reference", "EXPLANATORY NOTES")
# Metadata with more terms than this are not readable: no question can be expected to contain so many.
_MOST_TERMS = 200


class _Malformed(Exception):
    """The metadata are not what they should be."""


def satisfied(metadata: Metadata, question: str) -> bool:
    """Whether `question` has all that the passage's `query_must` demands; true where that is not readable.

    `contain` (a term), `contain_all_of` (terms), `contain_one_of` (groups of terms, of each group one) and
    `contain_range` (a whole number from `min` to `max`) must all hold. Terms are whole words, in whatever
    number, spelling and abbreviation; "8th level" is "level 8", and levels "5 to 7" have 6.
    """
    value = metadata.get("query_must")
    if not value or (metadata.get("type"), metadata.get("section")) == _REFERENCE:
        return True
    try:
        groups, ranges = _read(json.loads(value) if isinstance(value, str) else value)
    except (_Malformed, ValueError, RecursionError):
        return True
    if sum(map(len, groups)) > _MOST_TERMS:
        return True
    text, counted = _normalized(question)
    return all(any(_contains(text, term) for term in group) for group in groups) and all(
        any(number.meets(low, high) for number in counted) for low, high in ranges
    )


# One question is held against all passages; the worker answers several questions at once.
@lru_cache(maxsize=16)
def _normalized(question: str) -> tuple[str, tuple[numbers.Number, ...]]:
    """A question in the form in which terms are looked for, and the numbers in it."""
    read = numbers.read(question)
    return f" {' | '.join((' '.join(read.words), *read.phrases()))} ", read.numbers


def _read(must: Any) -> tuple[list[list[str]], list[tuple[float, float]]]:
    """All operators as an AND of ORs, and the ranges. One malformed operator voids all."""
    if not isinstance(must, Mapping):
        raise _Malformed
    groups: list[list[str]] = []
    ranges: list[tuple[float, float]] = []
    if "contain" in must:
        groups.append([_term(must["contain"])])
    if "contain_all_of" in must:
        groups += [[_term(term)] for term in _list(must["contain_all_of"])]
    if "contain_one_of" in must:
        # A group without terms cannot be satisfied, as an OR of nothing.
        groups += [[_term(term) for term in _list(group)] for group in _list(must["contain_one_of"])]
    if "contain_range" in must:
        bounds = must["contain_range"]
        if not isinstance(bounds, Mapping):
            raise _Malformed
        ranges.append((_number(bounds.get("min")), _number(bounds.get("max"))))
    return groups, ranges


def _contains(text: str, term: str) -> bool:
    """Whether `text` has `term` as whole words: "bear" is not found in "owlbear", nor "ac 1" in "ac 10"."""
    read = numbers.read(term)
    return any(f" {phrase} " in text for phrase in (" ".join(read.words), *read.phrases()))


def _term(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip():
        raise _Malformed
    return str(value)


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise _Malformed
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Malformed
    return value
