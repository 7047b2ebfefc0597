"""Chroma's REST API v2 as the request path needs it: query and get, on a known collection.

The path of these calls takes the collection's id, which only its name gives; the id is kept in a small file under DATA_DIR, so
that the steady state is one call. A recreated collection has a new id: on 404 the name is looked up once more. With the id
comes the name of the model that embedded the collection: asking with vectors of another one is refused, as the answer would
be nonsense that looks like passages. The operator's commands have clients of their own (`app.operator`).
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from app.adapters.http import HttpService, Reply, TransportError
from app.adapters.remembered import Remembered
from app.deadline import Deadline
from app.errors import DatabaseError, TimedOut
from app.models import Passage
from app.settings import ChromaSettings

log = logging.getLogger(__name__)

# Chroma Cloud returns at most this many records per get or query.
MAX_RESULTS = 300
# A reply has a frame, and of a record either its id and distance (an id of 128 bytes, each written as six) or its text and
# metadata, too: 16 kB and some, in any letters. One that has more has not been made by Chroma Cloud.
FRAME_BYTES, BARE_BYTES, RECORD_BYTES = 64 * 1024, 1024, 128 * 1024
# While a collection is replaced its name belongs to nobody for about a round trip: ask once more before saying so.
RENAMING_SECONDS = 1.0
# An id goes into addresses: nothing but a UUID may.
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OTHER_MODEL = "The rule books were indexed for another language model than the one in use; the owner has to put that right."


class _Known(NamedTuple):
    """What is kept of a collection; `model` is empty when the collection does not say what embedded it."""

    id: str
    model: str


class Chroma:
    """One collection, asked with vectors of `embedding_model`. `cache_file` keeps what is known of collections, by address
    and name."""

    def __init__(self, settings: ChromaSettings, cache_file: Path, embedding_model: str) -> None:
        self._settings = settings
        self._model = embedding_model
        headers = {"x-chroma-token": settings.api_key} if settings.api_key else {}
        self._service = HttpService("Chroma", settings.url, headers)
        self._base = (
            f"/api/v2/tenants/{quote(settings.tenant, safe='')}/databases/{quote(settings.database, safe='')}/collections"
        )
        self._memory = Remembered(cache_file)
        self._cache_key = settings.url + self._base + "/" + settings.collection
        self._known: _Known | None = None

    def query(
        self,
        embeddings: Sequence[Sequence[float]],
        count: int,
        deadline: Deadline,
        where: Mapping[str, Any] | None = None,
        *,
        texts: bool = True,
    ) -> list[list[Passage]]:
        """For each embedding the `count` nearest passages (at most 300), nearest first. Raises DatabaseError, TimedOut.

        Without `texts` they have neither text nor metadata.
        """
        payload: dict[str, Any] = {
            "query_embeddings": [list(vector) for vector in embeddings],
            "n_results": min(count, MAX_RESULTS),
            "include": ["documents", "metadatas", "distances"] if texts else ["distances"],
        }
        if where:
            payload["where"] = dict(where)
        per_record = RECORD_BYTES if texts else BARE_BYTES
        most_bytes = FRAME_BYTES + len(embeddings) * payload["n_results"] * per_record
        document = self._on_collection("query", payload, deadline, most_bytes, vectors=True)
        try:
            ids, distances = document["ids"], document["distances"]
            nothing = [[None] * len(some) for some in ids]
            documents, metadatas = (document["documents"], document["metadatas"]) if texts else (nothing, nothing)
            columns = zip(ids, documents, metadatas, distances, strict=True)
            found = [[_passage(*row) for row in zip(*column, strict=True)] for column in columns]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DatabaseError("Chroma query: reply has not the documented shape") from error
        for passages in found:
            self._check_distances(passages)
        return found

    def _check_distances(self, passages: Sequence[Passage]) -> None:
        """Raise DatabaseError where no distance is a number: that is no order at all."""
        without = [passage.id for passage in passages if passage.distance is None]
        if not without:
            return
        told = f"Chroma query: the distances of {len(without)} of {len(passages)} passages are no numbers ({without[0]}, …)"
        remedy = f"vectors in {self._settings.collection} are NaN or zero; scripts/ingest.py embeds them again"
        if len(without) == len(passages):
            raise DatabaseError(f"{told}: {remedy}")
        log.warning("%s: %s", told, remedy)

    def get(self, ids: Sequence[str], deadline: Deadline) -> list[Passage]:
        """The passages with these ids (at most 300), in no particular order. Raises DatabaseError, TimedOut."""
        payload = {"ids": list(ids), "limit": MAX_RESULTS, "include": ["documents", "metadatas"]}
        document = self._on_collection("get", payload, deadline, FRAME_BYTES + len(ids) * RECORD_BYTES)
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

    def _on_collection(
        self, action: str, payload: Mapping[str, Any], deadline: Deadline, most_bytes: int, *, vectors: bool = False
    ) -> Any:
        known = self._known or self._cached()
        if known and vectors and self._is_other(known.model):
            # It may have been made anew for this model since.
            known = None
        reply = None
        if known:
            reply = self._call("POST", f"{self._base}/{known.id}/{action}", deadline, payload, most_bytes)
        if reply is None or reply.status == 404:
            known = self._resolve(deadline)
            if vectors and self._is_other(known.model):
                raise DatabaseError(
                    f"Chroma: {self._settings.collection} was embedded with {known.model}, the question with {self._model}: "
                    f"set OPENAI_EMBEDDING_MODEL={known.model}, or ingest into another collection (scripts/ingest.py)",
                    public=OTHER_MODEL,
                )
            reply = self._call("POST", f"{self._base}/{known.id}/{action}", deadline, payload, most_bytes)
        return self._document(action, reply)

    def _is_other(self, model: str) -> bool:
        return bool(model and self._model and model != self._model)

    def _resolve(self, deadline: Deadline) -> _Known:
        path = f"{self._base}/{quote(self._settings.collection, safe='')}"
        reply = self._call("GET", path, deadline)
        if reply.status == 404 and deadline.remaining() > RENAMING_SECONDS:
            time.sleep(RENAMING_SECONDS)
            reply = self._call("GET", path, deadline)
        known = _collection(self._document("collection", reply))
        if known is None:
            raise DatabaseError("Chroma: the collection's description has not the documented shape")
        self._known = known
        self._memory.put(self._cache_key, known._asdict())
        return known

    def _call(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        payload: Mapping[str, Any] | None = None,
        most_bytes: int = FRAME_BYTES,
    ) -> Reply:
        try:
            return self._service.call(method, path, deadline, payload=payload, most_bytes=most_bytes)
        except TransportError as error:
            if error.timed_out:
                raise TimedOut(f"Chroma at {self._settings.url}: {error}") from error
            remedy = "; check CHROMA_CLOUD_HOST" if self._settings.api_key else "; start it with scripts/start_chroma.sh"
            raise DatabaseError(f"Chroma at {self._settings.url}: {error}{'' if error.explained else remedy}") from error

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
        message = str(document.get("message", ""))[:300]
        if reply.status == 400 and "dimension" in message:
            raise DatabaseError(
                f"{what}: {message}; {self._model} is not the model that embedded {self._settings.collection}: set "
                "OPENAI_EMBEDDING_MODEL to that one, or ingest into another collection (scripts/ingest.py)",
                public=OTHER_MODEL,
            )
        raise DatabaseError(f"{what}: {message}")

    def _cached(self) -> _Known | None:
        entry = self._memory.get(self._cache_key)
        identity, model = entry.get("id"), entry.get("model")
        if not (isinstance(identity, str) and UUID.fullmatch(identity) and isinstance(model, str)):
            return None
        self._known = _Known(identity, model)
        return self._known


def _collection(document: Mapping[str, Any]) -> _Known | None:
    """What a collection's description says, or None when it is none."""
    identity = document.get("id")
    if not (isinstance(identity, str) and UUID.fullmatch(identity)):
        return None
    metadata = document.get("metadata")
    model = metadata.get("embedding_model") if isinstance(metadata, dict) else None
    return _Known(identity, model if isinstance(model, str) else "")


def _passage(identity: str, document: str | None, metadata: Mapping[str, Any] | None, distance: Any) -> Passage:
    """A distance that is no number is None: Chroma sends null where one of the two vectors is NaN or, by cosine, zero.

    Raises TypeError for what no record is made of.
    """
    if not (isinstance(identity, str) and isinstance(document or "", str) and isinstance(metadata or {}, dict)):
        raise TypeError("no record")
    if distance is not None:
        distance = float(distance) if math.isfinite(distance) else None
    return Passage(identity, document or "", dict(metadata or {}), distance)
