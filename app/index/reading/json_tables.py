"""Reads what a passage states as JSON: one row of a table, a whole table, or the statistics of an entry.

Values keep the figures as they are written. It is made by hand or by a model, so pieces may be missing, cased
otherwise, or nested in another way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from app.index import labels, terms
from app.index.reading.cells import clean, heading
from app.index.reading.raw import MOST_CELLS, MOST_COLUMNS

MOST_CHARACTERS = 400_000
MOST_LEVELS = 8

_FENCE = re.compile(r"(`{3,}|~{3,}) ?(?:json5?|javascript|js)?", re.IGNORECASE)
# What parts the title of a table from the row's place in it: "ATTACK MATRIX -- armor class 3".
_DASHES = re.compile(r" (?:-{1,3}|[–—]{1,2}|\||:) | ?(?:-{2,3}|—{1,2}) ?|: ")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LAST_COMMA = re.compile(r",\s{0,80}([}\]])")
# Where the axes of the table are told by name: which label the row has, and of what the columns are.
_AXIS_OF = frozenset(("y axi", "y axis", "row header", "row label", "row name", "row axi", "row axis"))
_AXIS_VALUE = frozenset(("y axi value", "y axis value", "y value", "row value", "row", "value", "label"))
_AXIS_OVER = frozenset(("x axi", "x axis", "column header", "column label", "column axis", "column axi"))
# A longer label is not looked for in the title.
_LONGEST_PLACE = 12
# Between a table's title and the row's place, where no dash parts them.
_BETWEEN = frozenset(("for", "at", "of", "vs", "vs.", "versus", "against", "-", "–", ":"))
_TITLE_NAMES = "title/name/table/table title/table name/heading/caption"
_SAID_NAMES = "description/note/summary/explanation/footnote/comment/usage"
_NOT_STATED_NAMES = (
    "query must/id/uid/type/source/book/page/metadata/tag/keyword/hierarchy/chunk type/char count"
    "/category/parent heading"
)
# Properties that only hold the values together: they add nothing to a column's label.
_WRAPPERS_NAMES = (
    "value/data/result/row/cell/entry/statistic/stat/column/content/item/detail/attribute/property/field"
    "/score/table data"
)
_LIST_NAMES = "row/entry/data/value/result/item/table/content/body"
_LABEL_NAMES = "row/row label/row name/row key/label"
_TITLE = frozenset(_TITLE_NAMES.split("/"))
_SAID = frozenset(_SAID_NAMES.split("/"))
_NOT_STATED = frozenset(_NOT_STATED_NAMES.split("/"))
_WRAPPERS = frozenset(_WRAPPERS_NAMES.split("/"))
_LIST = frozenset(_LIST_NAMES.split("/"))
# Properties that are the label of the row and do not say of what: "row": 7.
_LABEL = frozenset(_LABEL_NAMES.split("/"))


class JsonRow(NamedTuple):
    """`key`: what the label is ("armor class"); `label`: which; both "" where the text does not say."""

    key: str
    label: str
    cells: dict[str, str]


class JsonTable(NamedTuple):
    """What a JSON value states. `place`: what the title says of the row ("level 3"); "" for a whole table.

    `must`: its `query_must`.
    """

    title: str
    place: str
    said: str
    rows: list[JsonRow]
    is_entry: bool = False
    must: Any = None


class Found(NamedTuple):
    tables: list[JsonTable]
    whys: list[str]


def find(lines: Sequence[str], start: int, title: str = "") -> tuple[Found, int] | None:
    """What the JSON states that begins in the line `start`, and the line after it; None where none begins.

    `title`: of the passage, for JSON that has none.
    """
    line = lines[start].strip()
    fence = _FENCE.fullmatch(line)
    first = start + 1 if fence else start
    if first >= len(lines) or lines[first].strip()[:1] not in ("{", "["):
        return None
    if fence:
        ends = (at for at in range(first, len(lines)) if lines[at].strip() == fence[1])
        end = next(ends, len(lines))
        after = min(end + 1, len(lines))
    else:
        end = after = len(lines)
    text = "\n".join(lines[first:end]).strip()
    try:
        value, length = _decoded(text)
    except (ValueError, RecursionError) as error:
        # A line of prose may begin with a bracket.
        return (Found([], [f"damaged JSON: {error}"]), after) if fence or text.startswith('{"') else None
    if not fence:
        rest = text[length:]
        if isinstance(value, list) and not _dicts(value) and not _lists(value):
            return None
        after = len(lines) - (rest.count("\n") if rest.strip() else 0)
    tables, whys = [], []
    for table in _tables(value, " ".join(title.split())):
        if isinstance(table, str):
            whys.append(table)
        else:
            tables.append(table)
    return Found(tables, whys), after


def _decoded(text: str) -> tuple[Any, int]:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"more than {MOST_CHARACTERS:,} characters")
    depth = most = 0
    for bracket in re.finditer(r"[\[{]|[\]}]", text):
        depth += 1 if bracket[0] in "[{" else -1
        most = max(most, depth)
    if most > 10 * MOST_LEVELS:
        raise ValueError("nested too deeply")
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
    try:
        value, length = decoder.raw_decode(text)
    except ValueError:
        # A comma after the last value is no damage.
        value, length = decoder.raw_decode(_LAST_COMMA.sub(r"\1", text))
    return value, length


def _tables(value: Any, called: str) -> Iterator[JsonTable | str]:
    """The tables of a JSON value, and in their place why something is none. `called`: the passage's title."""
    if isinstance(value, list):
        if _dicts(value) and all(_title(item)[0] for item in value):
            for item in value:
                yield from _tables(item, called)
        else:
            yield _whole("", "", list(_list_rows(value, [])))
        return
    if not isinstance(value, dict):
        yield "a JSON value that is no table"
        return
    if len(value) > MOST_CELLS:
        yield f"JSON of more than {MOST_CELLS:,} properties"
        return
    own, title_key = _title(value)
    title = own or called
    said = "; ".join(str(v) for k, v in value.items() if _name(k) in _SAID and isinstance(v, str))
    must = next((v for k, v in value.items() if _name(k) == "query must"), None)
    stated = _stated({k: v for k, v in value.items() if k != title_key})
    while len(stated) == 1 and isinstance(inner := next(iter(stated.values())), dict) and _inner(inner):
        stated = _stated(inner)
    if not stated:
        yield "JSON that states nothing"
        return
    base, place = split_title(title)
    plain = [k for k, v in stated.items() if not isinstance(v, dict | list)]
    if labelled := _labelled(stated):
        base, place = split_place(title, labelled.label)
        if not place:
            base = _without_place(title, labelled.key, labelled.label)
        place = place or f"{labelled.key} {labelled.label}".strip()
        yield JsonTable(base, place, said, [labelled], must=must)
        return
    listed = next((k for k, v in stated.items() if isinstance(v, list) and v and _is_rows(k, v)), None)
    if listed is not None and not (plain and place) and (not place or _name(listed) in _LIST):
        heads = next((v for k, v in stated.items() if _is_heads(k) and isinstance(v, list)), [])
        yield _whole(own, said, list(_list_rows(stated[listed], heads)))
        return
    if len(stated) > 1 and all(isinstance(v, dict) for v in stated.values()) and _alike([*stated.values()]):
        # A whole table: every property is a row.
        yield _whole(own, said, [JsonRow("", clean(k), dict(_cells(v))) for k, v in stated.items()])
        return
    cells = dict(_cells(stated))
    if len(cells) > MOST_COLUMNS:
        yield f"JSON with more than {MOST_COLUMNS} values in a row"
        return
    known = sum(labels.attribute(key) in labels.KNOWN for key in cells)
    if not place and known > 1 and known * 2 >= len(cells):
        yield JsonTable(own, "", said, [JsonRow("", title, cells)], is_entry=True)
        return
    row = row_of(cells, place, [_shown(key) for key in plain])
    if row is None:
        yield "JSON without a label for its row"
        return
    if not place:
        base = _without_place(title, row.key, row.label)
    yield JsonTable(base, place or f"{row.key} {row.label}", said, [row], must=must)


def _whole(title: str, said: str, rows: list[JsonRow]) -> JsonTable | str:
    return JsonTable(title, "", said, rows) if rows else "a JSON list that is no table"


def _stated(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in value.items() if _name(k) not in _SAID and _name(k) not in _NOT_STATED}


def _inner(value: Mapping[str, Any]) -> bool:
    """Whether a property that is alone only wraps what is in it."""
    return bool(value) and (
        any(isinstance(v, list) for v in value.values()) or all(isinstance(v, dict) for v in value.values())
    )


def _labelled(stated: Mapping[str, Any]) -> JsonRow | None:
    """The row of which a property is called the label: "row": 7, "row": {"Level": 7}, "row_label": "Level"
    beside "row": 7."""
    labelling = {k: v for k, v in stated.items() if _name(k) in _LABEL}
    rest = {k: v for k, v in stated.items() if k not in labelling}
    if not 1 <= len(labelling) <= 2 or not any(isinstance(v, dict | list) for v in rest.values()):
        return None
    *kinds, label = labelling.values()
    if isinstance(label, dict) and len(label) == 1:
        kinds, label = [_shown(next(iter(label)))], next(iter(label.values()))
    cells = dict(_cells(rest))
    if isinstance(label, dict | list) or not all(isinstance(kind, str) for kind in kinds):
        return None
    return JsonRow("".join(kinds), _text(label), cells) if 0 < len(cells) <= MOST_COLUMNS else None


def row_of(cells: dict[str, str], place: str, plain: Sequence[str]) -> JsonRow | None:
    """The row that `cells` are, under the label that the title gives as its place, else the first value."""
    axis = {name: cells[name] for name in cells if _name(name) in _AXIS_OF}
    for over in [name for name in cells if _name(name) in _AXIS_OVER]:
        # What the columns are of: "x-axis": "level of attacker".
        said = cells.pop(over)
        cells = {n if n in plain or ": " in n else f"{said}: {n}": v for n, v in cells.items()}
    stems = terms.stems(place)
    if axis:
        # "y-axis": "armor class", "y-axis value": 3.
        key = next(iter(axis.values()))
        rest = {name: value for name, value in cells.items() if name not in axis}
        which = next((name for name in rest if _name(name) in _AXIS_VALUE), None)
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


def _without_place(title: str, key: str, label: str) -> str:
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


def _title(value: Mapping[str, Any]) -> tuple[str, str | None]:
    for key, title in value.items():
        if _name(key) in _TITLE and isinstance(title, str) and title.strip():
            return heading(title) or clean(title), key
    return "", None


def _name(key: str) -> str:
    return " ".join(terms.stems(_CAMEL.sub(" ", key).replace("_", " ")))


def _shown(key: str) -> str:
    return clean(_CAMEL.sub(" ", key).lower() if _CAMEL.search(key) else key.replace("_", " "))


def _dicts(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(item, dict) for item in value)


def _lists(value: Sequence[Any]) -> bool:
    return len(value) > 1 and all(isinstance(item, list) and len(item) > 1 for item in value)


def _is_rows(key: str, value: list[Any]) -> bool:
    return _dicts(value) or (_name(key) in _LIST and _lists(value))


def _is_heads(key: str) -> bool:
    return _name(key) in ("column", "header", "heading", "head")


def _list_rows(items: Sequence[Any], heads: Sequence[Any]) -> Iterator[JsonRow]:
    """The rows of a list of objects, or of a list of lists the first of which has the headings."""
    if len(items) > MOST_CELLS:
        return
    if _dicts(items):
        for item in items:
            stated = {k: v for k, v in item.items() if _name(k) not in _NOT_STATED}
            key = next((k for k, v in stated.items() if not isinstance(v, dict | list)), None)
            if key is not None:
                cells = dict(_cells({k: v for k, v in stated.items() if k != key}))
                yield JsonRow(_shown(key), _text(stated[key]), cells)
    elif _lists(items):
        names = [str(head) for head in (heads or items[0])]
        for item in items if heads else items[1:]:
            if len(item) == len(names):
                yield JsonRow(
                    names[0], _text(item[0]), dict(zip(names[1:], map(_text, item[1:]), strict=True))
                )


def _alike(values: Sequence[Mapping[str, Any]]) -> bool:
    first = {_name(key) for key in values[0]}
    return bool(first) and all(
        len(first & {_name(k) for k in v}) * 2 >= max(len(first), len(v)) for v in values
    )


def _cells(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every value with its path of property names, less those that only hold values together."""
    if len(path) > MOST_LEVELS:
        return
    if len(lists := [v for v in value.values() if isinstance(v, list) and len(v) > 2]) == 2 and _parallel(
        *lists
    ):
        # Two lists side by side: what the columns are, and what stands in them.
        (_, heads), (name, values) = [(k, v) for k, v in value.items() if v is lists[0] or v is lists[1]]
        value = {k: v for k, v in value.items() if v is not heads} | {
            name: {_text(head): inner for head, inner in zip(heads, values, strict=True)}
        }
    for key, inner in value.items():
        names = path if isinstance(inner, dict | list) and _name(key) in _WRAPPERS else (*path, _shown(key))
        if isinstance(inner, dict):
            yield from _cells(inner, names)
        elif isinstance(inner, list) and _dicts(inner):
            for item in inner:
                yield from _item(item, names)
        elif isinstance(inner, list):
            if any(isinstance(item, dict | list) for item in inner):
                continue
            yield ": ".join(names or (_shown(key),)), ", ".join(map(_text, inner))
        else:
            yield ": ".join(names), _text(inner)


def _parallel(heads: list[Any], values: list[Any]) -> bool:
    plain = not any(isinstance(item, dict | list) for item in (*heads, *values))
    return plain and len(heads) == len(values) and len(set(map(str, heads))) == len(heads)


def _item(item: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """An object in a list: its first value says which it is; of two, the second is what it has."""
    plain = [(key, value) for key, value in item.items() if not isinstance(value, dict | list)]
    if len(plain) < 2:
        return
    which = _text(plain[0][1])
    if len(item) == 2:
        yield ": ".join((*path, which)), _text(plain[1][1])
    else:
        yield from _cells(dict(list(item.items())[1:]), (*path, which))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(str(value))
