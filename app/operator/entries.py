"""One passage out of a file's object: its id, text and metadata, wherever the writing program puts them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from app.operator import statistics
from app.operator.quotas import METADATA_VALUE_BYTES
from app.operator.records import Record, is_scalar
from app.operator.shapes import IDS, KINDS_OF_IDS, LOOKS_LIKE_JSON, NO_VECTORS, TEXTS, WRAPPERS, Wrong

METADATA = ("metadata", "meta", "extra_info")
VECTORS = frozenset(
    ("embedding", "embeddings", "vector", "vectors", "values", "sparse_embedding", "sparse_values")
)
# What only the program needs that wrote the passage; `type` there is the name of a class.
LANGCHAIN = frozenset(("type", "lc"))
_LLAMAINDEX = (
    "excluded_embed_metadata_keys excluded_llm_metadata_keys relationships start_char_idx end_char_idx "
    "text_template class_name metadata_template metadata_separator metadata_seperator hash mimetype __type__"
)
LLAMAINDEX = frozenset(_LLAMAINDEX.split())
HAYSTACK = frozenset(("dataframe", "blob", "score", "content_type", "id_hash_keys"))
# Lists of other passages, which say themselves where they belong.
REDUNDANT = frozenset(("sibling_chunks", "child_chunks", "children", "monsters"))
IN_THEIR_PLACE = "where Chroma cannot hold it: those passages say themselves where they belong"
STORABLE = "text, a number of 64 bits, a truth value nor a list of one of these"
WHOLE_NUMBERS = ("chunk_part", "total_parts")
ARROW = " → "
# Refused by Chroma 1.5.9, and the key that it keeps the text under.
NO_KEY = re.compile(r"[#$]|chroma:|\Z")
# What JSON can write and UTF-8 cannot.
SURROGATE = re.compile("[\ud800-\udfff]")

Notes = Counter[str]
"""What a person should know of a file, and of how many of its passages."""


class Reader:
    """Makes records of the objects of one file. `notes` has what it did that nobody might expect."""

    def __init__(self, file: Path, notes: Notes) -> None:
        self._stem = file.name.split(".")[0] or file.stem
        self._made: Counter[str] = Counter()
        self.notes = notes

    def record(self, entry: Any) -> Record | str:
        """The record, or what is wrong with `entry`."""
        if isinstance(entry, Wrong):
            return entry
        if not isinstance(entry, dict):
            return f"no JSON object ({json.dumps(entry, ensure_ascii=True, default=str)[:40]})"
        fields, metadata = _taken_apart(entry)
        self.notes[NO_VECTORS] += any(entry.get(key) and key not in fields for key in VECTORS)
        if isinstance(metadata, str):
            return f"{_identity(fields, {})[1] or 'no id'}: {metadata}"
        key, identity = _identity(fields, metadata)
        text = _text(fields, metadata)
        if not identity and "page_content" in fields and text:
            identity = self._made_id(text)
            self.notes["made an id of the file's name and a hash of the text where there was none"] += 1
        if not identity:
            return f"no {' or '.join(IDS[:2])} that is text or a whole number; {_has(entry)}"
        numbers = fields.pop("statistics", None) or metadata.pop("statistics", None)
        name = str(fields.get("name") or metadata.get("name") or fields.get("title") or "")
        if isinstance(numbers, dict):
            metadata = {**statistics.flat(numbers), **metadata}
            text = text if statistics.HEAD in text else statistics.document(name, numbers, text)
        elif numbers:
            metadata["statistics"] = numbers
        elif text and fields.get("name") and metadata.get("type") in statistics.BESTIARY:
            text = statistics.document(name, {}, text)
        if not text.strip():
            return f"{identity}: no {', '.join(TEXTS[:3])} with text in it, nor {' or '.join(TEXTS[3:])}"
        others = {name: value for name, value in fields.items() if not _blank_text(name, value)}
        stored = self._stored({**_without(others, (key, *METADATA)), **metadata})
        if isinstance(stored, str):
            return f"{identity}: {stored}"
        if SURROGATE.search(json.dumps([identity, text, stored], ensure_ascii=False)):
            return f"{identity!a}: half a character (an unpaired surrogate) in it"
        return Record(identity, text, stored or None, None)

    def _stored(self, metadata: Mapping[str, Any]) -> dict[str, Any] | str:
        """`metadata` as Chroma takes it, or what of it Chroma cannot hold."""
        stored: dict[str, Any] = {}
        for name, value in metadata.items():
            value = _as_stored(name, value)
            # Chroma has neither null nor an empty list; a key that is not there says the same.
            if value is None or value in ([], {}):
                continue
            if NO_KEY.match(name):
                return f"Chroma takes no metadata with the key {name!r}; rename it"
            storable = _storable(value)
            if name in REDUNDANT and not (storable and len(json.dumps(value)) <= METADATA_VALUE_BYTES):
                self.notes[f"{name} left out {IN_THEIR_PLACE}"] += 1
            elif not storable:
                return f"{name} is neither {STORABLE}"
            else:
                stored[name] = value
        return stored

    def _made_id(self, text: str) -> str:
        """The same for the same text in the same file: a second run finds what the first one stored."""
        made = f"{self._stem}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        self._made[made] += 1
        return made if self._made[made] == 1 else f"{made}-{self._made[made]}"


def _taken_apart(entry: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | str]:
    """The fields of a passage that are not its program's own, and its metadata (or what is wrong there)."""
    fields = dict(entry)
    for _ in WRAPPERS:
        wrapper = next((key for key in WRAPPERS if isinstance(fields.get(key), dict)), None)
        if wrapper is None or any(isinstance(fields.get(key), str) for key in TEXTS):
            break
        inner = fields.pop(wrapper)
        ids = {key: fields[key] for key in IDS if key in fields and not isinstance(fields[key], list)}
        fields = {**ids, **inner}
    if isinstance(resource := fields.get("text_resource"), dict) and isinstance(resource.get("text"), str):
        # LlamaIndex since 0.12.
        others = {key: value for key, value in fields.items() if not key.endswith("_resource")}
        fields = {**others, "text": resource["text"]}
    # "values" are a vector only where the text is in the metadata, as Pinecone has it.
    machine = set(VECTORS - {"values"} if any(isinstance(fields.get(key), str) for key in TEXTS) else VECTORS)
    if "page_content" in fields and fields.get("type") in (None, "Document"):
        machine |= LANGCHAIN
    if "id_" in fields or "relationships" in fields or "class_name" in fields:
        machine |= LLAMAINDEX
    if isinstance(fields.get("meta"), dict):
        machine |= HAYSTACK
    fields = _without(
        fields, {k for k in machine & fields.keys() if k not in VECTORS or _is_vector(fields[k])}
    )
    metadata: dict[str, Any] = {}
    for key in METADATA:
        part = fields.get(key)
        if isinstance(part, str) and LOOKS_LIKE_JSON.match(part):
            try:
                part = json.loads(part)
            except (ValueError, RecursionError) as error:
                return fields, f"{key} is no JSON ({error})"
        if isinstance(part, dict):
            fields.pop(key)
            metadata = {**part, **metadata}
        elif part and key == "metadata":
            return fields, f"{key} is no object"
    return fields, metadata


def _identity(fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[str, str]:
    """The field an id was found in ("" for the metadata), and the id ("" when there is none)."""
    candidates = [(fields, key, key) for key in IDS] + [(metadata, "uid", "")]
    candidates += [(holder, key, "") for key in KINDS_OF_IDS for holder in (fields, metadata)]
    candidates += [(metadata, key, "") for key in IDS]
    for holder, key, field in candidates:
        value = holder.get(key)
        if isinstance(value, dict):
            value = value.get("$oid")
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return field, str(value)
    return "", ""


def _text(fields: dict[str, Any], metadata: dict[str, Any]) -> str:
    """The passage's text, taken out of what has it."""
    for holder in (fields, metadata):
        for key in TEXTS if holder is fields else TEXTS[:4]:
            if isinstance(value := holder.get(key), str) and value.strip():
                return str(value if key == "page_content" else holder.pop(key))
    return ""


def _as_stored(name: str, value: Any) -> Any:
    """`value` as the metadata has it: a path as text, objects as JSON."""
    if name == "hierarchy" and isinstance(value, list):
        return ARROW.join(str(step) for step in value if step not in (None, ""))
    if name in WHOLE_NUMBERS and isinstance(value, str) and value.isdecimal():
        return int(value)
    objects = value if isinstance(value, list) else [value]
    if value and name not in REDUNDANT and all(isinstance(item, dict) for item in objects):
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
    return value


def _blank_text(name: str, value: Any) -> bool:
    return name in TEXTS and isinstance(value, str) and (not value.strip() or name == "page_content")


def _is_vector(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(number, int | float) for number in value)
    return value is None or isinstance(value, dict)


def _without(fields: Mapping[str, Any], keys: Container[str]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in keys}


def _has(fields: Mapping[str, Any]) -> str:
    return f"it has {', '.join(map(repr, list(fields)[:12]))}" if fields else "it is empty"


def _storable(value: Any) -> bool:
    """Whether Chroma takes it as a metadata value."""
    parts = value if isinstance(value, list) else [value]
    return len(set(map(type, parts))) == 1 and all(map(is_scalar, parts))
