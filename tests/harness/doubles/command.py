"""A double as a process: `python -m tests.harness.doubles.openai --port 0` prints its address on its first line."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .server import Double


def parser(description: str) -> argparse.ArgumentParser:
    """The options every double has; a double adds its own."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0, help="0 takes any free one")
    options.add_argument(
        "--tls", action="store_true", help="https; the authority's file is printed on the second line"
    )
    options.add_argument("--rtt", type=float, default=0, help="pretended round-trip time in milliseconds")
    options.add_argument("--seed", type=int, default=0, help="for faults with a probability")
    options.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    return options


def common(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the options of every double are for its constructor."""
    return {name: getattr(arguments, name) for name in ("host", "port", "tls", "rtt", "seed")}


def run(
    make: Callable[[argparse.Namespace], Double], options: argparse.ArgumentParser, argv: Sequence[str]
) -> int:
    """Serve until SIGTERM, SIGINT or (with --until-eof) the end of standard input."""
    arguments = options.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with make(arguments) as double:
        print(double.url, flush=True)
        if double.ca_file:
            print(double.ca_file, flush=True)
        if arguments.until_eof:
            threading.Thread(target=_wait_for_eof, args=(stop,), daemon=True).start()
        stop.wait()
    return 0


def _wait_for_eof(stop: threading.Event) -> None:
    # So that no double outlives a test run that was killed.
    sys.stdin.buffer.read()
    stop.set()
