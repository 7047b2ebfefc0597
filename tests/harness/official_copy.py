"""The copy that the official client's documentation suggests: get and upsert in a loop. For comparing, not
for use.

python -m tests.harness.official_copy NAME   (settings as for scripts/upload_to_chromacloud.py)
"""

from __future__ import annotations

import sys

import chromadb

from app.settings import load

BATCH = 100


def main() -> None:
    settings = load()
    here, there = settings.chroma_local, settings.chroma_cloud
    assert there is not None
    source = chromadb.HttpClient(host=here.host, port=here.port).get_collection(
        sys.argv[1], embedding_function=None
    )
    cloud = chromadb.CloudClient(
        tenant=there.tenant,
        database=there.database,
        api_key=there.api_key,
        cloud_host=there.host,
        cloud_port=there.port,
        enable_ssl=there.ssl,
    )
    target = cloud.create_collection(sys.argv[1], metadata=source.metadata, embedding_function=None)
    for offset in range(0, source.count(), BATCH):
        page = source.get(
            limit=BATCH, offset=offset, include=["documents", "metadatas", "embeddings", "uris"]
        )
        # As it was read it is refused: a record without metadata comes as {}, which may not be written.
        metadatas = [metadata or None for metadata in page["metadatas"]]
        target.upsert(page["ids"], page["embeddings"], metadatas, page["documents"], uris=page["uris"])
    print(f"Local {source.count()}, cloud {target.count()}")


if __name__ == "__main__":
    main()
