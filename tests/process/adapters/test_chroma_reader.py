"""The request path's reader of Chroma: few calls, its cache heals, and what goes wrong is said to the right
people.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.chroma import Chroma
from app.deadline import Deadline
from app.errors import DatabaseError, TimedOut
from app.settings import ChromaSettings
from tests.harness import collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault

VECTOR = [[0.1] * 8]


@pytest.fixture(scope="module")
def server() -> Iterator[ChromaServer]:
    with ChromaServer() as running:
        yield running


@pytest.fixture
def cloud(server: ChromaServer) -> Iterator[ChromaCloudDouble]:
    for name in collections.names(server.url):
        collections.client(server.url).delete_collection(name)
    collections.fill(server.url, "rules", collections.rows(20, 8), metadata={"embedding_model": "small"})
    with ChromaCloudDouble(behind=server.url, keep_bodies=True) as double:
        yield double


def reader(cloud: ChromaCloudDouble, tmp_path: Path, model: str = "small", key: str = "") -> Chroma:
    where = ChromaSettings(
        "127.0.0.1", cloud.port, False, cloud.tenant, cloud.database, "rules", key or cloud.key
    )
    return Chroma(where, tmp_path / "ids.json", model)


def test_steady_state_is_one_call_in_every_process(cloud: ChromaCloudDouble, tmp_path: Path) -> None:
    reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))
    assert [request.method for request in cloud.requests] == ["GET", "POST"]
    cloud.reset()
    assert len(reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))[0]) == 3
    (request,) = cloud.requests
    assert request.path.endswith("/query")
    assert request.body["include"] == ["documents", "metadatas", "distances"], "embeddings are not asked for"


def test_a_recreated_collection_is_found_again(
    cloud: ChromaCloudDouble, server: ChromaServer, tmp_path: Path
) -> None:
    chroma = reader(cloud, tmp_path)
    chroma.query(VECTOR, 3, Deadline(10))
    collections.fill(server.url, "rules", collections.rows(5, 8), metadata={"embedding_model": "small"})
    for each in (chroma, reader(cloud, tmp_path)):
        assert len(each.query(VECTOR, 9, Deadline(10))[0]) == 5


def test_a_renamed_collection_is_still_answered_from(
    cloud: ChromaCloudDouble, server: ChromaServer, tmp_path: Path
) -> None:
    chroma = reader(cloud, tmp_path)
    chroma.query(VECTOR, 3, Deadline(10))
    collections.client(server.url).get_collection("rules", embedding_function=None).modify(
        name="rules-replaced"
    )
    assert len(chroma.query(VECTOR, 3, Deadline(10))[0]) == 3


def test_a_reader_without_cache_outlasts_the_moment_of_a_switch(
    cloud: ChromaCloudDouble, server: ChromaServer, tmp_path: Path
) -> None:
    collection = collections.client(server.url).get_collection("rules", embedding_function=None)
    collection.modify(name="rules-upload")
    threading.Timer(0.4, lambda: collection.modify(name="rules")).start()
    assert len(reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))[0]) == 3


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"KEY": "not a uuid"}', '{"KEY": {"id": "../../x", "model": "small"}}']
)
def test_a_spoilt_cache_is_no_harm(cloud: ChromaCloudDouble, tmp_path: Path, content: str) -> None:
    reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))
    (key,) = json.loads((tmp_path / "ids.json").read_text())
    (tmp_path / "ids.json").write_text(content.replace("KEY", key))
    cloud.reset()
    assert len(reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))[0]) == 3
    assert all(".." not in request.path for request in cloud.requests)


@pytest.mark.parametrize("identity", ["../../../auth/identity?", "", None, 7, "A" * 36])
def test_an_id_that_is_none_never_gets_into_an_address(
    cloud: ChromaCloudDouble, tmp_path: Path, identity: object
) -> None:
    cloud.faults.push(Fault("status", status=200, body={"id": identity, "name": "rules"}, times=None))
    with pytest.raises(DatabaseError, match="documented shape"):
        reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))
    assert len(cloud.requests) == 1


def test_another_embedding_model_is_refused_with_the_remedy_in_the_log(
    cloud: ChromaCloudDouble, tmp_path: Path
) -> None:
    reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))
    cloud.reset()
    for _ in range(2):
        with pytest.raises(DatabaseError) as caught:
            reader(cloud, tmp_path, model="large").query(VECTOR, 3, Deadline(10))
        assert (
            "set OPENAI_EMBEDDING_MODEL=small, or ingest into another collection (scripts/ingest.py)"
            in str(caught.value)
        )
        assert caught.value.public.startswith("The rule books were indexed for another language model")
        assert "small" not in caught.value.public
    assert not [request for request in cloud.requests if request.path.endswith("/query")]


def test_a_collection_embedded_anew_is_taken_up(
    cloud: ChromaCloudDouble, server: ChromaServer, tmp_path: Path
) -> None:
    reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))
    collections.fill(server.url, "rules", collections.rows(5, 8), metadata={"embedding_model": "large"})
    assert len(reader(cloud, tmp_path, model="large").query(VECTOR, 9, Deadline(10))[0]) == 5


def test_a_dimension_that_does_not_fit_is_refused_with_the_remedy_in_the_log(
    cloud: ChromaCloudDouble, server: ChromaServer, tmp_path: Path
) -> None:
    collections.fill(server.url, "rules", collections.rows(5, 16))
    with pytest.raises(DatabaseError) as caught:
        reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))
    assert "dimension of 16, got 8" in str(caught.value) and "OPENAI_EMBEDDING_MODEL" in str(caught.value)
    assert caught.value.public.startswith("The rule books were indexed for another language model")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=429, retry_after=1),
        Fault("status", status=503),
        Fault("cut"),
        Fault("close_before_headers"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_a_passing_fault_is_outlasted(cloud: ChromaCloudDouble, tmp_path: Path, fault: Fault) -> None:
    cloud.faults.push(fault)
    assert len(reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))[0]) == 3


def test_a_lasting_fault_ends_within_the_time_of_the_request(
    cloud: ChromaCloudDouble, tmp_path: Path
) -> None:
    cloud.faults.push(Fault("status", status=429, retry_after=30, times=None))
    began = time.monotonic()
    with pytest.raises(DatabaseError, match="429"):
        reader(cloud, tmp_path).query(VECTOR, 3, Deadline(2))
    cloud.faults.clear()
    cloud.faults.push(Fault("hang", times=None))
    with pytest.raises(TimedOut):
        reader(cloud, tmp_path).query(VECTOR, 3, Deadline(1))
    assert time.monotonic() - began < 4


def test_a_wrong_key_and_a_missing_collection_are_told_apart(
    cloud: ChromaCloudDouble, server: ChromaServer, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseError, match="check chroma_cloud_api_key") as caught:
        reader(cloud, tmp_path, key="ck-wrong").query(VECTOR, 3, Deadline(10))
    assert "ck-wrong" not in str(caught.value)
    collections.client(server.url).delete_collection("rules")
    with pytest.raises(DatabaseError, match="there is no collection 'rules'"):
        reader(cloud, tmp_path).query(VECTOR, 3, Deadline(10))
