"""Waiting for what happens in another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(what: Callable[[], T], wanted: Callable[[T], bool] = bool, seconds: float = 40) -> T:
    """The value of `what()` as soon as it is as wanted; AssertionError when it never is."""
    ends = time.monotonic() + seconds
    while not wanted(value := what()):
        assert time.monotonic() < ends, f"still {value!r} after {seconds} s"
        time.sleep(0.01)
    return value
