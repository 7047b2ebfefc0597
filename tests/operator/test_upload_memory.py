"""Memory does not grow with the collection, measured from outside the process."""

from __future__ import annotations

import subprocess
import sys

from tests.harness import ROOT, collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble

from .conftest import Operator

FEW, MANY = 1_000, 5_000
# With 1,536 dimensions a local server needs minutes to take them in. What many dimensions cost is bounded by
# the page, which holds fewer records then: 2,213 records of 1,536 take 104 MB (docs/migration.md, which has
# 50,000 records, too).
DIMENSIONS = 32
# Their ids, which are kept in memory to be compared, are far less.
GROWTH_MB = 16
LIMIT_MB = 100


def test_five_times_the_records_take_no_more_memory(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble
) -> None:
    few, many = (peak_of(operator, source, cloud, count) for count in (FEW, MANY))
    print(f"peak {few:.0f} MB for {FEW} and {many:.0f} MB for {MANY} records of {DIMENSIONS} dimensions")
    assert many < few + GROWTH_MB
    assert many < LIMIT_MB


def peak_of(operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, count: int) -> float:
    """The most memory, in MB, that the upload of `count` records takes."""
    name = f"of-{count}"
    collections.fill(source.url, name, collections.rows(count, DIMENSIONS, words=120))
    cloud.reset()
    # A small process in between: a process begins with the memory of the one that starts it on its account.
    watcher = "import resource, subprocess, sys; subprocess.run(sys.argv[1:]); "
    watcher += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    command = [sys.executable, "-c", watcher, sys.executable, ROOT / "scripts/upload_to_chromacloud.py"]
    ran = subprocess.run(
        [*command, name, "--batch-size", "250"],
        env=operator.environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    batches = count // 250
    assert f"Uploaded batch {batches}/{batches} ({count}/{count} documents)" in ran.stdout, ran
    assert ran.stdout.endswith("   ✅ SUCCESS: All documents uploaded!\n")
    assert len(cloud.accepted) == count and set(cloud.accepted.values()) == {1}
    return int(ran.stderr.splitlines()[-1]) / 1024
