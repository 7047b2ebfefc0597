"""What stops an operator's command: one sentence that says what is wrong and what to do, and the exit status
that goes with it.

OperatorError            1   the command could not do its work
├── UsageError           2   wrong arguments or settings: nothing was tried
├── Declined             1   the operator said no, or nobody was there to say yes
└── SourceChanged        1   what is being copied is being written to at the same time
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class OperatorError(Exception):
    """One sentence for the operator; never holds a secret. `details` are lines below it."""

    exit_status: ClassVar[int] = 1

    def __init__(self, sentence: str, details: Sequence[str] = ()) -> None:
        super().__init__("\n  ".join((sentence, *details)))
        self.sentence, self.details = sentence, tuple(details)


class UsageError(OperatorError):
    exit_status = 2


class Declined(OperatorError):
    pass


class SourceChanged(OperatorError):
    pass
