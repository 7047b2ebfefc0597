"""Killed at any moment and started again, an upload completes, sends nothing needlessly, and never leaves a
reader without.
"""

from __future__ import annotations

import random
import subprocess
import time

import pytest

from tests.harness import collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault
from tests.harness.waiting import eventually

from .conftest import Operator

NAME = "small_rules"
KILLED = "killed"
KILLS = 25
# Forty batches, of which four are under way at a time: enough moments to be killed at.
RECORDS = 1000


@pytest.fixture
def small(source: ChromaServer) -> collections.Rows:
    data = collections.rows(260, 24)
    collections.fill(source.url, NAME, data, metadata={"embedding_model": "m"})
    return data


def test_killed_at_25_random_moments(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble
) -> None:
    collections.fill(source.url, KILLED, collections.rows(RECORDS, 64, words=40))
    chance = random.Random(4)
    began = time.monotonic()
    # How long an undisturbed run takes here and now, so that the moments fall into all of its parts.
    assert operator.upload(KILLED, "--dry-run").status == 0
    checking = time.monotonic() - began
    kills = completed = 0
    while kills < KILLS:
        before = cloud.sent.copy()
        process = operator.start("upload_to_chromacloud.py", KILLED, "--batch-size", 25)
        try:
            process.communicate(timeout=checking + chance.uniform(-0.3 * checking, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            # A call that was under way when its sender died may still be carried out.
            time.sleep(0.3)
        else:
            # Complete before it could be killed: the next life of the collection is uploaded as a
            # replacement.
            assert process.returncode == 0
            completed += 1
            assert collections.snapshot(cloud.behind, KILLED) == collections.snapshot(source.url, KILLED)
            assert max(cloud.sent.values()) <= 1 + kills
            collections.client(cloud.behind).delete_collection(KILLED)
            cloud.reset()
            before.clear()
        assert all(cloud.sent[i] - before[i] <= 1 for i in cloud.sent), "sent twice in one life"
    ran = operator.upload(KILLED, "--batch-size", 25)
    assert ran.status == 0, ran
    assert collections.snapshot(cloud.behind, KILLED) == collections.snapshot(source.url, KILLED)
    assert collections.names(cloud.behind) == {KILLED}
    # Each death makes no more than the four batches under way be sent again.
    again = sum(cloud.sent.values()) - RECORDS
    print(f"{KILLS} kills, {completed} completed in between, {again} records sent again in the last life")
    assert max(cloud.sent.values()) <= 1 + KILLS and again <= KILLS * 4 * 25


MOMENTS = {
    "creating": Fault("hang", path="*/collections", method="POST"),
    "creating, not carried out": Fault("hang", path="*/collections", method="POST", before_work=True),
    "sending": Fault("hang", path="*/upsert", skip=1),
    "verifying": Fault("hang", path="*/get", skip=1),
    "renaming the old one": Fault("hang", method="PUT"),
    "renaming the old one, not carried out": Fault("hang", method="PUT", before_work=True),
    "renaming the new one": Fault("hang", method="PUT", skip=1),
    "renaming the new one, not carried out": Fault("hang", method="PUT", skip=1, before_work=True),
    "deleting the old one": Fault("hang", method="DELETE"),
    "deleting the old one, not carried out": Fault("hang", method="DELETE", before_work=True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_it_replaces_a_collection(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows, moment: str
) -> None:
    collections.fill(cloud.behind, NAME, collections.rows(30, 24, seed=5))
    old_id = collections.client(cloud.behind).get_collection(NAME, embedding_function=None).id
    old = collections.snapshot(cloud.behind, NAME)
    cloud.faults.push(MOMENTS[moment])
    with operator.start("upload_to_chromacloud.py", NAME, "--yes", "--batch-size", 50) as process:
        eventually(lambda: any(request.fault for request in cloud.requests))
        time.sleep(0.5)
        process.kill()
    if "renaming" not in moment and "deleting" not in moment:
        assert collections.snapshot(cloud.behind, NAME) == old, "not verified yet: the target is as it was"
    elif not moment.startswith("deleting"):
        # A reader that knows the old collection by its id is answered from it all the while.
        known = collections.client(cloud.behind).get_collection_by_id(old_id, embedding_function=None)
        assert known.count() == 30

    cloud.reset()
    ran = operator.upload(NAME, "--yes")
    assert ran.status == 0, ran
    assert collections.names(cloud.behind) == {NAME}
    assert collections.snapshot(cloud.behind, NAME) == collections.snapshot(source.url, NAME)
    if "renaming" in moment or "deleting" in moment:
        assert not cloud.sent, "it was verified already: nothing is sent again"


def test_a_name_taken_in_the_middle_of_the_switch_is_left_alone(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.faults.push(Fault("hang", method="PUT", before_work=True))
    with operator.start("upload_to_chromacloud.py", NAME) as process:
        eventually(lambda: any(request.fault for request in cloud.requests))
        process.kill()
    collections.fill(cloud.behind, NAME, collections.rows(3, 24, seed=5))
    theirs = collections.snapshot(cloud.behind, NAME)
    cloud.reset()
    ran = operator.upload(NAME, "--yes")
    assert ran.status == 1 and "somebody else" in ran.sentence()
    assert collections.snapshot(cloud.behind, NAME) == theirs
    assert operator.upload(NAME, "--restart", "--yes").status == 0
    assert collections.snapshot(cloud.behind, NAME) == collections.snapshot(source.url, NAME)


CHANGES = {
    "changed": lambda c: c.upsert(
        ids=["r-00250"], documents=["new"], metadatas=[{"k": 1}], embeddings=[[0.5] * 24]
    ),
    "embedding": lambda c: c.update(ids=["r-00005"], embeddings=[[0.5] * 24]),
    "appeared": lambda c: c.add(ids=["new"], documents=["new"], embeddings=[[0.5] * 24]),
    "vanished": lambda c: c.delete(ids=["r-00005"]),
    "described anew": lambda c: c.modify(metadata={"embedding_model": "another"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_meanwhile_is_noticed(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows, change: str
) -> None:
    cloud.faults.push(Fault("delay", path="*/upsert", delay=2))
    with operator.start("upload_to_chromacloud.py", NAME, "--batch-size", 20, "--concurrency", 1) as process:
        eventually(lambda: cloud.sent)
        CHANGES[change](collections.client(source.url).get_collection(NAME, embedding_function=None))
        out, err = process.communicate()
    if change == "embedding":
        assert "1 different in the target: r-00005" in out
    elif change == "described anew":
        assert "metadata of small_rules changed" in err
    else:
        assert "written to while it was copied" in err
    assert process.returncode == 1 and collections.names(cloud.behind) != {NAME}

    again = operator.upload(NAME)
    assert again.status == 0, again
    assert collections.snapshot(cloud.behind, NAME) == collections.snapshot(source.url, NAME)
    assert max(cloud.sent.values()) <= 2


def test_metadata_that_shrank_between_two_runs_leaves_nothing_behind(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    """An upsert merges: without care the keys of the version that was sent first would stay."""
    cloud.faults.push(Fault("hang", path="*/upsert", skip=2))
    with operator.start("upload_to_chromacloud.py", NAME, "--batch-size", 50, "--concurrency", 1) as process:
        eventually(lambda: any(request.fault for request in cloud.requests))
        time.sleep(0.5)
        process.kill()
    collection = collections.client(source.url).get_collection(NAME, embedding_function=None)
    # One that was acknowledged, and one that was under way.
    for identity in ("r-00001", "r-00101"):
        collection.delete(ids=[identity])
        collection.add(ids=[identity], metadatas=[{"only": 1}], embeddings=[[0.5] * 24])
    ran = operator.upload(NAME)
    assert ran.status == 0, ran
    assert collections.snapshot(cloud.behind, NAME) == collections.snapshot(source.url, NAME)


def test_another_source_under_the_same_name_is_not_mixed_with_the_first(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.faults.push(Fault("hang", path="*/upsert", skip=1))
    with operator.start("upload_to_chromacloud.py", NAME, "--batch-size", 50) as process:
        eventually(lambda: any(request.fault for request in cloud.requests))
        process.kill()
    # The same texts, embedded anew with another model.
    other = collections.rows(260, 32)
    collections.fill(source.url, NAME, other, space="cosine", metadata={"embedding_model": "other"})
    ran = operator.upload(NAME)
    assert ran.status == 0, ran
    assert collections.names(cloud.behind) == {NAME}
    assert collections.snapshot(cloud.behind, NAME)["metadata"] == {"embedding_model": "other"}


def test_a_staging_collection_spoilt_from_outside_is_repaired(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.faults.push(Fault("delay", path="*/upsert", delay=2, skip=5))
    with operator.start("upload_to_chromacloud.py", NAME, "--batch-size", 50, "--concurrency", 1) as process:
        eventually(lambda: len(cloud.sent) == 260)
        (staging,) = collections.names(cloud.behind)
        spoilt = collections.client(cloud.behind).get_collection(staging, embedding_function=None)
        spoilt.delete(ids=["r-00000"])
        spoilt.update(ids=["r-00001"], metadatas=[{"foreign": 1}])
        spoilt.add(ids=["foreign"], embeddings=[[0.5] * 24])
        out, _ = process.communicate()
    assert process.returncode == 1
    for line in (
        "1 missing in the target: r-00000",
        "1 different in the target: r-00001",
        "1 only in the target: foreign",
    ):
        assert line in out
    assert NAME not in collections.names(cloud.behind)
    cloud.reset()
    assert operator.upload(NAME).status == 0
    assert set(cloud.sent) == {"r-00000", "r-00001"}
    assert collections.snapshot(cloud.behind, NAME) == collections.snapshot(source.url, NAME)
