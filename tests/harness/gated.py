"""Doubles that go on when a test says so: for what must have happened before, without a word about
seconds.
"""

from __future__ import annotations

import threading
from typing import Any

from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.doubles.delivery import Reply
from tests.harness.doubles.openai import OpenAIDouble
from tests.harness.doubles.recording import RecordedRequest

SECONDS = 60


class GatedAuth(AuthDouble):
    """Answers only while its gate is open, as it is at first; a request that waits is already recorded."""

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, request: RecordedRequest) -> Reply:
        self.gate.wait(SECONDS)
        return super().answer(request)

    def asked(self) -> int:
        """How often it was asked about a token."""
        return len(self.requests)

    def close(self) -> None:
        self.gate.set()
        super().close()


class GatedOpenAI(OpenAIDouble):
    """A stall or hang that would last for ever (`Fault("stream_stall", after=2)`) lasts until its gate is
    opened.
    """

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self.gate = threading.Event()

    def wait(self, seconds: float | None) -> bool:
        if seconds is None and not self.closing:
            self.gate.wait(SECONDS)
            return self.closing
        return super().wait(seconds)

    def close(self) -> None:
        self._closing.set()
        self.gate.set()
        super().close()

    def chats(self) -> list[RecordedRequest]:
        """The requests for an answer."""
        return [request for request in self.requests if request.path == "/v1/chat/completions"]
