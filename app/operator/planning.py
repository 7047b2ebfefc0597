"""Before a byte is sent: read all of the source, hold every record against every quota, estimate bytes, cost and time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.operator import quotas
from app.operator.console import duration, size
from app.operator.quotas import Violation
from app.operator.sources import About, Page

GIB = 2**30
# docs.trychroma.com/cloud/pricing, November 2026, in dollars.
WRITTEN_PER_GIB = 2.50
RETURNED_PER_GIB = 0.09
STORED_PER_GIB_MONTH = 0.33
# What the time is estimated with: a slow home line, and a round trip across an ocean with the server's work in it.
LINE_BYTES_PER_SECOND = 10e6 / 8
SECONDS_PER_WRITE = 0.4


@dataclass
class Plan:
    """What an upload would send, and what forbids it."""

    dimensions: int
    records: int = 0
    logical_bytes: int = 0
    wire_bytes: int = 0
    returned_bytes: int = 0
    """What comes back when all of it is compared: embeddings as decimal text."""
    violations: list[Violation] = field(default_factory=list)

    @property
    def dollars(self) -> float:
        """What Chroma Cloud charges for writing it and reading it back once."""
        return self.logical_bytes / GIB * (WRITTEN_PER_GIB + RETURNED_PER_GIB)

    def seconds(self, batch_size: int, workers: int) -> float:
        batches = -(-self.records // batch_size)
        return (self.wire_bytes + self.returned_bytes) / LINE_BYTES_PER_SECOND + batches * SECONDS_PER_WRITE / workers

    def estimate(self, batch_size: int, workers: int) -> tuple[str, str]:
        """Two sentences for a person: how much, and how long and how dear."""
        monthly = self.logical_bytes / GIB * STORED_PER_GIB_MONTH
        return (
            f"To send: {size(self.wire_bytes)}, and to read back and compare: {size(self.returned_bytes)}",
            f"About {duration(self.seconds(batch_size, workers))} on a 10 Mbit/s line, "
            f"${self.dollars:.4f} once and ${monthly:.4f} a month to store",
        )


def check(name: str, about: About, pages: Iterable[Page]) -> Plan:
    """Read all pages and return what they come to. Nothing stops at the first violation: all are listed."""
    plan = Plan(dimensions=about.dimension or 0)
    plan.violations += quotas.of_collection(name, about.metadata, about.count)
    for page in pages:
        for record in page:
            plan.violations += quotas.of_record(record, about.dimension)
            metadata = json.dumps(record.metadata or {}, ensure_ascii=False)
            text = sum(len(part.encode("utf-8", "surrogatepass")) for part in (record.id, record.document or "", metadata))
            plan.logical_bytes += text + 4 * plan.dimensions
            # Base64 makes four characters of three bytes; quotes, commas and column names are some 20 more.
            plan.wire_bytes += text + 16 * plan.dimensions // 3 + 20
            plan.returned_bytes += text + 13 * plan.dimensions + 20
        plan.records += len(page)
    return plan
