"""The measurements. Contestants take turns within each, in an order that changes from round to round, so that
a noisy machine is as unfair to one as to the other. Times are medians.
"""

from __future__ import annotations

import itertools
import random
import statistics
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.client import Client, WrongReply, at_once
from tests.bench.contestants import ALL, ANSWERING, CGI, COPIES, FASTCGI, GUNICORN, WARM, Contestant, Scenario
from tests.bench.progress import Progress
from tests.bench.site import Serving, descriptors, status_megabytes
from tests.bench.targets import CLIENTS_AT_ONCE
from tests.harness import scgi
from tests.harness.cgi_protocol import environment

CLIENTS = (1, 4, 8)
# Records of what the doubles were asked hold every prompt.
FORGET_EVERY = 200


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    far_rounds: int
    load_seconds: float
    load_slices: int
    memory_runs: int
    worker_requests: tuple[int, int]


FULL = Plan(
    rounds=12, far_rounds=7, load_seconds=2.5, load_slices=2, memory_runs=5, worker_requests=(500, 10_000)
)
QUICK = Plan(
    rounds=2, far_rounds=1, load_seconds=0.5, load_slices=1, memory_runs=1, worker_requests=(200, 400)
)


def warm_up(serving: Serving, client: Client) -> None:
    """Everything once: files are read, workers started, collections found. Nothing is kept of it."""
    for contestant in ALL:
        client.ask(contestant, contestant.typical)
    serving.wait_for_worker()
    # Processes that stay are to have their connections; gunicorn gives a question to whichever is free.
    for contestant, times in ((WARM, 2), (FASTCGI, 2), (GUNICORN, 6)):
        for _ in range(times):
            client.ask(contestant, contestant.typical)


def latency(serving: Serving, client: Client, plan: Plan, progress: Progress) -> dict[str, Any]:
    """p50 and p95 in milliseconds for each contestant and scenario."""
    totals: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(plan.rounds):
        progress.step("latency, round", number + 1, plan.rounds)
        for contestant, scenario in _turns(
            [(c, s) for c in ALL for s in c.scenarios if s != "streamed"], number
        ):
            totals[contestant.key, scenario].append(1000 * client.ask(contestant, scenario).total)
        serving.world.forget()
    return _by_contestant({place: _spread(values) for place, values in totals.items()})


def throughput(serving: Serving, client: Client, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Requests a second with so many clients, by contestant and scenario; most time goes to what a contestant
    is there for.
    """
    runs: dict[tuple[str, str, int], list[tuple[int, float]]] = defaultdict(list)
    places = [(c, s, n) for c in ALL for s in c.scenarios if s != "streamed" for n in CLIENTS]
    for number in range(plan.load_slices):
        for contestant, scenario, clients in _turns(
            [p for p in places if not number or p[1] == p[0].typical], number
        ):
            progress.step(f"throughput, {clients} clients: {contestant.title}, {scenario}")
            runs[contestant.key, scenario, clients].append(
                client.load(contestant, scenario, clients, plan.load_seconds)
            )
            serving.world.forget()
    rates: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for (key, scenario, clients), done in sorted(runs.items()):
        rates[key, scenario][str(clients)] = round(
            sum(n for n, _ in done) / sum(seconds for _, seconds in done), 2
        )
    return _by_contestant(rates)


def memory(serving: Serving, client: Client, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Peak megabytes of the process that a request starts, and of those that are there between requests."""
    before = {contestant: len(_peaks(serving, contestant)) for contestant in CGI}
    for number in range(plan.memory_runs):
        progress.step("memory, run", number + 1, plan.memory_runs)
        for contestant, _ in _turns([(c, None) for c in CGI], number):
            client.ask(contestant, contestant.typical, url=f"/others/peak-{contestant.key}.cgi")
    found: dict[str, Any] = {}
    for contestant in ALL:
        entry: dict[str, Any] = {"started": None, "staying": []}
        if contestant in CGI:
            entry["started"] = round(statistics.median(_peaks(serving, contestant)[before[contestant] :]), 1)
        if contestant.key in COPIES:
            entry["staying"] = [
                round(status_megabytes(pid, "VmHWM"), 1) for pid in serving.processes(contestant.key)
            ]
        found[contestant.key] = entry
    return found


def _peaks(serving: Serving, contestant: Contestant) -> list[float]:
    """The megabytes that the memory wrapper has noted so far."""
    notes = serving.site.peaks(contestant)
    lines = notes.read_text().split("\n")[:-1] if notes.exists() else []
    return [int(line.split()[0]) * 1024 / 1e6 for line in lines]


def far(serving: Serving, client: Client, plan: Plan, progress: Progress) -> dict[str, Any]:
    """With round trips: times, requests and connections of one question, and when the model was asked."""
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    places: list[tuple[Contestant, Scenario]] = [(c, s) for c in ANSWERING for s in ("answered", "streamed")]
    for number in range(plan.far_rounds):
        progress.step("round trips, round", number + 1, plan.far_rounds)
        for contestant, scenario in _turns(places, number):
            serving.world.forget()
            # Just before it, so that both meet the same machine.
            start = client.ask(contestant, "health").total
            timing = client.ask(contestant, scenario)
            counts = serving.world.counts()
            model_asked = serving.world.last_chat_at() - timing.sent_at
            found[contestant.key, scenario].append(
                {
                    "total": 1000 * timing.total,
                    "first_word": 1000 * (timing.first_word or 0),
                    "model_asked": 1000 * model_asked,
                    "model_asked_after_start": 1000 * (model_asked - start),
                    "requests": counts.requests,
                    "connections": counts.connections,
                }
            )
    return _by_contestant(
        {
            place: {name: _spread([one[name] for one in rounds]) for name in rounds[0]}
            for place, rounds in found.items()
        }
    )


def endurance(serving: Serving, client: Client, plan: Plan, progress: Progress) -> dict[str, Any]:
    """The worker's memory and descriptors after some and after many requests.

    They come over its socket, four at a time, as from the wrapper but without a process for each; every
    fourth is a question.
    """
    client.ask(WARM, "answered")
    pid = serving.worker()
    if pid is None:
        raise WrongReply("there is no warm worker to measure")
    marks = []
    done = 0
    for mark in plan.worker_requests:
        while done < mark:
            progress.step("the worker's memory, request", done, plan.worker_requests[-1])
            batch = min(FORGET_EVERY, mark - done)
            _ask_worker(serving, client, batch)
            serving.world.forget()
            done += batch
        marks.append(
            {
                "requests": done,
                "megabytes": round(status_megabytes(pid, "VmRSS"), 2),
                "descriptors": descriptors(pid),
            }
        )
    return {"same_process": serving.worker() == pid, "marks": marks}


def _ask_worker(serving: Serving, client: Client, count: int) -> None:
    kinds = {
        b'"answer":': ("POST", "/api/query"),
        b"401 ": ("POST", "/api/query"),
        b'"user_total"': ("GET", "/api/me"),
        b'"ok"': ("GET", "/health"),
    }
    left = iter(itertools.islice(itertools.cycle(kinds), count))
    lock = threading.Lock()

    def ask() -> bool:
        with lock:
            expected = next(left, None)
            if expected is None:
                return False
            body = client.question() if expected == b'"answer":' else b""
        token = "" if expected == b"401 " else client.token
        try:
            root, (method, path) = serving.site.copy("warm"), kinds[expected]
            reply = scgi.exchange(root / "var", root, environment(method, path, body, token or None), body)
        except OSError as error:
            raise WrongReply(f"the warm worker: {error}") from error
        if expected not in reply:
            raise WrongReply(f"the warm worker: {reply[:300]!r}")
        return True

    at_once(CLIENTS_AT_ONCE, ask)


def _turns(places: Sequence[Any], number: int) -> list[Any]:
    return random.Random(number).sample(places, len(places))


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {"p50": round(statistics.median(ordered), 2), "p95": round(high, 2), "n": len(ordered)}


def _by_contestant(flat: dict[tuple[str, str], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {contestant.key: {} for contestant in ALL}
    for (key, name), value in flat.items():
        found[key][name] = value
    return found
