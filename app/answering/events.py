"""What answering one question produces, in this order: Sources, Delta …, Done. JSON joins them, a stream sends each."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from app.models import Passage, Usage
from app.output import RAGOutput

if TYPE_CHECKING:
    from app.grounding.check import Grounding
    from app.ledger.spending import Receipt


class Sources(NamedTuple):
    """Every passage that is put before the model, in prompt order. `named`: by passage id, the name it was chosen for."""

    passages: tuple[Passage, ...]
    named: Mapping[str, str] = MappingProxyType({})


class Delta(NamedTuple):
    text: str


class Done(NamedTuple):
    """The end. `output.answer` is what the deltas join to, less citations of passages that do not exist.

    `grounding` is None where passages were quoted; `seconds` are per stage; `usage` None means nobody counted.
    """

    output: RAGOutput
    sources: Sources
    cited: frozenset[int]
    grounding: Grounding | None
    model: str | None
    usage: Usage | None
    receipt: Receipt
    seconds: Mapping[str, float] = MappingProxyType({})


Event = Sources | Delta | Done
Events = Generator[Event, None, None]
"""Events as they happen; closing it early ends the question."""
