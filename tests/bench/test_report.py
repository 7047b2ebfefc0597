"""The benchmark's judgement, report and picture, from figures that are made up."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.bench import drawing, report
from tests.bench.contestants import ALL, ANSWERING
from tests.bench.targets import judge


def spread(value: float) -> dict[str, float]:
    return {"p50": value, "p95": value * 1.1, "n": 3}


def far_figures() -> dict[str, Any]:
    names = {
        "total": 1000,
        "first_word": 900,
        "model_asked": 500,
        "model_asked_after_start": 400,
        "requests": 3,
        "connections": 0,
    }
    return {
        scenario: {name: spread(value) for name, value in names.items()}
        for scenario in ("answered", "streamed")
    }


@pytest.fixture
def run() -> dict[str, Any]:
    """Every target is met exactly, with nothing to spare where the figure allows it."""
    health = {
        "bare": 10,
        "hello": 100,
        "obvious": 1000,
        "oneshot": 110,
        "checkout": 120,
        "warm": 20,
        "fastcgi": 2,
        "gunicorn": 2,
    }
    answered = {"obvious": 1050, "oneshot": 150, "checkout": 160, "warm": 30, "fastcgi": 10, "gunicorn": 10}
    latency = {c.key: {"health": spread(health[c.key])} for c in ALL}
    for c in ANSWERING:
        latency[c.key] |= {"refused": spread(health[c.key]), "answered": spread(answered[c.key])}
    rates = {"obvious": 1.0, "warm": 40.0}
    memory: dict[str, Any] = {c.key: {"started": 30.0, "staying": []} for c in ALL}
    memory["oneshot"]["started"], memory["obvious"]["started"], memory["warm"]["started"] = 40.0, 100.0, 12.0
    memory["fastcgi"] = {"started": None, "staying": [35.0, 36.0]}
    marks = [
        {"requests": 500, "megabytes": 30.0, "descriptors": 18},
        {"requests": 10_000, "megabytes": 33.0, "descriptors": 18},
    ]
    return {
        "machine": "2 cores",
        "when": "2026-11-22",
        "rounds": 3,
        "load": [0.5, 2.5],
        "rtt": 80.0,
        "latency": latency,
        "throughput": {
            c.key: {
                s: {n: rates.get(c.key, 5.0) for n in ("1", "4", "8")} for s in c.scenarios if s != "streamed"
            }
            for c in ALL
        },
        "memory": memory,
        "memory_far": copy.deepcopy(memory),
        "far": {c.key: far_figures() for c in ANSWERING},
        "worker": {"same_process": True, "marks": marks},
        "installation": {"host": 25.0, "obvious": 552.0},
    }


def test_figures_on_the_limit_meet_it(run: dict[str, Any]) -> None:
    assert [verdict.what for verdict in judge(run) if not verdict.met] == []


@pytest.mark.parametrize(
    ("path", "value", "missed"),
    [
        (("latency", "oneshot", "health", "p50"), 110.1, ["one-shot health, p50"]),
        (("latency", "oneshot", "answered", "p50"), 150.1, ["one-shot answered question, p50"] * 2),
        (("latency", "warm", "answered", "p50"), 30.1, ["warm answered question, p50"]),
        (("throughput", "warm", "answered", "8"), 39.9, ["warm throughput, 8 clients"]),
        (("memory", "warm", "started"), 12.1, ["warm wrapper's own peak memory"]),
        (("memory_far", "oneshot", "started"), 40.1, ["one-shot peak memory"]),
        (("far", "warm", "answered", "connections", "p50"), 1, ["new connections per question, warm"]),
        (
            ("far", "oneshot", "answered", "model_asked_after_start", "p50"),
            401,
            ["question start to the chat request, one-shot"],
        ),
        (("far", "oneshot", "answered", "requests", "p50"), 4, ["outgoing requests per question"]),
        (("worker", "marks", 1, "megabytes"), 33.1, ["worker after 10,000 requests, memory"]),
        (("worker", "marks", 1, "descriptors"), 23, ["worker after 10,000 requests, descriptors"]),
        (("worker", "same_process"), False, ["worker after 10,000 requests, memory"]),
        (("installation", "host"), 25.1, ["host installation"]),
    ],
)
def test_figures_beyond_the_limit_miss_it(
    run: dict[str, Any], path: tuple[Any, ...], value: float, missed: list[str]
) -> None:
    changed = copy.deepcopy(run)
    place: Any = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert [verdict.what for verdict in judge(changed) if not verdict.met] == missed


def test_without_round_trips_their_targets_are_not_judged(run: dict[str, Any]) -> None:
    run["far"] = run["memory_far"] = {}
    unknown = [verdict for verdict in judge(run) if verdict.met is None]
    assert len(unknown) == 3
    assert "not measured" in report.markdown(run, judge(run))
    ElementTree.fromstring(drawing.svg(run))


def test_the_picture_has_a_bar_for_each_figure(run: dict[str, Any]) -> None:
    root = ElementTree.fromstring(drawing.svg(run))
    bars = [element for element in root if element.tag.endswith("rect")]
    assert len(bars) == len(ALL) + len(ANSWERING) + len(ALL) + len(ALL) - 1
    longest = max(float(bar.get("width", 0)) for bar in bars[: len(ALL)])
    # Linear, from zero.
    assert float(bars[ALL.index(ANSWERING[1])].get("width", 0)) == pytest.approx(
        longest * 150 / 1050, abs=0.1
    )


def test_a_missed_target_is_in_the_readme(run: dict[str, Any], tmp_path: Path) -> None:
    run["installation"]["host"] = 36.0
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.put_into_readme(readme, report.summary(run, judge(run)))
    text = readme.read_text(encoding="utf-8")
    assert (
        text.startswith(f"before\n{report.BEGIN}\n!")
        and text.endswith(f"\n{report.END}\nafter\n")
        and "old" not in text
    )
    assert "not met: host installation (36.0 MB, target ≤ 25 MB)" in text
