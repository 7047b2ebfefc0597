"""Memory does not grow with the collection: 50,000 records, measured from outside the process."""

from __future__ import annotations

import subprocess
import sys

from tests.doubles.chroma_cloud import ChromaCloudDouble
from tests.support import collections
from tests.support.chroma_server import ChromaServer

from .conftest import ROOT, Operator

RECORDS = 50_000
# With 1,536 dimensions a local server needs half an hour to take them in. What many dimensions cost is bounded by the page,
# which holds fewer records then: 2,213 records of 1,536 take 104 MB (docs/migration.md).
DIMENSIONS = 32
LIMIT_MB = 300


def test_50000_records_in_less_than_300_mb(operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble) -> None:
    collections.fill(source.url, "large", collections.rows(RECORDS, DIMENSIONS, words=10))
    # A small process in between: a process begins with the memory of the one that starts it on its account.
    watcher = "import resource, subprocess, sys; subprocess.run(sys.argv[1:]); "
    watcher += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    command = [sys.executable, "-c", watcher, sys.executable, ROOT / "scripts/upload_to_chromacloud.py"]
    ran = subprocess.run(
        [*command, "large", "--batch-size", "300"], env=operator.environment, capture_output=True, text=True, timeout=600
    )
    assert f"Uploaded batch 167/167 ({RECORDS}/{RECORDS} documents)" in ran.stdout, ran
    assert ran.stdout.endswith("   ✅ SUCCESS: All documents uploaded!\n")
    assert len(cloud.accepted) == RECORDS and set(cloud.accepted.values()) == {1}
    peak = int(ran.stderr.splitlines()[-1]) / 1024
    print(f"peak {peak:.0f} MB for {RECORDS} records of {DIMENSIONS} dimensions")
    assert peak < LIMIT_MB
