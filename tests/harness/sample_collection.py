"""The sample rules in a real Chroma collection, put there as an operator would: with the official clients.

Nothing of `app/adapters` is used here: what the adapters are compared with must not come from them.

The vectors are made of each passage's name and place, not of its text: the OpenAI double knows words and no
meaning, and in a long text the one word that says what it is about is lost among the others. A real model
does not need that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import ROOT

if TYPE_CHECKING:
    from openai import OpenAI

RULES = ROOT / "app" / "sample_rules"

# What Chroma Cloud takes in one write.
BATCH = 300
EMBEDDING_MODEL = "text-embedding-3-small"

# Word vectors are mostly at right angles to each other, and among such Chroma's default index misses 7 in 100
# of the nearest (measured); which, differs from one build to the next. With these values it misses none.
EXACT = {"hnsw": {"ef_search": 1_000, "ef_construction": 1_000, "max_neighbors": 64}}


@dataclass(frozen=True)
class Record:
    """One passage as its file has it."""

    id: str
    document: str
    metadata: dict[str, Any]

    @property
    def subject(self) -> str:
        """What it is about, for its vector."""
        return f"{self.metadata['name']}\n{self.metadata['hierarchy']}"


def sample_records() -> list[Record]:
    """Every passage of app/sample_rules, in the order of the files."""
    lines = (
        line
        for file in sorted(RULES.glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    return [Record(**json.loads(line)) for line in lines]


def chroma_client(host: str, port: int) -> Any:
    """The official client, which tells nobody that it was used."""
    import chromadb
    from chromadb.config import Settings

    return chromadb.HttpClient(host=host, port=port, settings=Settings(anonymized_telemetry=False))


def openai_client(base_url: str, api_key: str) -> OpenAI:
    """The official client; a proxy of the environment is for the real service."""
    import openai

    http_client = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(
        base_url=base_url, api_key=api_key, http_client=http_client, max_retries=0, timeout=30
    )


def load_sample_rules(host: str, port: int, openai_url: str, openai_key: str, name: str = "adnd_1e") -> Any:
    """Make the collection `name`, anew if there is one, and fill it; the official client's collection is
    returned.
    """
    chroma = chroma_client(host, port)
    if name in {found.name for found in chroma.list_collections()}:
        chroma.delete_collection(name)
    about = {"embedding_model": EMBEDDING_MODEL}
    collection = chroma.create_collection(name, metadata=about, configuration=EXACT, embedding_function=None)
    records = sample_records()
    with openai_client(openai_url, openai_key) as ai:
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            answer = ai.embeddings.create(model=EMBEDDING_MODEL, input=[record.subject for record in batch])
            collection.add(
                ids=[record.id for record in batch],
                documents=[record.document for record in batch],
                metadatas=[record.metadata for record in batch],
                embeddings=[item.embedding for item in answer.data],
            )
    return collection
