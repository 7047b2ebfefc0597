"""The log: one line an event, UTC, in LOG_FILE, or on stderr if that cannot be written.

A client's bytes never start a line of their own: control characters in messages are escaped. Only tracebacks
span lines.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from app import datadir
from app.escaping import escaped

# A longer message is cut; a traceback is not.
MOST_CHARACTERS = 4000


class _Formatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        # What a client has sent may be in it.
        if len(record.message) > MOST_CHARACTERS:
            record.message = record.message[:MOST_CHARACTERS] + "…"
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        # An exception's text may repeat anything.
        return escaped(super().formatException(ei), keep="\n")


class _File(logging.FileHandler):
    """Begins a new file where the old one was moved away (`app.ledger.maintenance`), for a process that lives
    on.

    As `logging.handlers.WatchedFileHandler`, whose module loads twenty others.
    """

    def emit(self, record: logging.LogRecord) -> None:
        # If no new file can be opened, the old one still takes lines.
        with contextlib.suppress(OSError):
            if self.stream is not None and self._was_moved(self.stream.fileno()):
                moved, self.stream = self.stream, self._open()
                moved.close()
        super().emit(record)

    def _open(self) -> TextIOWrapper:
        # Opening a named pipe that nobody reads fails instead of waiting.
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags | os.O_NONBLOCK, 0o666)

        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=opener)

    def _was_moved(self, descriptor: int) -> bool:
        ours = os.fstat(descriptor)
        try:
            there = os.stat(self.baseFilename)  # noqa: PTH116  # the handler keeps it as text
        except FileNotFoundError:
            return True
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)


def configure(log_file: Path | None) -> None:
    """Send what the program logs to `log_file`; None or a file that cannot be opened: to stderr."""
    handler: logging.Handler
    intruded = None
    try:
        if log_file is None:
            raise FileNotFoundError
        datadir.ensure(log_file.parent)
        if log_file.is_file() and (intruded := datadir.intruded(log_file, file_only=True)):
            # Another account would read what is logged, or write into it.
            raise PermissionError
        handler = _File(log_file)
    except OSError:
        # Under CGI that is the web server's error log.
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    close()
    root = logging.getLogger("app")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False
    if intruded:
        root.warning("LOG_FILE: not used, as %s", datadir.intrusion(intruded))


def close() -> None:
    """Log nowhere until `configure` is called again."""
    root = logging.getLogger("app")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
