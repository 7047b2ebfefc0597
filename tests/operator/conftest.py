"""What the tests of the operator's commands run against: two real Chroma servers, and the manners of the
cloud before one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT, collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble

RULEBOOK = "owner_rules"
RULEBOOK_METADATA = {"embedding_model": "text-embedding-3-small", "description": "AD&D 1e – rules"}


@pytest.fixture(scope="session")
def source_server() -> Iterator[ChromaServer]:
    with ChromaServer() as server:
        yield server


@pytest.fixture(scope="session")
def cloud_server() -> Iterator[ChromaServer]:
    with ChromaServer() as server:
        yield server


@pytest.fixture
def source(source_server: ChromaServer) -> Iterator[ChromaServer]:
    """The local server; what a test leaves there is removed, except the rule book."""
    yield source_server
    remove_all(source_server, keep=RULEBOOK)


@pytest.fixture
def cloud(cloud_server: ChromaServer) -> Iterator[ChromaCloudDouble]:
    """The cloud, empty; `cloud.behind` is the server that keeps its data."""
    remove_all(cloud_server)
    with ChromaCloudDouble(behind=cloud_server.url) as double:
        yield double


@pytest.fixture(scope="session")
def rulebook(source_server: ChromaServer) -> collections.Rows:
    """As many records as the owner migrates, of few dimensions: most tests count calls. Tests leave it as it
    is.
    """
    data = collections.rows(2213, 64)
    collections.fill(source_server.url, RULEBOOK, data, metadata=RULEBOOK_METADATA)
    return data


def remove_all(server: ChromaServer, keep: str = "") -> None:
    for name in collections.names(server.url) - {keep}:
        collections.client(server.url).delete_collection(name)


class Operator:
    """Somebody at a shell: runs scripts with settings of their own, and nothing of the environment of the
    tests.
    """

    def __init__(self, data_dir: Path, environment: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir.parent),
            "LANG": "C.UTF-8",
            "DATA_DIR": str(data_dir),
            "DNDCHAT_ENV_FILE": str(data_dir.parent / "settings.env"),
            **environment,
        }
        (data_dir.parent / "settings.env").touch()

    def start(self, script: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [sys.executable, ROOT / "scripts" / script, *map(str, arguments)],
            **{
                "env": self.environment,
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                **options,
            },
        )

    def run(self, script: str, *arguments: object, timeout: float = 180, **options: object) -> Ran:
        with self.start(script, *arguments, **options) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Ran(process.returncode, out, err)

    def upload(self, *arguments: object, **options: object) -> Ran:
        return self.run("upload_to_chromacloud.py", *arguments, **options)  # type: ignore[arg-type]


class Ran:
    """What a command printed and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    def __repr__(self) -> str:
        return f"exit status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def sentence(self) -> str:
        """The one sentence a failed command ends with; fails when there is a traceback or more than one."""
        lines = [line for line in self.err.splitlines() if line]
        assert len(lines) == 1 and lines[0].startswith("✗ "), self
        return lines[0]


@pytest.fixture
def operator(tmp_path: Path, source: ChromaServer, cloud: ChromaCloudDouble) -> Operator:
    """The owner: local Chroma and cloud configured."""
    local = {"CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(source.port)}
    return Operator(tmp_path / "data", {**local, **cloud.environment()})
