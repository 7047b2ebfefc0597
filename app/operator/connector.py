"""`ChromaDBConnector`: the official Chroma client, pointed at the configured place and kept from waiting without end.

    ChromaDBConnector()                        Chroma Cloud when it is configured, else the local server
    ChromaDBConnector("local")                 the local server, whatever is configured
    ChromaDBConnector("cloud", api_key="…")    Chroma Cloud with this key (the client ignores CHROMA_API_KEY)

For the operator's commands and for an interactive session. `client` and everything that uses it import `chromadb` when first
needed (0.6 s, 75 MB); `database` moves whole collections without it; the request path has its own reader in `app.adapters`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from app import settings as configuration
from app import tls
from app.adapters import connections
from app.adapters.http import RETRY_STATUSES, retry_after
from app.operator.problems import OperatorError, UsageError
from app.operator.store import MAX_RECORDS, Database, Patience
from app.settings import ChromaSettings, Settings

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")


class Refused(Exception):
    """A status that is worth another attempt, kept before the client loses it."""

    def __init__(self, status: int, wish: float | None) -> None:
        super().__init__(f"status {status}")
        self.wish = wish


class ChromaDBConnector:
    """Collections of one Chroma database. Every method raises OperatorError, which says what to check."""

    def __init__(
        self,
        mode: Literal["auto", "cloud", "local"] = "auto",
        *,
        settings: Settings | None = None,
        api_key: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        settings = settings or configuration.load()
        self.where = _place(mode, settings, api_key)
        self._ca_file = settings.ca_file
        connections.configure(settings.ca_file, settings.data_dir / "addresses.json")
        self._patience = patience or Patience()

    def __repr__(self) -> str:
        where = self.where
        if where.api_key:
            return f"ChromaDBConnector(cloud, tenant={where.tenant}, database={where.database})"
        return f"ChromaDBConnector(host={'https' if where.ssl else 'http'}://{where.host}, port={where.port})"

    @cached_property
    def database(self) -> Database:
        """The same database for moving whole collections."""
        return Database(self.where, self._patience)

    def connect(self) -> None:
        """Make sure that server, key, tenant and database are right."""
        self.database.probe()

    @cached_property
    def client(self) -> ClientAPI:
        """The official client, with time limits."""
        self.connect()
        client = self._within_time(self._make_client)
        session: httpx.Client = client._server._session  # type: ignore[attr-defined]  # it offers no other way
        session.timeout = self._patience.seconds_a_call
        session.event_hooks = {"response": [_keep_status]}
        return client

    def get(self, name: str) -> Collection:
        """The collection of this name, for use without an embedding function."""
        from chromadb.errors import NotFoundError

        try:
            return self._calling(lambda: self.client.get_collection(name, embedding_function=None))
        except NotFoundError as error:
            raise OperatorError(f"{self.database.label}: there is no collection {name!r}.") from error

    def create(self, name: str, metadata: Mapping[str, Any] | None = None, space: str = "cosine") -> Collection:
        """A new collection; OperatorError when there is one of this name."""
        if self.exists(name):
            raise OperatorError(f"{self.database.label}: there is a collection {name!r} already.")
        return self._calling(
            lambda: self.client.create_collection(
                name,
                metadata=dict(metadata) if metadata else None,
                configuration={"hnsw": {"space": space}},  # type: ignore[arg-type]  # a TypedDict there
                embedding_function=None,
                # A repeated attempt may find that the first one was carried out.
                get_or_create=True,
            )
        )

    def list(self) -> list[str]:
        """The names of all collections."""
        names: list[str] = []
        while True:
            page = self._calling(partial(self.client.list_collections, limit=100, offset=len(names)))
            names += [collection.name for collection in page]
            if len(page) < 100:
                return names

    def exists(self, name: str) -> bool:
        from chromadb.errors import NotFoundError

        try:
            self._calling(lambda: self.client.get_collection(name, embedding_function=None))
        except NotFoundError:
            return False
        return True

    def count(self, name: str) -> int:
        """How many records it has."""
        return self._calling(self.get(name).count)

    def info(self, name: str) -> dict[str, Any]:
        """Id, count, metadata and configuration of a collection."""
        collection = self.get(name)
        return {
            "id": str(collection.id),
            "name": collection.name,
            "count": self._calling(collection.count),
            "metadata": dict(collection.metadata or {}),
            "configuration": dict(collection.configuration_json),
        }

    def truncate(self, name: str, batch_size: int = MAX_RECORDS) -> int:
        """Delete all records, in batches; returns how many there were. The collection stays."""
        if not 1 <= batch_size <= MAX_RECORDS:
            raise UsageError(f"batch size: give 1 to {MAX_RECORDS}.")
        collection, removed, last = self.get(name), 0, ""
        while ids := self._calling(lambda: collection.get(limit=batch_size, include=[]))["ids"]:
            if ids[0] == last:
                raise OperatorError(f"{self.database.label}: record {last} of {name} is still there after it was deleted.")
            self._calling(partial(collection.delete, ids=ids))
            removed, last = removed + len(ids), ids[0]
        return removed

    def delete(self, name: str) -> None:
        """Delete a collection with all its records; it is no error when there is none."""
        from chromadb.errors import NotFoundError

        with contextlib.suppress(NotFoundError):
            if not self.where.api_key and self.exists(name):
                # What a local server keeps of deleted collections: see Database.delete.
                self.truncate(name)
            self._calling(lambda: self.client.delete_collection(name))

    def _make_client(self) -> ClientAPI:
        try:
            import chromadb
        except ImportError as error:
            raise OperatorError(
                "The package chromadb is not installed here: run scripts/setup.sh --operator (the web host does not need it)."
            ) from error
        from chromadb.config import Settings as ClientSettings

        where, options = self.where, ClientSettings()
        if where.ssl and (bundle := tls.bundle(self._ca_file)):
            options.chroma_server_ssl_verify = str(bundle)
        if where.api_key:
            return chromadb.CloudClient(
                settings=options,
                tenant=where.tenant,
                database=where.database,
                api_key=where.api_key,
                cloud_host=where.host,
                cloud_port=where.port,
                enable_ssl=where.ssl,
            )
        return chromadb.HttpClient(host=where.host, port=where.port, ssl=where.ssl, settings=options)

    def _within_time(self, make: Callable[[], ClientAPI]) -> ClientAPI:
        """The constructor makes three calls before its time limits can be set: wait for it no longer than for a call."""
        outcome: list[ClientAPI | BaseException] = []

        def work() -> None:
            try:
                outcome.append(make())
            except BaseException as error:  # handed to the caller, in whose thread it is raised again
                outcome.append(error)

        for attempt in range(1, self._patience.attempts + 1):
            thread = threading.Thread(target=work, name="chroma-client", daemon=True)
            thread.start()
            thread.join(self._patience.seconds_a_call)
            result = outcome.pop() if outcome else OperatorError(f"{self.database.label}: no answer; try again later.")
            if isinstance(result, OperatorError):
                raise result
            if not isinstance(result, BaseException):
                return result
            if attempt == self._patience.attempts:
                # Its text can hold the address and a foreign error page, but not the key.
                raise OperatorError(f"{self.database.label}: {str(result)[:300]}; try again later.") from result
            time.sleep(self._patience.first_pause * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _calling(self, call: Callable[[], T]) -> T:
        """What `call` returns, tried again like every other call; foreign errors become OperatorError, not found stays."""
        import httpx
        from chromadb.errors import ChromaError, NotFoundError

        patience = self._patience
        for attempt in range(1, patience.attempts + 1):
            pause = min(patience.longest_pause, patience.first_pause * 2 ** (attempt - 1))
            try:
                return call()
            except (Refused, httpx.TransportError) as error:
                if attempt == patience.attempts:
                    raise OperatorError(f"{self.database.label}: {error}; try again later.") from error
                time.sleep(max(pause, getattr(error, "wish", None) or 0))
            except NotFoundError:
                raise
            except ChromaError as error:
                raise OperatorError(f"{self.database.label}: {error}.") from error
        raise AssertionError("unreachable: the last attempt returns or raises")


def _keep_status(response: httpx.Response) -> None:
    if response.status_code in RETRY_STATUSES:
        raise Refused(response.status_code, retry_after(response.headers))


def _place(mode: str, settings: Settings, api_key: str | None) -> ChromaSettings:
    if mode not in ("auto", "cloud", "local"):
        raise UsageError(f"there is no mode {mode!r}: give auto, cloud or local.")
    if mode == "local" or (mode == "auto" and settings.chroma_cloud is None and not api_key):
        return settings.chroma_local
    if settings.chroma_cloud is None:
        raise UsageError(
            "Chroma Cloud is not configured: set chroma_cloud_api_key and chroma_cloud_tenant_id "
            f"in {settings.source or 'the environment or .env'}."
        )
    return settings.chroma_cloud._replace(api_key=api_key) if api_key else settings.chroma_cloud
