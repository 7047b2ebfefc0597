"""Chroma Cloud as far as a migration sees it: a relay before a real `chroma run` that asks for the token and
has quotas.

What it adds: 401 without the right token, tenant and database names of its own, every quota of the cloud with
the words of its error bodies, faults, and an account of requests, bytes and how often each record was sent.
What it does not have: sparse vectors, hybrid search, forks.

    python -m tests.harness.doubles.chroma_cloud --behind http://127.0.0.1:8061 --port 8062
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from tests.harness.relay import Relay

from . import chroma_quotas, command
from .delivery import Reply, json_reply
from .faults import Fault
from .recording import RecordedRequest

KEY = "ck-double-0123456789abcdef"
TENANT = "120ffaa8-32bf-4e7d-823d-c587bd8a5202"
DATABASE = "adnd_1e"
WRITES = ("add", "upsert", "update")


class ChromaCloudDouble(Relay):
    """`with ChromaCloudDouble(behind=server.url) as cloud`. Keeps the bodies of requests only when told
    to.
    """

    def __init__(
        self,
        *,
        behind: str,
        key: str = KEY,
        tenant: str = TENANT,
        database: str = DATABASE,
        keep_bodies: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(behind, **common)
        self.key, self.tenant, self.database = key, tenant, database
        self.behind = behind
        self._keep_bodies = keep_bodies
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self.sent: Counter[str] = Counter()
        """How often each record's id arrived in a write, answered or not."""
        self.accepted: Counter[str] = Counter()
        """How often a write of it was carried out."""

    def environment(self) -> dict[str, str]:
        """The settings that point at this cloud."""
        return {
            "chroma_cloud_api_key": self.key,
            "chroma_cloud_tenant_id": self.tenant,
            "chroma_cloud_database": self.database,
            "CHROMA_CLOUD_HOST": self._host,
            "CHROMA_CLOUD_PORT": str(self.port),
            "CHROMA_CLOUD_SSL": "off",
        }

    @property
    def traffic(self) -> dict[str, int]:
        """Requests and the bytes of their bodies, both ways."""
        notes = [request.notes for request in self.requests]
        return {
            "requests": len(notes),
            "bytes_in": sum(note.get("bytes_in", 0) for note in notes),
            "bytes_out": sum(note.get("bytes_out", 0) for note in notes),
        }

    @property
    def writes(self) -> list[RecordedRequest]:
        """Every request that asked for a change: of a record, of a collection."""
        reading = ("/get", "/query", "/search")
        return [
            r
            for r in self.requests
            if r.method in ("PUT", "DELETE") or (r.method == "POST" and not r.path.endswith(reading))
        ]

    def reset(self) -> None:
        super().reset()
        with self._lock:
            self.sent.clear()
            self.accepted.clear()

    def fault_body(self, fault: Fault) -> Any:
        if fault.status == 429:
            return {"error": "ChromaError", "message": "Rate limit exceeded"}
        return {"error": "InternalError", "message": f"injected status {fault.status}"}

    def control(self, method: str, name: str, body: Any) -> Any:
        if (method, name) == ("GET", "traffic"):
            return self.traffic
        raise LookupError(name)

    def answer(self, request: RecordedRequest) -> Reply:
        body = request.body
        request.notes["bytes_in"] = len(request.raw)
        reply = self._refusal(request, body) or self._forward(request, body)
        request.notes["bytes_out"] = len(reply.body)
        if not self._keep_bodies:
            request.raw, request.body = b"", None
        return reply

    def _refusal(self, request: RecordedRequest, body: Any) -> Reply | None:
        if request.headers.get("x-chroma-token") != self.key:
            return _error(401, "AuthError", "Unauthorized")
        place = request.path.removeprefix("/api/v2/").split("/")
        if place[0] == "tenants" and len(place) > 1:
            if unquote(place[1]) != self.tenant:
                return _error(403, "AuthError", "Permission denied.")
            if len(place) > 3 and unquote(place[3]) != self.database:
                return _error(404, "NotFoundError", f"Database [{unquote(place[3])}] not found.")
        action = place[-1]
        if isinstance(body, dict) and action in WRITES:
            with self._lock:
                self.sent.update(body.get("ids") or ())
        if isinstance(body, dict) and (over := chroma_quotas.exceeded(action, request.method, body)):
            return _error(422, "ChromaError", over)
        return None

    def _forward(self, request: RecordedRequest, body: Any) -> Reply:
        if request.path == "/api/v2/auth/identity":
            return json_reply({"user_id": "", "tenant": self.tenant, "databases": [self.database]})
        path = request.path.replace(f"/tenants/{quote(self.tenant)}", "/tenants/default_tenant", 1)
        path = path.replace(f"/databases/{quote(self.database)}", "/databases/default_database", 1)
        write = path.rsplit("/", 1)[-1] in WRITES
        # The server behind keeps its data in SQLite, whose writers get in each other's way; the cloud's do
        # not.
        with self._writing if write else contextlib.nullcontext():
            reply = super().answer(replace(request, path=path))
        if reply.status == 200 and write:
            with self._lock:
                self.accepted.update(body.get("ids") or ())
        reply.body = self._own_names(path, reply.body)
        return reply

    def _own_names(self, path: str, raw: bytes) -> bytes:
        """Pages of records go through as they are: only answers about tenants, databases and collections name
        them.
        """
        if path.endswith(("/get", "/query", "/count", *WRITES)):
            return raw
        raw = raw.replace(b'"tenant":"default_tenant"', f'"tenant":"{self.tenant}"'.encode())
        if path.endswith(("/databases", "/databases/default_database")):
            raw = raw.replace(b'"name":"default_database"', f'"name":"{self.database}"'.encode())
        return raw.replace(b'"database":"default_database"', f'"database":"{self.database}"'.encode())


def _error(status: int, name: str, message: str) -> Reply:
    return json_reply({"error": name, "message": message}, status)


def main(argv: list[str] | None = None) -> int:
    """The double as a process."""
    options = command.parser("Chroma Cloud's manners before a local Chroma server.")
    options.add_argument("--behind", required=True, metavar="URL", help="the chroma run that keeps the data")
    options.add_argument("--key", default=KEY)

    def make(arguments: argparse.Namespace) -> ChromaCloudDouble:
        return ChromaCloudDouble(behind=arguments.behind, key=arguments.key, **command.common(arguments))

    return command.run(make, options, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
