"""The recording relay before a server, as a process of its own:

python -m tests.bench.relay_process --target http://127.0.0.1:8060 --tls --rtt 80
"""

from __future__ import annotations

import argparse
import sys

from tests.harness.doubles import command
from tests.harness.relay import Relay


def main() -> int:
    options = command.parser("Passes requests on to a server and records them.")
    options.add_argument("--target", required=True, help="address of the server")

    def make(arguments: argparse.Namespace) -> Relay:
        return Relay(arguments.target, **command.common(arguments))

    return command.run(make, options, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
