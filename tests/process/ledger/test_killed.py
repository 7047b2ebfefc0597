"""Processes that die at any moment: no damage, no lost spend, no reservation that stays."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.ledgers import integrity, query, run_module

pytestmark = pytest.mark.timeout(240)


def test_300_processes_killed_at_random_moments(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with OpenAIDouble() as provider:
        plan = {
            "path": str(path),
            "base_url": provider.base_url,
            "key": KEY,
            "kills": 300,
            "seed": 1978,
            "limits": {"capacity": 0, "daily": 100_000, "budget": "100"},
        }
        result = run_module("tests.process.ledger.victims", plan, timeout=220)
        billed: Counter[str] = Counter()
        for request in provider.requests:
            text = (
                request.body["input"][0]
                if "input" in request.body
                else request.body["messages"][0]["content"]
            )
            billed[text] += request.notes.get("nano_usd", 0)
        spent_there = provider.spend["nano_usd"]

    outcomes = Counter(dict(query(path, "SELECT outcome, COUNT(*) FROM requests GROUP BY outcome")))
    states = Counter(dict(query(path, "SELECT state, COUNT(*) FROM calls GROUP BY state")))
    booked = dict(query(path, "SELECT request_id, spent_nd FROM requests"))
    spent_here = query(path, "SELECT SUM(spent_nd) FROM days")[0][0]
    print(result, dict(outcomes), dict(states), f"spend: provider {spent_there}, ledger {spent_here}")

    assert result["killed"] == 300
    assert result["damaged"] == 0
    assert integrity(path) == "ok"
    # One admission after its process, a reservation is gone.
    assert result["outlived"] == 0
    # Nothing the provider has billed is missing: not in sum, not for any single question.
    assert {text: cost for text, cost in billed.items() if booked.get(text, 0) < cost} == {}
    assert spent_here >= spent_there > 0
    assert spent_here == sum(booked.values())
    # A question that ended well costs exactly what was billed; only the dead are charged their bound.
    answered = dict(
        query(path, "SELECT request_id, spent_nd FROM requests WHERE outcome = 'answered' AND spent_nd > 0")
    )
    assert answered == {text: billed[text] for text in answered}
    # The moments were spread over the whole of a question, or this proves little.
    dead_unsent = query(
        path,
        """SELECT COUNT(*) FROM requests WHERE outcome = 'orphaned'
           AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.request_id = requests.request_id)""",
    )[0][0]
    assert outcomes["orphaned"] == result["left_open"] > 100
    assert states["charged"] > 60
    assert dead_unsent > 5
    assert len(answered) > 20
    assert query(
        path,
        "SELECT SUM(spent_nd) FROM requests"
        " WHERE outcome = 'orphaned' AND request_id NOT IN (SELECT request_id FROM calls)",
    ) in ([(0,)], [(None,)])
