"""How the check of answers fares with what real models wrote, where people have judged every claim.

A file of such answers has one JSON object a line: `question`, `passages` (each `id`, `name`, `text`, and
`metadata` if there are any), `answer`, `claims` (each `text`, as the answer has it, and `status`: `true`,
`contradicted` by the passages, or `unsupported`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app.grounding.check import Grounding, ground
from app.index.reader import read
from app.models import Passage


class Judged(NamedTuple):
    """One claim: what people say of it, what the check says of the same words ("" of none), and whether the
    whole answer is called supported."""

    answer: str
    text: str
    truth: str
    said: tuple[str, ...]
    verdict: str

    @property
    def flagged(self) -> bool:
        return "contradicted" in self.said


def judged(file: Path) -> list[list[Judged]]:
    """The claims of each answer in `file`."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [_checked(json.loads(line)) for line in lines if line.strip()]


def _checked(one: dict[str, Any]) -> list[Judged]:
    passages = [
        Passage(passage["id"], passage["text"], {"name": passage["name"], **passage.get("metadata", {})})
        for passage in one["passages"]
    ]
    _, report = ground(one["answer"], passages, one["question"], (), read(passages).grids)
    answer = _plain(one["answer"])
    return [
        Judged(answer, claim["text"], claim["status"], _said(report, answer, claim["text"]), report.verdict)
        for claim in one["claims"]
    ]


def _said(report: Grounding, answer: str, text: str) -> tuple[str, ...]:
    """What is said of claims that share words with `text`, as it stands in the answer."""
    own = _place(answer, text)
    found = []
    for claim in report.claims:
        other = _place(answer, claim.text)
        # A claim spans the figure and what it is said to be; it is about its figure.
        if own and other and own[0] < other[1] and other[0] < own[1] and claim.value in _plain(text):
            found.append(claim.status)
    return tuple(found)


def _place(answer: str, text: str) -> tuple[int, int] | None:
    start = answer.find(_plain(text))
    return None if start < 0 else (start, start + len(_plain(text)))


def _plain(text: str) -> str:
    return " ".join(text.replace("*", "").split())


def table(answers: Sequence[Sequence[Judged]]) -> Iterator[str]:
    """The figures for each half of the answers (every other one) and for all."""
    yield "| | found of the contradicted | flagged of the true | supported of the true | wrong, called supported |"
    yield "|---|---|---|---|---|"
    for name, some in (("first", answers[::2]), ("second", answers[1::2]), ("all", answers)):
        claims = [claim for answer in some for claim in answer]
        wrong = [claim for claim in claims if claim.truth == "contradicted"]
        true = [claim for claim in claims if claim.truth == "true"]
        looked_at = [claim for claim in true if claim.said and set(claim.said) == {"supported"}]
        bad = [answer for answer in some if any(claim.truth == "contradicted" for claim in answer)]
        praised = [answer for answer in bad if answer[0].verdict == "supported"]
        parts = (
            (sum(claim.flagged for claim in wrong), len(wrong)),
            (sum(claim.flagged for claim in true), len(true)),
            (len(looked_at), len(true)),
            (len(praised), len(bad)),
        )
        yield f"| {name} | " + " | ".join(f"{n} of {of}" for n, of in parts) + " |"


def mistakes(answers: Sequence[Sequence[Judged]]) -> Iterator[str]:
    for claim in (claim for answer in answers for claim in answer):
        if claim.flagged != (claim.truth == "contradicted") and claim.truth != "unsupported":
            kind = "flagged, but true" if claim.flagged else "not found"
            yield f"{kind}: {claim.text!r} ({', '.join(claim.said) or 'not looked at'}) in {claim.answer[:200]!r}"
