"""The models the OpenAI double knows: prices, limits, and which parameters each family takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """Nano-dollars per token: whole numbers for every price there is (0.01 dollars a million is 10)."""

    input: int
    cached: int
    output: int
    cache_write: int | None = None
    """None when writing to the cache costs what input costs."""


@dataclass(frozen=True)
class Model:
    """One model. `snapshot` is the dated name that the answer carries, as the real service's does."""

    name: str
    snapshot: str
    prices: Prices
    context: int
    max_output: int = 0
    dimensions: int = 0
    """Of an embedding model; 0 for one that talks."""
    efforts: tuple[str, ...] = ()
    """The values of reasoning_effort; none at all for a model that does not reason."""
    default_effort: str = "none"


_EFFORTS_5 = ("minimal", "low", "medium", "high")
# What is known of gpt-6 is that it reasons unless told "none"; the rest is what the models between 5 and 6
# take.
_EFFORTS_6 = ("none", "low", "medium", "high", "xhigh", "max")

MODELS = [
    Model("gpt-6-luna", "gpt-6-luna", Prices(100, 10, 500, 125), 400_000, 128_000, 0, _EFFORTS_6, "medium"),
    Model(
        "gpt-5-mini",
        "gpt-5-mini-2025-08-07",
        Prices(250, 25, 2_000),
        400_000,
        128_000,
        0,
        _EFFORTS_5,
        "medium",
    ),
    Model(
        "gpt-5-nano", "gpt-5-nano-2025-08-07", Prices(50, 5, 400), 400_000, 128_000, 0, _EFFORTS_5, "medium"
    ),
    Model("gpt-4o", "gpt-4o-2024-08-06", Prices(2_500, 1_250, 10_000), 128_000, 16_384),
    Model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", Prices(150, 75, 600), 128_000, 16_384),
    Model("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", Prices(400, 100, 1_600), 1_047_576, 32_768),
    Model("text-embedding-3-small", "text-embedding-3-small", Prices(20, 20, 0), 8_192, dimensions=1_536),
    Model("text-embedding-3-large", "text-embedding-3-large", Prices(130, 130, 0), 8_192, dimensions=3_072),
]

BY_NAME = {name: model for model in MODELS for name in (model.name, model.snapshot)}
"""Models by plain and by dated name."""

REASONING_TOKENS = {
    "none": 0,
    "minimal": 16,
    "low": 64,
    "medium": 256,
    "high": 1_024,
    "xhigh": 2_048,
    "max": 4_096,
}
"""How long the double pretends to think: billed as output, and taken from the limit before the first word."""
