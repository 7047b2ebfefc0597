"""Answers as models write them, true by the book, and the same with one number swapped.

The number comes from elsewhere in the same passage, from another passage, or the statement is moved to
another subject. Every number stands somewhere in the passages: that it is there does not make it true.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from app.models import Passage
from tests.evaluation import spoken
from tests.evaluation.truth import Cell, numbers, same_value

Kind = Literal["true", "same passage", "other passage", "other subject"]
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_TOKEN = re.compile(rf"(?<![\w.,/+-])(?:\d*d\d+|{_NUMBER}-{_NUMBER}|{_NUMBER})(?![,.+-]?\d)(?!\w)")
_DICE = re.compile(r"(\d*)d(\d+)")
_RANGE = re.compile(rf"({_NUMBER})-({_NUMBER})")
_LONGEST_VALUE = 40
_PASSAGES = 6
_BLOCK: tuple[str, ...] = (
    "The {noun} of {a} is {v}{c}.",
    "{A} has {noun} {v}{c}.",
    "According to the books, {a} has {a_noun} of {v}{c}.",
    "{A}'s {noun} is **{v}**{c}.",
    "The {noun} is {v} for {a}{c}.",
    "For {a}, the {noun} is listed as {v}{c}.",
)
# Only of facts of the half that is reported: how it fares with models that write otherwise.
_BLOCK_KEPT: tuple[str, ...] = (
    "{A} ({noun} {v}) is no easy matter{c}.",
    "With {a_noun} of {v}, {a} is listed in the books{c}.",
    "Looking at {a}: {noun} {v}{c}.",
    "{Noun} for {a} comes to {v}{c}.",
    "The books give {a} {a_noun} of {v}{c}, as far as I can see.",
    "You will find that {a} has {v} as its {noun}{c}.",
    "> {n}: {noun} = {v}{c}",
)
_KEPT_PART = 0.5
_BOTH = (
    "While {a} has {noun} {v}, {b} has {w}{c}.",
    "{A} has {a_noun} of {v}, whereas the {noun} of {b} is {w}{c}.",
    "| | {noun} |\n|---|---|\n| {n} | {v} |\n| {m} | {w} |\n\nSo much for both{c}.",
    "- {n}: {noun} {v}{c}\n- {m}: {noun} {w}{c}",
)
_ITS = ("Its {noun} is {v}{c}.", "It has {noun} {v}{c}.", "The {noun} is {v}{c}.")
_LEVEL = ("{A} has {noun} {v}{c}.", "The {noun} of {a} is {v}{c}.", "For {a}, {noun}: {v}{c}.")
_SAVE = ("{A} must roll {v} or better to save against {noun}{c}.", "{A} saves against {noun} on {v}{c}.")
_POINTS = ("{A} needs {v} experience points{c}.", "To be {a} takes {v} experience points{c}.")
_SCORE = ("With {score}, the {noun} is {v}{c}.", "A character with {score} has {a_noun} of {v}{c}.")
_THING = ("The {noun} of {a} is {v}{c}.", "{A} has {a_noun} of {v}{c}.", "{Noun} of {a}: {v}{c}.")
_LEAD = ("", "", "Here is what the books say. ", "Good question! ", "{A} is in the books{c}. ")


class Told(NamedTuple):
    """An answer over `passages` (in prompt order). `false`: the words that became wrong; "" if all is true."""

    question: str
    text: str
    passages: tuple[Passage, ...]
    kind: Kind
    false: str


class _Line(NamedTuple):
    """A cell as it is told: `form` with everything but `v` and `c` filled in; `a`: the subject, article and all."""

    cell: Cell
    form: str
    subject: str
    a: str


class Teller:
    """Tells what is `stated` in `passages`; the same seed tells the same."""

    def __init__(self, stated: Sequence[Cell], passages: Sequence[Passage], seed: int) -> None:
        self._rng = random.Random(seed)
        self._passages = {passage.id: passage for passage in passages}
        self._cells: Mapping[str, list[Cell]] = defaultdict(list)
        self._kin: Mapping[str, list[Cell]] = defaultdict(list)
        for cell in stated:
            if len(cell.value) <= _LONGEST_VALUE and _TOKEN.search(cell.value):
                self._cells[cell.passage].append(cell)
                self._kin[spoken.attribute(cell.column).key].append(cell)

    def answers(self, number: int, half: str = "both") -> list[Told]:
        """`number` true answers, each followed by what became of it by every kind of swap that is possible;
        of facts of one `half` or of both."""
        found: list[Told] = []
        ids = sorted(i for i, cells in self._cells.items() if any(half in (c.half, "both") for c in cells))
        count = 0
        for _ in range(20 * number):
            told = self._told(self._cells[self._rng.choice(ids)], half)
            found += told
            count += bool(told)
            if count == number:
                break
        return found

    def _told(self, cells: Sequence[Cell], half: str) -> list[Told]:
        rng = self._rng
        first = rng.choice([cell for cell in cells if half in (cell.half, "both")])
        same = [c for c in cells if c.kind == "block" or c.row == first.row]
        picked = [first, *rng.sample([c for c in same if c != first], min(len(same) - 1, rng.randint(0, 2)))]
        if first.kind == "table":
            picked = picked[:1]
        lines = [line for cell in picked if (line := self._line(cell)) is not None]
        if not lines or lines[0].cell != first:
            return []
        other = self._other_subject(first)
        around = rng.sample(sorted(self._passages), _PASSAGES)
        chosen = {first.passage, *([other.passage] if other else []), *around}
        context = [self._passages[identity] for identity in sorted(chosen)]
        rng.shuffle(context)
        places = {passage.id: n for n, passage in enumerate(context, 1)}
        cited = f" [{places[first.passage]}]" if rng.random() < 0.7 else ""
        shape = rng.choice(["sentences", "sentences", "its", "list", "table"])
        values = [_reworded(line.cell.value, rng) for line in lines]
        question = f"Tell me about {lines[0].subject}"

        def told(told_lines: Sequence[_Line], told_values: Sequence[str], kind: Kind, false: str) -> Told:
            text = _composed(told_lines, told_values, shape, cited, random.Random(len(question)))
            return Told(question, text, tuple(context), kind, false)

        found = [told(lines, values, "true", "")]
        wrong: list[tuple[Kind, str | None]] = [
            ("same passage", self._token(first, [self._passages[first.passage]])),
            ("other passage", self._token(first, [p for p in context if p.id != first.passage])),
        ]
        for kind, token in wrong:
            if token is not None:
                swapped = _TOKEN.sub(token, first.value, count=1)
                found.append(told(lines, [swapped, *values[1:]], kind, token))
        if other and first.kind == "block" and (kin := self._line(other)):
            twice = f"{cited}[{places[kin.cell.passage]}]" if cited else ""
            found += self._both(lines[0], kin, question, tuple(context), twice)
        moved = self._line(other) if other else None
        if moved and shape in ("sentences", "list"):
            cited = f" [{places[moved.cell.passage]}]" if cited and rng.random() < 0.5 else cited
            found.append(told([moved], values[:1], "other subject", values[0]))
        return found

    def _both(
        self, one: _Line, other: _Line, question: str, passages: tuple[Passage, ...], cited: str
    ) -> list[Told]:
        """Both in one answer, as they are and each with the other's value."""
        values = one.cell.value, other.cell.value
        noun = spoken.attribute(one.cell.column).nouns[0]
        words = {"n": one.subject, "m": other.subject, "a": one.a, "b": other.a, "noun": noun, "c": cited}
        words |= {"A": one.a[0].upper() + one.a[1:], "a_noun": spoken.with_article(noun)}
        form = self._rng.choice(_BOTH)
        true = form.format(v=values[0], w=values[1], **words)
        crossed = form.format(v=values[1], w=values[0], **words)
        return [
            Told(question, true, passages, "true", ""),
            Told(question, crossed, passages, "other subject", values[1]),
        ]

    def _token(self, cell: Cell, passages: Sequence[Passage]) -> str | None:
        """A number of `passages` to stand for the one in `cell` and say something else: of its shape, if any."""
        true = _TOKEN.search(cell.value)
        assert true
        stands = {_meaning(token[0]) for token in _TOKEN.finditer(cell.value)} | {
            _meaning(number) for number in re.findall(_NUMBER, cell.value)
        }
        found = sorted({match[0] for passage in passages for match in _TOKEN.finditer(passage.body)})
        other = [token for token in found if _meaning(token) not in stands and not _within(token, true[0])]
        alike = [token for token in other if _shape(token) == _shape(true[0])]
        return self._rng.choice(alike) if alike else None

    def _other_subject(self, cell: Cell) -> Cell | None:
        """The same attribute (and level) of somebody else, where it is something else."""
        kin = [
            other
            for other in self._kin[spoken.attribute(cell.column).key]
            if other.passage != cell.passage
            and (other.kind, other.row, other.heading) == (cell.kind, cell.row, cell.heading)
            and not set(re.findall(r"\d+", other.value)) & set(re.findall(r"\d+", cell.value))
        ]
        return self._rng.choice(kin) if kin else None

    def _line(self, cell: Cell) -> _Line | None:
        rng = self._rng
        noun = rng.choice(spoken.attribute(cell.column).nouns)
        words = {"noun": noun, "Noun": noun[0].upper() + noun[1:], "a_noun": spoken.with_article(noun)}
        spell = False
        span, classes = numbers(cell.row), spoken.classes_in(f"{cell.title} {cell.heading}")
        if cell.kind == "block":
            kept = cell.half == "test" and rng.random() < _KEPT_PART
            forms, subject = _BLOCK_KEPT if kept else _BLOCK, spoken.name(cell.title)
            spell = self._passages[cell.passage].type == "spell"
        elif (
            span
            and classes
            and "level" in cell.heading.lower()
            and not re.search("level|^.{0,3}$", cell.column.lower())
        ):
            attribute = spoken.attribute(cell.column).key
            forms = _POINTS if attribute == "points" else _SAVE if "sav" in cell.title.lower() else _LEVEL
            subject = f"{spoken.ordinal(span.low)} level {classes[0]}"
        elif span and cell.heading.lower() in spoken.ABILITIES:
            forms, subject = _SCORE, f"{cell.heading.lower()} {span.low}"
        elif not span and len(cell.column) > 2 and not numbers(cell.column):
            forms, subject = _THING, spoken.name(cell.row)
        else:
            return None
        if not subject or not self._alone(cell, subject):
            return None
        a = subject if spell or forms is _SCORE else spoken.with_article(subject)
        form = rng.choice(forms).replace("{v}", "\0").replace("{c}", "\1")
        words |= {"a": a, "A": a[0].upper() + a[1:], "n": subject, "score": subject}
        return _Line(cell, form.format(**words).replace("\0", "{v}").replace("\1", "{c}"), subject, a)

    def _alone(self, cell: Cell, subject: str) -> bool:
        """Whether no other cell says another value in the same words."""
        key = spoken.attribute(cell.column).key
        span = numbers(cell.row) if cell.kind == "table" else None
        for other in self._kin[key]:
            if same_value(other.value, cell.value):
                continue
            said = spoken.name(other.title if other.kind == "block" else other.row)
            if span is None and (said == subject or set(subject.split()) < set(said.split())):
                return False
            if span is not None and other.kind == "table" and other.heading == cell.heading:
                theirs = numbers(other.row)
                if theirs and other.title != cell.title and spoken.classes_in(other.title) == spoken.classes_in(
                    cell.title
                ):  # fmt: skip
                    return False
        return True


def _composed(
    lines: Sequence[_Line], values: Sequence[str], shape: str, cited: str, rng: random.Random
) -> str:
    subject, a = lines[0].subject, lines[0].a
    capital = a[0].upper() + a[1:]
    both = list(zip([spoken.attribute(line.cell.column).nouns[0] for line in lines], values, strict=True))
    block = lines[0].cell.kind == "block"
    if shape == "table" and len(lines) > 1:
        head = "| | " + " | ".join(noun for noun, _ in both) + " |"
        return f"{head}\n{'|---' * (len(lines) + 1)}|\n| {subject} | " + " | ".join(values) + f" |\n{cited}"
    if shape == "list" and block:
        listed = [f"- **{noun[0].upper()}{noun[1:]}:** {value}{cited}" for noun, value in both]
        return f"**{subject.title()}**\n\n" + "\n".join(listed)
    if shape == "its" and block:
        its = [rng.choice(_ITS).format(noun=noun, v=value, c=cited) for noun, value in both]
        return f"{capital} is described in the books{cited}. " + " ".join(its)
    told = [
        line.form.replace("{v}", value).replace("{c}", cited)
        for line, value in zip(lines, values, strict=True)
    ]
    lead = rng.choice(_LEAD if block else _LEAD[:-1]).format(A=capital, c=cited)
    return lead + " ".join(told)


def _reworded(value: str, rng: random.Random) -> str:
    """The same in another notation, now and then: `2,000` as `2000`, `1-6` as `1d6`."""
    if rng.random() < 0.3:
        value = re.sub(r"(?<=\d),(?=\d{3})", "", value)
    if rng.random() < 0.2:
        value = re.sub(r"(?<![\d/+-])1-(4|6|8|10|12|20)(?![\d/+-])", r"1d\1", value)
    return value


def _shape(token: str) -> str:
    return "dice" if _DICE.fullmatch(token) else "range" if _RANGE.fullmatch(token) else "number"


def _meaning(token: str) -> tuple[int, int]:
    """Least and most of it: `1d6` is `1-6`."""
    if match := _DICE.fullmatch(token):
        count = int(match[1] or 1)
        return count, count * int(match[2])
    ends = [int(end.replace(",", "")) for end in token.split("-")]
    return ends[0], ends[-1]


def _within(token: str, true: str) -> bool:
    """Whether it is part of what is true: "4" of "3-5" may be said of it."""
    low, high = _meaning(true)
    return low <= _meaning(token)[0] and _meaning(token)[1] <= high
