"""What the books state, in words: facts as a line or a small table of Markdown, with citations; and where in
a passage they stand.

Nobody knows the article or the number of a label ("the hit dice of an owlbear are"), so labels stand side by
side. A value is shown as the book prints it; what Markdown would take for markup is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from app.answering.events import Facts
from app.models import Fact

# A longer value is a sentence.
_LONGEST_BOLD = 200
_MARKUP = re.compile(r"[\\`*_\[\]<>|~#]|&(?=[#A-Za-z])|^[-+](?=\s)|(?:(?<=^\d)|(?<=^\d\d))[.)](?=\s)")
# A label that says nothing without its heading: "7", "7th", "9+", "2,001-4,000", "11 and up".
_FIGURE = re.compile(
    r"(?:[\d\s,.+<>≤≥/%–−-]|st|nd|rd|th|and|or|to|up|more|less|over|above|below|higher|lower)+"
)
# In capitals, and no abbreviation ("AC", "THAC0").
_SHOUTED = re.compile(r"\b[A-Z]{4,}\b")


# So long a passage is shown whole, of a longer one so much.
_WHOLE_EXCERPT, _LONGEST_EXCERPT, _LONGEST_LINE = 2000, 1000, 300
_WORD = re.compile(r"[^\W_]+")


def answer(facts: Facts) -> str:
    """One fact as a line, several as a table; of subjects and attributes the fewer are its columns."""
    places = [place(fact) for _, fact in facts.stated]
    values = [f"{_value(fact)} [{number}]" for number, fact in facts.stated]
    if len(places) == 1:
        subject, *labels = places[0]
        return f"{', '.join([_title(subject), *map(_label, filter(None, labels))])}: {values[0]}."
    rows = {row for _, row, _ in places}
    # The table that all stand in is named once.
    common = places[0][0] if len({subject for subject, _, _ in places}) == 1 < len(rows) else ""
    cells: dict[tuple[str, str], list[str]] = {}
    for (subject, row, attribute), value in zip(places, values, strict=True):
        who = ", ".join(filter(None, ("" if common else _title(subject), _label(row))))
        cells.setdefault((who, _label(attribute)), []).append(value)
    whose, what = (list(dict.fromkeys(key[part] for key in cells)) for part in (0, 1))
    shown = {key: "; ".join(dict.fromkeys(value)) for key, value in cells.items()}
    if len(whose) <= len(what):
        lines = [(_first(one), *(shown.get((who, one), "–") for who in whose)) for one in what]
        head = (_title(common), *map(_first, whose))
    else:
        lines = [(_first(who), *(shown.get((who, one), "–") for one in what)) for who in whose]
        head = (_title(common), *map(_first, what))
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def place(fact: Fact) -> tuple[str, str, str]:
    """Subject, row ("" in a block) and attribute of `fact`; a row that is a figure says what it counts."""
    row = fact.row or ""
    heading = fact.heading or "row"
    if _FIGURE.fullmatch(row.lower()) and heading.casefold() not in row.casefold():
        row = f"{heading} {row}"
    return fact.subject, row, fact.attribute


def _value(fact: Fact) -> str:
    value = _escaped(fact.value)
    return f"**{value}**" if len(value) <= _LONGEST_BOLD else value


def _title(text: str) -> str:
    """A subject; one in capitals as other books print it."""
    return _escaped(" ".join(map(str.capitalize, text.split())) if _shouted(text) else text)


def _label(text: str) -> str:
    """A label inside a line."""
    return _escaped(text.lower() if _shouted(text) else text)


def _shouted(text: str) -> bool:
    return text.isupper() and bool(_SHOUTED.search(text))


def _first(text: str) -> str:
    """What begins a cell."""
    return text[:1].upper() + text[1:]


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def excerpt(text: str, facts: Iterable[Fact]) -> str | None:
    """The lines of a passage in which `facts` stand, those around them, and the heading of their table.

    At most 2,000 characters, and linear in the text. None where none of them is found.
    """
    if len(text) <= _WHOLE_EXCERPT:
        return text
    lines = text.splitlines()
    words = [_words(line) for line in lines]
    found = [at for fact in facts if (at := _line(fact, lines, words)) is not None]
    chosen: set[int] = set()
    left = _LONGEST_EXCERPT
    for at in _around(found, lines):
        left -= min(len(lines[at]), _LONGEST_LINE) + 1 if at not in chosen else 0
        if left < 0:
            break
        chosen.add(at)
    parts, last = [], -1
    for at in sorted(chosen):
        if at > last + 1:
            parts.append("| … |" if "|" in lines[at] and "|" in lines[at - 1] else "…")
        parts.append(lines[at][:_LONGEST_LINE])
        last = at
    return "\n".join(parts + ["…"] * (last < len(lines) - 1)) if found else None


def _line(fact: Fact, lines: list[str], words: list[str]) -> int | None:
    """The number of the line with the value and the label of its row, in a block of its attribute."""
    label, value = _words(fact.attribute if fact.row is None else fact.row), _words(fact.value)
    for at, line in enumerate(lines):
        if label in words[at] and value in words[at]:
            cells = [_words(cell) for cell in line.split("|")]
            if len(cells) == 1 or (label in cells and value in cells):
                return at
    return None


def _around(found: list[int], lines: list[str]) -> Iterator[int]:
    """The numbers of the lines `found`, of the head of their tables and what is above it, of the nearest."""
    yield from found
    for at in found:
        head = at
        while head and "|" in lines[head - 1]:
            head -= 1
        if head < at:
            yield from (head, head + 1, *([head - 1] if head and lines[head - 1].strip() else []))
    for distance in range(1, len(lines)):
        for at in found:
            yield from (near for near in (at - distance, at + distance) if 0 <= near < len(lines))


def _words(text: str) -> str:
    """The words of `text`, each between blanks; where it has none, its signs."""
    return f" {' '.join(_WORD.findall(text.lower())) or text.strip()} "
