"""The quotas of Chroma Cloud as its servers enforce them, written from their documentation and not from
`app.operator`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

LIMITS = {
    "Number of records": 300,
    "Number of results": 300,
    "Limit value": 300,
    "Embedding dimensions": 4_096,
    "Document size (bytes)": 16_384,
    "URI size (bytes)": 256,
    "ID size (bytes)": 128,
    "Name size (bytes)": 128,
    "Number of metadata keys": 32,
    "Metadata key size (bytes)": 36,
    "Metadata value size (bytes)": 4_096,
    "Collection metadata value size (bytes)": 256,
    "Number of where predicates": 8,
    "Full text search size": 256,
}
ACTIONS = {
    "add": "Add",
    "upsert": "Upsert",
    "update": "Update",
    "get": "Get",
    "query": "Query",
    "delete": "Delete",
}


def exceeded(action: str, method: str, body: dict[str, Any]) -> str | None:
    """The message of the first quota that a request breaks, or None."""
    name = ACTIONS.get(action, "Create" if method == "POST" else "Update")
    for what, usage in _usage(action, body):
        if usage > LIMITS[what]:
            return (
                f"Quota exceeded: '{what}' exceeded quota limit for action '{name}': "
                f"current usage of {usage} exceeds limit of {LIMITS[what]}"
            )
    return None


def _usage(action: str, body: dict[str, Any]) -> Iterator[tuple[str, int]]:
    if action in ("add", "upsert", "update"):
        yield from _of_records(body)
    elif action == "get":
        yield "Limit value", body.get("limit") or len(body.get("ids") or ()) or 0
    elif action == "query":
        yield "Number of results", body.get("n_results") or 0
        yield "Embedding dimensions", max(map(len, body.get("query_embeddings") or [[]]))
    elif action == "delete":
        yield "Number of records", len(body.get("ids") or ())
    elif action not in ("search", "fork"):
        yield "Name size (bytes)", _bytes(body.get("name") or body.get("new_name") or "")
        metadata = body.get("metadata") or body.get("new_metadata") or {}
        yield from _of_metadata(metadata, "Collection metadata value size (bytes)")
    yield "Number of where predicates", _predicates(body.get("where"))
    yield "Full text search size", max([0, *map(len, _texts(body.get("where_document")))])


def _of_records(body: dict[str, Any]) -> Iterator[tuple[str, int]]:
    ids = body.get("ids") or []
    yield "Number of records", len(ids)
    yield from (("ID size (bytes)", _bytes(identity)) for identity in ids)
    yield from (
        ("Embedding dimensions", _dimensions(embedding)) for embedding in body.get("embeddings") or ()
    )
    yield from (("Document size (bytes)", _bytes(document or "")) for document in body.get("documents") or ())
    yield from (("URI size (bytes)", _bytes(uri or "")) for uri in body.get("uris") or ())
    for metadata in body.get("metadatas") or ():
        yield from _of_metadata(metadata or {}, "Metadata value size (bytes)")


def _of_metadata(metadata: dict[str, Any], value_rule: str) -> Iterator[tuple[str, int]]:
    yield "Number of metadata keys", len(metadata)
    for key, value in metadata.items():
        yield "Metadata key size (bytes)", _bytes(key)
        yield value_rule, _bytes(value if isinstance(value, str) else json.dumps(value))


def _predicates(where: Any) -> int:
    if not isinstance(where, dict):
        return 0
    return sum(sum(map(_predicates, v)) if k in ("$and", "$or") else 1 for k, v in where.items())


def _texts(where: Any) -> Iterator[str]:
    for value in where.values() if isinstance(where, dict) else ():
        if isinstance(value, str):
            yield value
        for part in value if isinstance(value, list) else ():
            yield from _texts(part)


def _dimensions(embedding: Any) -> int:
    return len(base64.b64decode(embedding)) // 4 if isinstance(embedding, str) else len(embedding or ())


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
