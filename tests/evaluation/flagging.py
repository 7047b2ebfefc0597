"""How the check of answers fares with statements that were made false, and with the same while they are true."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, get_args

from app.models import Passage
from tests.evaluation.swaps import Kind, Told
from tests.evaluation.truth import same_value

Result = Literal["found", "elsewhere", "unchecked", "missed", "quiet", "false alarm"]
_FIGURE = re.compile(r"\d*d\d+|\d{1,3}(?:,\d{3})+|\d+")


class Claim(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def books_say(self) -> str | None: ...


Check = Callable[[str, Sequence[Passage], str], Sequence[Claim]]
"""The claims of an answer over passages to a question."""


class Flagged(NamedTuple):
    """`elsewhere`: something is said to be wrong, but not what is; `missed`: all is said to be supported."""

    told: Told
    result: Result
    claims: tuple[Claim, ...]


def flagged(check: Check, answers: Sequence[Told]) -> list[Flagged]:
    found = []
    for told in answers:
        claims = tuple(check(told.text, told.passages, told.question))
        found.append(Flagged(told, judge(told, claims), claims))
    return found


def judge(told: Told, claims: Sequence[Claim]) -> Result:
    wrong = [claim for claim in claims if claim.status == "contradicted"]
    if not told.false:
        return "false alarm" if wrong else "quiet"
    if any(_has(claim, told.false) for claim in wrong):
        return "found"
    if wrong:
        return "elsewhere"
    unchecked = any(_has(claim, told.false) for claim in claims if claim.status != "supported")
    return "unchecked" if unchecked or not claims else "missed"


def _has(claim: Claim, false: str) -> bool:
    """Whether a claim is about a number of `false`."""
    wanted = _FIGURE.findall(false) or [false]
    said = _FIGURE.findall(claim.text)
    return any(same_value(one, other) for one in wanted for other in said)


def table(some: Sequence[Flagged]) -> Iterator[str]:
    """The figures by kind of swap; for true answers, how many are said to be wrong."""
    results: Mapping[Kind, list[Result]] = {kind: [] for kind in get_args(Kind)}
    for flag in some:
        results[flag.told.kind].append(flag.result)
    false = [result for kind, found in results.items() if kind != "true" for result in found]
    alarms = results["true"].count("false alarm")
    yield f"| made false | {_part(false.count('found'), len(false))} | {_rest(false)} |"
    for kind, found in results.items():
        if kind != "true":
            yield f"|   {kind} | {_part(found.count('found'), len(found))} | {_rest(found)} |"
    yield f"| true, flagged | {_part(alarms, len(results['true']))} | |"


def _rest(found: Sequence[Result]) -> str:
    others: tuple[Result, ...] = ("elsewhere", "unchecked", "missed")
    return ", ".join(f"{found.count(result)} {result}" for result in others)


def _part(some: int, of: int) -> str:
    return f"{some / of:.3f} ({some} of {of})" if of else "-"


def shown(flag: Flagged) -> Iterator[str]:
    """The lines for a list of failures."""
    said = "; ".join(f"{c.status}: {c.text!r} (books: {c.books_say!r})" for c in flag.claims)
    yield f"{flag.result} [{flag.told.kind}, {flag.told.false!r}]: {flag.told.text!r}"
    yield f"    {said or 'no claims'}"
