"""A distance that is no number is no evidence, and least of all the best."""

from __future__ import annotations

import pytest

from app.models import Passage
from app.retrieval.fusion import Pool, Weights


def dense(*distances: float | None) -> list[float]:
    """The vectors' evidence for passages at these distances, in their order."""
    pool = Pool(Weights())
    pool.add_dense(
        [Passage(str(number), "text", distance=distance) for number, distance in enumerate(distances)]
    )
    return [pool.candidates[str(number)].dense for number in range(len(distances))]


@pytest.mark.parametrize(
    ("distances", "evidence"),
    [
        ((0.2, 0.4, None), [1.0, 0.0, 0.0]),
        ((None, 0.2, 0.3, 0.4), [0.0, 1.0, pytest.approx(0.5), 0.0]),
        ((0.2, None, 0.4), [1.0, 0.0, 0.0]),
        ((None, None), [0.0, 0.0]),
        ((None, 0.3), [0.0, 1.0]),
        ((0.0, 1.0), [1.0, 0.0]),
        ((), []),
    ],
)
def test_what_has_no_distance_has_no_evidence(
    distances: tuple[float | None, ...], evidence: list[float]
) -> None:
    assert dense(*distances) == evidence
