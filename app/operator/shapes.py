"""The passages in JSON files, in whatever shape a program wrote them; what is something else is named.

A file has one document, or any number one after another (JSON Lines, concatenated, spread over lines). A
document is a passage, a list of them, an object with such lists in it, an object of passages by their ids, or
columns (`collection.get()`, pandas).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any

from app.operator.backup import FORMAT as BACKUP
from app.operator.texts import Foreign

IDS = ("uid", "id", "id_", "_id", "node_id", "doc_id", "chunk_id")
# The owner's monsters have one of these, some in the metadata only.
KINDS_OF_IDS = ("monster_id", "category_id")
TEXTS = ("text", "document", "content", "page_content", "description")
# Where other programs put a passage inside an object of their own.
WRAPPERS = ("kwargs", "__data__", "_source", "payload", "properties", "node", "row")
NO_VECTORS = "its embeddings are not used, the texts are embedded anew: nothing says which model made them"
# Objects lie in one another no deeper than this before the passages come.
_DEPTH = 5
_KINDS: dict[type, str] = {str: "text", bool: "truth value", int: "number", float: "number"}
_LISTS = ("chunks", "documents", "passages")
_CHROMA = frozenset(("documents", "texts", "metadatas", "embeddings", "distances"))

LOOKS_LIKE_JSON = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")
_BETWEEN = re.compile(r"[\s,\x1e\ufeff]*")
_PYTHON = re.compile(r"\s*\[?\s*(?:\{\s*'|\w+\()")

Say = Callable[[str], None]
Entry = tuple[str, Any]
"""Where in the file, and what stands there: for a passage an object. A text says what is wrong there."""


class Wrong(str):
    """What is wrong, where a value should be."""


def json_entries(text: str, say: Say) -> Iterator[Entry]:
    """Every passage of a JSON file. Raises Foreign when it is no JSON, or something else than passages."""
    found = list(_values(text))
    if not found:
        raise Foreign("is empty")
    if isinstance(head := found[0][1], dict) and head.get("format") == BACKUP:
        raise Foreign("is a backup by scripts/backup.py; bring it back with scripts/restore.py")
    alone = len(found) == 1
    for line, value in found:
        if not (alone or (isinstance(value, dict | list) and value != [])):
            yield f":{line}", value
            continue
        try:
            for where, entry in _entries(value, say):
                yield ("" if alone and where else f":{line}") + (f": {where}" if where else ""), entry
        except Foreign as error:
            if alone:
                raise
            yield f":{line}", Wrong(str(error))


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """Every JSON value with its line; one line that is wrong among others comes as Wrong. Raises Foreign."""
    try:
        yield from list(_documents(text))
        return
    except (ValueError, RecursionError) as error:
        problem = error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    first = _line(lines[0][1])
    if len(lines) == 1 or isinstance(first, Wrong):
        hint = ""
        if _PYTHON.match(text):
            hint = "; this is how Python prints values: write them with json.dump"
        elif isinstance(problem, json.JSONDecodeError) and problem.pos >= len(text.rstrip()):
            hint = "; the file ends in the middle"
        raise Foreign(f"no JSON ({problem}){hint}") from problem
    yield from ((number, _line(line)) for number, line in lines)


def _documents(text: str) -> Iterator[tuple[int, Any]]:
    # Line ends inside strings are let pass: people's files have them.
    decoder = json.JSONDecoder(strict=False)
    position, counted, line = 0, 0, 1
    while (position := _BETWEEN.match(text, position).end()) < len(text):  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, position), position
        value, position = decoder.raw_decode(text, position)
        yield line, value


def _line(line: str) -> Any:
    """The one value, or the values as a list, of a line of JSON Lines."""
    try:
        values = [value for _, value in _documents(line)]
    except (ValueError, RecursionError) as error:
        return Wrong(f"no JSON ({error})")
    return values[0] if len(values) == 1 else values


def _entries(value: Any, say: Say, depth: int = 0) -> Iterator[Entry]:
    if isinstance(value, list):
        if value and all(isinstance(row, list) for row in value):
            raise Foreign(
                "is a list of lists without the names of the columns (pandas: orient='values'); write it "
                "with orient='records'"
            )
        if value and all(isinstance(text, str) for text in value):
            raise Foreign('is a list of texts without ids; write {"id": …, "text": …} for each')
        yield from _numbered(value)
    elif not isinstance(value, dict):
        raise Foreign(
            f"is a single {_KINDS.get(type(value), 'null')} of JSON, not a passage nor a list of passages"
        )
    elif isinstance(value.get("ids"), list) and _CHROMA & value.keys():
        yield from _collection(value, say)
    elif _is_passage(value):
        yield "", value
    elif isinstance(nodes := value.get("docstore/data"), dict):
        yield from _by_id(nodes)
    elif isinstance(columns := value.get("columns"), list) and isinstance(rows := value.get("data"), list):
        names = list(map(str, columns))
        yield from _numbered(dict(zip(names, r, strict=False)) if isinstance(r, list) else r for r in rows)
    elif (table := _columns(value)) is not None:
        yield from _numbered(table)
    elif lists := {key: part for key, part in value.items() if _has_objects(part)}:
        _left_out(value.keys() - lists.keys(), say)
        for key, part in lists.items():
            yield from _numbered(part, f"{key}, " if len(lists) > 1 else "")
    elif value and all(_is_object(p) and (_has_text(p) or "statistics" in p) for p in value.values()):
        yield from _by_id(value)
    elif _has_text(value):
        yield "", value
    elif depth < _DEPTH and len(inner := [key for key, part in value.items() if _is_object(part)]) == 1:
        _left_out(value.keys() - inner, say)
        yield from _entries(value[inner[0]], say, depth + 1)
    elif {*IDS, "statistics"} & value.keys():
        yield "", value
    elif lists := {key: value[key] for key in _LISTS if isinstance(value.get(key), list)}:
        # An empty one is none of another shape.
        yield from _entries(next(iter(lists.values())), say)
    else:
        fields = ", ".join(map(repr, list(value)[:12])) or "nothing"
        raise Foreign(f"is an object with {fields} in it: neither a passage nor a list of passages")


def _numbered(entries: Iterable[Any], where: str = "") -> Iterator[Entry]:
    return ((f"{where}passage {number}", entry) for number, entry in enumerate(entries, 1))


def _collection(value: Mapping[str, Any], say: Say) -> Iterator[Entry]:
    """The columns that Chroma returns."""
    ids, documents = value["ids"], value.get("documents") or value.get("texts")
    if ids and all(isinstance(some, list) for some in ids):
        raise Foreign(
            "is the output of collection.query(): the answers to a question, not the collection; write that "
            "with json.dump(collection.get()), or bring the collection itself over: scripts/backup.py NAME "
            "FILE"
        )
    if not isinstance(documents, list):
        raise Foreign(
            "is the output of collection.get() without documents; ask for them: "
            "collection.get(include=['documents', 'metadatas'])"
        )
    metadatas = value.get("metadatas") or [None] * len(ids)
    if not isinstance(metadatas, list) or not len(ids) == len(documents) == len(metadatas):
        raise Foreign(
            f"is the output of collection.get(), but has {len(ids)} ids and {len(documents)} documents; "
            "write it again"
        )
    if value.get("embeddings"):
        say(NO_VECTORS)
    for number, (identity, document, metadata) in enumerate(zip(ids, documents, metadatas, strict=True), 1):
        yield f"passage {number}", {"id": identity, "document": document, "metadata": metadata}


def _columns(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of a table that is written column by column, as pandas does; None when `value` is none."""
    if not (value.keys() & set(TEXTS) and len(value) > 1):
        return None
    columns = list(value.values())
    if all(isinstance(column, list) for column in columns) and len(set(map(len, columns))) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    if all(column and isinstance(column, dict) for column in columns) and len(set(map(tuple, columns))) == 1:
        return [{name: column[row] for name, column in value.items()} for row in columns[0]]
    return None


def _by_id(entries: Mapping[str, Any]) -> Iterator[Entry]:
    for number, (identity, entry) in enumerate(entries.items(), 1):
        if isinstance(entry, dict) and not {*IDS, *WRAPPERS, "metadata"} & entry.keys():
            entry = {"id": identity, **entry}
        yield f"passage {number}", entry


def _is_passage(value: Mapping[str, Any]) -> bool:
    metadata = value.get("metadata")
    holders = [value, metadata] if isinstance(metadata, dict) else [value]
    named = any(isinstance(holder.get(key), str | int) for holder in holders for key in (*IDS, *KINDS_OF_IDS))
    return (_has_text(value) and named) or "page_content" in value


def _has_text(value: Mapping[str, Any]) -> bool:
    texts, wrappers = map(value.get, TEXTS), map(value.get, WRAPPERS)
    return any(isinstance(text, str) for text in texts) or any(map(_is_object, wrappers))


def _left_out(keys: Set[str], say: Say) -> None:
    if keys:
        say(f"beside the passages there is {', '.join(sorted(map(repr, keys))[:12])}, which is not used")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and any(map(_is_object, value))
