"""Checks on every passage's ranges, dice, scales, percentages and references."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.rules.passages import RANGE, Check, Passages, dice_range, number, spoken


def _inches(text: str) -> float:
    whole, _, half = text.partition(" ")
    return int(whole) + 0.5 if half else 0.5 if whole == "1/2" else float(whole)


def ranges(passages: Passages) -> Iterator[str]:
    """A range goes from less to more (00 is 100)."""
    for passage in passages:
        for low, high in RANGE.findall(passage.document):
            least, most = number(low), 100 if high == "00" else number(high)
            if least >= most and (low, high) != ("1", "1"):
                yield f"{passage.id}: {low}-{high}"


def dice(passages: Passages) -> Iterator[str]:
    """A range and the dice beside it ("3-17 (2d8+1)", a row of the starting money) are the same."""
    pair = re.compile(r"(\d[\d,]*)\"?-(\d[\d,]*)\"?(?: [a-z ]+)? \((\d*)d(\d+)([+-]\d+)?\)")
    row = re.compile(r"\| (\d+)d(\d+)(?: x (\d+))? \| (\d+)-(\d+) \|")
    for passage in passages:
        for low, high, count, sides, plus in pair.findall(passage.document):
            right = dice_range(int(count or 1), int(sides), int(plus or 0))
            if (number(low), number(high)) != right:
                yield f"{passage.id}: {low}-{high} is not {count}d{sides}{plus}"
        for count, sides, times, low, high in row.findall(passage.document):
            least, most = dice_range(int(count), int(sides), 0)
            if (int(low), int(high)) != (least * int(times or 1), most * int(times or 1)):
                yield f"{passage.id}: {low}-{high} is not {count}d{sides} x {times}"


def scale(passages: Passages) -> Iterator[str]:
    """Beside inches stand ten times as many feet, beside pounds ten times as many coins."""
    for passage in passages:
        for inches, feet in re.findall(r"(\d+(?: 1/2)?|1/2)\" \((\d+)(?:'| feet)", passage.document):
            if 10 * _inches(inches) != int(feet):
                yield f"{passage.id}: {inches} inches are not {feet} feet"
        for first, second in re.findall(r"([\d,]+) pounds \(([\d,]+) g\.p\. weight\)", passage.document):
            if number(second) != 10 * number(first):
                yield f"{passage.id}: {first} pounds are not {second} coins"
        for first, second in re.findall(r"([\d,]+) g\.p\. weight \(([\d,]+) pounds\)", passage.document):
            if number(first) != 10 * number(second):
                yield f"{passage.id}: {first} coins are not {second} pounds"


def percentages(passages: Passages) -> Iterator[str]:
    """None is over 100, but where the passage says that there are such, or how well something works."""
    for passage in passages:
        if "over 100%" not in passage.document:
            for before, figure in re.findall(r"(at |)\b(\d+)%", passage.document):
                if int(figure) > 100 and not before:
                    yield f"{passage.id}: {figure}%"


def references(passages: Passages) -> Iterator[str]:
    """What a passage sends its reader to is there: "see NAME", "Members: NAME, NAME"."""
    names = {
        spoken_form
        for passage in passages
        for spoken_form in (passage.metadata["name"].lower(), spoken(passage.metadata["name"]))
    }
    words = " ".join(names)
    for passage in passages:
        members = re.findall(r"^Members: (.+)\.$", passage.document, re.MULTILINE)
        for member in [part for line in members for part in line.split(", ")]:
            if member not in names:
                yield f"{passage.id}: no passage {member!r}"
        for target in re.findall(
            r"\(?(?:\bfor [\w ]+ |[(;] ?)see (?!below)(?:the )?([a-z][a-z -]+?)[.)]", passage.document
        ):
            if target not in names and not all(word in words for word in target.split(" ")):
                yield f"{passage.id}: see {target!r}, which is not there"


CHECKS: tuple[Check, ...] = (ranges, dice, scale, percentages, references)
