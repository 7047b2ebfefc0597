"""Questions of people made from what a corpus states, each with the cells that are its only true answer.

Half of all facts are for tuning, half for reporting (`Posed.half`), told by the fact and not by the question;
half of the questions are typed badly. The same seed makes the same questions.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.evaluation import spoken, typos
from tests.evaluation.forms import KEPT
from tests.evaluation.table_questions import table_question
from tests.evaluation.truth import Cell, Half, same_value

_OPENINGS = ("hi, quick question: ", "Hey, ", "ok so ", "Quick one: ", "hello! ", "Sorry, ")
_CLOSINGS = (" please", ", please", " thanks", " pls")
_BLOCK_FORMS = (
    "What is the {noun} of {a}?",
    "What's the {noun} of {a}?",
    "What {noun} does {a} have?",
    "what does {a} have for {noun}",
    "{n} {noun}",
    "{noun} {n}",
    "{noun} of {a}",
    "{n}'s {noun}?",
    "{n}: {noun}?",
    "Tell me the {noun} of {a}.",
    "I need the {noun} for {a}",
    "Can you give me {a}'s {noun}?",
    "Do you know the {noun} of the {n}?",
    "whats the {noun} on {a}",
    "Look up {n} {noun}",
    "give me the {noun} for the {n}",
    "Any idea what {noun} {a} has?",
    "could you tell me what the {noun} of {a} is?",
    "For {a}, what is the {noun}?",
    "what {noun} for {n}",
    "need {n} {noun} quick",
    "which {noun} does {a} have?",
    "{noun} on {a}?",
    "What's listed as the {noun} of {a}?",
    "And the {noun} of {a} would be?",
    "What would be {a}'s {noun}?",
)
# As in table_questions: asked only about facts of the half that is reported.
_KEPT_FORMS = (
    "{n}? just the {noun}",
    "the {noun}, for {a}",
    "Let me know {a}'s {noun}",
    "I forgot the {noun} of {a}",
    "Remind me: {noun} of {a}",
    "{a} has what {noun}?",
    "I'd like to know the {noun} of {a}",
    "whats {n}'s {noun} again",
    "Got the {noun} for {a}?",
    "{noun}, please, of {a}",
    "What do the books give {a} as {noun}?",
)
# More of a question than a sentence can carry.
_LONGEST_VALUE = 120
# What is stated is that it is stated elsewhere.
_ELSEWHERE = re.compile(r"\b(?:special|see (?:below|above|text)|varies)\b", re.IGNORECASE)


class Posed(NamedTuple):
    """A question and what answers it: for each thing asked for, the cells that say it (all with one value).

    `source` is the cell it was made from; `form` is the kind of phrasing; `half` "dev" or "test"; `badly`
    whether it was typed badly.
    """

    text: str
    wanted: tuple[tuple[Cell, ...], ...]
    source: Cell
    form: str
    half: Half
    badly: bool


class Writer:
    """Writes questions about `stated`. `known` are the words (lower case) that no slip may turn into."""

    def __init__(self, stated: Sequence[Cell], known: frozenset[str], seed: int) -> None:
        self._stated = [cell for cell in stated if _can_be_said(cell.value)]
        self._tables = [cell for cell in stated if cell.kind == "table"]
        self._known, self._rng = known, random.Random(seed)
        self._blocks: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        self._of: dict[str, list[Cell]] = defaultdict(list)
        for cell in stated:
            if cell.kind == "block" and (said := spoken.name(cell.title)):
                self._blocks[said, spoken.attribute(cell.column).key].append(cell)
                self._of[said].append(cell)

    def questions(self, blocks: int, tables: int) -> list[Posed]:
        """At least as many of each kind as there are facts for, tables and blocks of all sizes alike."""
        made = [
            *self._some("block", blocks, self._about_block),
            *self._some("table", tables, self._about_table),
        ]
        unique = {asked.text: asked for asked in made}
        return list(unique.values())

    def _some(self, kind: str, number: int, write: Callable[[Cell], Posed | None]) -> Iterator[Posed]:
        # A cell of each table or attribute in turn, so that a large table is not all there is.
        groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        for cell in self._stated:
            if cell.kind == kind:
                groups[(cell.title if kind == "table" else "", cell.column)].append(cell)
        for cells in groups.values():
            self._rng.shuffle(cells)
        count = 0
        while groups and count < number:
            for key in list(groups):
                if not groups[key]:
                    del groups[key]
                elif (asked := write(groups[key].pop())) is not None:
                    count += 1
                    yield asked

    def _about_block(self, cell: Cell) -> Posed | None:
        said, attribute = spoken.name(cell.title), spoken.attribute(cell.column)
        mine = self._one(said, attribute.key)
        # Nobody says "stun power word", as one says "red dragon".
        backwards = "," in cell.title and self._a(said, cell) == said
        if not said or not mine or len(said) < 4 or backwards:
            return None
        noun = self._rng.choice(attribute.nouns)
        draw = self._rng.random()
        wanted = [mine]
        if draw < 0.15 and attribute.asked:
            form = self._rng.choice(attribute.asked)
        elif draw < 0.30:
            form, wanted = self._several(said, cell, wanted)
        elif draw < 0.40:
            form, wanted = self._two_sides(said, cell, noun, wanted)
        elif cell.half == "test" and self._rng.random() < 0.4:
            form = self._rng.choice(_KEPT_FORMS)
        else:
            form = self._rng.choice(_BLOCK_FORMS)
        text = form.format(noun=noun, n=said, a=self._a(said, cell))
        kept = f" {KEPT}" if form in _KEPT_FORMS else ""
        return self._finished(text, wanted, f"block {form if len(wanted) == 1 else 'several'}{kept}", cell)

    def _one(self, said: str, key: str) -> tuple[Cell, ...]:
        """All that says this of it, if it is one value; else nothing: two readings."""
        found = self._blocks.get((said, key), [])
        agree = all(same_value(found[0].value, other.value) for other in found)
        return tuple(found) if found and agree else ()

    def _a(self, said: str, cell: Cell) -> str:
        """With an article for what there are many of (creatures, things), without for spells."""
        keys = {spoken.attribute(other.column).key for other in self._of[said]}
        return said if "duration" in keys or "casting time" in keys else spoken.with_article(said)

    def _several(
        self, said: str, cell: Cell, wanted: list[tuple[Cell, ...]]
    ) -> tuple[str, list[tuple[Cell, ...]]]:
        others = [other for other in self._of[said] if other.passage == cell.passage and other != cell]
        self._rng.shuffle(others)
        names = ["{noun}"]
        for other in others[: self._rng.choice([1, 2])]:
            attribute = spoken.attribute(other.column)
            if (also := self._one(said, attribute.key)) and _can_be_said(other.value):
                names.append(attribute.nouns[0])
                wanted = [*wanted, also]
        listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
        form = self._rng.choice(
            [f"{listed} of {{a}}", f"What are the {listed} of {{a}}?", f"{{n}}: {listed}"]
        )
        return form, wanted

    def _two_sides(
        self, said: str, cell: Cell, noun: str, wanted: list[tuple[Cell, ...]]
    ) -> tuple[str, list[tuple[Cell, ...]]]:
        key = spoken.attribute(cell.column).key
        kin = [
            name for name, attribute in self._blocks if attribute == key and name != said and len(name) > 3
        ]
        other = self._rng.choice(kin) if kin else ""
        theirs = self._one(other, key)
        if not theirs or not _can_be_said(theirs[0].value):
            return "What is the {noun} of {a}?", wanted
        a = self._a(other, theirs[0])
        form = self._rng.choice(
            [
                f"Compare the {{noun}} of {{a}} and {a}",
                f"{{n}} vs {other} {{noun}}",
                f"{{noun}} of {{a}} and {a}?",
                f"What is the {{noun}} of {{a}}, and of {a}?",
            ]
        )
        return form, [*wanted, theirs]

    def _about_table(self, cell: Cell) -> Posed | None:
        found = table_question(cell, self._tables, self._blocks, self._rng)
        return found and self._finished(found.text, found.wanted, f"table {found.form}", cell)

    def _finished(self, text: str, wanted: Sequence[tuple[Cell, ...]], form: str, cell: Cell) -> Posed:
        rng = self._rng
        if rng.random() < 0.15:
            text = rng.choice(_OPENINGS) + text[0].lower() + text[1:] if not text[:2].isupper() else text
        if rng.random() < 0.15 and not text.endswith("please"):
            text = re.sub(r"([?.]?)$", rf"{rng.choice(_CLOSINGS)}\1", text, count=1)
        badly = rng.random() < 0.5
        if badly:
            text = typos.badly(text, rng, self._known)
        return Posed(text, tuple(wanted), cell, form, cell.half, badly)


def _can_be_said(value: str) -> bool:
    return len(value) <= _LONGEST_VALUE and not _ELSEWHERE.search(value)
