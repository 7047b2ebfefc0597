"""`scripts/backup.py` and `scripts/restore.py`: everything, bit for bit, and nothing from a file that is not
whole.
"""

from __future__ import annotations

import gzip
import json
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.harness import collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault
from tests.harness.waiting import eventually

from .conftest import Operator

NAME = "small_rules"


@pytest.fixture
def small(source: ChromaServer) -> collections.Rows:
    data = collections.rows(700, 24)
    collections.fill(source.url, NAME, data, metadata={"embedding_model": "m", "description": "“½”"})
    return data


@pytest.fixture
def file(operator: Operator, small: collections.Rows, tmp_path: Path) -> Path:
    path = tmp_path / "out" / "small.jsonl.gz"
    ran = operator.run("backup.py", NAME, path, "--from", "local")
    assert ran.status == 0 and "700 records of small_rules" in ran.out, ran
    return path


def test_there_and_back_is_bit_exact(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, file: Path
) -> None:
    before = collections.snapshot(source.url, NAME)
    for to, url in (("local", source.url), ("cloud", cloud.behind)):
        ran = operator.run("restore.py", file, "--name", "restored", "--to", to)
        assert ran.status == 0 and "✅ SUCCESS: restored is restored!" in ran.out, ran
        assert collections.snapshot(url, "restored") == before
    again = operator.run("restore.py", file, "--name", "restored", "--to", "cloud")
    assert again.status == 0 and "Identical: nothing to upload" in again.out
    assert operator.run("restore.py", file, "--name", "restored", "--verify-only").status == 0


def test_an_existing_collection_is_replaced_only_after_a_yes(
    operator: Operator, source: ChromaServer, file: Path, small: collections.Rows
) -> None:
    collection = collections.client(source.url).get_collection(NAME, embedding_function=None)
    original = collections.snapshot(source.url, NAME)
    collection.delete(ids=["r-00001"])
    spoilt = collections.snapshot(source.url, NAME)
    ran = operator.run("restore.py", file, "--to", "local")
    assert ran.status == 1 and "1 missing in the target: r-00001" in ran.out and "--yes" in ran.sentence()
    assert collections.snapshot(source.url, NAME) == spoilt
    assert operator.run("restore.py", file, "--to", "local", "--yes").status == 0
    assert collections.snapshot(source.url, NAME) == original


def test_a_restore_that_was_killed_goes_on(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, file: Path
) -> None:
    cloud.faults.push(Fault("hang", path="*/upsert", skip=2))
    with operator.start("restore.py", file, "--concurrency", "1") as process:
        eventually(lambda: any(request.fault for request in cloud.requests))
        time.sleep(0.3)
        process.kill()
    ran = operator.run("restore.py", file)
    assert ran.status == 0 and "Resuming: small_rules (200 of 700" in ran.out, ran
    assert collections.snapshot(cloud.behind, NAME) == collections.snapshot(source.url, NAME)
    assert max(cloud.sent.values()) == 2


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _lines_lost(data: bytes) -> bytes:
    lines = gzip.decompress(data).splitlines(keepends=True)
    return gzip.compress(b"".join(lines[:100] + lines[101:]))


def _letter_changed(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data).replace(b"owlbear", b"owlbeer", 1))


def _description_changed(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data).replace(b'"embedding_model":"m"', b'"embedding_model":"x"', 1))


def _end_lost(data: bytes) -> bytes:
    return gzip.compress(b"".join(gzip.decompress(data).splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    "spoil",
    [
        _cut,
        _lines_lost,
        _letter_changed,
        _description_changed,
        _end_lost,
        lambda data: b"plain",
        lambda data: gzip.compress(b'{"a": 1}\n'),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    operator: Operator, cloud: ChromaCloudDouble, file: Path, spoil: object
) -> None:
    file.write_bytes(spoil(file.read_bytes()))  # type: ignore[operator]
    ran = operator.run("restore.py", file)
    assert ran.status == 1 and file.name in ran.sentence() and cloud.requests == []


def test_a_backup_that_fails_leaves_the_older_one(operator: Operator, file: Path) -> None:
    before = file.read_bytes()

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    ran = operator.run("backup.py", NAME, file, "--from", "local", preexec_fn=no_room)
    assert ran.status == 1 and "make room on the disk" in ran.sentence()
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


def test_a_name_that_no_collection_may_have_is_refused_at_once(
    operator: Operator, cloud: ChromaCloudDouble, file: Path
) -> None:
    ran = operator.run("restore.py", file, "--name", "no")
    assert ran.status == 2 and "--name: give 3 to 512" in ran.err and cloud.requests == []


def test_told_to_end_it_leaves_nothing_half_written(
    operator: Operator, cloud: ChromaCloudDouble, file: Path
) -> None:
    assert operator.run("restore.py", file).status == 0
    before = file.read_bytes()
    cloud.faults.push(Fault("hang", path="*/get"))
    with operator.start("backup.py", NAME, file, "--json") as process:
        eventually(lambda: any(request.fault for request in cloud.requests))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 1 and "Interrupted" in json.loads(out)["error"]
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


def test_missing_collections_and_files_are_one_sentence(
    operator: Operator, small: collections.Rows, tmp_path: Path
) -> None:
    ran = operator.run("backup.py", "nothing", tmp_path / "x.gz", "--from", "local")
    assert ran.status == 1 and "no collection 'nothing'; it has:" in ran.sentence()
    ran = operator.run("restore.py", tmp_path / "gone.gz")
    assert ran.status == 1 and "gone.gz" in ran.sentence()
