"""The composition root: the one place where settings become a running application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from app.models import User

if TYPE_CHECKING:
    from flask import Flask

    from app.adapters.auth import AuthApi
    from app.adapters.chroma import Chroma
    from app.adapters.lexical import LexicalIndex
    from app.adapters.openai import OpenAI
    from app.answering.pipeline import Answering
    from app.deadline import Deadline
    from app.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, dev_token: str = "", services: Container | None = None) -> Flask:
    """The WSGI application. `dev_token` is accepted from loopback addresses only: for a development server.

    Nothing outside is touched and no data file opened until a request needs it. Tests pass `services` of their own.
    """
    from app.web.flask_app import make_app

    for warning in settings.warnings:
        log.warning("settings: %s", warning)
    return make_app(services or Container(settings, dev_token))


class Container:
    """Everything behind the web layer, each part built when it is first asked for, so that a request loads what it needs."""

    def __init__(self, settings: Settings, dev_token: str = "") -> None:
        self.settings = settings
        self._dev_token = dev_token

    def close(self) -> None:
        """Let go of connections and files; what is used afterwards is opened again."""
        for name in ("auth", "answering", "_openai", "_chroma", "_sample_index"):
            part = self.__dict__.pop(name, None)
            if hasattr(part, "close"):
                part.close()

    def user(self, token: str, remote_addr: str, deadline: Deadline) -> User:
        if self._dev_token and _is_loopback(remote_addr):
            import hmac

            if hmac.compare_digest(token.encode("utf-8", "replace"), self._dev_token.encode()):
                return User(id="developer")
        return self.auth.user(token, deadline)

    def expect_question(self) -> None:
        if self.settings.mode != "embedded":
            self._openai.open_ahead()
            self._chroma.open_ahead()

    def checks(self) -> Mapping[str, Callable[[Deadline], None]]:
        if self.settings.mode == "embedded":
            return {"lexical_index": lambda deadline: self._sample_index.check()}
        return {"chroma": self._chroma.check, "auth_api": self.auth.check}

    @cached_property
    def auth(self) -> AuthApi:
        from app.adapters.auth import AuthApi

        return AuthApi(self.settings.auth_api_url)

    @cached_property
    def answering(self) -> Answering:
        from app.answering.pipeline import Answering
        from app.answering.writers import ModelWriter, QuotingWriter
        from app.ledger.unlimited import UnlimitedLedger
        from app.rag.retrieval import DenseRetriever, LexicalRetriever

        ledger = UnlimitedLedger()
        if self.settings.mode == "embedded":
            return Answering(LexicalRetriever(self._sample_index), QuotingWriter(), ledger)
        retriever = DenseRetriever(self._openai, self._chroma)
        return Answering(retriever, ModelWriter(self._openai, self.settings.openai.model), ledger)

    @cached_property
    def _openai(self) -> OpenAI:
        from app.adapters.openai import OpenAI

        return OpenAI(self.settings.openai)

    @cached_property
    def _chroma(self) -> Chroma:
        from app.adapters.chroma import Chroma

        return Chroma(self.settings.chroma, self.settings.data_dir / "chroma-collections.json")

    @cached_property
    def _sample_index(self) -> LexicalIndex:
        from app.rag import sample_rules

        return sample_rules.index(self.settings.data_dir)


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
