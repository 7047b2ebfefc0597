"""What the operator's commands have in common on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from app.operator.console import Console
from app.operator.store import MAX_RECORDS
from app.operator.transfer import Options

EXIT_STATUS = "exit status: 0 all is well, 1 it is not (or could not be done), 2 wrong usage or settings\n"


def parser(description: str | None, epilog: str) -> argparse.ArgumentParser:
    """A parser whose help shows `description` and `epilog` as they are written, and the options every command has."""
    made = argparse.ArgumentParser(description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--yes", action="store_true", help="answer every question with yes")
    made.add_argument("--json", action="store_true", help="one JSON document on standard output, the rest on error")
    return made


def add_copying(made: argparse.ArgumentParser) -> None:
    """The options of commands that copy collections."""
    batch, calls = whole(1, MAX_RECORDS), whole(1, 8)
    made.add_argument("--batch-size", type=batch, default=100, help="records a call, at most 300 (default: 100)")
    made.add_argument("--concurrency", type=calls, default=4, help="calls at a time, at most 8 (default: 4)")
    made.add_argument("--timeout", type=whole(1, 600), default=60, help="seconds a call may take (default: 60)")
    made.add_argument("--verify-only", action="store_true", help="compare both sides only; changes nothing")
    made.add_argument("--restart", action="store_true", help="forget what an interrupted run has sent, and begin anew")


def options(arguments: argparse.Namespace) -> Options:
    """What `add_copying` was given."""
    return Options(arguments.batch_size, arguments.concurrency, arguments.restart)


def console(arguments: argparse.Namespace) -> Console:
    """The console that the arguments ask for."""
    return Console(as_json=arguments.json, assume_yes=arguments.yes)


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within limits."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"give a whole number from {low} to {high}")
        return int(text)

    return parse
