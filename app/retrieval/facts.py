"""What the books state on exactly what a question asks: cells of tables and of statistics blocks."""

from __future__ import annotations

from typing import NamedTuple

from app.deadline import Deadline
from app.index.search import LexicalIndex
from app.models import Fact
from app.retrieval.named import Reading


class Stated(NamedTuple):
    """`facts`: what the books state on exactly what was asked, in the question's order; () if nothing is sure.

    `exact`: the question asks for nothing else, so it can be answered from them alone. `reason` says why, or
    why not, for `debug`.
    """

    facts: tuple[Fact, ...] = ()
    exact: bool = False
    reason: str = ""


def find(reading: Reading, index: LexicalIndex, deadline: Deadline, *, followed: bool = False) -> Stated:
    """What `index` states on the question `reading`, whose text is the question as it was read.

    `followed`: its subject was taken from the conversation. Raises DatabaseError, TimedOut.
    """
    return Stated(reason="not read for facts")
