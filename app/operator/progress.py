"""How far a long piece of work is: a bar on a terminal; elsewhere one plain line per batch, or nothing for short work."""

from __future__ import annotations

import shutil
import time

from app.operator.console import Console, duration

WIDTH = 14


class Progress:
    """Counts up to `total`; `begun` of it was there before."""

    def __init__(self, console: Console, total: int, begun: int = 0, indent: str = "   ") -> None:
        self._console = console
        self._total = max(total, 1)
        self._begun = begun
        self._indent = indent
        self._start = time.monotonic()
        self._drawn = False

    def step(self, done: int, line: str) -> None:
        """`line` says it in words; on a terminal it is drawn over by the next one."""
        if not self._console.interactive:
            self._console.line(self._indent + line)
            return
        self._draw(f"{self._indent}{self._bar(done)}  {line}{self._left(done)}")
        if done >= self._total:
            self.end()

    def hint(self, done: int, words: str) -> None:
        """A bar that leaves no trace: nothing at all where nobody watches."""
        if self._console.interactive:
            self._draw(f"{self._indent}{self._bar(done)}  {words}{self._left(done)}")

    def end(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._drawn:
            self._console.end_line()
            self._drawn = False

    def clear(self) -> None:
        """Wipe the bar."""
        if self._drawn:
            self._console.redraw()
            self._drawn = False

    def _bar(self, done: int) -> str:
        share = min(1.0, done / self._total)
        filled = int(WIDTH * share)
        return "█" * filled + "░" * (WIDTH - filled) + f" {int(100 * share):3d} %"

    def _left(self, done: int) -> str:
        elapsed, new = time.monotonic() - self._start, done - self._begun
        if done >= self._total or new <= 0 or elapsed < 1:
            return ""
        return f"  {duration((self._total - done) * elapsed / new)} left"

    def _draw(self, text: str) -> None:
        # A line that wraps cannot be drawn over.
        text = text[: shutil.get_terminal_size().columns - 1]
        self._console.redraw(text)
        self._drawn = True
