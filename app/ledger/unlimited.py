"""The place of the ledger until it is built: admits everything, counts nothing."""

from __future__ import annotations

from app.models import Usage


class Admission:
    """One admitted question. Exactly one of `settle` and `release` ends it."""

    def settle(self, usage: Usage | None) -> None:
        """The question was answered; `usage` is what the provider counted, None when it did not."""

    def release(self) -> None:
        """The question failed before anything was spent: quota and reservation are given back."""


class UnlimitedLedger:
    def admit(self, user_id: str) -> Admission:
        return Admission()
