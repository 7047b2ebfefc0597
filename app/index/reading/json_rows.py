"""What one JSON object says of the row that it is: its cells, its label, and the title without the label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from app.index import terms
from app.index.reading.cells import clean

MOST_LEVELS = 8
# What parts the title of a table from the row's place in it: "ATTACK MATRIX -- armor class 3".
_DASHES = re.compile(r" (?:-{1,3}|[–—]{1,2}|\||:) | ?(?:-{2,3}|—{1,2}) ?|: ")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Where the axes of the table are told by name: which label the row has, and of what the columns are.
_AXIS_OF = frozenset(("y axi", "y axis", "row header", "row label", "row name", "row axi", "row axis"))
_AXIS_VALUE = frozenset(("y axi value", "y axis value", "y value", "row value", "row", "value", "label"))
_AXIS_OVER = frozenset(("x axi", "x axis", "column header", "column label", "column axis", "column axi"))
# A longer label is not looked for in the title.
_LONGEST_PLACE = 12
# Between a table's title and the row's place, where no dash parts them.
_BETWEEN = frozenset(("for", "at", "of", "vs", "vs.", "versus", "against", "-", "–", ":"))
# Properties that only hold the values together: they add nothing to a column's label.
_WRAPPERS_NAMES = (
    "value/data/result/row/cell/entry/statistic/stat/column/content/item/detail/attribute/property/field"
    "/score/table data"
)
_WRAPPERS = frozenset(_WRAPPERS_NAMES.split("/"))


class JsonRow(NamedTuple):
    """`key`: what the label is ("armor class"); `label`: which; both "" where the text does not say."""

    key: str
    label: str
    cells: dict[str, str]


def row_of(cells: dict[str, str], place: str, plain: Sequence[str]) -> JsonRow | None:
    """The row that `cells` are, under the label that the title gives as its place, else the first value."""
    axis = {name: cells[name] for name in cells if name_of(name) in _AXIS_OF}
    for over in [name for name in cells if name_of(name) in _AXIS_OVER]:
        # What the columns are of: "x-axis": "level of attacker".
        said = cells.pop(over)
        cells = {n if n in plain or ": " in n else f"{said}: {n}": v for n, v in cells.items()}
    stems = terms.stems(place)
    if axis:
        # "y-axis": "armor class", "y-axis value": 3.
        key = next(iter(axis.values()))
        rest = {name: value for name, value in cells.items() if name not in axis}
        which = next((name for name in rest if name_of(name) in _AXIS_VALUE), None)
        label = rest.pop(which) if which else place
        return JsonRow(key, label, rest) if label else None
    named = [name for name in plain if name in cells and _is_said(name, cells[name], stems, whole=True)]
    if not named:
        loose = (name for name in cells if ": " not in name and _is_said(name, cells[name], stems))
        named = list(islice(loose, 1))
    if not named and stems:
        # The title says something that no property does: it is the label.
        return JsonRow("", place, cells)
    if not named:
        named = list(plain[:1])
    if not named:
        return None
    # "clerics 1-3": what the title says besides a name is the label as well.
    left = [stem for stem in stems if not any(stem in terms.stems(cells[name]) for name in named)]
    named += [name for name in plain if left and name in cells and terms.stems(cells[name]) == left][:1]
    label = ", ".join(cells[name] for name in named)
    return JsonRow(", ".join(named), label, {n: v for n, v in cells.items() if n not in named})


def _is_said(name: str, value: str, place: Sequence[str], *, whole: bool = False) -> bool:
    """Whether the title says that the row is the one whose property `name` has this value.

    `whole`: and names the property in all its words, where the value is a number.
    """
    named, stems, said = set(terms.stems(name)), terms.stems(value), set(place)
    if not stems:
        return bool(said) and terms.stems(name) == place
    if not set(stems) <= said:
        return False
    return not stems[0].isdigit() or stems == place or (named <= said if whole else bool(named & said))


def split_title(title: str) -> tuple[str, str]:
    """The table's title and the row's place in it: both sides of the last dash; "" where there is none."""
    parts = list(_DASHES.finditer(title))
    strong = [part for part in parts if "--" in part[0] or "—" in part[0] or "–" in part[0]] or parts
    for part in reversed(strong):
        base, place = title[: part.start()].strip(), title[part.end() :].strip()
        if base and place:
            return base, place
    return title, ""


def split_place(title: str, label: str) -> tuple[str, str]:
    """As `split_title`; of a row with this `label` its place may also stand in parentheses: "… (Level 7)"."""
    base, _, place = title.removesuffix(")").rpartition(" (")
    wanted = terms.stems(label)
    if base and title.endswith(")") and wanted and terms.stems(place)[-len(wanted) :] == wanted:
        return base, place
    return split_title(title)


def without_place(title: str, key: str, label: str) -> str:
    """`title` without the row's place at an end: "Turning Undead, cleric level 3", "Level 3 Turning"."""
    words = title.split()
    for place in (f"{key} {label}", label):
        wanted = terms.stems(place)
        if not 0 < len(wanted) <= _LONGEST_PLACE:
            continue
        for start in range(max(1, len(words) - len(wanted) - 2), len(words)):
            if terms.stems(" ".join(words[start:])) == wanted:
                while start > 1 and words[start - 1].lower() in _BETWEEN:
                    start -= 1
                return " ".join(words[:start]).rstrip(" ,;:(|-")
        for end in range(min(len(wanted) + 2, len(words) - 1), 0, -1):
            if terms.stems(" ".join(words[:end])) == wanted:
                return " ".join(words[end:])
    return title


def name_of(key: str) -> str:
    return " ".join(terms.stems(_CAMEL.sub(" ", key).replace("_", " ")))


def shown(key: str) -> str:
    return clean(_CAMEL.sub(" ", key).lower() if _CAMEL.search(key) else key.replace("_", " "))


def are_objects(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(item, dict) for item in value)


def cells_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Every value by its label, the path of its names; what two values have for their label is left out."""
    cells: dict[str, str] = {}
    twice = set()
    for name, cell in _cells(value, ()):
        if cells.setdefault(name, cell) != cell:
            twice.add(name)
    return {name: cell for name, cell in cells.items() if name not in twice}


def _cells(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every value with its path of property names, less those that only hold values together."""
    if len(path) > MOST_LEVELS:
        return
    if len(lists := [v for v in value.values() if isinstance(v, list) and len(v) > 2]) == 2 and _parallel(
        *lists
    ):
        # Two lists side by side: what the columns are, and what stands in them.
        (_, heads), (name, values) = [(k, v) for k, v in value.items() if v is lists[0] or v is lists[1]]
        value = {k: v for k, v in value.items() if v is not heads} | {
            name: {text_of(head): inner for head, inner in zip(heads, values, strict=True)}
        }
    for key, inner in value.items():
        names = path if isinstance(inner, dict | list) and name_of(key) in _WRAPPERS else (*path, shown(key))
        if isinstance(inner, dict):
            yield from _cells(inner, names)
        elif isinstance(inner, list) and are_objects(inner):
            for item in inner:
                yield from _item(item, names)
        elif isinstance(inner, list):
            if any(isinstance(item, dict | list) for item in inner):
                continue
            yield ": ".join(names or (shown(key),)), ", ".join(map(text_of, inner))
        else:
            yield ": ".join(names), text_of(inner)


def _parallel(heads: list[Any], values: list[Any]) -> bool:
    plain = not any(isinstance(item, dict | list) for item in (*heads, *values))
    return plain and len(heads) == len(values) and len(set(map(str, heads))) == len(heads)


def _item(item: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """An object in a list: its first value says which it is; of two, the second is what it has."""
    plain = [(key, value) for key, value in item.items() if not isinstance(value, dict | list)]
    if len(plain) < 2:
        return
    which = text_of(plain[0][1])
    if len(item) == 2:
        yield ": ".join((*path, which)), text_of(plain[1][1])
    else:
        yield from _cells(dict(list(item.items())[1:]), (*path, which))


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(str(value))
