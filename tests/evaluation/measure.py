"""Figures of one method over one set of questions.

A question counts as answered when *every* passage it needs is in the context. Tokens are estimated at four
bytes each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.retrieval import selection
from tests.evaluation.methods import Found, Method
from tests.evaluation.questions import UNANSWERABLE, Labelled

KINDS = ("comparison", "table", "lookup", "rule", "paraphrase", "typo", "followup", "multi")
_RESAMPLES = 2000
_SEED = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one method found for one question; `seconds` are processor time."""

    labelled: Labelled
    found: Found
    seconds: float
    requests: int

    @property
    def missing(self) -> list[str]:
        found = {passage.id for passage in self.found.passages}
        return sorted(" or ".join(sorted(some)) for some in self.labelled.needed if found.isdisjoint(some))

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def reciprocal_rank(self) -> float:
        ranks = (
            rank
            for rank, passage in enumerate(self.found.passages, 1)
            if passage.id in self.labelled.relevant
        )
        return 1 / next(ranks, float("inf"))

    @property
    def tokens(self) -> int:
        return sum(selection.tokens(passage) for passage in self.found.passages)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all answerable questions: the part with a complete context, over all (with a 95 % bootstrap
    interval) and by kind; mean reciprocal rank of the first needed passage; means of passages, tokens and
    requests, and of processor milliseconds.
    `refused` are the answerable questions said to be in no book, `let_through` the unanswerable ones that are
    not."""

    questions: int
    complete: float
    interval: tuple[float, float]
    kinds: dict[str, float]
    mrr: float
    passages: float
    tokens: float
    most_tokens: int
    requests: float
    milliseconds: float
    refused: int
    unanswerable: int
    let_through: int

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def run(
    method: Method,
    questions: Sequence[Labelled],
    requests: Callable[[], int],
    progress: Callable[[int, int], None],
) -> list[Outcome]:
    """Ask `method` every question; `requests` tells how many went out since it was last asked."""
    outcomes = []
    requests()
    for number, labelled in enumerate(questions, 1):
        started = time.process_time()
        found = method(labelled.question)
        outcomes.append(Outcome(labelled, found, time.process_time() - started, requests()))
        progress(number, len(questions))
    return outcomes


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Raises ValueError when no question is answerable."""
    answerable = [outcome for outcome in outcomes if outcome.labelled.kind != UNANSWERABLE]
    others = [outcome for outcome in outcomes if outcome.labelled.kind == UNANSWERABLE]
    if not answerable:
        raise ValueError("no question has a passage that it needs")
    hits = [outcome.complete for outcome in answerable]
    by_kind: dict[str, list[bool]] = {}
    for outcome in answerable:
        by_kind.setdefault(outcome.labelled.kind, []).append(outcome.complete)
    return Figures(
        questions=len(answerable),
        complete=_mean(hits),
        interval=_interval(hits),
        kinds={kind: _mean(by_kind[kind]) for kind in sorted(by_kind, key=_order)},
        mrr=_mean([outcome.reciprocal_rank for outcome in answerable]),
        passages=_mean([len(outcome.found.passages) for outcome in answerable]),
        tokens=_mean([outcome.tokens for outcome in answerable]),
        most_tokens=max(outcome.tokens for outcome in answerable),
        requests=_mean([outcome.requests for outcome in answerable]),
        milliseconds=1000 * _mean([outcome.seconds for outcome in answerable]),
        refused=sum(not outcome.found.supported for outcome in answerable),
        unanswerable=len(others),
        let_through=sum(outcome.found.supported for outcome in others),
    )


def _interval(hits: Sequence[bool]) -> tuple[float, float]:
    """The middle 95 % of the means of samples drawn from `hits` with replacement."""
    drawn = random.Random(_SEED)
    means = sorted(_mean(drawn.choices(hits, k=len(hits))) for _ in range(_RESAMPLES))
    return means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES) - 1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _order(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)
