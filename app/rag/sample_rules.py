"""The sample rules shipped with the project, and the index over them that embedded mode answers from."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from app.adapters.lexical import SCHEMA_VERSION, LexicalIndex
from app.adapters.lexical_build import build
from app.errors import DatabaseError
from app.models import Passage

log = logging.getLogger(__name__)

DIRECTORY = Path(__file__).resolve().parent.parent / "sample_rules"


def passages() -> Iterator[Passage]:
    """All sample passages, in the order of their books."""
    for file in sorted(DIRECTORY.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield Passage(record["id"], record["document"], record["metadata"])


def index(data_dir: Path) -> LexicalIndex:
    """The index over the sample rules, built now if it is missing or older than the rules. Raises DatabaseError."""
    path = data_dir / "index" / "sample-rules.sqlite3"
    found = LexicalIndex(path)
    stamp = _stamp()
    if path.is_file():
        try:
            if found.facts().get("source") == stamp:
                return found
        except DatabaseError as error:
            log.warning("%s", error)
    try:
        count = build(passages(), path, {"source": stamp})
    except OSError as error:
        raise DatabaseError(f"cannot write {path}: {type(error).__name__}; make DATA_DIR writable") from error
    log.info("built the index over %d sample passages", count)
    return LexicalIndex(path)


def _stamp() -> str:
    """Changes whenever a file of the rules does."""
    files = ((file.name, file.stat()) for file in sorted(DIRECTORY.glob("*.jsonl")))
    return f"{SCHEMA_VERSION} " + " ".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in files)


if __name__ == "__main__":
    from app.errors import DndChatError
    from app.settings import load

    try:
        sys.stdout.write(f"{index(load().data_dir).count()} sample passages indexed\n")
    except DndChatError as problem:
        sys.exit(f"✗ {problem}")
