"""What the web layer needs of the rest; `app.bootstrap` provides it, built when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.answering.pipeline import Answering
    from app.deadline import Deadline
    from app.ledger.ledger import Ledger
    from app.models import User
    from app.settings import Settings


class Services(Protocol):
    settings: Settings

    def user(self, token: str, remote_addr: str, deadline: Deadline) -> User:
        """The token's owner. Raises InvalidToken, AuthUnavailable."""

    def expect_question(self) -> None:
        """Begin to connect to what a question will need. Sends nothing and returns at once."""

    @property
    def answering(self) -> Answering: ...

    @property
    def ledger(self) -> Ledger: ...

    def after_reply(self) -> None:
        """What is left to do when the caller has the whole reply. Raises nothing."""

    def checks(self) -> Mapping[str, Callable[[Deadline], None]]:
        """For the deep health check: each raises DndChatError when its component does not work."""
