"""Work in batches, and in threads that the end of the process does not wait for."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_CALLS = 8
"""To one server, at a time: the size of the connection pool, and the most workers."""
# Time for calls that are being answered, short for somebody who has pressed Ctrl-C.
GRACE_SECONDS = 3.0


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in order, `size` of them at a time, as by `itertools.batched` of Python 3.12."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def started(work: Callable[[], Result]) -> futures.Future[Result]:
    """The outcome of `work()`, which runs in a thread that the end of the process does not wait for."""
    future: futures.Future[Result] = futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again where the result is wanted
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="operator", daemon=True).start()
    except RuntimeError:
        # No thread to spare on this host (`ulimit -u`).
        run()
    return future


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, stopping: threading.Event
) -> Iterator[Result]:
    """`work(item)` for each item, `workers` at a time, in the order of the items.

    The first failure sets `stopping`, waits a moment for what is under way, and is raised.
    """
    under_way: deque[futures.Future[Result]] = deque()
    try:
        for item in items:
            if len(under_way) == workers:
                yield under_way.popleft().result()
            under_way.append(started(lambda item=item: work(item)))  # type: ignore[misc]
        while under_way:
            yield under_way.popleft().result()
    except BaseException:
        stopping.set()
        futures.wait(under_way, GRACE_SECONDS)
        raise
