#!/usr/bin/env python3
"""Measures what the ledger adds to a question: admit, mark one paid call as sent, settle.

Prints medians in milliseconds, with 1 and 8 processes at once, with an empty ledger and one with many old
questions. Each question opens the file anew, as a one-shot process does; `--warm` keeps it open, as the warm
worker does.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time

from app.ledger.ledger import LEDGER_FILE, Ledger
from app.models import PlannedCall, Usage
from app.pricing import Overrides, price_list
from app.settings import LimitSettings

MODEL = "gpt-6-luna"
LIMITS = LimitSettings(15, 1000, 1_000_000, 0, "900000")


def make_ledger(path: Path) -> Ledger:
    pricing, _ = price_list(MODEL, "text-embedding-3-small", Overrides())
    return Ledger(path, LIMITS, pricing)


def fill(path: Path, rows: int) -> None:
    """Old questions of 200 users over the last 90 days, with their calls and totals."""
    make_ledger(path).quota("nobody")
    db = sqlite3.connect(path)
    day = "date('now', '-' || (1 + number % 90) || ' days')"
    numbers = (
        f"WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT {rows})"
    )
    db.executescript(f"""
        {numbers}
        INSERT INTO requests (request_id, user_id, day, place, pid, pid_started, wall_us, steady_us, boot,
                              held_nd, spent_nd, outcome, latency_ms)
            SELECT hex(randomblob(12)), 'user-' || number % 200, {day},
            'elsewhere', 1, 1, 0, 0, '', 0, 250000, 'answered', 1900 FROM numbers;
        INSERT INTO calls (request_id, kind, model, state, bound_nd, cost_nd)
            SELECT request_id, 'chat', '{MODEL}', 'settled', 5000000, 250000 FROM requests;
        INSERT INTO user_days (day, user_id, admitted, answered, spent_nd)
            SELECT day, user_id, COUNT(*), COUNT(*), SUM(spent_nd) FROM requests GROUP BY day, user_id;
        INSERT INTO days (day, spent_nd, users)
            SELECT day, SUM(spent_nd), COUNT(*) FROM user_days GROUP BY day;
    """)
    db.commit()
    db.close()


def ask(ledger: Ledger, name: str, number: int) -> dict[str, float]:
    started = time.perf_counter()
    admission = ledger.admit(name, f"{name}-{number}", 5_000_000)
    admitted = time.perf_counter()
    call = admission.sent(PlannedCall("chat", MODEL, 5_000_000))
    sent = time.perf_counter()
    call.settle(Usage(863, 324))
    admission.finish("answered", 1900)
    finished = time.perf_counter()
    return {"admit": admitted - started, "sent": sent - admitted, "settle": finished - sent}


def worker(path: Path, questions: int, fresh: bool) -> list[dict[str, float]]:
    """Ask one question after the other; with `fresh`, open the ledger anew for each, as a one-shot process
    does.
    """
    ledger = make_ledger(path)
    figures = []
    for number in range(questions):
        figures.append(ask(ledger, f"bench-{os.getpid()}", number))
        if fresh:
            ledger.close()
        # Its bucket must not be what is measured.
        time.sleep(0.002)
    return figures


def measure(path: Path, processes: int, questions: int, fresh: bool) -> list[dict[str, float]]:
    """Seconds for each part of each question."""
    reading, writing = os.pipe()
    for _ in range(processes):
        if not os.fork():
            os.close(reading)
            with os.fdopen(writing, "w") as out:
                out.write(json.dumps(worker(path, questions, fresh)) + "\n")
                out.flush()
                os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        figures = [entry for line in lines for entry in json.loads(line)]
    for _ in range(processes):
        os.wait()
    return figures


def medians(figures: list[dict[str, float]]) -> dict[str, float]:
    """Milliseconds."""
    parts = {name: statistics.median(entry[name] for entry in figures) for name in figures[0]}
    totals = sorted(entry["admit"] + entry["settle"] for entry in figures)
    both = {"admit+settle": statistics.median(totals), "admit+settle p95": totals[int(len(totals) * 0.95)]}
    return {name: round(1000 * seconds, 2) for name, seconds in {**parts, **both}.items()}


EXAMPLES = """examples:
  scripts/bench_ledger.py                 the file opened anew for each question, as CGI does
  scripts/bench_ledger.py --warm --json   kept open, as the worker does"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--questions", type=int, default=20, help="in each process and round (default %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=8, help="how often each case gets its turn (default %(default)s)"
    )
    parser.add_argument(
        "--rows", type=int, default=100_000, help="old questions in the full ledger (default %(default)s)"
    )
    parser.add_argument(
        "--directory", type=Path, help="where to put the ledgers (default: with temporary files)"
    )
    parser.add_argument("--warm", action="store_true", help="keep the ledger open between questions")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        empty, full = Path(directory) / "empty" / LEDGER_FILE, Path(directory) / "full" / LEDGER_FILE
        make_ledger(empty).quota("nobody")
        fill(full, arguments.rows)
        cases = {
            "empty, 1 process": (empty, 1),
            "empty, 8 processes": (empty, 8),
            f"{arguments.rows:,} rows, 1 process": (full, 1),
            f"{arguments.rows:,} rows, 8 processes": (full, 8),
        }
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
        # In turns: what else the machine does meanwhile then falls on all cases alike.
        for _ in range(arguments.rounds):
            for name, (path, processes) in cases.items():
                figures[name] += measure(path, processes, arguments.questions, not arguments.warm)
    results = {name: medians(measured) for name, measured in figures.items()}
    if arguments.json:
        print(json.dumps(results))
    else:
        for name, parts in results.items():
            print(f"{name:26}", "  ".join(f"{part} {value:7.2f} ms" for part, value in parts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
