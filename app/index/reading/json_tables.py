"""Reads what a passage states as JSON: one row of a table, a whole table, or the statistics of an entry.

Values keep the figures as they are written. It is made by hand or by a model, so pieces may be missing, cased
otherwise, or nested in another way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.index import labels
from app.index.reading.cells import clean, heading
from app.index.reading.json_rows import (
    MOST_LEVELS,
    JsonRow,
    are_objects,
    cells_of,
    name_of,
    row_of,
    shown,
    split_place,
    split_title,
    text_of,
    without_place,
)
from app.index.reading.raw import MOST_CELLS, MOST_COLUMNS

MOST_CHARACTERS = 400_000

_FENCE = re.compile(r"(`{3,}|~{3,}) ?(?:json5?|javascript|js)?", re.IGNORECASE)
_LAST_COMMA = re.compile(r",\s{0,80}([}\]])")
_TITLE_NAMES = "title/name/table/table title/table name/heading/caption"
_SAID_NAMES = "description/note/summary/explanation/footnote/comment/usage"
_NOT_STATED_NAMES = (
    "query must/id/uid/type/source/book/page/metadata/tag/keyword/hierarchy/chunk type/char count"
    "/category/parent heading"
)
_LIST_NAMES = "row/entry/data/value/result/item/table/content/body"
_LABEL_NAMES = "row/row label/row name/row key/label"
_TITLE = frozenset(_TITLE_NAMES.split("/"))
_SAID = frozenset(_SAID_NAMES.split("/"))
_NOT_STATED = frozenset(_NOT_STATED_NAMES.split("/"))
_LIST = frozenset(_LIST_NAMES.split("/"))
# Properties that are the label of the row and do not say of what: "row": 7.
_LABEL = frozenset(_LABEL_NAMES.split("/"))


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
        if isinstance(value, list) and not are_objects(value) and not _lists(value):
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
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)
    try:
        value, length = decoder.raw_decode(text)
    except ValueError:
        # A comma after the last value is no damage.
        value, length = decoder.raw_decode(_LAST_COMMA.sub(r"\1", text))
    return value, length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs) and any(value[name] != inner for name, inner in pairs):
        raise ValueError("two values of one name")
    return value


def _tables(value: Any, called: str) -> Iterator[JsonTable | str]:
    """The tables of a JSON value, and in their place why something is none. `called`: the passage's title."""
    if isinstance(value, list):
        if are_objects(value) and all(_title(item)[0] for item in value) and not _are_named(value):
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
    said = "; ".join(str(v) for k, v in value.items() if name_of(k) in _SAID and isinstance(v, str))
    must = next((v for k, v in value.items() if name_of(k) == "query must"), None)
    stated = _stated({k: v for k, v in value.items() if k != title_key})
    while len(stated) == 1 and isinstance(inner := next(iter(stated.values())), dict) and _inner(inner):
        stated = _stated(inner)
    if not stated:
        yield "JSON that states nothing"
        return
    named = name_of(title_key or "") == "name"
    base, place = split_title(title)
    plain = [k for k, v in stated.items() if not isinstance(v, dict | list)]
    if labelled := _labelled(stated):
        base, place = split_place(title, labelled.label)
        if not place:
            base = without_place(title, labelled.key, labelled.label)
        place = place or f"{labelled.key} {labelled.label}".strip()
        yield JsonTable(base, place, said, [labelled], must=must)
        return
    listed = next((k for k, v in stated.items() if isinstance(v, list) and v and _is_rows(k, v)), None)
    if listed is not None and not (plain and place) and (not place or name_of(listed) in _LIST):
        heads = next((v for k, v in stated.items() if _is_heads(k) and isinstance(v, list)), [])
        yield _whole(own, said, list(_list_rows(stated[listed], heads)))
        return
    if len(stated) > 1 and all(isinstance(v, dict) for v in stated.values()) and _alike([*stated.values()]):
        # A whole table: every property is a row.
        yield _whole(own, said, [JsonRow("", clean(k), cells_of(v)) for k, v in stated.items()])
        return
    cells = cells_of(stated)
    if len(cells) > MOST_COLUMNS:
        yield f"JSON with more than {MOST_COLUMNS} values in a row"
        return
    known = sum(_is_attribute(key.rpartition(": ")[2]) for key in cells)
    # One value beside others that are held together labels them: "race" beside "values".
    labels_row = len(plain) == 1 and len(stated) > 1 and not _is_attribute(plain[0]) and not named
    if title and not place and known > 1 and known * 2 >= len(cells) and not labels_row:
        yield JsonTable(own, "", said, [JsonRow("", title, cells)], is_entry=True)
        return
    row = row_of(cells, place, [shown(key) for key in plain])
    if row is None:
        yield "JSON without a label for its row"
        return
    if not place:
        base = without_place(title, row.key, row.label)
    yield JsonTable(base, place or f"{row.key} {row.label}", said, [row], must=must)


def _are_named(items: Sequence[Mapping[str, Any]]) -> bool:
    """Whether objects in a list have the same things said of them: their names label the rows of a table."""
    return (
        len(items) > 1
        and all(name_of(_title(item)[1] or "") == "name" for item in items)
        and not any(split_title(_title(item)[0])[1] for item in items)
        and not any(isinstance(v, list) and _is_rows(k, v) for item in items for k, v in item.items())
        and _alike(items)
    )


def _whole(title: str, said: str, rows: list[JsonRow]) -> JsonTable | str:
    return JsonTable(title, "", said, rows) if rows else "a JSON list that is no table"


def _stated(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in value.items() if name_of(k) not in _SAID and name_of(k) not in _NOT_STATED}


def _inner(value: Mapping[str, Any]) -> bool:
    """Whether a property that is alone only wraps what is in it."""
    return bool(value) and (
        any(isinstance(v, list) for v in value.values()) or all(isinstance(v, dict) for v in value.values())
    )


def _labelled(stated: Mapping[str, Any]) -> JsonRow | None:
    """The row of which a property is called the label: "row": 7, "row": {"Level": 7}, "row_label": "Level"
    beside "row": 7."""
    labelling = {k: v for k, v in stated.items() if name_of(k) in _LABEL}
    rest = {k: v for k, v in stated.items() if k not in labelling}
    if not 1 <= len(labelling) <= 2 or not any(isinstance(v, dict | list) for v in rest.values()):
        return None
    *kinds, label = labelling.values()
    if isinstance(label, dict) and len(label) == 1:
        kinds, label = [shown(next(iter(label)))], next(iter(label.values()))
    cells = cells_of(rest)
    if isinstance(label, dict | list) or not all(isinstance(kind, str) for kind in kinds):
        return None
    return JsonRow("".join(kinds), text_of(label), cells) if 0 < len(cells) <= MOST_COLUMNS else None


def _is_attribute(key: str) -> bool:
    return labels.attribute(key) in labels.KNOWN


def _title(value: Mapping[str, Any]) -> tuple[str, str | None]:
    for key, title in value.items():
        if name_of(key) in _TITLE and isinstance(title, str) and title.strip():
            return heading(title) or clean(title), key
    return "", None


def _lists(value: Sequence[Any]) -> bool:
    return len(value) > 1 and all(isinstance(item, list) and len(item) > 1 for item in value)


def _is_rows(key: str, value: list[Any]) -> bool:
    return are_objects(value) or (name_of(key) in _LIST and _lists(value))


def _is_heads(key: str) -> bool:
    return name_of(key) in ("column", "header", "heading", "head")


def _list_rows(items: Sequence[Any], heads: Sequence[Any]) -> Iterator[JsonRow]:
    """The rows of a list of objects, or of a list of lists the first of which has the headings."""
    if len(items) > MOST_CELLS:
        return
    if are_objects(items):
        for item in items:
            stated = {k: v for k, v in item.items() if name_of(k) not in _NOT_STATED}
            key = next((k for k, v in stated.items() if not isinstance(v, dict | list)), None)
            if key is not None:
                cells = cells_of({k: v for k, v in stated.items() if k != key})
                yield JsonRow(shown(key), text_of(stated[key]), cells)
    elif _lists(items):
        names = [str(head) for head in (heads or items[0])]
        if len(set(names)) < len(names):
            return
        for item in items if heads else items[1:]:
            if len(item) == len(names):
                yield JsonRow(
                    names[0], text_of(item[0]), dict(zip(names[1:], map(text_of, item[1:]), strict=True))
                )


def _alike(values: Sequence[Mapping[str, Any]]) -> bool:
    first = {name_of(key) for key in values[0]}
    return bool(first) and all(
        len(first & {name_of(k) for k in v}) * 2 >= max(len(first), len(v)) for v in values
    )
