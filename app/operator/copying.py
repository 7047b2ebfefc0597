"""Send the records of a source to a collection in batches, a few at a time, marking each batch when it is acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.operator.journal import Journal
from app.operator.parallel import in_order
from app.operator.progress import Progress
from app.operator.records import Record
from app.operator.sources import Page
from app.operator.store import StoredCollection


def send(
    pages: Iterable[Page],
    target: StoredCollection,
    journal: Journal,
    *,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> int:
    """Upsert what the journal does not know as sent; returns how many records that were. Raises OperatorError.

    Every record carries its embedding: nothing is ever embedded again.
    """
    total = journal.count()
    done = before = journal.count(sent=True)
    batches = -(-total // batch_size)
    number = batches - -(-(total - done) // batch_size)

    def write(batch: list[Record]) -> int:
        target.upsert(batch)
        journal.mark_sent([record.id for record in batch])
        return len(batch)

    for count in in_order(write, _batches(pages, journal, batch_size), workers, target.database.stopping):
        done += count
        number += 1
        progress.step(done, f"Uploaded batch {number}/{batches} ({done}/{total} documents)")
    progress.end()
    return done - before


def _batches(pages: Iterable[Page], journal: Journal, size: int) -> Iterator[list[Record]]:
    waiting: list[Record] = []
    for page in pages:
        waiting += journal.unsent(page)
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting:
        yield waiting
