"""The command: measures everything, judges it, and writes the report, the picture and the README's
summary.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.bench import drawing, environments, flood, measure, report
from tests.bench.client import Client, WrongReply
from tests.bench.progress import Progress
from tests.bench.site import Site, SiteError, installed, serving
from tests.bench.targets import judge
from tests.bench.world import rules, world
from tests.harness import ROOT
from tests.harness.apache import ApacheError
from tests.harness.checkout import CheckoutError
from tests.harness.chroma_server import ChromaServer, ChromaServerError

EXAMPLE = """\
examples:
  scripts/bench_cgi.py                    15 minutes; writes docs/benchmark.md, docs/bench.svg and the README's summary
  scripts/bench_cgi.py --quick            3 minutes; writes nothing
  scripts/bench_cgi.py --flood            5 minutes; what eight clients with bad tokens cost a question; writes nothing
  scripts/bench_cgi.py --json --rtt 150 --out /tmp >run.json
"""


def main(arguments: Sequence[str]) -> int:
    """0 when everything was measured, met or not; 1 when a program answered wrongly; 2 when something is
    missing.
    """
    options = _parser().parse_args(arguments)
    progress = Progress()
    # So that whatever was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = measure.QUICK if options.quick else measure.FULL
    if options.runs:
        plan = replace(plan, rounds=options.runs, far_rounds=max(1, options.runs // 2))
    try:
        if options.flood:
            flooded = flood.measure(2 if options.quick else options.runs or flood.ROUNDS, progress)
            progress.end()
            print(
                json.dumps(flooded, indent=1)
                if options.json
                else flood.markdown(flooded, flood.judge(flooded))
            )
            return 0
        run = _measure(plan, options.rtt, progress)
    except WrongReply as error:
        progress.end()
        print(f"✗ {error}", file=sys.stderr)
        return 1
    except (SiteError, ApacheError, ChromaServerError, CheckoutError, environments.CannotInstall) as error:
        progress.end()
        print(f"✗ {error}", file=sys.stderr)
        return 2
    progress.end()
    verdicts = judge(run)
    if options.json:
        print(
            json.dumps(
                {**run, "targets": [vars(verdict) for verdict in verdicts]}, indent=1, ensure_ascii=False
            )
        )
    else:
        print(report.markdown(run, verdicts))
    out = options.out or (None if options.quick else ROOT / "docs")
    if out is not None:
        out.joinpath("benchmark.md").write_text(report.markdown(run, verdicts), encoding="utf-8")
        out.joinpath("bench.svg").write_text(drawing.svg(run), encoding="utf-8")
    if out == ROOT / "docs":
        report.put_into_readme(ROOT / "README.md", report.summary(run, verdicts))
    return 0


def _measure(plan: measure.Plan, rtt: float, progress: Progress) -> dict[str, Any]:
    progress.step("installing")
    run: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}",
        "when": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "rounds": plan.rounds,
        "rtt": rtt,
        "installation": _installation(),
        "far": {},
        "memory_far": {},
        "load": [os.getloadavg()[0]],
    }
    failure: WrongReply | None = None
    with installed() as site, rules() as chroma:
        # Raised when the servers have ended, which would otherwise print their logs.
        try:
            _near(run, plan, site, chroma, progress)
            if rtt:
                _far(run, plan, site, chroma, progress)
        except WrongReply as error:
            failure = error
    if failure is not None:
        raise failure
    run["load"].append(os.getloadavg()[0])
    return run


def _near(
    run: dict[str, Any], plan: measure.Plan, site: Site, chroma: ChromaServer, progress: Progress
) -> None:
    progress.step("starting the programs")
    with world(chroma, site.directory("near")) as outside, serving(site, outside) as there:
        client = Client(there.apache.port, outside.token)
        measure.warm_up(there, client)
        run["latency"] = measure.latency(there, client, plan, progress)
        run["throughput"] = measure.throughput(there, client, plan, progress)
        run["memory"] = measure.memory(there, client, plan, progress)
        run["worker"] = measure.endurance(there, client, plan, progress)


def _far(
    run: dict[str, Any], plan: measure.Plan, site: Site, chroma: ChromaServer, progress: Progress
) -> None:
    progress.step("starting the programs")
    with world(chroma, site.directory("far"), run["rtt"]) as outside, serving(site, outside) as there:
        client = Client(there.apache.port, outside.token)
        measure.warm_up(there, client)
        run["far"] = measure.far(there, client, plan, progress)
        run["memory_far"] = measure.memory(there, client, plan, progress)


def _installation() -> dict[str, float]:
    """Megabytes on disk."""
    host = environments.host_installation()
    return {
        "host": environments.megabytes(host),
        "obvious": environments.megabytes(environments.ensure("obvious")),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench_cgi.py",
        description="Measures dndchat beside other ways to answer the same requests, all under one real Apache.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON instead of Markdown")
    parser.add_argument(
        "--rtt",
        type=float,
        default=80,
        metavar="MS",
        help="round-trip time of the second part; 0 leaves it out (80)",
    )
    parser.add_argument(
        "--runs", type=int, default=0, metavar="N", help=f"rounds of the first part ({measure.FULL.rounds})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, to see that it works; the figures mean little"
    )
    parser.add_argument(
        "--flood",
        action="store_true",
        help="only what a flood of bad tokens costs a question; --runs, --json",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write the report and the picture (docs)"
    )
    return parser
