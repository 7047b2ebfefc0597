"""How exact answers fare: right, none, or wrong, against what the other reader says is stated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from app.models import Fact, Question
from app.retrieval import selection
from app.retrieval.facts import Stated
from tests.evaluation.asking import Posed
from tests.evaluation.forms import KEPT
from tests.evaluation.methods import Found, Method
from tests.evaluation.refusals import Refused
from tests.evaluation.truth import Cell, same_value

Ask = Callable[[Question], Stated]
Verdict = Literal["right", "none", "other value", "other place", "incomplete"]
WRONG: tuple[Verdict, ...] = ("other value", "other place", "incomplete")


class Answered(NamedTuple):
    posed: Posed
    stated: Stated
    verdict: Verdict


def answered(ask: Ask, posed: Sequence[Posed]) -> list[Answered]:
    found = []
    for one in posed:
        stated = ask(Question(one.text))
        found.append(Answered(one, stated, judge(stated, one.wanted)))
    return found


def judge(stated: Stated, wanted: Sequence[Sequence[Cell]]) -> Verdict:
    """`other value`: it says what is not asked; `other place`: the right value from a passage that is not
    about this; `incomplete`: something asked for is left out."""
    if not stated.exact:
        return "none"
    for fact in stated.facts:
        if not any(same_value(fact.value, cell.value) for cells in wanted for cell in cells):
            return "other value"
        if not any(_says(fact, cell) for cells in wanted for cell in cells):
            return "other place"
    whole = all(any(_says(fact, cell) for cell in cells for fact in stated.facts) for cells in wanted)
    return "right" if whole else "incomplete"


def _says(fact: Fact, cell: Cell) -> bool:
    return fact.passage == cell.passage and same_value(fact.value, cell.value)


def table(name: str, answers: Sequence[Answered]) -> Iterator[str]:
    """The figures of one corpus: all, and by the kind of question."""
    if not answers:
        return
    counts = Counter(answer.verdict for answer in answers)
    yield f"| {name} | {_part(counts['right'], len(answers))} | {counts['none']} | {_wrong(counts)} |"
    for badly in (False, True):
        some = Counter(answer.verdict for answer in answers if answer.posed.badly is badly)
        label = "typed badly" if badly else "typed well"
        yield f"|   {label} | {_part(some['right'], sum(some.values()))} | {some['none']} | {_wrong(some)} |"
    kept = Counter(answer.verdict for answer in answers if answer.posed.form.endswith(KEPT))
    if kept:
        yield f"|   phrasings kept for this half | {_part(kept['right'], sum(kept.values()))} | {kept['none']} | {_wrong(kept)} |"
    kinds: dict[str, Counter[Verdict]] = {}
    for answer in answers:
        kinds.setdefault(kind(answer.posed), Counter())[answer.verdict] += 1
    for what, some in sorted(kinds.items()):
        yield f"|   {what} | {_part(some['right'], sum(some.values()))} | {some['none']} | {_wrong(some)} |"


def kind(posed: Posed) -> str:
    """`table level`, `table thing`, `block several`, `block`."""
    words = posed.form.split(":")[0].split()
    return " ".join(words[:3]) if words[0] == "table" or posed.form == "block several" else "block"


def _part(some: int, of: int) -> str:
    return f"{some / of:.3f} ({some} of {of})" if of else "-"


def _wrong(counts: Counter[Verdict]) -> str:
    wrong = sum(counts[verdict] for verdict in WRONG)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in WRONG if counts[verdict])
    return f"{wrong}" + (f" ({told})" if told else "")


def told(answer: Answered) -> Iterator[str]:
    """The lines for a list of failures."""
    wanted = " + ".join(f"{cells[0].value!r} [{cells[0].passage}]" for cells in answer.posed.wanted)
    got = " + ".join(f"{fact.attribute}={fact.value!r} [{fact.passage}]" for fact in answer.stated.facts)
    yield f"{answer.verdict}: {answer.posed.text!r} ({answer.posed.form})"
    yield f"    wanted {wanted}"
    yield f"    got {got or 'nothing'} | {answer.stated.reason}"


def contexts(method: Method, posed: Sequence[Posed]) -> list[tuple[Posed, Found]]:
    return [(one, method(Question(one.text))) for one in posed]


def missing(posed: Posed, found: Found) -> bool:
    """Whether something asked for stands in no passage of the context."""
    there = {passage.id for passage in found.passages}
    return not all(any(cell.passage in there for cell in cells) for cells in posed.wanted)


def complete(some: Sequence[tuple[Posed, Found]]) -> tuple[int, float]:
    """How many have all in the context, and the mean tokens of one."""
    tokens = sum(selection.tokens(passage) for _, found in some for passage in found.passages)
    return sum(not missing(posed, found) for posed, found in some), tokens / max(len(some), 1)


def answered_all_the_same(ask: Ask, refused: Sequence[Refused]) -> list[tuple[Refused, Stated]]:
    """Those of `refused` that got an exact answer: every one is a failure."""
    found = [(one, ask(Question(one.text, history=one.history))) for one in refused]
    return [(one, stated) for one, stated in found if stated.exact]
