"""What time it is: a wall clock for days and expiry, and a steady one for durations.

The wall clock can be set back or forward under us, so elapsed time is taken from the machine's steady clock
wherever both moments were seen in the same boot of the same machine, and from the wall clock only where they
were not.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Moment(NamedTuple):
    """One instant. `wall_us`: microseconds since 1970 UTC; `steady_us` counts up within the boot `boot`.

    The fields are named as the columns that keep them, so `_asdict()` makes the parameters of a query.
    """

    wall_us: int
    steady_us: int
    boot: str

    @classmethod
    def stored(cls, row: sqlite3.Row) -> Moment:
        """The moment in a row."""
        return cls(row["wall_us"], row["steady_us"], row["boot"])

    @property
    def day(self) -> str:
        """The UTC day, `YYYY-MM-DD`."""
        return self.days_before(0)

    def days_before(self, days: int) -> str:
        """The UTC day so many days earlier."""
        return time.strftime("%Y-%m-%d", time.gmtime((self.wall_us - days * DAY_US) // SECOND_US))

    @property
    def seconds_to_midnight(self) -> int:
        """Whole seconds, rounded up, until the next UTC day: 1 to 86,400."""
        return -(-(DAY_US - self.wall_us % DAY_US) // SECOND_US)

    def elapsed_since(self, earlier: Moment) -> int:
        """Microseconds; negative when only the wall clock can tell and it was set back."""
        if self.boot and self.boot == earlier.boot:
            return self.steady_us - earlier.steady_us
        return self.wall_us - earlier.wall_us


class Clock:
    """The machine's clocks. Tests pass another object with the same method."""

    def __init__(self) -> None:
        try:
            self._boot = _BOOT_ID.read_bytes().strip().decode()
        except OSError:
            # Not Linux, or hidden: then only the wall clock can be compared between processes.
            self._boot = ""
        # The monotonic clock stops while a machine sleeps; quota comes back meanwhile.
        self._steady = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> Moment:
        """This moment."""
        return Moment(time.time_ns() // 1000, time.clock_gettime_ns(self._steady) // 1000, self._boot)
