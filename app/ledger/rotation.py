"""Keeping the log small: `dndchat.log` becomes `dndchat.log.1`, that becomes `.2`, and the oldest goes.

Nobody need be told: `app.logs` looks for each line whether the file is still there, and begins the next one.
"""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 5_000_000
KEEP = 5


def is_due(log_file: Path, max_bytes: int = MAX_BYTES) -> bool:
    try:
        return log_file.stat().st_size > max_bytes
    except FileNotFoundError:
        return False


def rotate(log_file: Path, keep: int = KEEP) -> None:
    """Move every generation one on. Raises OSError."""
    for number in range(keep - 1, -1, -1):
        older = _generation(log_file, number)
        if older.exists():
            older.replace(_generation(log_file, number + 1))


def _generation(log_file: Path, number: int) -> Path:
    return log_file.with_name(f"{log_file.name}.{number}") if number else log_file
