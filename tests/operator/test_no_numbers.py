"""Vectors that are no numbers: named by their record before anything is sent, written or paid for."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from array import array
from pathlib import Path
from typing import Any

import pytest

from app.operator.records import to_base64
from tests.harness import collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY, OpenAIDouble

from .conftest import Operator

# A real server takes it, calculates a length of infinity for it, and gives it back as [null, null].
TOO_LONG = [3e38, 3e38]


@pytest.fixture
def spoilt(source: ChromaServer) -> str:
    """A collection that a real server has spoilt by itself."""
    made = collections.client(source.url).create_collection(
        "spoilt", configuration={"hnsw": {"space": "cosine"}}
    )
    made.add(ids=["sb-fine", "sb-spoilt"], embeddings=[[1.0, 2.0], TOO_LONG], documents=["a", "b"])
    return "spoilt"


def test_an_upload_names_the_record_before_anything_is_sent(
    operator: Operator, cloud: ChromaCloudDouble, spoilt: str
) -> None:
    ran = operator.upload(spoilt)
    assert ran.status == 1 and "1 violation" in ran.sentence()
    (line,) = (line for line in ran.out.splitlines() if "✗" in line)
    assert "sb-spoilt" in line and "NaN" in line and "scripts/ingest.py" in line
    assert cloud.requests == []


def test_a_backup_names_the_record_and_leaves_no_file(
    operator: Operator, spoilt: str, tmp_path: Path
) -> None:
    ran = operator.run("backup.py", spoilt, tmp_path / "spoilt.gz", "--from", "local")
    assert ran.status == 1 and "sb-spoilt" in ran.sentence() and "NaN" in ran.sentence()
    assert not (tmp_path / "spoilt.gz").exists()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_restore_names_the_record_before_anything_is_sent(
    operator: Operator, source: ChromaServer, tmp_path: Path, number: float
) -> None:
    path = tmp_path / "foreign.gz"
    path.write_bytes(gzip.compress(backup([1.0, 2.0], [number, 1.0])))
    ran = operator.run("restore.py", str(path), "--to", "local")
    assert ran.status == 1 and "r1" in ran.sentence() and "NaN" in ran.sentence()
    assert "restored" not in collections.names(source.url)


def backup(*vectors: list[float]) -> bytes:
    """A backup file as scripts/backup.py writes it, with these vectors."""
    head: dict[str, Any] = {
        "format": "dndchat-backup-1",
        "collection": "restored",
        "metadata": None,
        "configuration": {},
    }
    records = [
        {
            "id": f"r{n}",
            "document": "d",
            "metadata": None,
            "uri": None,
            "embedding": to_base64(array("f", vector)),
        }
        for n, vector in enumerate(vectors)
    ]
    lines = [
        json.dumps(document, separators=(",", ":")) + "\n"
        for document in [{**head, "dimension": 2}, *records]
    ]
    end = {"end": len(records), "sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}
    return "".join([*lines, json.dumps(end) + "\n"]).encode()


def locally(operator: Operator, openai: OpenAIDouble) -> None:
    """Let the owner's settings name no cloud, and this server for vectors."""
    local = {
        name: value
        for name, value in operator.environment.items()
        if not name.lower().startswith("chroma_cloud")
    }
    operator.environment = {**local, "OPENAI_BASE_URL": openai.base_url, "OPENAI_API_KEY": KEY}


@pytest.mark.parametrize(
    "bad", ["[NaN, 1.0]", "[null, 1.0]", "[Infinity, 1.0]", "[0.0, 0.0]", "[1e300, 1.0]"]
)
def test_an_embedder_that_gives_no_numbers_is_stopped_at_the_passage(
    operator: Operator, source: ChromaServer, tmp_path: Path, bad: str
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(
        json.dumps([{"uid": "sb-fine", "text": "An orc."}, {"uid": "sb-odd", "text": "¤¤¤"}]),
        encoding="utf-8",
    )
    with OpenAIDouble() as openai:
        openai.faults.push(
            Fault("garbage", body='{"data": [{"embedding": [1.0, 2.0]}, {"embedding": ' + bad + "}]}")
        )
        locally(operator, openai)
        ran = operator.run("ingest.py", str(rules), "--collection", "odd")
    assert ran.status == 1 and "sb-odd" in ran.sentence() and "sb-fine" not in ran.sentence(), ran
    assert collections.client(source.url).get_collection("odd", embedding_function=None).count() == 0


def test_rows_without_an_index_are_embedded_in_their_order(
    operator: Operator, source: ChromaServer, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(
        json.dumps([{"uid": "one", "text": "An orc."}, {"uid": "two", "text": "A troll."}]), encoding="utf-8"
    )
    with OpenAIDouble() as openai:
        openai.faults.push(
            Fault(
                "garbage",
                body={"data": [{"embedding": [1.0, 2.0]}, {"embedding": [3.0, 4.0], "index": None}]},
            )
        )
        locally(operator, openai)
        assert operator.run("ingest.py", str(rules), "--collection", "ordered").status == 0
    stored = (
        collections.client(source.url)
        .get_collection("ordered", embedding_function=None)
        .get(include=["embeddings"])
    )
    nearer = {
        i: round(float(v[0] / v[1]), 3) for i, v in zip(stored["ids"], stored["embeddings"], strict=True)
    }
    assert nearer == {"one": 0.5, "two": 0.75}
