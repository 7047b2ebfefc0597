"""Bounded parallel work over a stream: at most so many items are under way, results come in the order of the items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Long enough for calls that are being answered, short for somebody who has pressed Ctrl-C.
GRACE_SECONDS = 3.0


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, stopping: threading.Event
) -> Iterator[Result]:
    """`work(item)` for each item. The first failure sets `stopping`, waits a moment for what is under way, and is raised."""
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            if len(under_way) == workers:
                yield under_way.popleft().result()
            under_way.append(_started(work, item))
        while under_way:
            yield under_way.popleft().result()
    except BaseException:
        stopping.set()
        wait(under_way, GRACE_SECONDS)
        raise


def _started(work: Callable[[Item], Result], item: Item) -> Future[Result]:
    """The outcome of `work(item)`, which runs in a thread that the end of the process does not wait for."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work(item))
        except BaseException as error:  # raised again where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name="operator", daemon=True).start()
    return future
