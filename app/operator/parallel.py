"""Bounded parallel work over a stream: at most so many items are under way, results come in the order of the items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, stopping: threading.Event
) -> Iterator[Result]:
    """`work(item)` for each item. The first failure sets `stopping`, waits for what is under way, and is raised."""
    with ThreadPoolExecutor(workers) as pool:
        under_way: deque[Future[Result]] = deque()
        try:
            for item in items:
                if len(under_way) == workers:
                    yield under_way.popleft().result()
                under_way.append(pool.submit(work, item))
            while under_way:
                yield under_way.popleft().result()
        except BaseException:
            stopping.set()
            raise
