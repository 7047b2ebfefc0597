"""The cut: which of the weighed passages go before the model.

What the named entities need comes first, whatever its score. The rest follows by score until it is much weaker than the
best, or the room is used up; the more is named in the question, the less room the rest gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.models import Passage
from app.retrieval.fusion import Candidate

# One token for so many bytes of UTF-8: what the bound of the context is counted in.
BYTES_PER_TOKEN = 4


class Limits(NamedTuple):
    """Where the cut falls; tokens are estimated (`BYTES_PER_TOKEN`). Measured, see docs/retrieval.md."""

    # The rest of a question that names what it is about; of one that does not.
    floor_named: float = 0.25
    tokens_named: int = 1400
    floor_unnamed: float = 0.20
    tokens_unnamed: int = 2800
    # So many of the best have their place whatever room the names leave.
    leading: int = 2
    # No context is larger, except that there is always one passage.
    most_tokens: int = 3600
    # Nor has any more passages, whatever `k` is.
    most_passages: int = 50


class Selected(NamedTuple):
    """A passage that was chosen, and why.

    `role` is entity, part, reference, parent or evidence; `entity` the name it was chosen for.
    """

    passage: Passage
    role: str
    score: float
    entity: str | None = None


class Selection(NamedTuple):
    chosen: tuple[Selected, ...]
    tokens: int
    reason: str


def tokens(passage: Passage) -> int:
    """The estimated tokens of a passage's text."""
    return -(-len(passage.text.encode()) // BYTES_PER_TOKEN)


def select(
    ranked: Sequence[Candidate], required: Iterable[tuple[Candidate, str, str | None]], k: int, limits: Limits, *, named: bool
) -> Selection:
    """At most `k` of `ranked`, ordered by score. `required`: candidates with their role and entity, most needed first.

    `named`: whether the question names what it is about, so that little else is needed.
    """
    chosen: dict[str, Selected] = {}
    used = 0
    k = min(k, limits.most_passages)
    for candidate, role, entity in required:
        size = tokens(candidate.passage)
        # A category page and what is referred to are good to have where there is room.
        most = limits.tokens_named if role in ("reference", "parent") else limits.most_tokens
        if candidate.passage.id in chosen or len(chosen) == k or (chosen and used + size > most):
            continue
        chosen[candidate.passage.id] = Selected(candidate.passage, role, candidate.score, entity)
        used += size
    best = ranked[0].score if ranked else 0.0
    floor = best * (limits.floor_named if named else limits.floor_unnamed)
    room = min(limits.most_tokens, max(limits.tokens_named if named else limits.tokens_unnamed, used))
    reason = "no more candidates"
    for rank, candidate in enumerate(ranked):
        size = tokens(candidate.passage)
        if candidate.passage.id in chosen:
            continue
        if len(chosen) >= k:
            reason = f"k = {k} reached"
        elif candidate.score < floor:
            reason = f"score {candidate.score:.2f} of the next is below {floor:.2f}, a part of the best's {best:.2f}"
        elif chosen and used + size > (limits.most_tokens if rank < limits.leading else room):
            reason = f"{used} tokens used, the next needs {size}, the room is {room}"
        else:
            chosen[candidate.passage.id] = Selected(
                candidate.passage, "evidence", candidate.score, next(iter(candidate.entities), None)
            )
            used += size
            continue
        break
    order = sorted(chosen.values(), key=lambda selected: -selected.score)
    return Selection(tuple(order), used, reason)
