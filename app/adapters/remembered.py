"""What was learned about outside servers, kept in a small file under DATA_DIR so that the next process need
not ask again.

Examples are a collection's id, an option that a server refused, the address of a host that answered. All of
it can be learned again: a file that is lost, damaged or not writable costs a request, never an answer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app import datadir

log = logging.getLogger(__name__)

# Far more than one installation ever talks to; the oldest make room.
MOST = 64
AT = "at"


class Remembered:
    """Facts by key. Without a `path` they live as long as this object; with `seconds` they are forgotten
    after so long."""

    def __init__(self, path: Path | None, seconds: float | None = None) -> None:
        self._path, self._seconds = path, seconds
        # A file that cannot be written must not make a process that lives on ask twice.
        self._own: dict[str, Mapping[str, Any]] = {}

    def get(self, key: str) -> Mapping[str, Any]:
        """The facts under `key`; empty when there are none, or when they are too old."""
        entries = self._read().get(key), self._own.get(key)
        known = max(filter(None, entries), key=_at, default={})
        # A clock that was set back leaves entries of the future, which count as too old.
        if self._seconds is not None and known and not 0 <= time.time() - _at(known) < self._seconds:
            return {}
        return known

    def put(self, key: str, facts: Mapping[str, Any]) -> None:
        """Keep `facts` (JSON values) under `key`, in place of what was there."""
        self._own[key] = {**facts, AT: time.time()}
        if self._path is None:
            return
        newest = sorted({**self._read(), key: self._own[key]}.items(), key=lambda item: _at(item[1]))[-MOST:]
        try:
            datadir.write_atomically(self._path, json.dumps(dict(newest), indent=1).encode())
        except OSError as error:
            log.warning("cannot write %s: %s", self._path, type(error).__name__)

    def _read(self) -> dict[str, Mapping[str, Any]]:
        if self._path is not None and not datadir.intruded(self._path):
            with contextlib.suppress(OSError, ValueError, RecursionError):
                entries = json.loads(self._path.read_bytes())
                if isinstance(entries, dict):
                    return {key: entry for key, entry in entries.items() if isinstance(entry, dict)}
        return {}


def _at(entry: Mapping[str, Any]) -> float:
    at = entry.get(AT)
    # The file may hold anything: no number, or one too large for a float.
    return float(at) if isinstance(at, int | float) and 0 <= at < 2**53 else 0.0
