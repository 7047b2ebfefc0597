"""The cut: which of the ranked passages go before the model.

What the names in a question need has a slot, whatever its score (`required`). The rest follows by score until
it is much weaker than the best, or the budget of tokens is used up. The more a question names, the less is
left for the rest.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from app.models import Passage
from app.retrieval import tables
from app.retrieval.fusion import Candidate
from app.retrieval.lookup import Found
from app.retrieval.named import Entity, Reading

# One token for so many bytes of UTF-8: what the budget of the context is counted in.
BYTES_PER_TOKEN = 4
# Slots for passages that the named entries refer to.
_MOST_REFERENCES = 2
# So many of the passages that one name heads are looked through for namesakes.
_MOST_NAMESAKES = 4


class Limits(NamedTuple):
    """Where the cut falls; tokens are estimated (`BYTES_PER_TOKEN`). Measured: docs/retrieval-figures.md."""

    # For the rest, the part of the best score and the budget: of a question that names its subject, or not.
    floor_named: float = 0.25
    tokens_named: int = 1400
    floor_unnamed: float = 0.20
    tokens_unnamed: int = 2800
    # The part of the budget where the slots account for all of the question.
    closed: float = 0.7
    # So many of the best have a slot, whatever budget the names leave.
    leading: int = 2
    # No context is larger, except that it always has one passage.
    most_tokens: int = 3600
    # Nor has any more passages, whatever `k` is.
    most_passages: int = 50


class Required(NamedTuple):
    """A candidate with a slot. `role`: fact, entity, part, reference or parent; `entity`: the name."""

    candidate: Candidate
    role: str
    entity: str | None


class Selected(NamedTuple):
    """A passage in the context. `role` as of `Required`, or evidence; `entity`: the name."""

    passage: Passage
    role: str
    score: float
    entity: str | None = None


class Selection(NamedTuple):
    """`tokens`: the estimated tokens of all `chosen`; `reason`: why there are no more, for people."""

    chosen: tuple[Selected, ...]
    tokens: int
    reason: str


def tokens(passage: Passage) -> int:
    """The estimated tokens of a passage's text."""
    return -(-len(passage.text.encode()) // BYTES_PER_TOKEN)


def select(
    ranked: Sequence[Candidate],
    required: Iterable[Required],
    k: int,
    limits: Limits,
    *,
    named: bool,
    open_: float = 1.0,
) -> Selection:
    """At most `k` of `ranked` (best first), by score. `required`: those with a slot, most needed first.

    `named`: whether the question names its subject, so that little else is needed.
    """
    chosen: dict[str, Selected] = {}
    used = 0
    k = min(k, limits.most_passages)
    for candidate, role, entity in required:
        size = tokens(candidate.passage)
        # A category page and what is referred to are good to have where the budget allows.
        most = limits.tokens_named if role in ("reference", "parent") else limits.most_tokens
        if candidate.passage.id in chosen or len(chosen) == k or (chosen and used + size > most):
            continue
        chosen[candidate.passage.id] = Selected(candidate.passage, role, candidate.score, entity)
        used += size
    best = ranked[0].score if ranked else 0.0
    floor = best * (limits.floor_named if named else limits.floor_unnamed)
    room = limits.tokens_named if named else limits.tokens_unnamed
    room = int(room * (limits.closed + (1 - limits.closed) * open_))
    budget = min(limits.most_tokens, max(room, used))
    reason = "no more candidates"
    for rank, candidate in enumerate(ranked):
        size = tokens(candidate.passage)
        if candidate.passage.id in chosen:
            continue
        if len(chosen) >= k:
            reason = f"k = {k} reached"
        elif candidate.score < floor:
            reason = (
                f"score {candidate.score:.2f} of the next is below {floor:.2f}, part of the best's {best:.2f}"
            )
        elif chosen and used + size > (limits.most_tokens if rank < limits.leading else budget):
            reason = f"{used} tokens used, the next needs {size}, the budget is {budget}"
        else:
            chosen[candidate.passage.id] = Selected(
                candidate.passage, "evidence", candidate.score, candidate.entity
            )
            used += size
            continue
        break
    order = sorted(chosen.values(), key=lambda selected: -selected.score)
    return Selection(tuple(order), used, reason)


def required(
    ranked: Sequence[Candidate],
    reading: Reading,
    table_wanted: float,
    found: Found,
    stating: Collection[str] = (),
    dropped: Collection[str] = (),
) -> tuple[list[Required], float]:
    """What has a slot, and which part of the question it leaves open (0 to 1). `ranked`: best first.

    The passages that state a fact (ids in `stating`); for each name the question surely means the passage
    it heads; the rows of the tables that have the rest of the question; then further parts that match it;
    last what they refer to and the category page of the best. What was `dropped` only for want of others.

    All first passages come before any further part, so that a small `k` still holds one for every name.
    """
    first: list[Required] = []
    more: list[Required] = []
    ranks = {candidate.passage.id: rank for rank, candidate in enumerate(ranked)}

    def best(ids: Iterable[str]) -> list[Candidate]:
        known = [i for i in ids if i in ranks]
        return [ranked[rank] for rank in sorted(ranks[i] for i in known if i not in dropped)] or [
            ranked[rank] for rank in sorted(ranks[i] for i in known)
        ]

    for entity in reading.entities:
        if not entity.certain:
            continue
        own = list(_own(best(entity.owners), entity, table_wanted))
        if own:
            head, *parts = _section(own)
            first.append(Required(head, "entity", entity.text))
            more += [Required(c, "part", entity.text) for c in (*parts, *_namesakes(own, head, entity))]
    own_pages = {item.candidate.passage.id: item for item in first}
    stated = [own_pages.get(c.passage.id) or Required(c, "fact", c.entity) for c in best(stating)]
    beyond = [c for c in best(found.referred) if c.passage.part <= 1 and c.passage.id not in dropped]
    answering: list[Required] = []
    open_ = 1.0
    if (asked := found.asked) is not None:
        left = frozenset(range(len(asked.words)))
        subjects = {e.text for e in reading.entities if e.heads_entry and not e.is_people}
        for item in (*stated, *first):
            if item.role == "fact" or item.entity in subjects:
                passage = item.candidate.passage
                left -= tables.accounted(f"{passage.name}\n{passage.text}", asked)
        for table in tables.answering(found.tables, asked, left):
            left -= table.covered
            rows = best(table.passages)
            answering += [Required(c, "table", c.entity) for c in (rows if table.rows else rows[:1])]
        open_ = tables.weight(left, asked) / (tables.weight(range(len(asked.words)), asked) or 1.0)
    return [
        *stated,
        *first,
        *answering,
        *more,
        *(Required(candidate, "reference", None) for candidate in beyond[:_MOST_REFERENCES]),
        *_category_page(first, ranked),
    ], open_


def _category_page(first: Sequence[Required], ranked: Sequence[Candidate]) -> list[Required]:
    """The page with what the best of the named entries shares with its kin."""
    if not first:
        return []
    best = max(first, key=lambda item: item.candidate.score)
    parent = best.candidate.passage.parent
    pages = [page for page in ranked if page.passage.id == parent and page.passage.type == "category"]
    return [Required(page, "parent", best.entity) for page in pages]


def _own(owned: Sequence[Candidate], entity: Entity, table_wanted: float) -> Iterator[Candidate]:
    """Of `owned` (best first) those headed by just this name, else by this and more, else all."""
    kinds = [entity.owners[candidate.passage.id] for candidate in owned]
    # A price list comes before a paragraph that is headed by the same word, where a price is wanted.
    inside = (("row",), ("heading",)) if table_wanted else (("heading",), ("row",))
    for wanted in (("full",), ("variant", "word"), *inside):
        if not set(wanted).isdisjoint(kinds):
            yield from (candidate for candidate, kind in zip(owned, kinds, strict=True) if kind in wanted)
            return


def _namesakes(own: Sequence[Candidate], head: Candidate, entity: Entity) -> list[Candidate]:
    """Entries of other types under the very same name: the elf among the races and among the monsters."""
    types = {head.passage.type}
    found = []
    for candidate in own[:_MOST_NAMESAKES]:
        passage = candidate.passage
        if entity.owners[passage.id] == "full" and passage.type not in types and passage.part == 1:
            types.add(passage.type)
            found.append(candidate)
    return found


def _section(own: Sequence[Candidate]) -> list[Candidate]:
    """The best of `own`; of a split section its first part and those that match better than that."""
    best = own[0]
    if best.passage.section is None or best.passage.type == "table":
        return [best]
    parts = [candidate for candidate in own if candidate.passage.section == best.passage.section]
    first = min(parts, key=lambda candidate: candidate.passage.part)
    better = [c for c in parts if c is not first and c.dense + c.lexical > first.dense + first.lexical]
    return [first, *better]
