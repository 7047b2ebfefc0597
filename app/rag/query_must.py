"""`query_must`: what a question has to say for a passage to be meant, as the collection's metadata has it.

A table that was split by rows carries, for example, `{"contain_one_of": [["cleric", "clerics"], ["armor class 6", "ac 6"]]}`:
the row for clerics against armour class 6 and no other. Questions that do not say so are spared its look-alikes. In doubt a
passage is kept: what cannot be read asks for nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app import terms
from app.models import Metadata, Passage

# Explanatory notes hold for every question, whatever their metadata say.
_REFERENCE = ("reference", "EXPLANATORY NOTES")
_NUMBER = re.compile(r"(?<![\w.])(?:(?<!\d)-)?\d+(?![\w.]*\w)")


class _Malformed(Exception):
    """The metadata are not what they should be."""


def allowed(passages: Sequence[Passage], question: str) -> tuple[list[Passage], list[Passage]]:
    """`passages` that `question` may be meant for, and those it cannot be, each in order."""
    kept: list[Passage] = []
    dropped: list[Passage] = []
    for passage in passages:
        (kept if satisfied(passage.metadata, question) else dropped).append(passage)
    return kept, dropped


def satisfied(metadata: Metadata, question: str) -> bool:
    """Whether `question` has all that the passage's `query_must` asks for; true where it asks nothing readable."""
    value = metadata.get("query_must")
    if not value or (metadata.get("type"), metadata.get("section")) == _REFERENCE:
        return True
    folded = terms.common_spelling(terms.fold(question))
    try:
        must = json.loads(value) if isinstance(value, str) else value
        if not isinstance(must, Mapping):
            raise _Malformed
        # Every operator is looked at before one decides: a malformed one beside a failed one still keeps the passage.
        return all([
            _says(folded, _text(must["contain"]), plural=True) if "contain" in must else True,
            _all_of(folded, must["contain_all_of"]) if "contain_all_of" in must else True,
            _one_of(folded, must["contain_one_of"]) if "contain_one_of" in must else True,
            _in_range(folded, must["contain_range"]) if "contain_range" in must else True,
        ])  # fmt: skip
    except (_Malformed, ValueError, RecursionError):
        return True


def _all_of(folded: str, terms_wanted: Any) -> bool:
    return all([_says(folded, _text(term)) for term in _list(terms_wanted)])


def _one_of(folded: str, groups: Any) -> bool:
    """An AND of ORs: of every group one term; a group without terms cannot be satisfied."""
    return all([any([_says(folded, _text(term)) for term in _list(group)]) for group in _list(groups)])


def _in_range(folded: str, bounds: Any) -> bool:
    """Whether a whole number of the question lies between `min` and `max`, both included."""
    if not isinstance(bounds, Mapping) or not all(_is_number(bounds.get(end)) for end in ("min", "max")):
        raise _Malformed
    return any(bounds["min"] <= int(number) <= bounds["max"] for number in _NUMBER.findall(folded))


def _says(folded: str, term: str, *, plural: bool = False) -> bool:
    """Whether `term` stands in the question as whole words, so that "bear" is not found in "owlbear" nor "ac 1" in "ac 10"."""
    words = r"\s+".join(re.escape(word) for word in terms.common_spelling(terms.fold(term)).split())
    return bool(re.search(rf"(?<!\w){words}{'s?' if plural else ''}(?!\w)", folded))


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip():
        raise _Malformed
    return str(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Malformed
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
