"""What cannot be uploaded is said before anything is sent; what goes wrong is said in one sentence, with the
right status.
"""

from __future__ import annotations

import json
import resource
import socket
from typing import Any

import pytest

from tests.harness import collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault
from tests.harness.ports import free_port
from tests.harness.waiting import eventually

from .conftest import RULEBOOK, Operator

LONG_ID = "chapter-" + "é" * 61
VECTOR = [[0.5] * 64]

# One record that breaks one quota, what is said about it, and the remedy.
QUOTAS: dict[str, tuple[dict[str, Any], str, str]] = {
    "id": ({"ids": [LONG_ID]}, "id has 130 bytes, at most 128", "--fix-ids"),
    "document": (
        {"documents": ["é" * 8193]},
        "document has 16,386 bytes, at most 16,384",
        "scripts/ingest.py",
    ),
    "uri": ({"uris": ["https://" + "u" * 249]}, "URI has 257 bytes, at most 256", "shorten it"),
    "keys": (
        {"metadatas": [{f"k{n}": n for n in range(33)}]},
        "metadata has 33 keys, at most 32",
        "drop keys",
    ),
    "key": ({"metadatas": [{"k" * 37: 1}]}, "has 37 bytes, at most 36", "rename it"),
    "value": (
        {"metadatas": [{"notes": "x" * 4097}]},
        "metadata value of 'notes' has 4,097 bytes",
        "into the document",
    ),
}


@pytest.mark.parametrize("quota", QUOTAS)
def test_a_quota_broken_by_one_record_of_2213_is_named_before_anything_is_sent(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, rulebook: collections.Rows, quota: str
) -> None:
    bad, problem, remedy = QUOTAS[quota]
    record = {"ids": ["the-bad-one"], "embeddings": VECTOR, "documents": ["text"], **bad}
    collection = collections.client(source.url).get_collection(RULEBOOK, embedding_function=None)
    collection.add(**record)
    try:
        ran = operator.upload(RULEBOOK)
    finally:
        collection.delete(ids=record["ids"])
    assert ran.status == 1 and "1 violation of Chroma Cloud's quotas; nothing was sent" in ran.sentence()
    (line,) = (line for line in ran.out.splitlines() if "✗" in line)
    assert record["ids"][0][:40] in line and problem in line and remedy in line
    assert cloud.requests == []


@pytest.mark.parametrize(
    ("name", "metadata", "dimensions", "problem"),
    [
        ("wide", None, 4097, "embedding has 4,097 dimensions, at most 4,096"),
        (
            "described",
            {"description": "d" * 257},
            8,
            "metadata value of 'description' has 257 bytes, at most 256",
        ),
        ("keyed", {"k" * 37: 1}, 8, "has 37 bytes, at most 36"),
        ("n" * 129, None, 8, "name has 129 bytes, at most 128"),
    ],
)
def test_quotas_of_the_collection(
    operator: Operator,
    source: ChromaServer,
    cloud: ChromaCloudDouble,
    name: str,
    metadata: dict[str, Any] | None,
    dimensions: int,
    problem: str,
) -> None:
    collections.fill(source.url, name, collections.rows(2, dimensions), metadata=metadata)
    ran = operator.upload(name)
    assert ran.status == 1 and problem in ran.out and cloud.requests == [], ran


def test_all_violations_are_listed_at_once(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble
) -> None:
    data = collections.rows(310, 8)
    data.ids[3] = "x" * 129
    data.documents[305] = "y" * 20_000
    data.metadatas[7] = {"notes": "z" * 5000, "w" * 40: 1}
    collections.fill(source.url, "bad", data)
    ran = operator.upload("bad", "--json")
    facts = json.loads(ran.out)
    assert ran.status == 1 and [violation[0] for violation in facts["violations"]] == [
        "x" * 129, "r-00007", "r-00007", "r-00305",
    ]  # fmt: skip
    assert "4 violations" in facts["error"]


def test_the_largest_allowed_of_everything_is_accepted_by_the_cloud(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble
) -> None:
    data = collections.rows(300, 64)
    data.ids[0] = "é" * 64
    data.documents[1] = "é" * 8192
    data.uris[2] = "u" * 256
    data.metadatas[3] = {f"k{n:035}": "v" * 4096 for n in range(32)}
    collections.fill(source.url, "n" * 128, data, metadata={"description": "d" * 256})
    ran = operator.upload("n" * 128, "--batch-size", 300)
    assert ran.status == 0, ran
    # The names beside it, of the new one and of the replaced one, have to fit, too.
    collections.client(cloud.behind).get_collection("n" * 128, embedding_function=None).delete(
        ids=[data.ids[5]]
    )
    assert operator.upload("n" * 128, "--yes").status == 0
    assert collections.names(cloud.behind) == {"n" * 128}


def test_fix_ids_replaces_what_is_too_long_and_keeps_the_old_one(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble
) -> None:
    data = collections.rows(5, 8)
    data.ids[0], data.ids[1] = LONG_ID + "-one", LONG_ID + "-two"
    data.metadatas[2] = {"parent_category_id": LONG_ID + "-one", "parent_chunk_uid": LONG_ID + "-two"}
    data.metadatas[3] = {"first_part_id": LONG_ID + "-one", "original_chunk_uid": LONG_ID + "-two"}
    collections.fill(source.url, "long", data)
    ran = operator.upload("long", "--fix-ids", "--json")
    assert ran.status == 0, ran
    replaced = json.loads(ran.out)["replaced_ids"]
    assert list(replaced) == data.ids[:2] and len(set(replaced.values())) == 2
    there, here = (collections.snapshot(url, "long")["records"] for url in (cloud.behind, source.url))
    for old, new in replaced.items():
        assert len(new.encode()) <= 128 and new.startswith("chapter-é") and new not in here
        assert there[new][1] == {**(here[old][1] or {}), "original_id": old}
    one, two = (replaced[identity] for identity in data.ids[:2])
    assert there["r-00002"][1] == {"parent_category_id": one, "parent_chunk_uid": two}, (
        "a family stays together"
    )
    assert there["r-00003"][1] == {"first_part_id": one, "original_chunk_uid": two}, (
        "and the parts of a section"
    )
    assert there["r-00004"] == here["r-00004"]
    cloud.reset()
    again = operator.upload("long", "--fix-ids")
    assert again.status == 0 and not cloud.writes


def test_wrong_key(operator: Operator, rulebook: collections.Rows) -> None:
    ran = operator.upload(RULEBOOK, env={**operator.environment, "chroma_cloud_api_key": "ck-wrong-key"})
    assert ran.status == 1 and "key is refused; check chroma_cloud_api_key" in ran.sentence()
    assert "ck-wrong" not in ran.out + ran.err


def test_wrong_tenant(operator: Operator, cloud: ChromaCloudDouble, rulebook: collections.Rows) -> None:
    ran = operator.upload(RULEBOOK, env={**operator.environment, "chroma_cloud_tenant_id": "somebody-else"})
    assert ran.status == 1 and "chroma_cloud_tenant_id" in ran.sentence() and cloud.tenant in ran.sentence()


def test_wrong_database(operator: Operator, rulebook: collections.Rows) -> None:
    ran = operator.upload(RULEBOOK, env={**operator.environment, "chroma_cloud_database": "nowhere"})
    assert ran.status == 1 and "no database 'nowhere'" in ran.sentence()


def test_no_network(operator: Operator, rulebook: collections.Rows) -> None:
    ran = operator.upload(
        RULEBOOK, env={**operator.environment, "CHROMA_CLOUD_PORT": str(free_port())}, timeout=30
    )
    assert ran.status == 1 and "check CHROMA_CLOUD_HOST and the network" in ran.sentence()


def test_dns_failure(operator: Operator, rulebook: collections.Rows) -> None:
    ran = operator.upload(
        RULEBOOK,
        env={**operator.environment, "CHROMA_CLOUD_HOST": "no-such.invalid", "CHROMA_CLOUD_SSL": "on"},
        timeout=60,
    )
    assert ran.status == 1 and "no such host name; check CHROMA_CLOUD_HOST" in ran.sentence()


def test_a_cloud_that_never_answers(operator: Operator, rulebook: collections.Rows) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        environment = {**operator.environment, "CHROMA_CLOUD_PORT": port}
        ran = operator.upload(RULEBOOK, "--timeout", 1, env=environment, timeout=150)
    assert ran.status == 1 and "no answer within 1 s" in ran.sentence()


def test_something_else_listens_there(
    operator: Operator, cloud: ChromaCloudDouble, rulebook: collections.Rows
) -> None:
    cloud.faults.push(Fault("status", status=200, body="<html>welcome</html>", times=None))
    ran = operator.upload(RULEBOOK)
    assert ran.status == 1 and "is this a Chroma server?" in ran.sentence()


def test_a_cloud_that_stays_overloaded(
    operator: Operator, cloud: ChromaCloudDouble, rulebook: collections.Rows
) -> None:
    cloud.faults.push(Fault("status", path="*/upsert", status=429, retry_after=3600, times=None))
    ran = operator.upload(RULEBOOK)
    assert ran.status == 1 and "too many calls (429)" in ran.sentence()
    assert RULEBOOK not in collections.names(cloud.behind)


def test_the_local_server_is_not_running(operator: Operator) -> None:
    ran = operator.upload(RULEBOOK, env={**operator.environment, "CHROMA_PORT": str(free_port())})
    assert ran.status == 1 and "start it with scripts/start_chroma.sh" in ran.sentence()


def test_the_source_is_missing(operator: Operator, rulebook: collections.Rows) -> None:
    ran = operator.upload("adnd_2e")
    assert ran.status == 1 and f"no collection 'adnd_2e'; it has: {RULEBOOK}" in ran.sentence()


def test_the_source_is_empty(operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble) -> None:
    collections.client(source.url).create_collection("empty", embedding_function=None)
    ran = operator.upload("empty", "--yes")
    assert ran.status == 1 and "is empty" in ran.sentence() and cloud.requests == []


def test_the_cloud_is_not_configured(operator: Operator, rulebook: collections.Rows) -> None:
    without = {
        name: value
        for name, value in operator.environment.items()
        if not name.lower().startswith("chroma_cloud")
    }
    ran = operator.upload(RULEBOOK, env=without)
    assert ran.status == 2 and "set chroma_cloud_api_key and chroma_cloud_tenant_id" in ran.sentence()


def test_a_damaged_journal(operator: Operator, cloud: ChromaCloudDouble, rulebook: collections.Rows) -> None:
    cloud.faults.push(Fault("hang", path="*/upsert", skip=1, times=None))
    with operator.start("upload_to_chromacloud.py", RULEBOOK) as process:
        eventually(lambda: cloud.accepted)
        process.kill()
    cloud.faults.clear()
    (journal,) = (operator.data_dir / "copies").glob("*.sqlite3")
    journal.write_bytes(b"no database at all, and longer than its head\n" * 100)
    ran = operator.upload(RULEBOOK)
    assert ran.status == 1 and f"{journal} is damaged" in ran.sentence() and "Delete it" in ran.sentence()
    journal.unlink()
    assert operator.upload(RULEBOOK, "--restart", "--yes").status == 0
    assert collections.names(cloud.behind) == {RULEBOOK}


def test_a_full_disk(operator: Operator, cloud: ChromaCloudDouble, rulebook: collections.Rows) -> None:
    """A limit on the size of files stands for the full disk; the journal of 2,213 records is larger."""

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    ran = operator.upload(RULEBOOK, preexec_fn=no_room)
    assert ran.status == 1 and "make room on the disk" in ran.sentence()
    assert RULEBOOK not in collections.names(cloud.behind)
    ran = operator.upload(RULEBOOK)
    assert ran.status == 0, ran
    assert set(cloud.sent.values()) == {1}
