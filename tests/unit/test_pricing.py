"""Prices: exact integers, from the data file or the settings, and unknown models found before they cost
anything.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app import settings
from app.errors import SettingsError
from app.models import Usage
from app.pricing import Overrides, Price, nanodollars, price_list, shutdown_warnings, token_bound
from tests.harness.doubles.openai_models import MODELS


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1.00", 10**9), ("0.000000001", 1), ("0", 0), ("999999.999999999", 999_999_999_999_999)],
)
def test_dollars_become_nanodollars_exactly(text: str, amount: int) -> None:
    assert nanodollars(text) == amount


@pytest.mark.parametrize("text", ["", "1e3", "-1", ".5", "1.0000000001", "1,5", "$1", "١"])
def test_other_amounts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        nanodollars(text)


def test_usage_costs_what_the_provider_charges() -> None:
    """Against the account of the OpenAI double, which was written from the same price list by somebody
    else.
    """
    for model in MODELS:
        if model.name.startswith("text-embedding"):
            pricing, problems = price_list("gpt-6-luna", model.name, Overrides())
            assert (pricing.cost(model.name, Usage(1234)), problems) == (1234 * model.prices.input, [])
            continue
        pricing, problems = price_list(model.name, "text-embedding-3-small", Overrides())
        assert problems == []
        written = 100 if model.prices.cache_write is not None else 0
        usage = Usage(2000, 300, cached_tokens=1024, cache_write_tokens=written)
        expected = (
            (976 - written) * model.prices.input + 1024 * model.prices.cached + 300 * model.prices.output
        )
        assert pricing.cost(model.name, usage) == expected + written * (model.prices.cache_write or 0)


def test_a_dated_model_is_priced_as_its_family() -> None:
    pricing, problems = price_list("gpt-4o-mini-2024-07-18", "text-embedding-3-small", Overrides())
    assert problems == []
    assert pricing.cost("gpt-4o-mini-2024-07-18", Usage(10, 10)) == 10 * 150 + 10 * 600


def test_a_part_of_a_nanodollar_is_a_whole_one() -> None:
    assert Price(input=1, cached=0, cache_write=0, output=0).cost(Usage(1)) == 1


@pytest.mark.parametrize("cached", [0, 200])
@pytest.mark.parametrize("written", [0, 240])
def test_a_bound_is_never_below_the_cost(cached: int, written: int) -> None:
    pricing, _ = price_list("gpt-6-luna", "text-embedding-3-small", Overrides())
    text = "Wie viele Trefferpunkte hat ein Drache? 🐉" * 10
    cost = pricing.cost("gpt-6-luna", Usage(token_bound(text), 50, cached, written))
    assert cost is not None
    assert pricing.bound("gpt-6-luna", token_bound(text), 50) >= cost


def test_counts_whose_parts_exceed_the_whole_are_no_counts() -> None:
    pricing, _ = price_list("gpt-6-luna", "text-embedding-3-small", Overrides())
    assert pricing.cost("gpt-6-luna", Usage(1000, 1, cached_tokens=600, cache_write_tokens=401)) is None


def test_settings_override_prices_and_unknown_discounts_are_none() -> None:
    pricing, problems = price_list(
        "my-model", "my-vectors", Overrides(input="3", output="15.5", embedding="0.0001")
    )
    assert problems == []
    assert pricing.of("my-model") == Price(3 * 10**9, 3 * 10**9, 3_750_000_000, 15_500_000_000)
    assert pricing.cost("my-vectors", Usage(1_000_000)) == 100_000
    pricing, _ = price_list("gpt-6-luna", "text-embedding-3-small", Overrides(cached="0.02"))
    assert pricing.of("gpt-6-luna") == Price(100_000_000, 20_000_000, 125_000_000, 500_000_000)


def load(tmp_path: Path, **values: str) -> settings.Settings:
    return settings.load({"OPENAI_API_KEY": "sk-1", **values}, root=tmp_path)


def test_unknown_models_are_reported_with_everything_else(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            tmp_path,
            OPENAI_MODEL="gpt-9",
            OPENAI_EMBEDDING_MODEL="vec-9",
            SMTP_PORT="x",
            OPENAI_PRICE_CACHED="free",
        )
    names = [problem.partition(":")[0] for problem in caught.value.problems]
    assert sorted(names) == ["OPENAI_EMBEDDING_MODEL", "OPENAI_MODEL", "OPENAI_PRICE_CACHED", "SMTP_PORT"]
    assert "OPENAI_PRICE_INPUT and OPENAI_PRICE_OUTPUT" in str(caught.value)


def test_without_a_key_no_model_needs_a_price(tmp_path: Path) -> None:
    assert settings.load({"OPENAI_MODEL": "gpt-9"}, root=tmp_path).mode == "embedded"


def test_a_known_price_list_needs_no_settings(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.pricing.cost("gpt-6-luna", Usage(1_000_000)) == 100_000_000
    assert loaded.limits.daily_budget == 10**9
    assert loaded.limits.refill_interval_us == 60_000_000


@pytest.mark.parametrize(
    ("text", "interval_us"),
    [("1/60", 60_000_000), ("0.5", 2_000_000), (".25/30", 120_000_000), ("7", 142_857), ("1000", 1000)],
)
def test_the_refill_rate_is_exact_to_the_microsecond(tmp_path: Path, text: str, interval_us: int) -> None:
    assert load(tmp_path, TOKEN_REFILL_RATE=text).limits.refill_interval_us == interval_us


@pytest.mark.parametrize("text", ["1/0", "1001", "1/86401", "-1", "fast", ".", "/60"])
def test_other_refill_rates_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="TOKEN_REFILL_RATE"):
        load(tmp_path, TOKEN_REFILL_RATE=text)


@pytest.mark.parametrize(
    ("today", "said"),
    [
        ("2026-10-11", []),
        ("2026-10-12", ["2026-12-11 (in 60 days)"]),
        ("2026-12-11", ["2026-12-11 (today)"]),
        ("2027-01-01", ["2026-12-11 (already past)"]),
    ],
)
def test_a_shutdown_within_60_days_is_announced(today: str, said: list[str]) -> None:
    warnings = shutdown_warnings(["gpt-5-mini", "gpt-6-luna", "text-embedding-3-small"], today)
    assert len(warnings) == len(said)
    assert all(part in warning for part, warning in zip(said, warnings, strict=True))
