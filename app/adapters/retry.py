"""The retry policy of the request path: which failures may pass, and how long to wait before another attempt.

Loaded after a first attempt has failed, as most succeed.
"""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.deadline import Deadline

log = logging.getLogger(__name__)

RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
FIRST_PAUSE_SECONDS = 0.2
_LONGEST_DATE = 100


class Headers(Protocol):
    """A reply's headers, found by a name in any case."""

    def get(self, name: str, /) -> str | None: ...


class Refusal(Protocol):
    """A reply that is no success."""

    status: int
    headers: Headers


def wait(service: str, attempt: int, attempts: int, deadline: Deadline, failure: Exception | Refusal) -> bool:
    """Wait after attempt number `attempt` of `attempts`, and return True.

    Returns False at once when another attempt would fail as well, when there is none left, or when `deadline`
    leaves no time for one. The wait is as long as the reply asks for (`Retry-After`), else it doubles with
    each attempt.
    """
    if isinstance(failure, Exception):
        why, seconds = str(failure), None
    elif failure.status in RETRY_STATUSES:
        why, seconds = f"status {failure.status}", retry_after(failure.headers)
    else:
        return False
    if seconds is None:
        seconds = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(1.0, 1.5)
    if attempt >= attempts or seconds >= deadline.remaining():
        return False
    log.warning("%s: %s; attempt %d of %d follows in %.1f s", service, why, attempt + 1, attempts, seconds)
    time.sleep(seconds)
    return True


def retry_after(headers: Headers) -> float | None:
    """Seconds that a reply asks to wait (`Retry-After` as seconds or as a date), or None."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:20])
    if not text or len(text) > _LONGEST_DATE:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
