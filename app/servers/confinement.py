"""What one process may use of the host, so that what nobody foresaw ends as an error and not as a host that
stands still.

Everything a question makes us do is bounded (docs/bounds.md); this is for what was overlooked. A limit that
the host has set lower stays; the hard limits stay as they are, so that what a process starts can have its
own.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import threading
import time

from app import deadline
from app.errors import TooMuchWork
from app.settings import Settings

# So much more address space for each thread that answers: it and the threads it starts have 72 MB each for
# stack and heap.
THREAD_MB = 128
# How much more of the processor a worker may use before the kernel ends it than its requests may.
GRACE_SECONDS = 10

# The limits that the host gives.
_given: dict[int, tuple[int, int]] = {}


def confine(settings: Settings) -> None:
    """For a process that answers one request in its main thread. TooMuchWork is raised there once its
    processor time is up."""
    _confine_memory(settings.request_megabytes)
    if settings.request_cpu_seconds:
        signal.signal(signal.SIGXCPU, _time_is_up)
        allow_seconds(settings.request_cpu_seconds)


def confine_server(settings: Settings, threads: int) -> None:
    """For a process that answers in `threads` threads; a `Watch` keeps them to their processor time."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    _confine_memory(settings.request_megabytes and settings.request_megabytes + threads * THREAD_MB)


def release() -> None:
    """The limits as the host gives them: the question is over, and its end must not fail for want of what
    it took."""
    for kind, limits in _given.items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, limits)


def allow_seconds(seconds: int) -> None:
    """The kernel's limit on processor time: so many seconds from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)


def _confine_memory(megabytes: int) -> None:
    if megabytes:
        _lower(resource.RLIMIT_AS, megabytes * 1_000_000)
    # What is in memory are keys and tokens.
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, wanted: int) -> None:
    # A sandbox may forbid it.
    with contextlib.suppress(OSError, ValueError):
        soft, hard = _given.setdefault(kind, resource.getrlimit(kind))
        resource.setrlimit(kind, (wanted if soft == resource.RLIM_INFINITY else min(wanted, soft), hard))


def _time_is_up(number: int, frame: object) -> None:
    # The kernel repeats it every second; the first time is enough to end the work, the rest is for the reply.
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    deadline.end_for(threading.get_ident())
    raise TooMuchWork("its processor time is used up")


class Watch:
    """Keeps each thread of a server to `seconds` of processor time for each request; 0 is any time."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._working: dict[int, float] = {}

    def begin(self) -> None:
        """This thread takes a request."""
        with self._lock:
            self._working[threading.get_ident()] = time.thread_time()
            self._allow()

    def end(self) -> None:
        """It has answered it."""
        me = threading.get_ident()
        with contextlib.suppress(TooMuchWork):
            with self._lock:
                self._working.pop(me, None)
                self._allow()
            # What was thrown in meanwhile comes out here.
            time.sleep(0)
        deadline.begin_for(me)

    def look(self) -> None:
        """From time to time, in another thread."""
        if not self._seconds:
            return
        with self._lock:
            for thread, started in self._working.items():
                used = time.clock_gettime(time.pthread_getcpuclockid(thread)) - started
                if used > self._seconds and deadline.end_for(thread):
                    _throw(thread)

    def _allow(self) -> None:
        if self._seconds:
            allow_seconds((self._seconds + GRACE_SECONDS) * max(1, len(self._working)))


def _throw(thread: int) -> None:
    """Raise TooMuchWork in another thread, before its next step."""
    # Needed hardly ever.
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TooMuchWork))
