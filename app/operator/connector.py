"""`ChromaDBConnector`: the collections of the configured Chroma database, for commands and interactive
sessions.

    ChromaDBConnector()                        Chroma Cloud when it is configured, else the local server
    ChromaDBConnector("local")                 the local server, whatever is configured
    ChromaDBConnector("cloud", api_key="…")    Chroma Cloud with this key (the client ignores CHROMA_API_KEY)

`client` is the official client, and `get` and `create` return its collections; they import `chromadb` when
they are first used (0.6 s, 75 MB). Everything else goes through `database`. The official client's calls are
carried by the same `HttpClient`, so its retries, limits, proxies and certificates are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from app import settings as configuration
from app.operator.problems import OperatorError, UsageError
from app.operator.quotas import MAX_RECORDS
from app.operator.retries import Patience
from app.operator.store import Database
from app.settings import ChromaSettings, Settings

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection


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
        self.where = _where(mode, settings, api_key)
        self.database = Database(self.where, patience, settings.ca_file)
        """The same database for moving whole collections."""

    def __repr__(self) -> str:
        where = self.where
        if where.api_key:
            return f"ChromaDBConnector(cloud, tenant={where.tenant}, database={where.database})"
        return f"ChromaDBConnector(host={'https' if where.ssl else 'http'}://{where.host}, port={where.port})"

    def connect(self) -> None:
        """Make sure that server, key, tenant and database are right."""
        self.database.probe()

    @cached_property
    def client(self) -> ClientAPI:
        """The official client."""
        return _official_client(self._known)

    @cached_property
    def _known(self) -> Database:
        """`database`, which was reached with this key, tenant and database."""
        self.connect()
        return self.database

    def get(self, name: str) -> Collection:
        """The collection of this name, for use without an embedding function."""
        self._known.need(name)
        client = self.client
        from chromadb.errors import ChromaError

        try:
            return client.get_collection(name, embedding_function=None)
        except ChromaError as error:
            raise OperatorError(f"{self.database.label}: {error}.") from error

    def create(
        self, name: str, metadata: Mapping[str, Any] | None = None, space: str = "cosine"
    ) -> Collection:
        """A new collection; OperatorError when there is one of this name."""
        if self.exists(name):
            raise OperatorError(f"{self.database.label}: there is a collection {name!r} already.")
        self._known.create(name, metadata, {"hnsw": {"space": space}})
        return self.get(name)

    def list(self) -> list[str]:
        """The names of all collections."""
        return self._known.names()

    def exists(self, name: str) -> bool:
        return self._known.find(name) is not None

    def count(self, name: str) -> int:
        """How many records it has."""
        return self._known.need(name).count()

    def info(self, name: str) -> dict[str, Any]:
        """Id, count, metadata and configuration of a collection."""
        found = self._known.need(name)
        return {
            "id": found.id,
            "name": found.name,
            "count": found.count(),
            "metadata": found.metadata,
            "configuration": found.configuration,
        }

    def truncate(self, name: str, batch_size: int = MAX_RECORDS) -> int:
        """Delete all records, in batches; returns how many there were. The collection stays."""
        if not 1 <= batch_size <= MAX_RECORDS:
            raise UsageError(f"batch size: give 1 to {MAX_RECORDS}.")
        return self._known.need(name).empty(batch_size)

    def delete(self, name: str) -> None:
        """Delete a collection with all its records; it is no error when there is none."""
        self._known.delete(name)


def _where(mode: str, settings: Settings, api_key: str | None) -> ChromaSettings:
    if mode not in ("auto", "cloud", "local"):
        raise UsageError(f"there is no mode {mode!r}: give auto, cloud or local.")
    if mode == "local" or (mode == "auto" and settings.chroma_cloud is None and not api_key):
        return settings.chroma_local
    if settings.chroma_cloud is None:
        raise UsageError(
            "Chroma Cloud is not configured: set chroma_cloud_api_key and chroma_cloud_tenant_id in "
            f"{settings.source or 'the environment or .env'}."
        )
    return settings.chroma_cloud._replace(api_key=api_key) if api_key else settings.chroma_cloud


def _official_client(database: Database) -> ClientAPI:
    try:
        import httpx
        from chromadb.api.client import Client
        from chromadb.api.fastapi import FastAPI
        from chromadb.config import Settings as ClientSettings
    except ImportError as error:
        raise OperatorError(
            "The package chromadb is not installed here: run scripts/setup.sh --operator (the web host does "
            "not need it)."
        ) from error

    class Transport(httpx.BaseTransport):
        """Carries the client's calls as our own."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            target = request.url.raw_path.decode("ascii")
            reply = database.send(request.method, target, request.read() or None)
            return httpx.Response(
                reply.status, headers={"Content-Type": "application/json"}, content=reply.body
            )

    class CarriedClient(Client):
        def get_user_identity(self) -> Any:
            # The first call that the constructor makes; the client offers no other moment for it.
            server = self._server
            assert isinstance(server, FastAPI)
            server._session = httpx.Client(transport=Transport(), headers=server._session.headers)
            return server.get_user_identity()

        def _validate_tenant_database(self, tenant: str, database: str) -> None:
            """`Database.probe` has done it."""

    where = database.where
    settings = ClientSettings(
        chroma_api_impl="chromadb.api.fastapi.FastAPI",
        chroma_server_host=where.host,
        chroma_server_http_port=where.port,
        chroma_server_ssl_enabled=where.ssl,
    )
    return CarriedClient(where.tenant, where.database, settings)
