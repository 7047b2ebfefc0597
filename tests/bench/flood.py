"""A flood of strangers: what it costs a caller whose token is good, one-shot and with a warm worker, under a
real Apache.

Quiet and flood take turns, so that a noisy machine is as unfair to one as to the other. The flood comes from
a process of its own: eight clients without a pause, each request with a bad token of its own, or all with the
same.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.bench.client import Client, WrongReply, at_once
from tests.bench.contestants import ONESHOT, WARM, Contestant
from tests.bench.progress import Progress
from tests.bench.targets import Verdict
from tests.bench.world import World, rules, world
from tests.harness import ROOT
from tests.harness.accounts import readable_directory
from tests.harness.checkout import checkout
from tests.harness.program import Program

CLIENTS = 8
LIMIT = 1.3
ROUNDS, QUESTIONS = 5, 8
URL = "/cgi-bin/dndchat.cgi"
KINDS = ("different", "same")
# Until the flood is one: the strangers that may come at once are through, and the others wait.
SETTLE_SECONDS = 4.0
# Between a flood and quiet: those who still wait are through.
DRAIN_SECONDS = 3.0


def measure(rounds: int, progress: Progress) -> dict[str, Any]:
    """Milliseconds of `rounds` times QUESTIONS questions in quiet and in each flood, by contestant."""
    found: dict[str, Any] = {}
    with (
        checkout() as base,
        rules() as chroma,
        readable_directory() as place,
        world(chroma, place) as outside,
    ):
        for contestant, worker in ((ONESHOT, "off"), (WARM, "on")):
            with (
                Program(base, **outside.settings(), WARM_WORKER=worker) as program,
                program.apache() as apache,
            ):
                client = Client(apache.port, outside.token)
                for _ in range(3):
                    client.ask(contestant, "answered", url=URL)
                if worker == "on":
                    program.wait_for_worker()
                found[contestant.key] = _one(contestant, client, apache.port, outside, rounds, progress)
    return found


def _one(
    contestant: Contestant, client: Client, port: int, outside: World, rounds: int, progress: Progress
) -> dict[str, Any]:
    times: dict[str, list[float]] = {name: [] for name in ("quiet", *KINDS)}
    newcomers: dict[str, list[float]] = {name: [] for name in ("quiet", *KINDS)}
    strangers: list[float] = []
    for number in range(rounds):
        for name in times:
            progress.step(f"flood: {contestant.title}, {name}, round", number + 1, rounds)
            outside.forget()
            flood = contextlib.nullcontext() if name == "quiet" else flooding(port, name, strangers)
            with flood:
                for _ in range(QUESTIONS):
                    times[name].append(1000 * client.ask(contestant, "answered", url=URL).total)
                newcomer = Client(port, outside.auth.token_for("bob"))
                newcomers[name].append(1000 * newcomer.ask(contestant, "answered", url=URL).total)
    return {
        "strangers_per_second": round(statistics.mean(strangers), 1),
        **{name: _spread(values) for name, values in times.items()},
        **{f"newcomer_{name}": _spread(values) for name, values in newcomers.items()},
    }


@contextlib.contextmanager
def flooding(port: int, kind: str, rates: list[float]) -> Iterator[None]:
    """Strangers come as long as this lasts; `rates` gets how many were refused a second."""
    command = [sys.executable, "-m", "tests.bench.flood", str(port), kind]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started = time.monotonic()
    try:
        time.sleep(SETTLE_SECONDS)
        yield
    finally:
        output, _ = process.communicate("")
        if process.returncode:
            raise WrongReply("the flood was not answered as a flood is")
        rates.append(int(output) / (time.monotonic() - started))
        time.sleep(DRAIN_SECONDS)


def judge(run: Mapping[str, Any]) -> list[Verdict]:
    """At most LIMIT times as slow, one-shot and warm, whatever the tokens."""
    found = []
    for contestant, kind in itertools.product((ONESHOT, WARM), KINDS):
        ratio = run[contestant.key][kind]["p50"] / run[contestant.key]["quiet"]["p50"]
        what = f"{contestant.title}: a question while {CLIENTS} clients send {kind} bad tokens"
        found.append(Verdict(what, f"≤ {LIMIT:g} × the same in quiet", f"{ratio:.2f} ×", ratio <= LIMIT))
    return found


def markdown(run: Mapping[str, Any], verdicts: list[Verdict]) -> str:
    """Two tables for a terminal and for docs/decisions.md."""
    lines = [
        "| | quiet | different bad tokens | the same bad token | strangers answered a second |",
        "|---|---|---|---|---|",
    ]
    for contestant, (name, prefix) in itertools.product(
        (ONESHOT, WARM), (("a question", ""), ("of a new token", "newcomer_"))
    ):
        one = run[contestant.key]
        cells = [
            f"{one[prefix + kind]['p50']:.0f} / {one[prefix + kind]['p95']:.0f}" for kind in ("quiet", *KINDS)
        ]
        lines.append(
            f"| {contestant.title}, {name} | {' | '.join(cells)} | {one['strangers_per_second'] if not prefix else ''} |"
        )
    lines += ["", "| what | target | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {v.what} | {v.target} | {v.measured} | {'met' if v.met else '**not met**'} |" for v in verdicts
    ]
    return "\n".join(["Milliseconds, p50 / p95.", "", *lines])


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[round(0.95 * (len(ordered) - 1))],
        "n": len(ordered),
    }


def _strangers(port: int, kind: str) -> int:
    """Until stdin ends: how many were refused."""
    ended = os.fdopen(0, "rb", buffering=0)
    numbers = itertools.count()
    over = False
    same = secrets.token_hex(16)

    def ask() -> bool:
        token = same if kind == "same" else secrets.token_hex(16)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {
            "Connection": "close",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
        }
        connection.request("POST", f"{URL}/api/query", body=b'{"question": "Who am I?"}', headers=headers)
        status = connection.getresponse().status
        connection.close()
        if status not in (401, 502):
            raise WrongReply(f"status {status}")
        next(numbers)
        return not over

    crowd = threading.Thread(target=at_once, args=(CLIENTS, ask))
    crowd.start()
    while ended.read(1):
        pass
    over = True
    crowd.join()
    return next(numbers)


if __name__ == "__main__":
    print(_strangers(int(sys.argv[1]), sys.argv[2]))
    sys.stdout.flush()
