"""The values that pass between the layers: plain tuples with names, that know nothing of the rest.

Not dataclasses: making one takes 0.3 ms of every process start, a named tuple 0.04. Nor are
annotations text here (`from __future__`): Python would compile each one, for twice as long again.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

Metadata = Mapping[str, Any]

# The metadata that name another passage: the page of its kin, and the first part of a section that was split.
PARENT_KEYS = ("parent_category_id", "parent_chunk_uid")
SECTION_KEYS = ("first_part_id", "original_chunk_uid")


class User(NamedTuple):
    """Somebody the auth API knows. `email` is kept for this request only, never stored."""

    id: str
    email: str | None = None


class Turn(NamedTuple):
    """One earlier message of the conversation."""

    role: Literal["user", "assistant"]
    content: str


class Question(NamedTuple):
    """A valid question: `text` is trimmed, 1 to 2,000 characters; `k` is 1 to 50 passages.

    `exact`: where the books' own figures answer it, no model is asked.
    """

    text: str
    k: int = 15
    debug: bool = False
    history: tuple[Turn, ...] = ()
    exact: bool = True


class Passage(NamedTuple):
    """A piece of a rule book as a retriever found it.

    `distance` is the vector distance to the question (0 is identical), None where no vectors were compared.
    """

    id: str
    text: str
    metadata: Metadata = MappingProxyType({})
    distance: float | None = None

    @property
    def name(self) -> str:
        return str(self.metadata.get("name") or self.metadata.get("title") or self.id)

    @property
    def book(self) -> str:
        return str(self.metadata.get("book") or "")

    @property
    def hierarchy(self) -> str:
        return str(self.metadata.get("hierarchy") or "")

    @property
    def type(self) -> str:
        return str(self.metadata.get("type") or "")

    @property
    def body(self) -> str:
        """The text without the heading and the hierarchy line that repeat its name."""
        lines = self.text.strip().splitlines()
        if lines and lines[0].startswith("#"):
            lines.pop(0)
        if lines and lines[0].strip() == self.hierarchy:
            lines.pop(0)
        return "\n".join(lines).strip()

    @property
    def parent(self) -> str | None:
        """The id of the page that says what this entry shares with its kin; None when it has none."""
        return _first(self.metadata, PARENT_KEYS)

    @property
    def section(self) -> str | None:
        """What all parts of one split section have in common; None when the section was not split."""
        return _first(self.metadata, SECTION_KEYS)

    @property
    def part(self) -> int:
        """Which part of a split section this is, from 1; 1 when it was not split."""
        part = self.metadata.get("chunk_part")
        return part if isinstance(part, int) else 1


class Fact(NamedTuple):
    """What the books state: one cell of a table, or one value of a statistics block.

    `value` is verbatim; `passage` is the id of the passage that states it. `row` and `column` are the labels
    of a table's cell, None in a block; `heading` is what the column of the row's label is called ("Level").
    """

    subject: str
    attribute: str
    value: str
    passage: str
    row: str | None = None
    column: str | None = None
    heading: str | None = None


def _first(metadata: Metadata, keys: tuple[str, ...]) -> str | None:
    return next((str(metadata[key]) for key in keys if metadata.get(key)), None)


class Usage(NamedTuple):
    """Tokens as the provider counted them; `cached_tokens` are part of `prompt_tokens`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Payment(Protocol):
    """One attempt at a paid call. Exactly one of these ends it; without either nobody knows what it cost."""

    def settle(self, usage: Usage | None) -> None:
        """It was answered, or may have been billed; None when the provider did not count."""

    def not_billed(self) -> None:
        """It was certainly not billed."""


Pay = Callable[[], Payment]
"""Called before each attempt at a paid call; if it raises (no budget, no ledger), the attempt is not made."""


CallKind = Literal["embeddings", "chat"]

FreeKind = Literal["passages", "health"]
"""What is done for a user at no cost, and takes long enough to be in flight."""


class PlannedCall(NamedTuple):
    """A paid call that can cost up to `bound` nano-dollars."""

    kind: CallKind
    model: str
    bound: int


class Estimate(NamedTuple):
    """What a question costs at most if every call succeeds at once, in nano-dollars, and its first call.

    `least`: what its calls will be bounded by however little is found for it.
    """

    reserve: int
    first: PlannedCall | None = None
    least: int = 0


class Quota(NamedTuple):
    """What a user may still ask and what was spent, at one moment.

    Times are whole seconds, rounded up; money is nano-dollars; days are UTC. `burst_capacity` 0 means no
    burst limit. `burst_reset` is the time until one more question comes back to the burst (0: none is
    missing), `burst_window` the time in which all of them do.
    """

    burst_capacity: int
    burst_window: int
    burst_remaining: int
    burst_reset: int
    daily_limit: int
    daily_remaining: int
    daily_reset: int
    user_spent: int
    day_spent: int
    day_budget: int

    @property
    def questions_now(self) -> int:
        """How many may be asked at once; where no burst limit is set, the day's."""
        return self.burst_remaining if self.burst_capacity else self.daily_remaining
