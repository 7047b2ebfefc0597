"""The arithmetic of the token bucket, in integers and without a clock or a file.

A bucket is kept as what it lacks: the microseconds until it is full again. Taking a token adds one interval, giving
one back takes one off, time runs it down to zero. So 1/60 token a second is exactly one token per 60 s, however often
one looks, and a changed capacity needs no conversion.
"""

from __future__ import annotations

from typing import NamedTuple

from app.ledger.clock import SECOND_US


class Bucket(NamedTuple):
    """`missing_us` of a bucket that holds `capacity` tokens (0: no limit) and gets one back per `interval_us`."""

    capacity: int
    interval_us: int
    missing_us: int = 0

    def after(self, elapsed_us: int) -> Bucket:
        """The bucket after a time; a clock that was set back gives nothing and takes nothing."""
        missing = max(0, self.missing_us - max(0, elapsed_us))
        return Bucket(self.capacity, self.interval_us, min(missing, self.capacity * self.interval_us))

    @property
    def remaining(self) -> int:
        """Whole tokens in it."""
        return self.capacity - -(-self.missing_us // self.interval_us)

    @property
    def may_take(self) -> bool:
        return not self.capacity or self.remaining > 0

    def taken(self) -> Bucket:
        return Bucket(self.capacity, self.interval_us, self.missing_us + (self.interval_us if self.capacity else 0))

    def given_back(self) -> Bucket:
        return Bucket(self.capacity, self.interval_us, max(0, self.missing_us - self.interval_us))

    @property
    def next_token_seconds(self) -> int:
        """Whole seconds, rounded up, until one more token is in it; 0 when it is full."""
        if not self.missing_us:
            return 0
        return -(-((self.missing_us - 1) % self.interval_us + 1) // SECOND_US)

    @property
    def window_seconds(self) -> int:
        """Whole seconds, rounded up, in which an empty bucket fills."""
        return -(-self.capacity * self.interval_us // SECOND_US)
