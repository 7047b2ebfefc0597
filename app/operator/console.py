"""What an operator's command prints, and how it ends: plain lines, ✓/✗ with the remedy, questions, exit
status, JSON.

With `as_json` the lines for people go to standard error, and standard output carries one JSON document at the
end. Whatever a line repeats of names, records and replies, it stays one line and steers no terminal.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from app import datadir, settings
from app.errors import DndChatError, SettingsError
from app.escaping import as_json, degrade, escaped
from app.operator.problems import Declined, OperatorError
from app.settings import Settings

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
BAR_WIDTH = 14
CLEAR_LINE = "\r\x1b[2K"


class Console:
    def __init__(self, *, as_json: bool = False, assume_yes: bool = False) -> None:
        self._json = as_json
        self._yes = assume_yes
        # A terminal or a log that knows no ✓ is no reason to stop.
        degrade(sys.stdout, sys.stderr)
        self.out: TextIO = sys.stderr if as_json else sys.stdout
        self.facts: dict[str, Any] = {}
        """What the JSON document says; filled by the command as it goes."""

    @property
    def interactive(self) -> bool:
        """Whether a line can be drawn over: a person watches."""
        return self.out.isatty()

    def settings(self) -> Settings:
        """The settings; dangers in them are printed at once. Raises SettingsError."""
        found = settings.load()
        for warning in found.dangers:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"! {escaped(warning)}\n")
        return found

    def line(self, text: str = "") -> None:
        """One line, with as many empty ones before it as `text` begins with ends of lines."""
        rest = text.lstrip("\n")
        self.write("\n" * (len(text) - len(rest)) + escaped(rest) + "\n")

    def lines(self, text: str) -> None:
        """Several lines; whatever else steers a terminal is shown by its number."""
        self.write(escaped(text, keep="\n"))

    def write(self, text: str) -> None:
        """Put `text` out as it is.

        Raises OperatorError when it cannot be written: a command that nobody can follow stops.
        """
        try:
            self.out.write(text)
            self.out.flush()
        except OSError as error:
            # What is still in the buffer would be complained about once more when the process ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.out.fileno())
            raise OperatorError(
                f"Stopped, as nothing can be printed any more ({error.strerror}). Run it again."
            ) from error

    def ask(self, question: str) -> None:
        """Return when the answer is yes. Raises Declined otherwise, also when nobody can be asked."""
        if self._yes:
            self.line(f"{question} yes (--yes)")
            return
        if not (sys.stdin and sys.stdin.isatty() and self.interactive):
            raise Declined(f"{question.strip()} Nobody to ask here: give --yes to agree.")
        self.write(f"{escaped(question)} [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Declined("Declined: everything is left as it was.")

    def run(self, command: Callable[[], int]) -> int:
        """Run `command` and return the exit status; whatever stops it is reported in one sentence."""
        umask = datadir.keep_private()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # As Ctrl-C, so that nothing half-written stays behind. A command under nohup goes on.
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        try:
            status = command()
        except OperatorError as error:
            status = self._failed(error.sentence, error.exit_status, error.details)
        except SettingsError as error:
            problems = [f"✗ {problem}" for problem in error.problems]
            status = self._failed("settings cannot be used:", EXIT_USAGE, problems)
        except DndChatError as error:
            status = self._failed(str(error))
        except KeyboardInterrupt:
            status = self._failed("Interrupted. Run the same command again to go on from here.")
        except Exception as error:
            sys.stderr.write(escaped(traceback.format_exc(), keep="\n"))
            status = self._failed(f"A mistake in this program ({type(error).__name__}); please report it.")
        finally:
            os.umask(umask)
        if self._json:
            write_json({"exit_status": status, **self.facts})
        return status

    def _failed(self, sentence: str, status: int = EXIT_FAILED, details: Sequence[str] = ()) -> int:
        self.facts["error"] = "\n  ".join((sentence, *details))
        lines = "\n  ".join(map(escaped, (sentence, *details)))
        with contextlib.suppress(OSError):
            sys.stderr.write(f"\n✗ {lines}\n")
        return status


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
        self.hint(done, line)
        if not self._console.interactive:
            self._console.line(self._indent + line)
        elif done >= self._total:
            self.end()

    def hint(self, done: int, words: str) -> None:
        """A bar that leaves no trace: nothing at all where nobody watches."""
        if not self._console.interactive:
            return
        share = min(1.0, done / self._total)
        bar = f"{'█' * int(BAR_WIDTH * share):░<{BAR_WIDTH}} {int(100 * share):3d} %"
        elapsed, new = time.monotonic() - self._start, done - self._begun
        left = ""
        if done < self._total and new > 0 and elapsed >= 1:
            left = f"  {duration((self._total - done) * elapsed / new)} left"
        # A line that wraps cannot be drawn over.
        text = f"{self._indent}{bar}  {words}{left}"[: shutil.get_terminal_size().columns - 1]
        self._console.write(f"{CLEAR_LINE}{escaped(text)}")
        self._drawn = True

    def end(self, text: str = "\n") -> None:
        """Leave the bar as it is and go to the next line."""
        if self._drawn:
            self._console.write(text)
            self._drawn = False

    def clear(self) -> None:
        """Wipe the bar."""
        self.end(CLEAR_LINE)


def write_json(document: dict[str, Any]) -> None:
    """The one document that `--json` promises."""
    sys.stdout.write(as_json(document, sys.stdout, indent=1) + "\n")


def size(count: float) -> str:
    """Bytes for a person: 912 bytes, 17.4 MB."""
    if count < 1000:
        return f"{count:,.0f} bytes"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:,.1f} {unit}"
    return f"{count / 1000:,.1f} GB"


def duration(seconds: float) -> str:
    """Time for a person: 8 s, 2 min 5 s, 1 h 10 min."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
