"""Chroma's REST API v2 as the request path needs it: query and get, on a known collection.

The path of these calls takes the collection's id, which only its name gives; the id is kept in a small file under DATA_DIR, so
that the steady state is one call. A recreated collection has a new id: on 404 the name is looked up once more. The
operator's commands use the official client instead.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app import datadir
from app.adapters.http import HttpService, Reply, TransportError
from app.deadline import Deadline
from app.errors import DatabaseError, TimedOut
from app.models import Passage
from app.settings import ChromaSettings

log = logging.getLogger(__name__)

# Chroma Cloud returns at most this many records per get or query.
MAX_RESULTS = 300


class Chroma:
    """One collection. `cache_file` holds the ids of collections by address and name."""

    def __init__(self, settings: ChromaSettings, cache_file: Path) -> None:
        self._settings = settings
        headers = {"x-chroma-token": settings.api_key} if settings.api_key else {}
        self._service = HttpService("Chroma", settings.url, headers)
        self._base = (
            f"/api/v2/tenants/{quote(settings.tenant, safe='')}/databases/{quote(settings.database, safe='')}/collections"
        )
        self._cache_file = cache_file
        self._cache_key = settings.url + self._base + "/" + settings.collection
        self._id: str | None = None

    def query(
        self,
        embeddings: Sequence[Sequence[float]],
        count: int,
        deadline: Deadline,
        where: Mapping[str, Any] | None = None,
    ) -> list[list[Passage]]:
        """For each embedding the `count` nearest passages (at most 300), nearest first. Raises DatabaseError, TimedOut."""
        payload: dict[str, Any] = {
            "query_embeddings": [list(vector) for vector in embeddings],
            "n_results": min(count, MAX_RESULTS),
            "include": ["documents", "metadatas", "distances"],
        }
        if where:
            payload["where"] = dict(where)
        document = self._on_collection("query", payload, deadline)
        try:
            columns = zip(document["ids"], document["documents"], document["metadatas"], document["distances"], strict=True)
            return [[_passage(*row) for row in zip(*column, strict=True)] for column in columns]
        except (KeyError, TypeError, ValueError) as error:
            raise DatabaseError("Chroma query: reply has not the documented shape") from error

    def get(self, ids: Sequence[str], deadline: Deadline) -> list[Passage]:
        """The passages with these ids (at most 300), in no particular order. Raises DatabaseError, TimedOut."""
        payload = {"ids": list(ids), "limit": MAX_RESULTS, "include": ["documents", "metadatas"]}
        document = self._on_collection("get", payload, deadline)
        try:
            columns = zip(document["ids"], document["documents"], document["metadatas"], strict=True)
            return [_passage(*row, None) for row in columns]
        except (KeyError, TypeError, ValueError) as error:
            raise DatabaseError("Chroma get: reply has not the documented shape") from error

    def open_ahead(self) -> None:
        """Begin to connect, for a call that is likely to come."""
        self._service.open_ahead()

    def close(self) -> None:
        self._service.close()

    def check(self, deadline: Deadline) -> None:
        """Ask for the collection itself, past the cache. Raises DatabaseError, TimedOut."""
        self._resolve(deadline)

    def _on_collection(self, action: str, payload: Mapping[str, Any], deadline: Deadline) -> Any:
        known = self._id or self._cached_id()
        reply = None
        if known:
            reply = self._call("POST", f"{self._base}/{known}/{action}", deadline, payload)
        if reply is None or reply.status == 404:
            reply = self._call("POST", f"{self._base}/{self._resolve(deadline)}/{action}", deadline, payload)
        return self._document(action, reply)

    def _resolve(self, deadline: Deadline) -> str:
        reply = self._call("GET", f"{self._base}/{quote(self._settings.collection, safe='')}", deadline)
        identity = self._document("collection", reply).get("id")
        if not isinstance(identity, str) or not identity:
            raise DatabaseError("Chroma: collection without an id")
        self._id = identity
        self._remember(identity)
        return identity

    def _call(self, method: str, path: str, deadline: Deadline, payload: Mapping[str, Any] | None = None) -> Reply:
        try:
            return self._service.call(method, path, deadline, payload=payload)
        except TransportError as error:
            if error.timed_out:
                raise TimedOut(f"Chroma at {self._settings.url}: {error}") from error
            remedy = "check CHROMA_CLOUD_HOST" if self._settings.api_key else "start it with scripts/start_chroma.sh"
            raise DatabaseError(f"Chroma at {self._settings.url}: {error}; {remedy}") from error

    def _document(self, action: str, reply: Reply) -> Any:
        try:
            document = reply.json()
        except ValueError:
            document = {}
        if not isinstance(document, dict):
            document = {}
        if reply.status == 200 and document:
            return document
        what = f"Chroma {action}: status {reply.status} {document.get('error', '')}".rstrip()
        if reply.status in (401, 403):
            raise DatabaseError(f"{what}; check chroma_cloud_api_key and chroma_cloud_tenant_id")
        if reply.status == 404:
            name, database = self._settings.collection, self._settings.database
            raise DatabaseError(f"{what}; there is no collection {name!r} in database {database!r}: check CHROMA_COLLECTION")
        raise DatabaseError(f"{what}: {str(document.get('message', ''))[:300]}")

    def _cached_id(self) -> str | None:
        identity = self._cached_ids().get(self._cache_key)
        return identity if isinstance(identity, str) else None

    def _cached_ids(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            ids = json.loads(self._cache_file.read_bytes())
            if isinstance(ids, dict):
                return ids
        return {}

    def _remember(self, identity: str) -> None:
        try:
            ids = {**self._cached_ids(), self._cache_key: identity}
            datadir.write_atomically(self._cache_file, json.dumps(ids, indent=1).encode())
        except OSError as error:
            # Without the cache every question costs one more call, but it is answered.
            log.warning("cannot write %s: %s", self._cache_file, type(error).__name__)


def _passage(identity: str, document: str | None, metadata: Mapping[str, Any] | None, distance: float | None) -> Passage:
    return Passage(identity, document or "", dict(metadata or {}), distance)
