"""What the OpenAI double has charged, in nano-dollars, and the prompt cache that makes some of it cheaper."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import asdict, dataclass
from typing import Any

from .openai_models import Model
from .openai_text import BYTES_PER_TOKEN

CACHE_MINIMUM = 1_024
CACHE_STEP = 128


@dataclass
class Usage:
    """The tokens of one call. `cached` and `cache_write` are parts of `prompt`, `reasoning` is part of
    `completion`.
    """

    prompt: int
    completion: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def cost(self, model: Model) -> int:
        """Nano-dollars."""
        prices = model.prices
        write = prices.input if prices.cache_write is None else prices.cache_write
        fresh = self.prompt - self.cached - self.cache_write
        inputs = fresh * prices.input + self.cached * prices.cached + self.cache_write * write
        return inputs + self.completion * prices.output


class Spend:
    """The double's own account, to hold against the ledger's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Back to nothing."""
        with self._lock:
            self._models: dict[str, dict[str, int]] = {}

    def charge(self, model: Model, usage: Usage) -> int:
        """Add one call; its cost in nano-dollars."""
        cost = usage.cost(model)
        with self._lock:
            account = self._models.setdefault(
                model.name, {"calls": 0, "nano_usd": 0, **dict.fromkeys(asdict(usage), 0)}
            )
            for name, count in {"calls": 1, "nano_usd": cost, **asdict(usage)}.items():
                account[name] += count
        return cost

    def report(self) -> dict[str, Any]:
        """`{"nano_usd", "calls", "models": {name: {"calls", "nano_usd", "prompt", "completion", ...}}}`."""
        with self._lock:
            models = {name: dict(account) for name, account in self._models.items()}
        totals = {key: sum(account[key] for account in models.values()) for key in ("nano_usd", "calls")}
        return {**totals, "models": models}


class PromptCache:
    """Exact prefixes seen before, in steps of 128 tokens from 1,024 on. It never forgets; the real one
    does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget every prefix."""
        with self._lock:
            self._seen: set[tuple[str, bytes]] = set()

    def remember(self, scope: str, prompt: bytes) -> tuple[int, int]:
        """Tokens of the prompt that were known already, and tokens that were added."""
        digest = hashlib.sha256()
        known = total = 0
        step = CACHE_STEP * BYTES_PER_TOKEN
        with self._lock:
            for end in range(step, len(prompt) + 1, step):
                digest.update(prompt[end - step : end])
                tokens = end // BYTES_PER_TOKEN
                if tokens < CACHE_MINIMUM:
                    continue
                total = tokens
                if (scope, digest.digest()) in self._seen:
                    known = tokens
                self._seen.add((scope, digest.digest()))
        return known, total - known
