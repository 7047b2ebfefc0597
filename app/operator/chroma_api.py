"""Chroma's REST API v2: one call to one database, or one sentence that says why there is no reply."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.adapters.exchange import NO_SUCH_HOST, TransportError
from app.adapters.http import Reply
from app.operator.problems import OperatorError
from app.operator.retries import Overloaded, Patience
from app.settings import ChromaSettings


class ReplyTooLarge(OperatorError):
    """A page of so many records is more than one reply may have."""


class ChromaApi:
    """One database of one server. Every method raises OperatorError."""

    def __init__(
        self, where: ChromaSettings, patience: Patience | None = None, ca_file: Path | None = None
    ) -> None:
        try:
            from app.operator.http_client import HttpClient
        except ImportError as error:
            raise OperatorError(
                "The package requests is not installed here: run scripts/setup.sh."
            ) from error
        self.where = where
        self.label = f"Chroma Cloud ({where.host})" if where.api_key else f"Chroma at {where.url}"
        headers = {"x-chroma-token": where.api_key} if where.api_key else {}
        self.http = HttpClient(where.url, headers, patience or Patience(), ca_file)
        self.base = f"/api/v2/tenants/{self.segment(where.tenant)}/databases/{self.segment(where.database)}"

    def error(self, sentence: str) -> OperatorError:
        """An error of this server, whose name begins the sentence."""
        return OperatorError(f"{self.label}: {sentence}")

    @cached_property
    def takes_base64(self) -> bool:
        """Whether embeddings may be sent as their bytes: older servers want decimal text."""
        checks = self.document(self.call("GET", "/api/v2/pre-flight-checks"), "pre-flight checks")
        return checks.get("supports_base64_encoding") is True

    def call(self, method: str, path: str, payload: Any = None, *, patient: bool = True) -> Reply:
        """The reply, whatever its status (see `HttpClient.call`). Raises OperatorError when there is none."""
        body = None
        if payload is not None:
            body = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
        return self.send(method, path, body, patient=patient)

    def send(self, method: str, path: str, body: bytes | None, *, patient: bool = True) -> Reply:
        """As `call`, with the JSON written already."""
        try:
            return self.http.call(method, path, body, patient=patient)
        except Overloaded as refused:
            why = f"status {refused.reply.status} {_message(refused.reply)}".rstrip()
            if refused.reply.status == 429:
                why = "too many calls (429)"
            count = f"{refused.attempts} attempt{'s'[: refused.attempts > 1]}"
            raise self.error(f"{why}, after {count}; try again later.") from None
        except TransportError as error:
            if error.too_large:
                raise ReplyTooLarge(f"{self.label}: {error}, for a single record.") from error
            raise self.error(self._unreachable(error)) from error

    def segment(self, name: str) -> str:
        """`name` as one step of a path. Raises OperatorError for what would lead elsewhere."""
        if name in ("", ".", ".."):
            raise self.error(f"{name!r} is no name of a tenant, a database or a collection.")
        return quote(name, safe="", errors="replace")

    def on_collection(self, identity: str, action: str, payload: Any = None, *, method: str = "POST") -> Any:
        """The parsed reply of one call on a collection."""
        path = f"{self.base}/collections/{identity}" + (f"/{action}" if action else "")
        return self.json(self.call(method, path, payload), action or "change of name")

    def _unreachable(self, error: TransportError) -> str:
        host = "CHROMA_CLOUD_HOST" if self.where.api_key else "CHROMA_HOST"
        if NO_SUCH_HOST in str(error):
            return f"{NO_SUCH_HOST}; check {host} and this machine's network."
        if error.timed_out:
            return f"no answer within {self.http.patience.seconds_a_call:g} s; try again later."
        if error.explained or "HTTPS_PROXY" in str(error):
            return f"{error}."
        if self.where.api_key:
            return f"{error}; check {host} and the network."
        return f"{error}; start it with scripts/start_chroma.sh, or check CHROMA_HOST and CHROMA_PORT."

    def document(self, reply: Reply, what: str) -> Mapping[str, Any]:
        """The object in the reply; `what` names the call for people."""
        document = self.json(reply, what)
        if not isinstance(document, dict):
            raise self.error(f"{what}: the reply has not the documented shape.")
        return document

    def json(self, reply: Reply, what: str) -> Any:
        """The parsed reply to a call that succeeded."""
        if reply.status == 401:
            raise self.error("the key is refused; check chroma_cloud_api_key.")
        if reply.status == 403:
            raise self.error(
                f"the key does not open tenant {self.where.tenant}, database {self.where.database}; "
                "check chroma_cloud_tenant_id and chroma_cloud_database."
            )
        if not 200 <= reply.status < 300:
            raise self.error(f"{what}: status {reply.status} {_message(reply)}".rstrip(" .") + ".")
        try:
            return reply.json()
        except ValueError as error:
            raise self.error(f"{what}: the reply is no JSON; is this a Chroma server?") from error


def _message(reply: Reply) -> str:
    """What the server says about its refusal: Chroma's message, nothing of a foreign error page."""
    try:
        document = reply.json()
    except ValueError:
        return ""
    return str(document.get("message", ""))[:300] if isinstance(document, dict) else ""
