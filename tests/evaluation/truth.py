"""What a corpus states, by another reader than the one that is measured.

It reads only what it can be sure of, in the layout that books are printed in: pipe tables with one heading
line, `KEY: value` lines under an entry's heading, and the statistics of System Reference Documents
(`Armor Class 15 (leather)`). Nothing here may be imported from `app.index`, `app.retrieval` or
`app.grounding`: an error shared with the reader under test would not be seen.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from app.models import Passage

_HEADING = re.compile(r"#+ +(.*)")
_PART = re.compile(r" *\(part \d+ of \d+\)$", re.IGNORECASE)
_KEY = re.compile(r"([A-Z%#][A-Za-z%#./' ]{0,30}): +(\S.*)")
_SRD = re.compile(
    r"(Armor Class|Hit Points|Speed|Saving Throws|Skills|Damage Vulnerabilities|Damage Resistances"
    r"|Damage Immunities|Condition Immunities|Senses|Languages|Challenge) +(\S.*)"
)
_SCORES = re.compile(r"(STR|DEX|CON|INT|WIS|CHA) +(\d+ \([+-]\d+\))")
_RULE = re.compile(r":?-{3,}:?")
# A cell of these says nothing that could be asked for.
NOTHING = frozenset({"", "-", "–", "—", "nil", "none", "n/a"})
_FEWEST_LINES = 3
_NUMBERS = re.compile(r"(\d[\d,]*)(?:st|nd|rd|th)?")

Half = Literal["dev", "test"]


class Cell(NamedTuple):
    """One thing that a passage states: the `value` of `column` for `row` of the table `title`; in a block
    `title` is the entry's name, `row` and `heading` (what the rows are) are "".

    `place`: the number of the row in its table, from 0.
    """

    kind: Literal["table", "block"]
    passage: str
    title: str
    context: str
    heading: str
    row: str
    column: str
    value: str
    place: int = 0

    @property
    def half(self) -> Half:
        """Whether questions about it are for tuning or for reporting."""
        return "test" if zlib.crc32(repr((self.title, self.row, self.column)).encode()) % 2 else "dev"


class Numbers(NamedTuple):
    """What a label counts: `low` to `high`, both included; `high` None where it is open."""

    low: int
    high: int | None


def cells(passages: Iterable[Passage]) -> list[Cell]:
    """All that is stated with certainty, in order."""
    return [cell for passage in passages for cell in (*_block(passage), *_table(passage))]


def as_stored(stated: Iterable[Cell], stored: Iterable[Passage]) -> list[Cell]:
    """`stated` with the passages in which it stands where the same book was laid out anew: the row's own
    passage `ID-row-PLACE` where there is one. What has no passage any more is left out, and the values that
    such a layout drops (`Nil`)."""
    ids = {passage.id for passage in stored}
    moved = []
    for cell in stated:
        row = f"{cell.passage}-row-{cell.place}"
        if row in ids and cell.kind == "table":
            moved.append(cell._replace(passage=row))
        elif cell.passage in ids:
            moved.append(cell)
    return moved


def same_value(one: str, other: str) -> bool:
    """Whether two cells say the same, however a layout writes numbers: `1,500` and `1500`, `05` and `5`."""
    return _plain(one) == _plain(other)


def numbers(label: str) -> Numbers | None:
    """The numbers that a row's or column's label covers; None where it is something else."""
    text = re.sub(r"^(?:AC|HD|level) +", "", label.strip(), flags=re.IGNORECASE).replace("–", "-")
    if match := re.fullmatch(rf"{_NUMBERS.pattern} *- *{_NUMBERS.pattern}", text):
        low, high = _count(match[1]), _count(match[2])
        high = 100 if match[2] == "00" else high
        return Numbers(low, high) if low < high else None
    if match := re.fullmatch(rf"{_NUMBERS.pattern} *(?:\+|and up|or (?:more|higher|above))", text):
        return Numbers(_count(match[1]), None)
    if match := re.fullmatch(_NUMBERS, text):
        number = 100 if match[1] == "00" else _count(match[1])
        return Numbers(number, number)
    return None


def _count(digits: str) -> int:
    return int(digits.replace(",", ""))


def _plain(value: str) -> str:
    text = re.sub(r"\[\^\w+\]", "", value)  # a footnote's mark
    text = re.sub(r"(?<=\d),(?=\d{3})", "", " ".join(text.split()).casefold())
    return re.sub(r"\b0+(?=\d)", "", text) if text.isdigit() else text


def _block(passage: Passage) -> Iterator[Cell]:
    """The lines of the first paragraph under the heading that has enough of them."""
    lines = passage.text.strip().splitlines()
    heading = _HEADING.fullmatch(lines[0]) if lines else None
    if heading is None or passage.type == "table":
        return
    name = _PART.sub("", heading[1].strip())
    for paragraph in re.split(r"\n[ \t]*\n", "\n".join(lines[1:]))[:3]:
        found = [pair for line in paragraph.splitlines() for pair in _pairs(line)]
        stated = [line for line in paragraph.splitlines() if _pairs(line)]
        if len(stated) < _FEWEST_LINES or len(stated) < len(paragraph.strip().splitlines()) - 1:
            continue
        keys = [key for key, _ in found]
        for key, value in found:
            if keys.count(key) == 1 and value.casefold() not in NOTHING:
                yield Cell("block", passage.id, name, passage.hierarchy, "", "", key, value)
        return


def _pairs(line: str) -> list[tuple[str, str]]:
    if scores := _SCORES.findall(line):
        return scores
    match = _KEY.fullmatch(line.strip()) or _SRD.fullmatch(line.strip())
    return [(match[1].strip(), match[2].strip())] if match else []


def _table(passage: Passage) -> Iterator[Cell]:
    """The cells of the passage's one pipe table; nothing where labels are missing or said twice."""
    lines = [line.strip() for line in passage.text.splitlines() if line.startswith("|")]
    if len(lines) < 3 or not all(_RULE.fullmatch(part) for part in _parts(lines[1])):
        return
    labels, body = _parts(lines[0]), [_parts(line) for line in lines[2:]]
    firsts = [row[0].casefold() for row in body]
    if len(set(map(str.casefold, labels))) < len(labels) or "" in labels[1:] or len(labels) < 2:
        return
    if labels[0] and any(re.search(rf"\b{re.escape(labels[0])}\b", label) for label in labels[1:]):
        return  # two tables side by side: "Weapon, Cost, Weapon or ammunition, Cost"
    heading = _HEADING.fullmatch(passage.text.strip().splitlines()[0])
    title = _PART.sub("", heading[1].strip()) if heading else passage.name
    for place, row in enumerate(body):
        if len(row) != len(labels) or firsts.count(firsts[place]) > 1 or not row[0]:
            continue
        for label, value in zip(labels[1:], row[1:], strict=True):
            if value.casefold() not in NOTHING:
                yield Cell(
                    "table", passage.id, title, passage.hierarchy, labels[0], row[0], label, value, place
                )


def _parts(line: str) -> list[str]:
    return [part.strip() for part in line.strip().strip("|").split("|")]
