"""The log: one line an event, UTC, in LOG_FILE, or on stderr when that cannot be written.

A client's bytes never start a line of their own: control characters in messages are escaped. Tracebacks are the one thing
that spans lines.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from pathlib import Path

from app import datadir


class _Formatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda match: f"\\x{ord(match[0]):02x}", record.message)
        return super().formatMessage(record)


def configure(log_file: Path | None) -> None:
    """Send what the program logs to `log_file`; None or a file that cannot be opened: to stderr."""
    handler: logging.Handler
    try:
        if log_file is None:
            raise FileNotFoundError
        datadir.ensure(log_file.parent)
        handler = logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace")
    except OSError:
        # Under CGI that is the web server's error log.
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    close()
    root = logging.getLogger("app")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False


def close() -> None:
    """Log nowhere until `configure` is called again."""
    root = logging.getLogger("app")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
