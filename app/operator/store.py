"""Chroma's REST API v2 for moving whole collections: pages of records in, pages of records out, names switched.

Why not through the official client: it drops the status of a 429 and its `Retry-After`, waits without end, and cannot create a
collection with the configuration of another one without building that one's embedding function. Every call here ends, is
tried again when that can help, and says in one sentence what was wrong (docs/migration.md has the measurements).
`ChromaDBConnector` offers the official client for everything else.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Collection as Sized
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote
from uuid import UUID

from app.adapters.http import NO_SUCH_HOST, RETRY_STATUSES, HttpService, Reply, TransportError, retry_after
from app.deadline import Deadline
from app.operator.problems import OperatorError, SourceChanged
from app.operator.quotas import RECORDS
from app.operator.records import Record, checked, floats, to_base64
from app.settings import ChromaSettings

# Chroma Cloud takes and gives at most this many records a call; an unlimited get may be cut silently.
MAX_RECORDS = 300
# Parsed, a float takes 32 bytes and more: pages with embeddings are smaller, or several at a time would be 100 MB.
MAX_FLOATS_A_PAGE = 100 * 1536
# A server refuses calls of more than 40 MB, which 100 records with the longest metadata have.
MAX_BYTES_A_WRITE = 16_000_000
# A list of collections that has more never ends: a server with as many has other troubles.
MOST_COLLECTIONS = 10_000
COLUMNS = ["documents", "metadatas", "uris"]


class ReplyTooLarge(OperatorError):
    """A page of so many records is more than one reply may have."""


@dataclass(frozen=True)
class Patience:
    """How long one call may take, and how often and how soon it is tried again."""

    seconds_a_call: float = 60.0
    attempts: int = 8
    first_pause: float = 0.5
    longest_pause: float = 30.0
    longest_wish: float = 300.0
    """The longest `Retry-After` that is obeyed."""


@dataclass
class Traffic:
    """What has gone over the wire, for the closing line."""

    requests: int = 0
    retries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, *, again: bool) -> None:
        with self.lock:
            self.requests += 1
            self.retries += again


class Database:
    """One database of one server."""

    def __init__(self, where: ChromaSettings, patience: Patience | None = None) -> None:
        self.where = where
        self.label = f"Chroma Cloud ({where.host})" if where.api_key else f"Chroma at {where.url}"
        self.traffic = Traffic()
        self.stopping = threading.Event()
        """Set to end all waiting: the command is being given up."""
        self._patience = patience or Patience()
        headers = {"x-chroma-token": where.api_key} if where.api_key else {}
        self._service = HttpService("Chroma", where.url, headers)
        self._root = f"/api/v2/tenants/{quote(where.tenant, safe='')}"
        self._base = f"{self._root}/databases/{quote(where.database, safe='')}"

    def probe(self) -> None:
        """Make sure that server, key, tenant and database are the right ones. Raises OperatorError saying which is not."""
        reply = self.call("GET", "/api/v2/auth/identity", patient=False)
        identity = self._document(reply, "identity")
        owner = identity.get("tenant")
        if self.where.api_key and isinstance(owner, str) and owner not in ("*", self.where.tenant):
            raise OperatorError(
                f"{self.label}: the key belongs to tenant {owner}, not to {self.where.tenant}; "
                "correct chroma_cloud_tenant_id or chroma_cloud_api_key."
            )
        reply = self.call("GET", self._base, patient=False)
        if reply.status == 404:
            names = "chroma_cloud_database and chroma_cloud_tenant_id" if self.where.api_key else "CHROMA_HOST"
            raise OperatorError(
                f"{self.label}: there is no database {self.where.database!r} in tenant {self.where.tenant}; check {names}."
            )
        self._document(reply, "database")

    @cached_property
    def takes_base64(self) -> bool:
        """Whether embeddings may be sent as their bytes: older servers want decimal text."""
        checks = self._document(self.call("GET", "/api/v2/pre-flight-checks"), "pre-flight checks")
        return checks.get("supports_base64_encoding") is True

    def find(self, name: str) -> StoredCollection | None:
        """The collection of this name, or None."""
        reply = self.call("GET", f"{self._base}/collections/{quote(name, safe='')}")
        return None if reply.status == 404 else self._stored(name, reply, f"collection {name}")

    def _stored(self, name: str, reply: Reply, what: str) -> StoredCollection:
        stored = StoredCollection(self, self._document(reply, what))
        if stored.name != name:
            raise OperatorError(f"{self.label}: asked for the collection {name!r}, it gave another one ({stored.name!r}).")
        return stored

    def need(self, name: str) -> StoredCollection:
        """The collection of this name; OperatorError, with the names that there are, when there is none."""
        if (found := self.find(name)) is None:
            there = ", ".join(self.names()) or "none"
            raise OperatorError(f"{self.label}: there is no collection {name!r}; it has: {there}.")
        return found

    def names(self) -> list[str]:
        """The names of all collections."""
        names: list[str] = []
        while True:
            reply = self.call("GET", f"{self._base}/collections?limit=100&offset={len(names)}")
            page = self._json(reply, "list of collections")
            if not (isinstance(page, list) and all(isinstance(entry, dict) and "name" in entry for entry in page)):
                raise OperatorError(f"{self.label}: the list of collections has not the documented shape.")
            names += [str(entry["name"]) for entry in page]
            if len(page) < 100:
                return names
            if len(names) > MOST_COLLECTIONS:
                raise OperatorError(f"{self.label}: the list of collections does not end.")

    def create(
        self, name: str, metadata: Mapping[str, Any] | None, configuration: Mapping[str, Any] | None
    ) -> StoredCollection:
        """A new collection; when `name` exists already (an earlier attempt whose reply got lost), that one."""
        payload = {
            "name": name,
            "metadata": metadata or None,
            # The parts that are null stand for the index type that the server does not use.
            "configuration": {key: part for key, part in (configuration or {}).items() if part is not None} or None,
            "get_or_create": True,
        }
        reply = self.call("POST", f"{self._base}/collections", payload)
        return self._stored(name, reply, f"creating {name}")

    def delete(self, name: str) -> None:
        """Delete a collection; it is no error when it is gone already."""
        if not self.where.api_key and (found := self.find(name)) is not None:
            # A local server (1.5.9) forgets lists in metadata when it deletes a collection, and gives them to the records of
            # the next one (github.com/chroma-core/chroma/issues/7594); deleting the records themselves takes the lists along.
            found.empty()
        reply = self.call("DELETE", f"{self._base}/collections/{quote(name, safe='')}")
        if reply.status != 404:
            self._json(reply, f"deleting {name}")

    def call(self, method: str, path: str, payload: Any = None, *, patient: bool = True) -> Reply:
        """The reply to one call. 429, 5xx, time-outs and broken connections are tried again; raises OperatorError after that.

        With `patient=False` a server that cannot be reached, or does not answer, is believed sooner: a person waits.
        """
        patience = self._patience
        for attempt in range(1, patience.attempts + 1):
            self.traffic.count(again=attempt > 1)
            wish = None
            try:
                reply = self._service.call(method, path, Deadline(patience.seconds_a_call), payload=payload, attempts=1)
            except TransportError as error:
                if error.too_large:
                    raise ReplyTooLarge(f"{self.label}: {error}, for a single record.") from error
                most = 1 if error.explained else patience.attempts if patient else 4 if error.sent else 2
                if attempt >= min(most, patience.attempts):
                    raise OperatorError(self._unreachable(error)) from error
            else:
                if reply.status not in RETRY_STATUSES:
                    return reply
                wish = retry_after(reply.headers)
                if attempt == patience.attempts or (wish or 0) > patience.longest_wish:
                    raise OperatorError(self._overloaded(reply, attempt))
            pause = min(patience.longest_pause, patience.first_pause * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)
            if self.stopping.wait(max(pause, wish or 0)):
                raise OperatorError("Given up.")
        raise AssertionError("unreachable: the last attempt returns or raises")

    def on_collection(self, identity: str, action: str, payload: Any = None, *, method: str = "POST") -> Any:
        """The parsed reply of one call on a collection."""
        path = f"{self._base}/collections/{identity}" + (f"/{action}" if action else "")
        return self._json(self.call(method, path, payload), action or "change of name")

    def _unreachable(self, error: TransportError) -> str:
        if NO_SUCH_HOST in str(error):
            return f"{self.label}: {NO_SUCH_HOST}; check {self._host_setting()} and this machine's network."
        if error.timed_out:
            return f"{self.label}: no answer within {self._patience.seconds_a_call:g} s; try again later."
        if error.explained:
            return f"{self.label}: {error}."
        remedy = f"check {self._host_setting()} and the network"
        if not self.where.api_key:
            remedy = "start it with scripts/start_chroma.sh, or check CHROMA_HOST and CHROMA_PORT"
        return f"{self.label}: {error}; {remedy}."

    def _overloaded(self, reply: Reply, attempts: int) -> str:
        why = "too many calls (429)" if reply.status == 429 else f"status {reply.status} {_message(reply)}".rstrip()
        return f"{self.label}: {why}, after {attempts} attempts; try again later."

    def _host_setting(self) -> str:
        return "CHROMA_CLOUD_HOST" if self.where.api_key else "CHROMA_HOST"

    def _document(self, reply: Reply, what: str) -> Mapping[str, Any]:
        document = self._json(reply, what)
        if not isinstance(document, dict):
            raise OperatorError(f"{self.label}: {what}: the reply has not the documented shape.")
        return document

    def _json(self, reply: Reply, what: str) -> Any:
        if reply.status == 401:
            raise OperatorError(f"{self.label}: the key is refused; check chroma_cloud_api_key.")
        if reply.status == 403:
            raise OperatorError(
                f"{self.label}: the key does not open tenant {self.where.tenant}, database {self.where.database}; "
                "check chroma_cloud_tenant_id and chroma_cloud_database."
            )
        if not 200 <= reply.status < 300:
            raise OperatorError(f"{self.label}: {what}: status {reply.status} {_message(reply)}".rstrip(" .") + ".")
        try:
            return reply.json()
        except ValueError as error:
            raise OperatorError(f"{self.label}: {what}: the reply is no JSON; is this a Chroma server?") from error


class StoredCollection:
    """One collection on a server, by its id: it stays the same one when its name changes."""

    def __init__(self, database: Database, document: Mapping[str, Any]) -> None:
        self.database = database
        try:
            # The id goes into addresses: nothing but a UUID may.
            self.id = str(UUID(str(document["id"])))
            # Checked as a record is: its name stands for an id.
            about = checked(document["name"], None, document.get("metadata"), None)
            self.name = about.id
            self.metadata: dict[str, Any] = dict(about.metadata or {})
            self.configuration: dict[str, Any] = dict(document.get("configuration_json") or {})
            self.dimension: int | None = document.get("dimension")
            if not (self.dimension is None or (type(self.dimension) is int and 0 <= self.dimension < 2**31)):
                raise ValueError("a dimension that is none")
            self._page = MAX_RECORDS
            """How many records are asked for at a time; fewer once a page of theirs was more than a reply may have."""
        except (KeyError, TypeError, ValueError) as error:
            raise OperatorError(f"{database.label}: a collection has not the documented shape.") from error

    def count(self) -> int:
        """How many records there are now."""
        count = self.database.on_collection(self.id, "count", method="GET")
        if not (type(count) is int and 0 <= count < 2**63):
            raise OperatorError(f"{self.database.label}: the count of {self.name} is no number of records.")
        return count

    def pages(self, *, embeddings: bool) -> Iterator[list[Record]]:
        """All records in the order of their insertion, at most 300 at a time."""
        yield from self._walk(COLUMNS + ["embeddings"] * embeddings)

    def ids(self) -> Iterator[list[str]]:
        """The ids of all records, at most 300 at a time."""
        for page in self._walk([]):
            yield [record.id for record in page]

    def _walk(self, include: list[str]) -> Iterator[list[Record]]:
        """Page after page. It ends, whatever the server does: one that goes round in circles, or on for ever, is given up."""
        offset, pages, mark = 0, 0, ""
        while page := self._get({"offset": offset}, include):
            if page[0].id == mark:
                raise SourceChanged(f"{self.name} is being written to: record {mark} came twice. Run again when it rests.")
            # Any circle is found once it is shorter than the way to the last mark (Brent's method).
            if pages & (pages - 1) == 0:
                mark = page[0].id
            yield page
            offset, pages = offset + len(page), pages + 1
            if offset > RECORDS:
                raise OperatorError(f"{self.database.label}: {self.name} has more than {RECORDS:,} records, or does not end.")

    def get(self, ids: Sequence[str], *, embeddings: bool) -> list[Record]:
        """Those of at most 300 records that are there."""
        return self._get({"ids": list(ids)}, COLUMNS + ["embeddings"] * embeddings)

    def upsert(self, records: Sequence[Record]) -> None:
        """Write at most 300 records with their embeddings.

        Keys of an older metadata and an older document that the new record has not would stay: `remove` first where a record
        may be there in another version.
        """
        if len(records) > 1 and sum(map(_size, records)) > MAX_BYTES_A_WRITE:
            half = len(records) // 2
            self.upsert(records[:half])
            self.upsert(records[half:])
            return
        payload = {
            "ids": [record.id for record in records],
            "embeddings": [self._on_the_wire(record) for record in records],
            "documents": [record.document for record in records],
            "metadatas": [record.metadata for record in records],
            "uris": [record.uri for record in records],
        }
        self.database.on_collection(self.id, "upsert", payload)

    def _on_the_wire(self, record: Record) -> str | list[float]:
        if record.embedding is None:
            raise OperatorError(f"Record {record.id} has no embedding; embed it first: an upload never does.")
        return to_base64(record.embedding) if self.database.takes_base64 else record.embedding.tolist()

    def remove(self, ids: Sized[str]) -> None:
        """Delete at most 300 records; it is no error when some are gone already."""
        self.database.on_collection(self.id, "delete", {"ids": list(ids)})

    def empty(self) -> int:
        """Delete all records; returns how many there were."""
        removed, last = 0, ""
        while page := self._get({}, []):
            if page[0].id == last:
                raise OperatorError(f"{self.database.label}: record {last} of {self.name} is still there after it was deleted.")
            last = page[0].id
            self.remove([record.id for record in page])
            removed += len(page)
        return removed

    def change(self, *, name: str | None = None, metadata: Mapping[str, Any] | None = None) -> None:
        """Give it a new name, or a new metadata in the place of the old one."""
        payload: dict[str, Any] = {"new_name": name} if name else {}
        if metadata is not None:
            payload["new_metadata"] = dict(metadata)
        self.database.on_collection(self.id, "", payload, method="PUT")
        self.name = name or self.name

    def _get(self, which: Mapping[str, Any], include: list[str]) -> list[Record]:
        limit = self._page
        if "embeddings" in include and self.dimension:
            limit = max(1, min(limit, MAX_FLOATS_A_PAGE // self.dimension))
        if "ids" in which and len(which["ids"]) > limit:
            ids = which["ids"]
            halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :])
            return [record for half in halves for record in self._get({"ids": half}, include)]
        try:
            document = self.database.on_collection(self.id, "get", {**which, "limit": limit, "include": include})
        except ReplyTooLarge:
            if limit == 1:
                raise
            self._page = min(self._page, limit // 2)
            return self._get(which, include)
        try:
            ids = document["ids"]
            if not isinstance(ids, list) or len(ids) > limit:
                raise ValueError("no list of ids, or of more than were asked for")
            nothing = [None] * len(ids)
            columns = [document.get(name) or nothing for name in COLUMNS]
            vectors = document.get("embeddings") if "embeddings" in include else None
            rows = zip(ids, *columns, vectors or nothing, strict=True)
            return [checked(i, d, m, u, None if v is None else floats(v)) for i, d, m, u, v in rows]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise OperatorError(f"{self.database.label}: a page of records has not the documented shape.") from error


def _size(record: Record) -> int:
    """Bytes on the wire, about: what is not ASCII is escaped there."""
    return len(json.dumps([record.document, record.metadata])) + 6 * len(record.embedding or ())


def _message(reply: Reply) -> str:
    """What the server says about its refusal: Chroma's message, nothing of a foreign error page."""
    try:
        document = reply.json()
    except ValueError:
        return ""
    return str(document.get("message", ""))[:300] if isinstance(document, dict) else ""
