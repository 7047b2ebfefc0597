"""The figures as Markdown, which is also what a terminal shows. Says what was measured and how; judges
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.contestants import ALL, ANSWERING
from tests.bench.targets import Verdict

BEGIN, END = "<!-- benchmark: begin (scripts/bench_cgi.py) -->", "<!-- benchmark: end -->"
SCENARIOS = ("health", "refused", "answered")
MARKS = {True: "met", False: "**not met**", None: "not measured"}

_HOW = """\
## How it is measured

One Apache 2.4 (event MPM, mod_cgid, mod_fcgid, mod_proxy), one account, one interpreter for all. The programs take turns, in
an order that changes every round. Every request is on a connection of its own, and every reply is checked.

- *Bare Python CGI* imports `os` (`python3 -IS`). *Flask hello* is one route under `wsgiref`'s CGIHandler, also with `-IS`.
- *The obvious program* ([source](../tests/bench/programs/obvious.py)) uses Flask, flask-cors and the official chromadb and
  openai clients, in an environment with nothing else. It counts no requests and no money, so it does less than dndchat.
- *dndchat one-shot* has its interpreter in the first line, as deployed; the *plain checkout* starts with
  `/usr/bin/env python3` and then becomes the interpreter of its virtual environment. *gunicorn* has two workers of eight
  threads.
- A question is answered by a real `chroma run` with the sample rules, and by doubles of OpenAI and of the auth API as
  processes of their own, on the same cores. A refused request has no token; it asks nobody outside, nor does health.
- dndchat has no lexical index here: vectors alone, as in the obvious program. With one a question takes some 4 ms of processor
  time more (`scripts/evaluate.py` prints it), and the passages need not be fetched.
- With round trips, everything outside speaks TLS and takes the time of one round trip for TCP, one for TLS 1.3 and one for
  each request; the model begins to write after 0.3 s. Requests and connections are what arrives outside, including
  connections that were opened and not used. The start of the process is the time of a health request just before.
- *Processes* are those that one request starts, and those that stay.
- *Memory* of a process that a request starts is `ru_maxrss` from `wait4` in a wrapper that Apache starts in its place (so
  nothing below the wrapper's own 9 MB can be seen); of processes that stay, VmHWM in `/proc`.
- The *worker* is asked over its own socket, four requests at a time: a question, a refused one, `/api/me` and health in turn;
  VmRSS and `/proc/PID/fd` are read in between.
- *Sizes* are blocks on disk, in millions of bytes.
"""


def markdown(run: Mapping[str, Any], verdicts: Sequence[Verdict]) -> str:
    """The whole of docs/benchmark.md."""
    parts = [
        "# Benchmark",
        "Made by `scripts/bench_cgi.py`. Ratios count; the seconds are those of one machine, which had other work to do.",
        f"{run['machine']}; {run['when']}; {run['rounds']} rounds; load {run['load'][0]:.1f}, then {run['load'][1]:.1f}.",
        "![The benchmark as a picture](bench.svg)",
        "## Targets",
        _targets(verdicts),
        "Why a target is not met: see [Where the time of a warm question goes]"
        "(decisions.md#where-the-time-of-a-warm-question-goes).",
        "## Answering at once",
        "Milliseconds, p50 / p95: everything outside answers without delay.",
        _latency(run),
        "## Requests per second",
        "With 1 / 4 / 8 clients at once.",
        _throughput(run),
    ]
    if run["far"]:
        parts += [
            f"## With {run['rtt']:g} ms a round trip, TLS, and a model that begins after 0.3 s",
            "Milliseconds from the start of the request, p50 / p95.",
            _far(run),
        ]
    parts += ["## Memory, processes, size", _memory(run), _size(run), _worker(run), _HOW.rstrip()]
    return "\n\n".join(parts) + "\n"


def summary(run: Mapping[str, Any], verdicts: Sequence[Verdict]) -> str:
    """What the README shows."""
    rows = []
    for contestant in ALL:
        latency, rate = (
            run["latency"][contestant.key],
            run["throughput"][contestant.key][contestant.typical]["8"],
        )
        answered = latency.get("answered", {}).get("p50")
        first = run["far"].get(contestant.key, {}).get("streamed", {}).get("first_word", {}).get("p50")
        peak = (run["memory_far"] or run["memory"])[contestant.key]["started"]
        cells = (
            _ms(latency["health"]["p50"]),
            _ms(answered),
            _ms(first),
            f"{rate:.1f}",
            f"{peak:.0f} MB" if peak else "none started",
        )
        rows.append((contestant.title, *cells))
    heads = (
        "p50",
        "health",
        "answered question",
        f"first word, {run['rtt']:g} ms round trips",
        "requests/s, 8 clients",
        "memory of a request's process",
    )
    missed = [verdict for verdict in verdicts if verdict.met is False]
    met = sum(verdict.met is True for verdict in verdicts)
    text = f"{met} of {len(verdicts)} targets met"
    if missed:
        text += "; not met: " + "; ".join(
            f"{verdict.what} ({verdict.measured}, target {verdict.target})" for verdict in missed
        )
    return f"![Benchmark](docs/bench.svg)\n\n{_table(heads, rows)}\n\n{text}. All figures: [docs/benchmark.md](docs/benchmark.md)."


def put_into_readme(path: Path, text: str) -> None:
    """Replace what is between the marks. ValueError when they are missing."""
    before, mark, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{path.name} has no lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _targets(verdicts: Sequence[Verdict]) -> str:
    return _table(
        ("what", "target", "measured", ""), [(v.what, v.target, v.measured, MARKS[v.met]) for v in verdicts]
    )


def _latency(run: Mapping[str, Any]) -> str:
    rows = []
    for contestant in ALL:
        found = run["latency"][contestant.key]
        rows.append((contestant.title, *(_pair(found.get(scenario)) for scenario in SCENARIOS)))
    return _table(("", "health", "refused (401)", "answered question"), rows)


def _throughput(run: Mapping[str, Any]) -> str:
    rows = []
    for contestant in ALL:
        found = run["throughput"][contestant.key]
        cells = (
            " / ".join(f"{rate:.1f}" for rate in found.get(scenario, {}).values()) or "–"
            for scenario in SCENARIOS
        )
        rows.append((contestant.title, *cells))
    return _table(("", "health", "refused (401)", "answered question"), rows)


def _far(run: Mapping[str, Any]) -> str:
    rows = []
    for contestant in ANSWERING:
        answered, streamed = (run["far"][contestant.key][name] for name in ("answered", "streamed"))
        rows.append(
            (
                contestant.title,
                _pair(answered["total"]),
                _pair(streamed["first_word"]),
                _pair(answered["model_asked"]),
                f"{answered['requests']['p50']:g}",
                f"{answered['connections']['p50']:g}",
            )
        )
    heads = ("", "answered question", "first word", "model asked", "requests outside", "new connections")
    return _table(heads, rows)


def _memory(run: Mapping[str, Any]) -> str:
    rows = []
    for contestant in ALL:
        found = run["memory"][contestant.key]
        started = found["started"], run["memory_far"].get(contestant.key, {}).get("started")
        staying = found["staying"]
        number = f"{1 if contestant.program else 0} + {len(staying)}"
        megabytes = " + ".join(f"{one:.1f}" for one in staying) + " MB" if staying else "none"
        rows.append(
            (contestant.title, *(f"{one:.1f} MB" if one else "none" for one in started), number, megabytes)
        )
    heads = (
        "",
        "process started by each request, peak",
        "the same with TLS",
        "processes",
        "processes that stay, peak of each",
    )
    return _table(heads, rows)


def _size(run: Mapping[str, Any]) -> str:
    size = run["installation"]
    return (
        f"Installed by `scripts/setup.sh` on the host, with the program: {size['host']:.1f} MB; the packages of the obvious"
        f" program alone: {size['obvious']:.0f} MB."
    )


def _worker(run: Mapping[str, Any]) -> str:
    marks = (
        f"after {m['requests']:,} requests {m['megabytes']:.1f} MB and {m['descriptors']} descriptors"
        for m in run["worker"]["marks"]
    )
    return "The worker: " + ", ".join(marks) + "."


def _pair(spread: Mapping[str, float] | None) -> str:
    return f"{spread['p50']:.0f} / {spread['p95']:.0f}" if spread else "–"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (heads, *rows)
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
