"""The sample rules shipped with the project, and the index over them that embedded mode answers from."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.datadir import refusal
from app.errors import DatabaseError
from app.index.search import SCHEMA_VERSION, LexicalIndex
from app.models import Passage

log = logging.getLogger(__name__)

_DAMAGED = "the index over the sample rules, %s, cannot be read, so it is built anew: %s"

DIRECTORY = Path(__file__).resolve().parent.parent / "sample_rules"


def passages() -> Iterator[Passage]:
    """All sample passages, in the order of their books."""
    for file in sorted(DIRECTORY.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield Passage(record["id"], record["document"], record["metadata"])


def index(data_dir: Path) -> SampleIndex:
    """The index, built now if it is missing, damaged or older than the rules. Raises DatabaseError."""
    return SampleIndex(data_dir / "index" / "sample-rules.sqlite3")


class SampleIndex(LexicalIndex):
    """The index in the file at `path`, which mends itself: whatever is in it can be had from the rules again.

    Where the file cannot be written every process builds the index in memory; `problem` then says why.
    """

    problem = ""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            # Who may not look into the directory learns it here.
            fresh = path.is_file() and super()._rows("SELECT value FROM about WHERE name = 'source'", ()) == [
                (_stamp(),)
            ]
        except (OSError, DatabaseError) as error:
            log.warning(_DAMAGED, path, error.__cause__ or error)
            fresh = False
        if not fresh:
            self._renew()

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            return super()._rows(sql, parameters)
        except DatabaseError as error:
            # A page may be damaged that nothing has read until now.
            log.warning(_DAMAGED, self.path, error.__cause__)
            self._renew()
            return super()._rows(sql, parameters)

    def _renew(self) -> None:
        self.close()
        try:
            rows, about = list(passages()), {"source": _stamp()}
            if not rows:
                raise ValueError("there are none")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatabaseError(
                f"cannot read the sample rules in {DIRECTORY}: {error!r}; put them back from the project"
            ) from error
        # Most processes find an index: they do without the modules that build one.
        from app.index.build import build, in_memory

        try:
            build(rows, self.path, about)
            log.info("built the index over %d sample passages", len(rows))
        except (OSError, sqlite3.Error) as error:
            remedy = refusal(self.path, write=True) or "make DATA_DIR writable, with room for it"
            self.problem = f"cannot write {self.path}: {error}; {remedy}"
            log.warning(
                "%s. Until then every process builds the index over the sample rules for itself", self.problem
            )
            try:
                self._file.use(in_memory(rows, about))
            except sqlite3.Error as damage:
                raise DatabaseError(f"cannot build the index over the sample rules: {damage}") from damage


def _stamp() -> str:
    """Changes whenever a file of the rules does."""
    files = ((file.name, file.stat()) for file in sorted(DIRECTORY.glob("*.jsonl")))
    return f"{SCHEMA_VERSION} " + " ".join(
        f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in files
    )


if __name__ == "__main__":
    from app import datadir
    from app.errors import DndChatError
    from app.escaping import degrade
    from app.settings import load

    degrade(sys.stdout, sys.stderr)
    datadir.keep_private()
    try:
        made = index(load().data_dir)
        sys.stdout.write(f"{made.count()} sample passages indexed\n")
        if made.problem:
            sys.exit(f"✗ {made.problem}")
    except DndChatError as problem:
        sys.exit(f"✗ {problem}")
