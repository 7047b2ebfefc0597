"""What the operator's commands have in common on the command line."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from app.escaping import degrade
from app.operator.console import EXIT_USAGE, Console, write_json
from app.operator.parallel import MOST_CALLS
from app.operator.quotas import MAX_RECORDS
from app.operator.retries import Patience
from app.operator.transfer import Options
from app.pricing import nanodollars
from app.settings import COLLECTION_NAME

EXIT_STATUS = "exit status: 0 all is well, 1 it is not (or could not be done), 2 wrong usage or settings\n"


class Parser(argparse.ArgumentParser):
    """Reports wrong usage in a JSON document, too, with --json."""

    def error(self, message: str) -> NoReturn:
        if "--json" in sys.argv[1:]:
            write_json({"exit_status": EXIT_USAGE, "error": message})
        super().error(message)


def parser(description: str | None, epilog: str, *, asks: bool = True) -> argparse.ArgumentParser:
    """A parser whose help shows `description` and `epilog` as they are written, and the options every command
    has.

    `asks`: whether the command has questions that --yes can answer.
    """
    # Help is printed before there is a console.
    degrade(sys.stdout, sys.stderr)
    made = Parser(
        description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if asks:
        made.add_argument("--yes", action="store_true", help="answer every question with yes")
    made.add_argument(
        "--json", action="store_true", help="one JSON document on standard output, the rest on error"
    )
    return made


def add_copying(made: argparse.ArgumentParser) -> None:
    """The options of commands that copy collections."""
    batch, calls = whole(1, MAX_RECORDS), whole(1, MOST_CALLS)
    made.add_argument(
        "--batch-size", type=batch, default=100, metavar="RECORDS", help="a call, 1 to 300 (default: 100)"
    )
    made.add_argument(
        "--concurrency", type=calls, default=4, metavar="CALLS", help="at a time, 1 to 8 (default: 4)"
    )
    made.add_argument(
        "--timeout",
        type=whole(1, 600),
        default=60,
        metavar="SECONDS",
        help="that a call may take (default: 60)",
    )
    made.add_argument("--verify-only", action="store_true", help="compare both sides only; changes nothing")
    made.add_argument(
        "--restart", action="store_true", help="forget what an interrupted run has sent, and begin anew"
    )


def options(arguments: argparse.Namespace) -> Options:
    """What `add_copying` was given."""
    patience = Patience(arguments.timeout)
    batch, calls = arguments.batch_size, arguments.concurrency
    return Options(batch, calls, arguments.restart, arguments.verify_only, patience)


def console(arguments: argparse.Namespace) -> Console:
    """The console that the arguments ask for."""
    return Console(as_json=arguments.json, assume_yes=arguments.yes)


def collection(text: str) -> str:
    """A name that a collection may have: nothing is sent or paid for to find that out at the end."""
    if not re.fullmatch(COLLECTION_NAME, text):
        raise argparse.ArgumentTypeError(
            "give 3 to 512 of a-z, A-Z, 0-9 and ._-, with a letter or digit at both ends"
        )
    return text


def money(text: str) -> int:
    """Nano-dollars."""
    try:
        return nanodollars(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give an amount in dollars, such as 0.25") from None


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within limits."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"give a whole number from {low} to {high}")
        return int(text)

    return parse
