"""A record of paid calls, in place of the ledger: who is asked to pay how often, and how each payment
ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.models import Usage
from tests.harness.doubles.openai import OpenAIDouble

State = Literal["open", "free", "settled"]


@dataclass
class Entry:
    """One attempt. As in the ledger, the first word about it counts."""

    state: State = "open"
    usage: Usage | None = None

    def settle(self, usage: Usage | None) -> None:
        if self.state == "open":
            self.state, self.usage = "settled", usage

    def not_billed(self) -> None:
        if self.state == "open":
            self.state = "free"


class Bill:
    """Pass `bill.pay` to a paid call; `bill.entries` are the attempts in order."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def pay(self) -> Entry:
        self.entries.append(Entry())
        return self.entries[-1]

    def check(self, openai: OpenAIDouble) -> None:
        """Every attempt was paid for before it was made and has ended, and none that the service charged for
        counts as free.
        """
        assert [entry.state for entry in self.entries if entry.state == "open"] == []
        requests = openai.requests
        assert len(self.entries) >= len(requests)
        if len(self.entries) == len(requests):
            charged = [
                entry.state
                for entry, request in zip(self.entries, requests, strict=True)
                if "nano_usd" in request.notes
            ]
            assert set(charged) <= {"settled"}
