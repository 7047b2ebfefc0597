"""Questions that no cell of a book answers exactly: reasons, conditions, sums, what nobody states."""

from __future__ import annotations

import difflib
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from app.models import Passage, Turn
from tests.evaluation import refused_forms, spoken
from tests.evaluation.asking import Posed, Writer
from tests.evaluation.truth import Cell, numbers, same_value

_SYLLABLES = (
    "gru",
    "mbo",
    "xar",
    "vil",
    "tho",
    "qua",
    "zen",
    "plo",
    "dri",
    "kow",
    "yss",
    "fnor",
    "baz",
    "wub",
)
_FAR = 60


class Refused(NamedTuple):
    """A question that must not be answered exactly, and what speaks against it."""

    text: str
    kind: str
    history: tuple[Turn, ...] = ()


def refusals(
    stated: Sequence[Cell], passages: Sequence[Passage], known: frozenset[str], each: int, seed: int
) -> list[Refused]:
    """About `each` questions of every kind, about entries and tables that there are."""
    rng = random.Random(seed)
    texts = {passage.id: passage.text.lower() for passage in passages}
    posed = Writer(stated, known, seed + 1).questions(12 * each, 8 * each)
    plain = [one for one in posed if len(one.wanted) == 1 and not one.badly]
    blocks = [one for one in plain if one.wanted[0][0].kind == "block"]
    found: list[Refused] = []
    # A qualifier that a label has would be part of what is asked for.
    labels = " ".join({cell.column for cell in stated} | {cell.heading for cell in stated}).lower()
    qualifiers = [word for word in refused_forms.QUALIFIED.split() if word not in labels]

    def filled(kind: str, forms: Sequence[str], some: Sequence[Posed]) -> None:
        for one in rng.sample(some, min(each, len(some))):
            found.append(Refused(_about(one, rng.choice(forms), rng), kind))

    for one in rng.sample(plain, min(2 * each, len(plain))):
        found.append(Refused(f"{_bare(one)} {rng.choice(refused_forms.CONDITIONS)}?", "condition"))
    for one in rng.sample(plain, min(each, len(plain))):
        found.append(Refused(f"{_bare(one)} {rng.choice(refused_forms.SECOND_PARTS)}", "two parts"))
    filled("reason", refused_forms.REASONS, blocks)
    filled("sum", refused_forms.SUMS, blocks)
    filled("negation", refused_forms.NEGATIONS, blocks)
    filled("superlative", refused_forms.SUPERLATIVES, blocks)
    filled("backwards", refused_forms.BACKWARDS, blocks)
    filled("elsewhere", refused_forms.ELSEWHERE, blocks)
    filled("whether", refused_forms.WHETHER, blocks)
    for one in rng.sample(blocks, min(each, len(blocks))):
        said = spoken.name(one.wanted[0][0].title)
        # "a summoned monster summoning" is the same spell.
        changing = [word for word in refused_forms.CHANGED.split() if word[:5] not in said]
        changed = f"{rng.choice(changing)} {said}"
        form = rng.choice(["What is the {noun} of {a}?", "{n} {noun}", "What {noun} does {a} have?"])
        found.append(Refused(_about(one, form, rng, said=changed), "changed subject"))
        word = rng.choice(qualifiers)
        noun = f"{word} {rng.choice(spoken.attribute(one.wanted[0][0].column).nouns)}"
        form = rng.choice(["What is the {noun} of {a}?", "{n} {noun}", "{noun} of {a}?"])
        found.append(Refused(_about(one, form, rng, noun), "changed attribute"))
    for one in rng.sample(blocks, min(each, len(blocks))):
        noun = rng.choice(refused_forms.ABSENT)
        if noun.split()[0].lower() not in texts[one.wanted[0][0].passage]:
            form = rng.choice(["What is the {noun} of {a}?", "{n} {noun}", "What {noun} does {a} have?"])
            found.append(Refused(_about(one, form, rng, noun), "absent attribute"))
    for one in rng.sample(blocks, min(each, len(blocks))):
        form = rng.choice(["What is the {noun} of {a}?", "{n} {noun}", "{noun} of {a}"])
        found.append(Refused(_about(one, form, rng, said=_nobody(rng, known)), "unknown subject"))
    found += _unsure(blocks, rng, each)
    found += [Refused(text, "out of range") for text in _out_of_range(stated, rng, each)]
    found += [Refused(text, "two readings") for text in _two_readings(stated, rng, each)]
    return found


def _bare(one: Posed) -> str:
    return (
        one.text.rstrip("?.! ").removesuffix("please").removesuffix("thanks").removesuffix("pls").rstrip(", ")
    )


def _about(one: Posed, form: str, rng: random.Random, noun: str = "", said: str = "") -> str:
    cell = one.wanted[0][0]
    said = said or spoken.name(cell.title)
    noun = noun or rng.choice(spoken.attribute(cell.column).nouns)
    return form.format(noun=noun, n=said, a=spoken.with_article(said), v=cell.value)


def _nobody(rng: random.Random, known: frozenset[str]) -> str:
    while True:
        made = "".join(rng.sample(_SYLLABLES, 3))
        if not difflib.get_close_matches(made, known, 1, 0.75):
            return made


def _unsure(blocks: Sequence[Posed], rng: random.Random, each: int) -> list[Refused]:
    """A pronoun where the conversation had two subjects, or none."""
    found = []
    for _ in range(each):
        one, other = (choice.wanted[0][0] for choice in rng.sample(blocks, 2))
        noun = spoken.attribute(one.column).nouns[0]
        names = spoken.with_article(spoken.name(one.title)), spoken.with_article(spoken.name(other.title))
        two = (
            Turn("user", f"Who would win, {names[0]} or {names[1]}?"),
            Turn("assistant", f"That depends: {names[0]} and {names[1]} are both dangerous. [1][2]"),
        )
        history = two if rng.random() < 0.6 else ()
        found.append(Refused(rng.choice(refused_forms.UNSURE).format(noun=noun), "unsure subject", history))
    return found


def _out_of_range(stated: Sequence[Cell], rng: random.Random, each: int) -> list[str]:
    """Rows beyond the end of a table that has one."""
    tables: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in stated:
        if cell.kind == "table" and "level" in cell.heading.lower() and spoken.classes_in(cell.title):
            tables[cell.title, cell.column].append(cell)
    found = []
    for (title, column), cells in rng.sample(sorted(tables.items()), min(each, len(tables))):
        spans = [span for cell in cells if (span := numbers(cell.row))]
        if spans and all(span.high is not None for span in spans) and len(column) > 2:
            beyond = max(span.high or 0 for span in spans) + rng.randint(5, _FAR)
            who = spoken.level(beyond, spoken.classes_in(title)[0], rng)
            found.append(f"What is the {spoken.attribute(column).nouns[0]} of {spoken.with_article(who)}?")
    return found


def _two_readings(stated: Sequence[Cell], rng: random.Random, each: int) -> list[str]:
    """Kin without saying which, and levels without saying of whom, where the books differ."""
    kin: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    names = {spoken.name(cell.title) for cell in stated if cell.kind == "block"}
    for cell in stated:
        said = spoken.name(cell.title).split() if cell.kind == "block" else []
        if len(said) == 2 and said[1] not in names and len(said[1]) > 3:
            kin[said[1], spoken.attribute(cell.column).key].append(cell)
    levels: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in stated:
        of_class = cell.kind == "table" and "level" in cell.heading.lower() and spoken.classes_in(cell.title)
        if of_class and len(cell.column) > 3 and (span := numbers(cell.row)):
            levels[str(span.low), spoken.attribute(cell.column).key].append(cell)
    several = [(key, cells) for key, cells in kin.items() if _differ(cells)]
    found: list[str] = []
    for (kinship, _), cells in rng.sample(several, min(each, len(several))):
        noun = rng.choice(spoken.attribute(cells[0].column).nouns)
        found.append(rng.choice(["What is the {} of a {}?", "{} of a {}", "{} {}?"]).format(noun, kinship))
    unsaid = [(key, cells) for key, cells in levels.items() if _differ(cells)]
    for (at, _), cells in rng.sample(unsaid, min(each, len(unsaid))):
        noun = spoken.attribute(cells[0].column).nouns[0]
        found.append(rng.choice(["{noun} at level {n}?", "What is the {noun} of level {n}?"]).format(
            noun=noun, n=at))  # fmt: skip
    return found


def _differ(cells: Sequence[Cell]) -> bool:
    return any(not same_value(cells[0].value, other.value) for other in cells)
