"""One line of progress on a terminal; nothing where the output is not one."""

from __future__ import annotations

import sys
import time


class Progress:
    """`step` names what is being done; `done` of `total` is shown where it is known."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        if self._terminal:
            share = f" {done}/{total}" if total else ""
            print(
                f"\r\033[K{time.monotonic() - self._started:4.0f} s  {what}{share}",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def end(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
