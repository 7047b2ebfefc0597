"""`ChromaDBConnector`: where it points, what it can do, and that it never waits for ever."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.operator.connector import ChromaDBConnector
from app.operator.problems import OperatorError, UsageError
from app.operator.records import Record, floats
from app.operator.retries import Patience
from app.settings import Settings, load
from tests.harness import ROOT, collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault
from tests.harness.ports import free_port

from .conftest import Operator

QUICK = Patience(seconds_a_call=2, attempts=4, first_pause=0.05)


@pytest.fixture
def settings(operator: Operator, tmp_path: Path) -> Settings:
    return load(operator.environment, tmp_path)


def test_repr_is_the_promised_one(tmp_path: Path) -> None:
    assert (
        repr(ChromaDBConnector(settings=load({}, tmp_path)))
        == "ChromaDBConnector(host=http://localhost, port=8060)"
    )
    cloud = {
        "chroma_cloud_api_key": "ck-secret",
        "chroma_cloud_tenant_id": "120ffaa8-32bf-4e7d-823d-c587bd8a5202",
    }
    connector = ChromaDBConnector(settings=load(cloud, tmp_path))
    assert (
        repr(connector)
        == "ChromaDBConnector(cloud, tenant=120ffaa8-32bf-4e7d-823d-c587bd8a5202, database=adnd_1e)"
    )
    assert "ck-secret" not in repr(vars(connector))


def test_cloud_when_configured_unless_forced(settings: Settings, tmp_path: Path) -> None:
    assert ChromaDBConnector(settings=settings).where == settings.chroma_cloud
    assert ChromaDBConnector("cloud", settings=settings, api_key="other").where.api_key == "other"
    assert ChromaDBConnector("local", settings=settings).where == settings.chroma_local
    nowhere = load({}, tmp_path)
    assert ChromaDBConnector(settings=nowhere).where == nowhere.chroma_local
    with pytest.raises(UsageError, match="chroma_cloud_api_key and chroma_cloud_tenant_id"):
        ChromaDBConnector("cloud", settings=nowhere)
    with pytest.raises(UsageError, match="no mode 'Local'"):
        ChromaDBConnector("Local", settings=settings)  # type: ignore[arg-type]


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys; from app.operator import connector, copying; print({'chromadb', 'httpx', 'numpy'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize("mode", ["local", "cloud"])
def test_collections_from_their_making_to_their_end(settings: Settings, mode: str) -> None:
    connector = ChromaDBConnector(mode, settings=settings, patience=QUICK)  # type: ignore[arg-type]
    connector.connect()
    made = connector.create("books", {"embedding_model": "m"}, space="ip")
    data = collections.rows(700, 8)
    for start in range(0, 700, 300):
        part = slice(start, start + 300)
        made.add(ids=data.ids[part], embeddings=data.embeddings[part], documents=data.documents[part])
    assert "books" in connector.list() and connector.exists("books") and connector.count("books") == 700
    info = connector.info("books")
    assert (info["id"], info["count"], info["metadata"]) == (str(made.id), 700, {"embedding_model": "m"})
    assert info["configuration"]["hnsw"]["space"] == "ip"
    assert connector.get("books").get(ids=["r-00003"])["documents"] == [data.documents[3]]
    with pytest.raises(OperatorError, match="'books' already"):
        connector.create("books")
    assert connector.truncate("books", batch_size=250) == 700
    assert connector.count("books") == 0 and connector.exists("books")
    connector.delete("books")
    connector.delete("books")
    assert not connector.exists("books") and "books" not in connector.list()
    with pytest.raises(OperatorError, match="there is no collection 'books'"):
        connector.count("books")


def test_it_outlasts_429_503_and_broken_connections(settings: Settings, cloud: ChromaCloudDouble) -> None:
    connector = ChromaDBConnector(settings=settings, patience=QUICK)
    connector.create("books")
    cloud.faults.push(
        Fault("status", status=429, retry_after=1), Fault("status", status=503), Fault("close_before_headers")
    )
    assert connector.count("books") == 0
    cloud.faults.push(Fault("status", status=429, times=None))
    with pytest.raises(OperatorError, match=r"too many calls \(429\), after 4 attempts"):
        connector.count("books")


def test_it_does_not_wait_for_ever(settings: Settings, cloud: ChromaCloudDouble) -> None:
    connector = ChromaDBConnector(
        settings=settings, patience=Patience(seconds_a_call=0.5, attempts=2, first_pause=0.05)
    )
    connector.create("books")
    cloud.faults.push(Fault("hang", times=None))
    began = time.monotonic()
    with pytest.raises(OperatorError):
        connector.count("books")
    with pytest.raises(OperatorError, match="no answer"):
        ChromaDBConnector(settings=settings, patience=Patience(0.5, 2, 0.05)).list()
    assert time.monotonic() - began < 6


def test_a_stall_while_the_client_is_made(settings: Settings, cloud: ChromaCloudDouble) -> None:
    """The official constructor makes calls of its own, without a limit."""
    cloud.faults.push(Fault("hang", path="*/auth/identity", skip=1, times=None))
    began = time.monotonic()
    with pytest.raises(OperatorError, match="no answer"):
        ChromaDBConnector(settings=settings, patience=Patience(1, 2, 0.05)).client  # noqa: B018
    assert time.monotonic() - began < 5


def test_connection_errors_say_what_to_check(settings: Settings, operator: Operator, tmp_path: Path) -> None:
    def failing(**changes: str) -> str:
        connector = ChromaDBConnector(
            settings=load({**operator.environment, **changes}, tmp_path), patience=QUICK
        )
        with pytest.raises(OperatorError) as caught:
            connector.list()
        return str(caught.value)

    assert "check chroma_cloud_api_key" in failing(chroma_cloud_api_key="ck-wrong")
    assert "chroma_cloud_tenant_id" in failing(chroma_cloud_tenant_id="somebody-else")
    assert "chroma_cloud_database" in failing(chroma_cloud_database="nowhere")
    assert "CHROMA_CLOUD_HOST" in failing(CHROMA_CLOUD_PORT=str(free_port()))
    assert "no such host name" in failing(CHROMA_CLOUD_HOST="no-such.invalid", CHROMA_CLOUD_SSL="on")
    local = load({"CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(free_port())}, tmp_path)
    with pytest.raises(OperatorError, match=r"scripts/start_chroma\.sh"):
        ChromaDBConnector(settings=local, patience=QUICK).connect()


def test_a_local_server_hands_no_lists_of_a_deleted_collection_on(
    settings: Settings, source: ChromaServer
) -> None:
    """What it does by itself: chroma-core/chroma#7594."""
    connector = ChromaDBConnector("local", settings=settings, patience=QUICK)
    for delete in (connector.delete, connector.database.delete):
        connector.create("first").add(ids=["a"], embeddings=[[1.0, 2.0]], metadatas=[{"tags": ["ghost"]}])
        delete("first")
        second = connector.create("second")
        second.add(ids=[f"r{n}" for n in range(5)], embeddings=[[1.0, 2.0]] * 5, metadatas=[{"k": 1}] * 5)
        assert second.get()["metadatas"] == [{"k": 1}] * 5
        connector.delete("second")


def test_a_write_that_would_be_too_large_is_more_than_one(
    settings: Settings, cloud: ChromaCloudDouble
) -> None:
    """All that a record may have, 100 times over, is 40 MB when it is not ASCII."""
    metadata = {f"k{n:035}": "é" * 2048 for n in range(32)}
    records = [Record(f"r{n}", "é" * 8192, metadata, None, floats([n, 1])) for n in range(100)]
    database = ChromaDBConnector(settings=settings).database
    heavy = database.create("heavy", None, None)
    heavy.upsert(records)
    assert heavy.count() == 100 and {r.id: r.digest() for r in heavy.get(["r7"], embeddings=True)} == {
        "r7": records[7].digest()
    }
    assert [len(r.id) > 0 for page in heavy.pages(embeddings=True) for r in page] == [True] * 100
    assert set(cloud.accepted.values()) == {1}
    assert database.http.retries == 0


def test_pages_get_smaller_when_a_reply_would_be_too_large(
    settings: Settings, source: ChromaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 records with the longest metadata that the cloud allows are 39 MB, more than a reply may have."""
    data = collections.rows(300, 8)
    collections.fill(source.url, "wide", data)
    database = ChromaDBConnector("local", settings=settings, patience=QUICK).database
    monkeypatch.setattr("app.adapters.http.MAX_REPLY_BYTES", 20_000)
    wide = database.need("wide")
    assert [record.id for page in wide.pages(embeddings=True) for record in page] == data.ids
    assert {record.id for record in wide.get(data.ids, embeddings=True)} == set(data.ids)
    assert database.http.retries == 0
    monkeypatch.setattr("app.adapters.http.MAX_REPLY_BYTES", 100)
    with pytest.raises(OperatorError, match="reply of more than 100 bytes, for a single record"):
        list(database.find("wide").pages(embeddings=True))  # type: ignore[union-attr]


def test_something_that_is_no_chroma(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = {"CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(silent.getsockname()[1])}
        with pytest.raises(OperatorError, match="no answer within"):
            ChromaDBConnector(settings=load(where, tmp_path), patience=Patience(0.3, 2, 0.05)).connect()
