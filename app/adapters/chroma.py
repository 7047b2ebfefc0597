"""Chroma's REST API v2 as the request path needs it: query and get, on a known collection.

The path of these calls takes the collection's id, which only its name gives. The id is kept in a small file
under DATA_DIR, so that the steady state is one call. A recreated collection has a new id: on 404 the name is
looked up again. With the id comes the name of the model that embedded the collection: a query with another
one's vectors is refused, as its result would be nonsense that looks like passages.
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

from app.adapters.exchange import TransportError
from app.adapters.http import HttpService, Reply
from app.adapters.remembered import Remembered
from app.deadline import Deadline
from app.errors import DatabaseError, TimedOut
from app.models import Passage
from app.settings import ChromaSettings

log = logging.getLogger(__name__)

# Chroma Cloud returns at most this many records per get or query.
MAX_RESULTS = 300
# A reply has a frame, and of each record either its id and distance (an id of 128 bytes, each written as six)
# or also its text and metadata: 16 kB and some, in any letters. Chroma Cloud makes no larger ones.
FRAME_BYTES, BARE_BYTES, RECORD_BYTES = 64 * 1024, 1024, 128 * 1024
TEXTS = ["documents", "metadatas"]
# While a collection is replaced its name belongs to nobody for about a round trip: it is looked up once more.
RENAMING_SECONDS = 1.0
# An id becomes part of an address, so nothing but a UUID is taken.
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OTHER_COLLECTION = "or ingest into another collection (scripts/ingest.py)"
OTHER_MODEL = (
    "The rule books were indexed for another language model than the one in use; "
    "the owner has to put that right."
)  # fmt: skip


class Collection(NamedTuple):
    """What is kept of a collection; `model` is empty when the collection does not say what embedded it."""

    id: str
    model: str


class Chroma:
    """One collection, queried with vectors of `embedding_model`; `cache_file` keeps what is known of it."""

    def __init__(self, settings: ChromaSettings, cache_file: Path, embedding_model: str) -> None:
        self._settings = settings
        self._model = embedding_model
        headers = {"x-chroma-token": settings.api_key} if settings.api_key else {}
        self._service = HttpService("Chroma", settings.url, headers)
        self.open_ahead, self.close = self._service.open_ahead, self._service.close
        tenant, database = quote(settings.tenant, safe=""), quote(settings.database, safe="")
        self._base = f"/api/v2/tenants/{tenant}/databases/{database}/collections"
        self._memory = Remembered(cache_file)
        self._key = settings.url + self._base + "/" + settings.collection

    def query(
        self,
        embeddings: Sequence[Sequence[float]],
        count: int,
        deadline: Deadline,
        where: Mapping[str, Any] | None = None,
        *,
        texts: bool = True,
    ) -> list[list[Passage]]:
        """For each embedding the `count` nearest passages (at most 300), nearest first.

        Without `texts` they have neither text nor metadata. Raises DatabaseError, TimedOut.
        """
        count = min(count, MAX_RESULTS)
        include = [*TEXTS, "distances"] if texts else ["distances"]
        vectors = [list(vector) for vector in embeddings]
        payload: dict[str, Any] = {"query_embeddings": vectors, "n_results": count, "include": include}
        if where:
            payload["where"] = dict(where)
        most_bytes = FRAME_BYTES + len(vectors) * count * (RECORD_BYTES if texts else BARE_BYTES)
        document = self._on_collection("query", payload, deadline, most_bytes)
        try:
            nothing = [[None] * len(ids) for ids in document["ids"]]
            contents, metadata = (document[name] if name in include else nothing for name in TEXTS)
            columns = zip(document["ids"], contents, metadata, document["distances"], strict=True)
            found = [[_passage(*row) for row in zip(*column, strict=True)] for column in columns]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DatabaseError("Chroma query: reply has not the documented shape") from error
        for passages in found:
            self._check_distances(passages)
        return found

    def get(self, ids: Sequence[str], deadline: Deadline) -> list[Passage]:
        """The passages with these ids (at most 300), in no order. Raises DatabaseError, TimedOut."""
        payload = {"ids": list(ids), "limit": MAX_RESULTS, "include": TEXTS}
        document = self._on_collection("get", payload, deadline, FRAME_BYTES + len(ids) * RECORD_BYTES)
        try:
            columns = zip(document["ids"], document["documents"], document["metadatas"], strict=True)
            return [_passage(*row, None) for row in columns]
        except (KeyError, TypeError, ValueError) as error:
            raise DatabaseError("Chroma get: reply has not the documented shape") from error

    def check(self, deadline: Deadline) -> None:
        """Look up the collection, past the cache. Raises DatabaseError, TimedOut."""
        self._look_up(deadline)

    def _check_distances(self, passages: Sequence[Passage]) -> None:
        """Log distances that are no numbers; raise DatabaseError if all are, as that is no order at all."""
        without = [passage.id for passage in passages if passage.distance is None]
        if not without:
            return
        share = f"{len(without)} of {len(passages)} passages"
        fault = f"Chroma query: the distances of {share} are no numbers ({without[0]}, …)"
        remedy = "are NaN or zero; scripts/ingest.py embeds them again"
        if len(without) == len(passages):
            raise DatabaseError(f"{fault}: vectors in {self._settings.collection} {remedy}")
        log.warning("%s: vectors in %s %s", fault, self._settings.collection, remedy)

    def _on_collection(self, action: str, payload: Any, deadline: Deadline, most_bytes: int) -> Any:
        def post(collection: Collection) -> Reply:
            return self._call(f"{collection.id}/{action}", deadline, payload, most_bytes)

        def takes_vectors(model: str) -> bool:
            return action != "query" or not model or not self._model or model == self._model

        known = self._remembered()
        # A collection of another model may have been made anew for this one since, so it is looked up.
        if known and takes_vectors(known.model):
            reply = post(known)
            if reply.status != 404:
                return self._document(action, reply)
        known = self._look_up(deadline)
        if not takes_vectors(known.model):
            fault = f"{self._settings.collection} was embedded with {known.model}"
            remedy = f"set OPENAI_EMBEDDING_MODEL={known.model}, {OTHER_COLLECTION}"
            detail = f"Chroma: {fault}, the question with {self._model}: {remedy}"
            raise DatabaseError(detail, public=OTHER_MODEL)
        return self._document(action, post(known))

    def _look_up(self, deadline: Deadline) -> Collection:
        name = quote(self._settings.collection, safe="")
        reply = self._call(name, deadline)
        if reply.status == 404 and deadline.remaining() > RENAMING_SECONDS:
            time.sleep(RENAMING_SECONDS)
            reply = self._call(name, deadline)
        document = self._document("collection", reply)
        metadata = document.get("metadata")
        model = metadata.get("embedding_model") if isinstance(metadata, dict) else None
        found = _collection(document.get("id"), model if isinstance(model, str) else "")
        if found is None:
            raise DatabaseError("Chroma: the collection's description has not the documented shape")
        self._memory.put(self._key, found._asdict())
        return found

    def _remembered(self) -> Collection | None:
        entry = self._memory.get(self._key)
        return _collection(entry.get("id"), entry.get("model"))

    def _call(self, path: str, deadline: Deadline, payload: Any = None, most: int = FRAME_BYTES) -> Reply:
        """Get what is at `path` among the collections, or post `payload` there; of a reply at most `most`
        bytes."""
        method, path = "POST" if payload else "GET", f"{self._base}/{path}"
        try:
            return Reply.of(self._service.call(method, path, deadline, payload=payload, most_bytes=most))
        except TransportError as error:
            what = f"Chroma at {self._settings.url}: {error}"
            if error.timed_out:
                raise TimedOut(what) from error
            if error.explained:
                raise DatabaseError(what) from error
            cloud = bool(self._settings.api_key)
            remedy = "check CHROMA_CLOUD_HOST" if cloud else "start it with scripts/start_chroma.sh"
            raise DatabaseError(f"{what}; {remedy}") from error

    def _document(self, action: str, reply: Reply) -> Any:
        """The object that a reply holds. Raises DatabaseError for every other reply."""
        try:
            document = reply.json()
        except ValueError:
            document = {}
        if not isinstance(document, dict):
            document = {}
        if reply.status == 200 and document:
            return document
        settings, message = self._settings, str(document.get("message", ""))[:300]
        what = f"Chroma {action}: status {reply.status} {document.get('error', '')}".rstrip()
        if reply.status in (401, 403):
            raise DatabaseError(f"{what}; check chroma_cloud_api_key and chroma_cloud_tenant_id")
        if reply.status == 404:
            missing = f"there is no collection {settings.collection!r} in database {settings.database!r}"
            raise DatabaseError(f"{what}; {missing}: check CHROMA_COLLECTION")
        if reply.status == 400 and "dimension" in message:
            fault = f"{self._model} is not the model that embedded {settings.collection}"
            remedy = f"set OPENAI_EMBEDDING_MODEL to that one, {OTHER_COLLECTION}"
            raise DatabaseError(f"{what}: {message}; {fault}: {remedy}", public=OTHER_MODEL)
        raise DatabaseError(f"{what}: {message}")


def _collection(identity: Any, model: Any) -> Collection | None:
    """None when the two do not describe a collection."""
    known = isinstance(identity, str) and re.fullmatch(UUID, identity) and isinstance(model, str)
    return Collection(identity, model) if known else None


def _passage(identity: Any, text: Any, metadata: Any, distance: Any) -> Passage:
    """The passage of one record. Raises TypeError where the parts make no record.

    Chroma sends null for a distance where one of the two vectors is NaN or, by cosine, zero; it becomes None.
    """
    if not (isinstance(identity, str) and isinstance(text or "", str) and isinstance(metadata or {}, dict)):
        raise TypeError("no record")
    if distance is not None:
        distance = float(distance) if math.isfinite(distance) else None
    return Passage(identity, text or "", dict(metadata or {}), distance)
