"""The composition root: the one place where settings become a running application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from app.datadir import file_stamp
from app.errors import DatabaseError, LedgerUnavailable
from app.models import Estimate, Question, User
from app.pricing import MAX_PROMPT_TOKENS, token_bound

if TYPE_CHECKING:
    from flask import Flask

    from app.adapters.auth import AuthApi
    from app.adapters.chroma import Chroma
    from app.adapters.openai import OpenAI
    from app.answering.pipeline import Answering
    from app.answering.writers import Writer
    from app.deadline import Deadline
    from app.index.search import LexicalIndex
    from app.ledger.ledger import Ledger
    from app.retrieval.retriever import HybridRetriever, Retriever
    from app.settings import Settings
    from app.web.callers import Callers

log = logging.getLogger(__name__)


class Closable(Protocol):
    def close(self) -> None: ...


Part = TypeVar("Part", bound=Closable)


def create_app(settings: Settings, *, dev_token: str = "", services: Container | None = None) -> Flask:
    """The WSGI application. `dev_token` is accepted from loopback addresses only: for a development server.

    Nothing outside is touched and no data file opened until a request needs it. Tests pass `services` of
    their own.
    """
    from app.web.flask_app import make_app

    for warning in settings.warnings:
        log.warning("settings: %s", warning)
    return make_app(services or Container(settings, dev_token))


class Container:
    """Everything behind the web layer, each part built when it is first asked for, so that a request loads
    what it needs."""

    def __init__(
        self,
        settings: Settings,
        dev_token: str = "",
        known: Callable[[], None] = lambda: None,
    ) -> None:
        """`known` is called when the auth API has said whose a token is."""
        self.settings = settings
        self._dev_token = dev_token
        self._known = known
        self._index: tuple[object, LexicalIndex | None] = None, None
        self._answering: tuple[LexicalIndex | None, Answering] | None = None
        self._opened: list[Closable] = []

    def _configure_connections(self) -> None:
        from app.adapters import connections

        connections.configure(self.settings.ca_file, self.settings.data_dir / "addresses.json")

    def close(self) -> None:
        """Let go of connections and files. Each part opens its own again when it is used afterwards."""
        for part in (*self._opened, self._index[1]):
            if part is not None:
                part.close()

    def _kept(self, part: Part) -> Part:
        """`part`, to be closed at the end."""
        self._opened.append(part)
        return part

    def user(self, token: str, remote_addr: str, deadline: Deadline) -> User:
        return self._callers.user(token, remote_addr, deadline)

    def after_reply(self) -> None:
        if not self.settings.alert_email:
            return
        try:
            self.ledger.start_alerts()
        except LedgerUnavailable as error:
            log.error("alerts: %s", error)

    def checks(self) -> Mapping[str, Callable[[Deadline], None]]:
        parts: dict[str, Callable[[Deadline], None]] = {
            "ledger": lambda deadline: self.ledger.check(),
            "lexical_index": lambda deadline: self._check_index(),
        }
        if self.settings.mode != "embedded":
            parts["chroma"] = self._chroma.check
        if self.settings.auth_api_url or self.settings.mode != "embedded":
            parts["auth_api"] = self.auth.check
        return parts

    def _check_index(self) -> None:
        """Of the collection, or of the sample rules in embedded mode. Raises DatabaseError."""
        index = self._sample_index if self.settings.mode == "embedded" else self._collection_index()
        if index is None:
            raise DatabaseError("no index for this collection: build one with scripts/build_index.py")
        index.check()

    @cached_property
    def auth(self) -> AuthApi:
        from app.adapters.auth import AuthApi

        self._configure_connections()
        return self._kept(AuthApi(self.settings.auth_api_url))

    @cached_property
    def _callers(self) -> Callers:
        from app.web.callers import Callers

        return Callers(self.settings, self._dev_token, lambda: self.ledger, lambda: self.auth, self._known)

    @cached_property
    def ledger(self) -> Ledger:
        from app.ledger.ledger import LEDGER_FILE, Ledger

        settings = self.settings
        # Twice what a question may take, and time to settle: whatever is open for longer is not being
        # answered.
        orphan_after = 2 * settings.request_timeout + 60
        path = settings.data_dir / LEDGER_FILE
        return self._kept(Ledger(path, settings.limits, settings.pricing, orphan_after=orphan_after))

    @property
    def answering(self) -> Answering:
        """Another one when the index is; a question that is being answered goes on with the one it began
        with."""
        index = self._collection_index()
        if self._answering is None or self._answering[0] is not index:
            self._answering = index, self._make_answering(index)
        return self._answering[1]

    def _make_answering(self, index: LexicalIndex | None) -> Answering:
        from app.answering.pipeline import Answering
        from app.retrieval.asked import Reader

        if self.settings.mode == "embedded":
            reader, nothing = Reader(self._sample_index, needed=True), Estimate(0)
            return Answering(reader, self._quoting, self.ledger, lambda question: nothing, self._lexical)
        outside = partial(self._asking_outside, index)
        return Answering(Reader(index), outside, self.ledger, self._estimate, self._lexical)

    def _quoting(self) -> tuple[Retriever, Writer]:
        from app.answering.writers import QuotingWriter

        return self._lexical(), QuotingWriter()

    def _asking_outside(self, index: LexicalIndex | None) -> tuple[Retriever, Writer]:
        """Begins to connect to whom a question will ask."""
        self._openai.open_ahead()
        self._chroma.open_ahead()
        from app.answering.writers import ModelWriter
        from app.retrieval.retriever import HybridRetriever
        from app.retrieval.vectors import Background

        # What only the answer needs is loaded while the ledger waits for the disk, not before the model is
        # asked.
        Background(_load_for_the_answer)
        return HybridRetriever(index, self._openai, self._chroma), ModelWriter(self._openai)

    def _estimate(self, question: Question) -> Estimate:
        """What `question` costs at most, when each call succeeds at the first attempt."""
        from app.retrieval.vectors import embedding_tokens

        pricing, models = self.settings.pricing, self.settings.openai
        finding = pricing.embeddings_call(models.embedding_model, embedding_tokens(question))
        return Estimate(
            finding.bound + pricing.chat_call(models.model, MAX_PROMPT_TOKENS).bound,
            finding,
            finding.bound + pricing.chat_call(models.model, token_bound(question.text)).bound,
        )

    def _lexical(self) -> HybridRetriever:
        from app.retrieval.retriever import HybridRetriever

        return HybridRetriever(self._collection_index() or self._sample_index)

    def _collection_index(self) -> LexicalIndex | None:
        """The index over the Chroma collection as it is now; None in embedded mode, and until it is built.

        A process that lives on must see one that is built or replaced meanwhile.
        """
        if self.settings.mode == "embedded":
            return None
        from app.index.search import LexicalIndex, index_path

        path = index_path(self.settings.data_dir, self.settings.chroma.collection)
        stamp = file_stamp(path)
        if self._index[0] != stamp:
            self._index = stamp, LexicalIndex(path) if stamp else None
        return self._index[1]

    @cached_property
    def _openai(self) -> OpenAI:
        from app.adapters.openai import OpenAI

        self._configure_connections()
        return self._kept(OpenAI(self.settings.openai, self.settings.data_dir / "openai-servers.json"))

    @cached_property
    def _chroma(self) -> Chroma:
        from app.adapters.chroma import Chroma

        self._configure_connections()
        file = self.settings.data_dir / "chroma-collections.json"
        return self._kept(Chroma(self.settings.chroma, file, self.settings.openai.embedding_model))

    @cached_property
    def _sample_index(self) -> LexicalIndex:
        from app.index import sample_rules

        return self._kept(sample_rules.index(self.settings.data_dir))


def _load_for_the_answer() -> None:
    import app.answering.prompt
    import app.grounding.check  # noqa: F401
