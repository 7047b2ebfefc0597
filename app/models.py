"""The values that pass between the layers: plain frozen dataclasses that know nothing of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Metadata = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody the auth API knows. `email` is kept for this request only, never stored."""

    id: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of the conversation."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question that has passed validation: `text` is trimmed, 1 to 2,000 characters; `k` is 1 to 50 passages."""

    text: str
    k: int = 15
    debug: bool = False
    history: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a rule book as a retriever found it.

    `distance` is the vector distance to the question (0 is identical), None where no vectors were compared.
    """

    id: str
    text: str
    metadata: Metadata = field(default_factory=dict)
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
    def parent(self) -> str | None:
        """The id of the page that says what this entry shares with its kin; None when it has none."""
        return str(self.metadata.get("parent_category_id") or self.metadata.get("parent_chunk_uid") or "") or None

    @property
    def section(self) -> str | None:
        """What all parts of one split section have in common; None when the section was not split."""
        return str(self.metadata.get("first_part_id") or self.metadata.get("original_chunk_uid") or "") or None

    @property
    def part(self) -> int:
        """Which part of a split section this is, from 1; 1 when it was not split."""
        part = self.metadata.get("chunk_part")
        return part if isinstance(part, int) else 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; `cached_tokens` are part of `prompt_tokens`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens
