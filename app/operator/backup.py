"""`scripts/backup.py` and `scripts/restore.py`: a collection in one file, and back, bit for bit.

The file is gzipped JSON Lines. The first line describes the collection, the last one says how many records
there must be between them and carries the hash of all lines before it; a file that was cut off or changed is
refused. Embeddings are the little-endian 32-bit floats in base64.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from app import datadir
from app.adapters.http import MAX_REPLY_BYTES
from app.operator.console import EXIT_OK, Console, Progress, size
from app.operator.parallel import batched
from app.operator.problems import OperatorError
from app.operator.quotas import MAX_RECORDS
from app.operator.records import NOT_FINITE, About, Page, Record, checked, from_base64, is_finite, to_base64
from app.operator.stored_collection import StoredCollection

FORMAT = "dndchat-backup-1"
# Of one record: what a page with it alone may have as a reply.
MAX_LINE = MAX_REPLY_BYTES


def back_up(collection: StoredCollection, path: Path, console: Console) -> int:
    """Write everything to `path`, which is whole or not there at all; returns the exit status."""
    about = collection.about()
    try:
        fresh = datadir.new_beside(path)
        try:
            with fresh.open("wb") as raw, gzip.open(raw, "wt", encoding="utf-8", newline="\n") as out:
                count = _write(out, about, collection, Progress(console, about.count, indent="  "))
            with fresh.open("rb") as finished:
                os.fsync(finished.fileno())
            if count != (now := collection.count()):
                raise OperatorError(
                    f"{about.name} was written to meanwhile ({count} records read, {now} there): run again."
                )
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OperatorError(
            f"Cannot write {path} ({error}): make room on the disk, or give another path."
        ) from error
    console.facts.update(collection=about.name, documents=count, file=str(path))
    console.line(f"✓ {path}: {count} records of {about.name}, {size(path.stat().st_size)}")
    return EXIT_OK


def _write(out: TextIO, about: About, collection: StoredCollection, progress: Progress) -> int:
    head = {
        "format": FORMAT,
        "collection": about.name,
        "metadata": about.metadata or None,
        "configuration": about.configuration,
        "dimension": about.dimension,
    }
    out.write(_line(head))
    count, total = 0, hashlib.sha256(_line(head).encode())
    for page in collection.pages(embeddings=True):
        for line in map(_line, map(_plain, page)):
            total.update(line.encode())
            out.write(line)
        count += len(page)
        progress.hint(count, f"{count} records")
    progress.clear()
    out.write(_line({"end": count, "sha256": total.hexdigest()}))
    return count


class BackupSource:
    """A backup file as a source to copy from, checked from its first line to its last when it is opened.

    Every method raises OperatorError for what is no whole backup.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        """`name`: of the collection, if not the one in the file."""
        self._path = path
        count, digest, head = self._verified()
        try:
            described = [head.get(name) for name in ("metadata", "configuration", "dimension")]
            self._about = About.checked(digest, name or head.get("collection"), count, *described)
        except ValueError as error:
            raise self._damaged(f"its first line does not describe a collection ({error})") from error

    def about(self) -> About:
        return self._about

    def pages(self, *, embeddings: bool) -> Iterator[Page]:
        lines = itertools.islice(self._lines(), 1, self._about.count + 1)
        return batched((self._record(self._parsed(line), embeddings) for line in lines), MAX_RECORDS)

    def _verified(self) -> tuple[int, str, dict[str, Any]]:
        """Count, hash and description."""
        head: dict[str, Any] = {}
        count, total, tail = 0, hashlib.sha256(), None
        for line in self._lines():
            document = self._parsed(line)
            if tail is not None:
                raise self._damaged("it goes on after its end")
            if "end" in document:
                tail = document
                continue
            total.update(line.encode())
            if not head:
                head = document
                if head.get("format") != FORMAT:
                    raise OperatorError(f"{self._path} is no backup made by scripts/backup.py.")
            else:
                count += 1
                # Before anything is sent: the server would refuse it in the middle.
                self._record(document, embeddings=True)
        if tail is None or tail["end"] != count or tail.get("sha256") != total.hexdigest():
            raise OperatorError(
                f"{self._path} is cut off or was changed: {count} records read, its end does not fit."
            )
        return count, total.hexdigest(), head

    def _lines(self) -> Iterator[str]:
        try:
            with gzip.open(self._path, "rt", encoding="utf-8", newline="\n") as lines:
                # A few bytes may unpack to a line without end.
                while line := lines.readline(MAX_LINE):
                    if len(line) == MAX_LINE:
                        raise self._damaged(f"a line has more than {MAX_LINE:,} characters")
                    yield line
        except (EOFError, zlib.error, UnicodeError, gzip.BadGzipFile) as error:
            raise OperatorError(f"{self._path} is cut off or damaged ({error}).") from error
        except OSError as error:
            raise OperatorError(f"Cannot read {self._path} ({error}).") from error

    def _parsed(self, line: str) -> dict[str, Any]:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise self._damaged("a line is no JSON object")
        return document

    def _record(self, document: dict[str, Any], embeddings: bool) -> Record:
        try:
            embedding = from_base64(document["embedding"]) if embeddings else None
            identity, text, uri = document["id"], document["document"], document["uri"]
            record = checked(identity, text, document["metadata"], uri, embedding)
        except (KeyError, TypeError, ValueError) as error:
            which = f"record {document.get('id')}"
            raise self._damaged(f"{which} has not the documented shape") from error
        if embedding is not None and not is_finite(embedding):
            raise OperatorError(
                f"{self._path}: the embedding of record {record.id} {NOT_FINITE}; no server takes it."
            )
        return record

    def _damaged(self, what: str) -> OperatorError:
        return OperatorError(f"{self._path} is damaged: {what}.")


def _plain(record: Record) -> dict[str, Any]:
    if record.embedding is None:
        raise OperatorError(f"Record {record.id} has no embedding.")
    if not is_finite(record.embedding):
        raise OperatorError(
            f"The embedding of record {record.id} {NOT_FINITE}: it could not be restored. Embed it again "
            "with scripts/ingest.py, or delete it."
        )
    texts = {"id": record.id, "document": record.document, "metadata": record.metadata, "uri": record.uri}
    return {**texts, "embedding": to_base64(record.embedding)}


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"
