"""Which process holds a reservation, told apart from a later one with the same number.

A process is named by where it runs (boot and process namespace), its number and its start time, as /proc shows them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Process(NamedTuple):
    """`place` is empty and `started` 0 where /proc does not tell."""

    place: str
    pid: int
    started: int


def current() -> Process:
    """The process that calls this, also after a fork."""
    pid = os.getpid()
    return Process(_place(), pid, _started(pid) or 0)


def is_dead(process: Process, here: str) -> bool:
    """Whether `process` has certainly ended; False also when that cannot be known from `here` (a `place`)."""
    if not process.place or process.place != here or not process.started:
        return False
    started = _started(process.pid)
    return started is None or started not in (0, process.started)


def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_bytes().strip().decode()
        # Containers share the machine's boot, but the numbers of their processes mean nothing to each other.
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot; None for a process that is gone or waits to be reaped, 0 if unknown."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return 0
    # The name in brackets may itself hold brackets and blanks: the fields count from behind the last one.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19])
