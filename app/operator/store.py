"""The collections of one Chroma database: found, listed, created, deleted.

Why not through the official client: it drops the status of a 429 and its `Retry-After`, and cannot create a
collection with the configuration of another one without building that one's embedding function
(docs/migration.md has the measurements). Every call here ends, is repeated when that can help, and says in
one sentence what was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.operator.chroma_api import ChromaApi
from app.operator.stored_collection import StoredCollection, find, stored

# A list of collections that has more never ends: a server with as many has other troubles.
MOST_COLLECTIONS = 10_000


class Database(ChromaApi):
    """One database of one server. Every method raises OperatorError."""

    def probe(self) -> None:
        """Raises OperatorError saying which of server, key, tenant and database is not the right one."""
        reply = self.call("GET", "/api/v2/auth/identity", patient=False)
        identity = self.document(reply, "identity")
        owner = identity.get("tenant")
        if self.where.api_key and isinstance(owner, str) and owner not in ("*", self.where.tenant):
            raise self.error(
                f"the key belongs to tenant {owner}, not to {self.where.tenant}; correct "
                "chroma_cloud_tenant_id or chroma_cloud_api_key."
            )
        reply = self.call("GET", self.base, patient=False)
        if reply.status == 404:
            cloud = "chroma_cloud_database and chroma_cloud_tenant_id"
            raise self.error(
                f"there is no database {self.where.database!r} in tenant {self.where.tenant}; "
                f"check {cloud if self.where.api_key else 'CHROMA_HOST'}."
            )
        self.document(reply, "database")

    def find(self, name: str) -> StoredCollection | None:
        """The collection of this name, or None."""
        return find(self, name)

    def need(self, name: str) -> StoredCollection:
        """The collection of this name; OperatorError, with the names that there are, when there is none."""
        if (found := self.find(name)) is None:
            there = ", ".join(self.names()) or "none"
            raise self.error(f"there is no collection {name!r}; it has: {there}.")
        return found

    def names(self) -> list[str]:
        """The names of all collections."""
        names: list[str] = []
        while True:
            reply = self.call("GET", f"{self.base}/collections?limit=100&offset={len(names)}")
            page = self.json(reply, "list of collections")
            if not (
                isinstance(page, list) and all(isinstance(part, dict) and "name" in part for part in page)
            ):
                raise self.error("the list of collections has not the documented shape.")
            names += [str(entry["name"]) for entry in page]
            if len(page) < 100:
                return names
            if len(names) > MOST_COLLECTIONS:
                raise self.error("the list of collections does not end.")

    def create(
        self, name: str, metadata: Mapping[str, Any] | None, configuration: Mapping[str, Any] | None
    ) -> StoredCollection:
        """A new collection, or the one of this name: an earlier attempt whose reply got lost has made it."""
        # The parts that are null stand for the index type that the server does not use.
        parts = {key: part for key, part in (configuration or {}).items() if part is not None}
        payload = {
            "name": name,
            "metadata": metadata or None,
            "configuration": parts or None,
            "get_or_create": True,
        }
        reply = self.call("POST", f"{self.base}/collections", payload)
        return stored(self, name, reply, f"creating {name}")

    def delete(self, name: str) -> None:
        """Delete a collection; it is no error when it is gone already."""
        if not self.where.api_key and (found := self.find(name)) is not None:
            # A local server (1.5.9) forgets lists in metadata when it deletes a collection, and gives them to
            # the records of the next one (github.com/chroma-core/chroma/issues/7594); deleting the records
            # themselves takes the lists along.
            found.empty()
        reply = self.call("DELETE", f"{self.base}/collections/{self.segment(name)}")
        if reply.status != 404:
            self.json(reply, f"deleting {name}")
