"""What a paid call cost and what it can cost at most, in exact integers.

The prices, their date and source are in `prices.json`. Money is in nano-dollars (a thousand millionth of a
dollar) everywhere in the program; dollars are written as decimal text and never become a float on the way in.
This module knows nothing of settings or of the ledger.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app.models import PlannedCall, Usage

PRICES_FILE = Path(__file__).with_name("prices.json")

NANODOLLARS = 1_000_000_000
MILLION = 1_000_000

# More than any context window: a `usage` beyond it is not a count, and what it would cost does not fit into
# the ledger.
MAX_CREDIBLE_TOKENS = 10_000_000

SHUTDOWN_WARNING_DAYS = 60

# The most model tokens that one question sends and gets, as `token_bound` counts them; a model counts about a
# fourth.
MAX_PROMPT_TOKENS = 40_000
MAX_ANSWER_TOKENS = 1_200
# OpenAI's embedding models refuse a text of more than 8,191.
MAX_EMBEDDED_TOKENS = 8_191
# What a message costs beyond its text: 3 or 4 model tokens in OpenAI's formats; the rest is margin.
TOKENS_PER_MESSAGE = 16


def token_bound(text: str) -> int:
    """No fewer model tokens than `text` has: byte-level tokenizers never make more than one of a UTF-8 byte.

    English rule text has about four bytes a token. A tokenizer would be exact, but its tables are larger than
    this program.
    """
    return len(text.encode())


def last_tokens(text: str, most: int) -> str:
    """The end of `text` that has at most `most` model tokens by `token_bound`."""
    return text.encode()[-most:].decode(errors="ignore")


def nanodollars(dollars: str) -> int:
    """`"1.25"` as nano-dollars, exactly. Raises ValueError but for digits with at most 9 decimals."""
    match = re.fullmatch(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?", dollars)
    if not match:
        raise ValueError(f"not an amount in dollars: {dollars!r}")
    return int(match[1]) * NANODOLLARS + int((match[2] or "").ljust(9, "0"))


def dollars(amount: int) -> float:
    """Nano-dollars for people and JSON; nothing is calculated with the result."""
    return amount / NANODOLLARS


class Price(NamedTuple):
    """Nano-dollars per million model tokens. `cached`, `cache_write`: in place of `input` for such tokens."""

    input: int
    cached: int
    cache_write: int
    output: int

    def cost(self, usage: Usage) -> int:
        """Nano-dollars for what the provider counted, rounded up to a whole one."""
        plain = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
        exact = (
            plain * self.input
            + usage.cached_tokens * self.cached
            + usage.cache_write_tokens * self.cache_write
            + usage.completion_tokens * self.output
        )
        return -(-exact // MILLION)

    def bound(self, prompt_tokens: int, completion_tokens: int = 0) -> int:
        """Nano-dollars that a call of at most so many tokens can cost, whatever is or gets cached."""
        dearest = max(self.input, self.cached, self.cache_write)
        return -(-(prompt_tokens * dearest + completion_tokens * self.output) // MILLION)


class Pricing:
    """The prices of the models in use, by the name they are called by."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = dict(prices)

    def of(self, model: str) -> Price:
        """Raises KeyError for a model that the settings did not price."""
        return self._prices[model]

    def cost(self, model: str, usage: Usage) -> int | None:
        """Nano-dollars that `usage` costs; None when its counts make no sense."""
        counts = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.cache_write_tokens)
        if not all(0 <= count <= MAX_CREDIBLE_TOKENS for count in counts):
            return None
        if usage.cached_tokens + usage.cache_write_tokens > usage.prompt_tokens:
            return None
        return self.of(model).cost(usage)

    def bound(self, model: str, prompt_tokens: int, completion_tokens: int = 0) -> int:
        """Nano-dollars that one call can cost at most, where the counts are the most that it can have."""
        return self.of(model).bound(prompt_tokens, completion_tokens)

    def embeddings_call(self, model: str, text_tokens: int) -> PlannedCall:
        """The call that embeds a text of at most `text_tokens`, for estimate and payment. Raises KeyError."""
        return PlannedCall(
            "embeddings", model, self.bound(model, min(MAX_EMBEDDED_TOKENS, text_tokens + TOKENS_PER_MESSAGE))
        )

    def chat_call(self, model: str, prompt_tokens: int) -> PlannedCall:
        """The call that answers a prompt of at most `prompt_tokens`, for both, too. Raises KeyError."""
        return PlannedCall("chat", model, self.bound(model, prompt_tokens, MAX_ANSWER_TOKENS))

    def longest_question(self, model: str, embedding_model: str) -> int:
        """Nano-dollars that any question can cost at most: a budget below it refuses some, or all."""
        embeddings = self.embeddings_call(embedding_model, MAX_EMBEDDED_TOKENS)
        return embeddings.bound + self.chat_call(model, MAX_PROMPT_TOKENS).bound


class Overrides(NamedTuple):
    """Prices from the settings, dollars per million tokens as text; empty: as in the data file."""

    input: str = ""
    cached: str = ""
    output: str = ""
    embedding: str = ""


def price_list(chat_model: str, embedding_model: str, given: Overrides) -> tuple[Pricing, list[str]]:
    """The prices of the two models, and the problems for the settings check. Raises OSError, ValueError."""
    models = _models()
    problems = []
    prices = {}
    chat = _price(models.get(_base_name(chat_model), {}), given)
    if chat is None:
        problems.append(
            f"OPENAI_MODEL: no price is known for {chat_model!r}; "
            "set OPENAI_PRICE_INPUT and OPENAI_PRICE_OUTPUT (dollars per million tokens),"
            " or choose a known model"
        )
    else:
        prices[chat_model] = chat
    entry = models.get(_base_name(embedding_model), {})
    embedding = _price(entry, Overrides(input=given.embedding, output="0"))
    if embedding is None:
        problems.append(
            f"OPENAI_EMBEDDING_MODEL: no price is known for {embedding_model!r}; "
            "set OPENAI_PRICE_EMBEDDING (dollars per million tokens), or choose a known model"
        )
    else:
        prices.setdefault(embedding_model, embedding)
    return Pricing(prices), problems


def shutdown_warnings(model_names: Sequence[str], today: str) -> list[str]:
    """A sentence for each model whose last day is past or within 60 days of `today` (`YYYY-MM-DD`, UTC)."""
    models = _models()
    warnings = []
    for name in model_names:
        last_day = models.get(_base_name(name), {}).get("shutdown")
        if last_day and (days := _day_number(last_day) - _day_number(today)) <= SHUTDOWN_WARNING_DAYS:
            when = f"in {days} days" if days > 0 else "today" if days == 0 else "already past"
            warnings.append(
                f"model {name} is shut down by its provider on {last_day} ({when}); set another one"
            )
    return warnings


def _models() -> dict[str, dict[str, str]]:
    document: dict[str, Any] = json.loads(PRICES_FILE.read_bytes())
    models: dict[str, dict[str, str]] = document["models"]
    return models


def _price(entry: Mapping[str, str], given: Overrides) -> Price | None:
    """The data file's price with what the settings say in its place; None when neither knows it."""
    input_text = given.input or entry.get("input", "")
    output_text = given.output or entry.get("output", "")
    if not input_text or not output_text:
        return None
    plain = nanodollars(input_text)
    if given.input:
        # A discount nobody has stated is none; the provider's surcharge for writing to its cache is a
        # quarter.
        cached, cache_write = plain, -(-plain * 5 // 4)
    else:
        cached = nanodollars(entry.get("cached", input_text))
        cache_write = nanodollars(entry.get("cache_write", input_text))
    if given.cached:
        cached = nanodollars(given.cached)
    return Price(plain, cached, cache_write, nanodollars(output_text))


def _base_name(model: str) -> str:
    """`gpt-4o-mini-2024-07-18` is priced as `gpt-4o-mini`."""
    return re.sub(r"-[0-9]{4}-[0-9]{2}-[0-9]{2}$", "", model)


def _day_number(day: str) -> int:
    import datetime

    return datetime.date.fromisoformat(day).toordinal()
