"""What the names in a question entitle to a place in the context, however it scores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from app.retrieval.fusion import Candidate
from app.retrieval.named import Entity, Reading

Required = tuple[Candidate, str, str | None]

# So many of the passages that an entry refers to.
_MOST_REFERENCES = 2


def required(
    ranked: Sequence[Candidate], reading: Reading, table_wanted: float, referred: Collection[str] = ()
) -> list[Required]:
    """For each name the question surely means: the passage it heads, then the parts of it that speak to the question; last
    what they refer to (ids in `referred`) and the category page of the best. Each with its role (`entity`, `part`,
    `reference`, `parent`) and the name. `ranked`: best first.

    All first passages come before any further part, so that a small `k` still holds one for every name.
    """
    first: list[Required] = []
    more: list[Required] = []
    places = {candidate.passage.id: place for place, candidate in enumerate(ranked)}
    for entity in reading.entities:
        if not entity.certain:
            continue
        owned = [ranked[place] for place in sorted(places[owner] for owner in entity.owners if owner in places)]
        own = list(_own(owned, entity, table_wanted))
        if not own:
            continue
        head, *parts = _section(own)
        first.append((head, "entity", entity.text))
        more += [(part, "part", entity.text) for part in parts]
    beyond = [(c, "reference", None) for c in ranked if c.passage.id in referred and c.passage.part <= 1]
    return first + more + beyond[:_MOST_REFERENCES] + _category_page(first, ranked)


def _category_page(first: Sequence[Required], ranked: Sequence[Candidate]) -> list[Required]:
    """The page that says what the best of the named entries shares with its kin."""
    for candidate, _, name in sorted(first, key=lambda item: -item[0].score)[:1]:
        parent = candidate.passage.parent
        return [(page, "parent", name) for page in ranked if page.passage.id == parent and page.passage.type == "category"]
    return []


def _own(owned: Sequence[Candidate], entity: Entity, table_wanted: float) -> Iterator[Candidate]:
    """Of the passages the name belongs to (`owned`, best first) those headed by just this, else by this and more, else all."""
    kinds = [entity.owners[candidate.passage.id] for candidate in owned]
    # A price list comes before a paragraph that is headed by the same word, where a price is asked for.
    inside = (("row",), ("heading",)) if table_wanted else (("heading",), ("row",))
    for wanted in (("full",), ("variant", "word"), *inside):
        if not set(wanted).isdisjoint(kinds):
            yield from (candidate for candidate, kind in zip(owned, kinds, strict=True) if kind in wanted)
            return


def _section(own: Sequence[Candidate]) -> list[Candidate]:
    """The best of `own`; if it is a part of a split section, its first part and those that match better than the first."""
    best = own[0]
    if best.passage.section is None or best.passage.type == "table":
        return [best]
    parts = [candidate for candidate in own if candidate.passage.section == best.passage.section]
    first = min(parts, key=lambda candidate: candidate.passage.part)
    better = [c for c in parts if c is not first and c.dense + c.lexical > first.dense + first.lexical]
    return [first, *better]
