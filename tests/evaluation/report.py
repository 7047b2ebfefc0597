"""The figures as Markdown tables, and the failures with what was retrieved instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.evaluation.measure import Figures, Outcome
from tests.evaluation.questions import UNANSWERABLE

_SHOWN = 8


def table(measured: Mapping[str, Figures]) -> Iterator[str]:
    """One line a method."""
    kinds = list(dict.fromkeys(kind for figures in measured.values() for kind in figures.kinds))
    yield (
        f"| every needed passage in context | all (95 %) | {' | '.join(kinds)} | passages | tokens (most) | MRR | requests "
        "| CPU ms | refused | let through |"
    )
    yield "|---" * (len(kinds) + 9) + "|"
    for name, f in measured.items():
        low, high = f.interval
        cells = [
            name,
            f"{f.complete:.3f} ({low:.3f}–{high:.3f})",
            *(f"{f.kinds[kind]:.3f}" if kind in f.kinds else "" for kind in kinds),
            f"{f.passages:.1f}",
            f"{f.tokens:,.0f} ({f.most_tokens:,})",
            f"{f.mrr:.3f}",
            f"{f.requests:.1f}",
            f"{f.milliseconds:.1f}",
            f"{f.refused} of {f.questions}",
            f"{f.let_through} of {f.unanswerable}",
        ]
        yield "| " + " | ".join(cells) + " |"


def failures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Each question whose context lacks something, or that was judged wrong: what is missing, and what was
    there instead.
    """
    for outcome in outcomes:
        labelled = outcome.labelled
        if labelled.kind == UNANSWERABLE:
            continue
        if not outcome.found.supported:
            yield f"✗ refused [{labelled.kind}] {labelled.question.text}"
        if outcome.complete:
            continue
        yield f"✗ [{labelled.kind}] {labelled.question.text}"
        yield f"    missing: {', '.join(outcome.missing)}"
        got = [passage.id for passage in outcome.found.passages]
        more = f" and {len(got) - _SHOWN} more" if len(got) > _SHOWN else ""
        yield f"    instead: {', '.join(got[:_SHOWN]) or 'nothing'}{more}"
