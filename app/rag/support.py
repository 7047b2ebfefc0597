"""Whether the collection has anything on a question at all, told before a model is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app import terms
from app.adapters.lexical import LexicalIndex
from app.rag.entities import Reading
from app.rag.fusion import Candidate


@dataclass(frozen=True, slots=True)
class Support:
    """`found` is false only where the evidence is clearly nil; `reason` says why, for people."""

    found: bool
    reason: str


def support(reading: Reading, ranked: Sequence[Candidate], index: LexicalIndex | None) -> Support:
    if not ranked:
        return Support(False, "no passage was found")
    return Support(True, "passages were found")
