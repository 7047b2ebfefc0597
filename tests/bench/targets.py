"""What was promised, and whether this run met it. Nothing is rounded in our favour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Who asks the worker in the measurement of its memory. How many connections it keeps depends on how many it
# needed at once, so one more for each is no leak: a leak of one in a hundred requests would be 95.
CLIENTS_AT_ONCE = 4


@dataclass(frozen=True)
class Verdict:
    """One promise: what was measured, in words, and whether that meets it (None: not measured in this
    run).
    """

    what: str
    target: str
    measured: str
    met: bool | None


def judge(run: Mapping[str, Any]) -> list[Verdict]:
    """Every target of the benchmark."""
    latency, rates, memory = run["latency"], run["throughput"], run["memory"]

    def p50(key: str, scenario: str) -> float:
        return float(latency[key][scenario]["p50"])

    hello, bare = p50("hello", "health"), p50("bare", "health")
    answered, obvious = p50("oneshot", "answered"), p50("obvious", "answered")
    found = [
        _at_most("one-shot health, p50", "Flask hello one-shot", p50("oneshot", "health") / hello, 1.10),
        _at_most("one-shot answered question, p50", "Flask hello one-shot", answered / hello, 1.5),
        _at_least(
            "one-shot answered question, p50", "faster than the obvious program", obvious / answered, 7
        ),
    ]
    # With TLS, as on a host, where that was measured.
    memory_used = run["memory_far"] or memory
    peak, obvious_peak = memory_used["oneshot"]["started"], memory_used["obvious"]["started"]
    found += [
        _plain("one-shot peak memory", "≤ 45 MB", f"{peak:.1f} MB", peak <= 45),
        _at_most("one-shot peak memory", "the obvious program", peak / obvious_peak, 0.4),
        _at_most("warm answered question, p50", "bare Python CGI", p50("warm", "answered") / bare, 3),
        _at_least(
            "warm throughput, 8 clients",
            "the obvious program",
            rates["warm"]["answered"]["8"] / rates["obvious"]["answered"]["8"],
            40,
        ),
    ]
    wrapper = memory["warm"]["started"]
    found.append(_plain("warm wrapper's own peak memory", "≤ 12 MB", f"{wrapper:.1f} MB", wrapper <= 12))
    found += _outside(run)
    found += _worker(run)
    size = run["installation"]["host"]
    found.append(_plain("host installation", "≤ 25 MB", f"{size:.1f} MB", size <= 25))
    return found


def _outside(run: Mapping[str, Any]) -> list[Verdict]:
    far, rtt = run["far"], run["rtt"]
    names = (
        "outgoing requests per question",
        "new connections per question, warm",
        "question start to the chat request, one-shot",
    )
    if not far:
        targets = ("3 one-shot and warm", "0", "≤ 5 round trips over the process start")
        return [
            Verdict(name, target, "not measured", None) for name, target in zip(names, targets, strict=True)
        ]
    one, warm = far["oneshot"]["answered"], far["warm"]["answered"]
    requests = (one["requests"]["p50"], warm["requests"]["p50"])
    connections = warm["connections"]["p50"]
    trips = {
        key: far[key]["answered"]["model_asked_after_start"]["p50"] / rtt for key in ("oneshot", "obvious")
    }
    return [
        _plain(
            names[0],
            "3 one-shot and warm",
            f"{requests[0]:g} one-shot, {requests[1]:g} warm",
            max(requests) <= 3,
        ),
        _plain(names[1], "0", f"{connections:g}", connections == 0),
        _plain(
            names[2],
            f"≤ 5 round trips ({5 * rtt / 1000:.1f} s) over the process start",
            f"{trips['oneshot']:.1f} round trips; the obvious program {trips['obvious']:.1f}",
            trips["oneshot"] <= 5,
        ),
    ]


def _worker(run: Mapping[str, Any]) -> list[Verdict]:
    first, last = run["worker"]["marks"]
    growth = last["megabytes"] / first["megabytes"] - 1
    name = f"worker after {last['requests']:,} requests"
    return [
        _plain(
            f"{name}, memory",
            f"within 10 % of that after {first['requests']:,}",
            f"{first['megabytes']:.1f} → {last['megabytes']:.1f} MB ({growth:+.1%})",
            last["megabytes"] <= 1.10 * first["megabytes"] and run["worker"]["same_process"],
        ),
        _plain(
            f"{name}, descriptors",
            f"at most {CLIENTS_AT_ONCE} more (a kept connection each)",
            f"{first['descriptors']} → {last['descriptors']}",
            last["descriptors"] <= first["descriptors"] + CLIENTS_AT_ONCE,
        ),
    ]


def _at_most(what: str, base: str, ratio: float, limit: float) -> Verdict:
    return Verdict(what, f"≤ {limit:g} × {base}", f"{ratio:.2f} ×", ratio <= limit)


def _at_least(what: str, base: str, ratio: float, limit: float) -> Verdict:
    return Verdict(what, f"≥ {limit:g} × {base}", f"{ratio:.2f} ×", ratio >= limit)


def _plain(what: str, target: str, measured: str, met: bool) -> Verdict:
    return Verdict(what, target, measured, met)
