"""One transaction: when and by which process it writes, its limits, and short ways to run the queries of
`sql.py`.

The wall clock can be set back or forward under us, so elapsed time is taken from the machine's steady clock
wherever both moments were seen in the same boot of the same machine, and from the wall clock only where they
were not.
"""

import os
import sqlite3
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from app.ledger import sql
from app.settings import LimitSettings

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

_PROC = Path("/proc")


class Moment(NamedTuple):
    """One instant. `wall_us`: microseconds since 1970 UTC; `steady_us` counts up within the boot `boot`.

    The fields are named as the columns that keep them, so `_asdict()` makes the parameters of a query.
    """

    wall_us: int
    steady_us: int
    boot: str

    @classmethod
    def stored(cls, row: sqlite3.Row) -> "Moment":
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

    def elapsed_since(self, earlier: "Moment") -> int:
        """Microseconds; negative when only the wall clock can tell and it was set back."""
        if self.boot and self.boot == earlier.boot:
            return self.steady_us - earlier.steady_us
        return self.wall_us - earlier.wall_us


class Clock:
    """The machine's clocks. Tests pass another object with the same method."""

    def __init__(self) -> None:
        # Where it is unknown, only the wall clock can be compared between processes.
        self._boot = _boot()
        # The monotonic clock stops while a machine sleeps; quota comes back meanwhile.
        self._steady = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> Moment:
        """This moment."""
        return Moment(time.time_ns() // 1000, time.clock_gettime_ns(self._steady) // 1000, self._boot)


class Process(NamedTuple):
    """A process, told apart from a later one of the same number, as /proc shows it.

    `namespace` is the machine's boot and the process namespace in it (empty if unknown: then nothing can be
    said about the process), `started` the start time in clock ticks since boot (0 if unknown).
    """

    namespace: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> "Process":
        """The process that calls this, also after a fork."""
        return cls(_namespace(), os.getpid(), _started(os.getpid()) or 0)

    @classmethod
    def stored(cls, row: sqlite3.Row) -> "Process":
        """The process in a row."""
        return cls(row["place"], row["pid"], row["pid_started"])

    def parameters(self) -> dict[str, str | int]:
        """For a query; the column of the namespace is called `place`."""
        return {"place": self.namespace, "pid": self.pid, "pid_started": self.started}

    def is_dead(self) -> bool:
        """Whether it has certainly ended; False also when that cannot be known from here."""
        if not self.namespace or self.namespace != _namespace() or not self.started:
            return False
        started = _started(self.pid)
        return started is None or started not in (0, self.started)


@cache
def _namespace() -> str:
    try:
        # Containers share the machine's boot, but the numbers of their processes mean nothing to each other.
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}" if (boot := _boot()) else ""
    except OSError:
        return ""


def _boot() -> str:
    """The id of the machine's boot; empty where this is not Linux, or /proc is hidden."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_bytes().strip().decode()
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot; None: the process is gone or waits to be reaped; 0: unknown."""
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


class Alert(NamedTuple):
    """Something that the owner is mailed once a UTC day: the key of a row in `alerts`.

    `kind` is one of the three below; `subject` is a user's id, or empty.
    """

    day: str
    kind: str
    subject: str = ""


BUDGET_NEARLY = "budget_80"
BUDGET_USED_UP = "budget_100"
USER_LIMIT = "user_daily_limit"


class Transaction(NamedTuple):
    """All statements of one read or write. `now` is when it began."""

    connection: sqlite3.Connection
    now: Moment
    limits: LimitSettings
    orphan_after_us: int

    def run(self, query: str, **parameters: object) -> sqlite3.Cursor:
        """Run a query; its named parameters are the keywords."""
        return self.connection.execute(query, parameters)

    def row(self, query: str, **parameters: object) -> Any:
        """The first row, by column name; None when there is none."""
        return self.connection.execute(query, parameters).fetchone()

    def rows(self, query: str, **parameters: object) -> list[sqlite3.Row]:
        return self.connection.execute(query, parameters).fetchall()

    def number(self, query: str, **parameters: object) -> int:
        """The one number that a query gives."""
        number: int = self.connection.execute(query, parameters).fetchone()[0]
        return number

    def add(self, day: str, user_id: str, **amounts: int) -> None:
        """Add to the totals of a user's UTC day; the keywords are columns of `user_days`."""
        self.connection.execute(sql.add_user_day(*amounts), {"day": day, "user_id": user_id, **amounts})

    def mark(self, alert: Alert) -> None:
        """Let the owner be mailed (`alerts.py`), once for each mark."""
        self.run(sql.MARK_ALERT, **alert._asdict())

    def origin(self) -> dict[str, str | int]:
        """The parameters that say which process makes a row, and when."""
        return {**Process.current().parameters(), **self.now._asdict()}
