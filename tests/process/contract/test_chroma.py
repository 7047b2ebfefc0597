"""The thin reader, the operator's own transport and the official client see the same thing on a real Chroma
server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from app.adapters.chroma import Chroma
from app.deadline import Deadline
from app.errors import DatabaseError
from app.operator.connector import ChromaDBConnector
from app.settings import Settings, load
from tests.harness import collections
from tests.harness.chroma_server import ChromaServer

SPACES = ("l2", "cosine", "ip")
WHERES: tuple[dict[str, Any] | None, ...] = (
    None,
    {"table": True},
    {"page": {"$gte": 100}},
    {"$and": [{"page": {"$lt": 200}}, {"name": {"$in": ["Entry 7", "Entry 8", "Entry 120"]}}]},
    {"name": "nobody"},
)


@pytest.fixture(scope="module")
def server() -> Iterator[ChromaServer]:
    with ChromaServer() as running:
        for space in SPACES:
            data = collections.rows(700, 48)
            collections.fill(
                running.url, f"rules_{space}", data, space=space, metadata={"embedding_model": "m"}
            )
        yield running


def settings(server: ChromaServer, tmp_path: Path, collection: str) -> Settings:
    environment = {
        "CHROMA_HOST": "127.0.0.1",
        "CHROMA_PORT": str(server.port),
        "CHROMA_COLLECTION": collection,
    }
    return load({**environment, "DATA_DIR": str(tmp_path)}, tmp_path)


def reader(server: ChromaServer, tmp_path: Path, collection: str) -> Chroma:
    return Chroma(settings(server, tmp_path, collection).chroma, tmp_path / "ids.json", "m")


@pytest.mark.parametrize("where", WHERES, ids=str)
@pytest.mark.parametrize("space", SPACES)
def test_query_gives_what_the_official_client_gives(
    server: ChromaServer, tmp_path: Path, space: str, where: dict[str, Any] | None
) -> None:
    vectors = numpy.random.default_rng(7).standard_normal((3, 48)).round(4).tolist()
    ours = reader(server, tmp_path, f"rules_{space}").query(vectors, 12, Deadline(20), where=where)
    official = collections.client(server.url).get_collection(f"rules_{space}", embedding_function=None)
    theirs = official.query(query_embeddings=vectors, n_results=12, where=where)
    assert [[p.id for p in found] for found in ours] == theirs["ids"]
    assert [[p.distance for p in found] for found in ours] == theirs["distances"]
    assert [[p.text for p in found] for found in ours] == theirs["documents"]
    assert [[dict(p.metadata) for p in found] for found in ours] == [
        [m or {} for m in row] for row in theirs["metadatas"]
    ]
    assert len(ours) == 3 and bool(ours[0]) == (where != {"name": "nobody"})


def test_get_gives_what_the_official_client_gives(server: ChromaServer, tmp_path: Path) -> None:
    ids = ["r-00003", "r-00050", "r-00699", "nobody"]
    ours = {
        p.id: (p.text, dict(p.metadata), p.distance)
        for p in reader(server, tmp_path, "rules_l2").get(ids, Deadline(20))
    }
    official = collections.client(server.url).get_collection("rules_l2", embedding_function=None).get(ids=ids)
    rows = zip(official["ids"], official["documents"], official["metadatas"], strict=True)
    assert ours == {i: (text, metadata or {}, None) for i, text, metadata in rows}
    assert len(ours) == 3


@pytest.mark.parametrize("space", SPACES)
def test_pages_of_the_transport_are_those_of_the_official_client(
    server: ChromaServer, tmp_path: Path, space: str
) -> None:
    connector = ChromaDBConnector(settings=settings(server, tmp_path, f"rules_{space}"))
    stored = connector.database.find(f"rules_{space}")
    assert stored is not None
    ours = [record for page in stored.pages(embeddings=True) for record in page]
    official = connector.get(f"rules_{space}")
    theirs = [
        row
        for page in collections.pages(official)
        for row in zip(
            page["ids"], page["documents"], page["metadatas"], page["uris"], page["embeddings"], strict=True
        )
    ]
    assert [(r.id, r.document, r.metadata, r.uri) for r in ours] == [row[:4] for row in theirs]
    vectors = numpy.array([record.embedding for record in ours], dtype="float32")
    assert numpy.array_equal(vectors, numpy.array([row[4] for row in theirs], dtype="float32"))
    assert stored.count() == official.count() == 700
    assert str(official.id) == stored.id and official.metadata == stored.metadata


def test_what_the_transport_writes_the_official_client_reads_bit_for_bit(
    server: ChromaServer, tmp_path: Path
) -> None:
    database = ChromaDBConnector(settings=settings(server, tmp_path, "written")).database
    source = database.find("rules_l2")
    assert source is not None
    target = database.create("written", source.metadata, source.configuration)
    for page in source.pages(embeddings=True):
        target.upsert(page)
    assert collections.snapshot(server.url, "written") == collections.snapshot(server.url, "rules_l2")
    database.delete("written")
    assert "written" not in collections.names(server.url)


def test_a_distance_that_is_no_number_is_none_and_all_of_them_are_an_error(
    server: ChromaServer, tmp_path: Path
) -> None:
    """Real: the squares of such a vector are infinite for the server, which then sends null."""
    made = collections.client(server.url).create_collection(
        "endless", configuration={"hnsw": {"space": "l2"}}
    )
    made.add(ids=["endless", "near"], embeddings=[[3e38, 3e38], [1.0, 0.0]], documents=["e", "n"])
    [found] = reader(server, tmp_path, "endless").query([[1.0, 0.5]], 5, Deadline(20))
    assert [(passage.id, passage.distance) for passage in found] == [("near", 0.25), ("endless", None)]
    made.delete(ids=["near"])
    with pytest.raises(DatabaseError, match="endless"):
        reader(server, tmp_path, "endless").query([[1.0, 0.5]], 5, Deadline(20))
