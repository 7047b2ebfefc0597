"""`scripts/build_index.py`: the lexical index over a collection, and whether it is up to date."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator

from app.datadir import refusal
from app.errors import DatabaseError
from app.index.build import build
from app.index.reader import Reading
from app.index.search import SCHEMA_VERSION, LexicalIndex, index_path
from app.models import Passage
from app.operator import facts_report
from app.operator.connector import ChromaDBConnector
from app.operator.console import EXIT_FAILED, EXIT_OK, Console, Progress
from app.operator.problems import OperatorError
from app.operator.stored_collection import StoredCollection
from app.settings import Settings

FINGERPRINT = "fingerprint"
# An index is made in memory. All rule books of the game together have a tenth of this.
MOST_CHARACTERS = 100_000_000


class Fingerprint:
    """A number over all records, whatever their order: the same exactly when the same records are there."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, identity: str, digest: bytes) -> None:
        mixed = hashlib.sha256(identity.encode("utf-8", "surrogatepass") + b"\0" + digest).digest()
        self._sum = (self._sum + int.from_bytes(mixed, "big")) % 2**256

    def __str__(self) -> str:
        return f"{self._sum:064x}"


def build_index(settings: Settings, name: str, console: Console, *, facts: bool = False) -> int:
    """Build the index anew, and with `facts` say what was read and what not; returns the exit status."""
    connector, collection = _open(settings, name, console)
    reading = index_collection(settings, connector, collection, console)
    if facts:
        console.facts["facts"] = facts_report.to_dict(reading)
        for line in facts_report.lines(reading):
            console.line(line)
    return EXIT_OK


def check_index(settings: Settings, name: str, console: Console) -> int:
    """Say whether the index has what the collection has. Exit status 1 when it is stale or missing."""
    path = index_path(settings.data_dir, name)
    if refused := refusal(path):
        raise OperatorError(f"The index of {name} cannot be read: {refused}.")
    if not path.is_file():
        console.line(f"✗ There is no index of {name}; build it: scripts/build_index.py {name}")
        console.facts["stale"] = True
        return EXIT_FAILED
    _, collection = _open(settings, name, console)
    fingerprint = Fingerprint()
    for _ in _passages(collection, fingerprint, console):
        pass
    try:
        about = LexicalIndex(path).about()
    except DatabaseError:
        about = {}
    changed = about.get(FINGERPRINT) != str(fingerprint)
    stale = changed or about.get("schema_version") != str(SCHEMA_VERSION)
    console.facts.update(stale=stale, built=about.get("built"))
    if stale:
        why = (
            f"{name} has changed since" if changed else "this version of the program builds it in another way"
        )
        console.line(f"✗ The index (built {about.get('built', 'at no known time')}) is stale: {why}.")
        console.line(f"  Build it anew: scripts/build_index.py {name}")
        return EXIT_FAILED
    console.line(f"✓ The index is up to date (built {about['built']}).")
    return EXIT_OK


def index_collection(
    settings: Settings, connector: ChromaDBConnector, collection: StoredCollection, console: Console
) -> Reading:
    """Write the index of `collection`; whoever reads it meanwhile has the old one, whole.

    Returns what the passages state.
    """
    path = index_path(settings.data_dir, collection.name)
    fingerprint = Fingerprint()
    passages = list(_passages(collection, fingerprint, console))
    about = {
        "source": f"{connector!r} {collection.name}",
        "collection_id": collection.id,
        FINGERPRINT: str(fingerprint),
    }
    try:
        reading = build(passages, path, about)
    except (OSError, sqlite3.Error) as error:
        remedy = refusal(path, write=True) or "make room on the disk or make DATA_DIR writable"
        raise OperatorError(f"Cannot write {path} ({error}): {remedy}.") from error
    console.facts.update(indexed=len(passages))
    console.line(f"✓ Lexical index of {collection.name}: {len(passages)} passages, {path}")
    console.line(f"  {facts_report.summary(reading)}")
    return reading


def _open(settings: Settings, name: str, console: Console) -> tuple[ChromaDBConnector, StoredCollection]:
    connector = ChromaDBConnector(settings=settings)
    connector.connect()
    console.line(f"Connected: {connector!r}")
    return connector, connector.database.need(name)


def _passages(collection: StoredCollection, fingerprint: Fingerprint, console: Console) -> Iterator[Passage]:
    progress, done, room = Progress(console, collection.count(), indent="  "), 0, MOST_CHARACTERS
    try:
        for page in collection.pages(embeddings=False):
            done += len(page)
            room -= sum(len(record.document or "") for record in page)
            if room < 0:
                raise OperatorError(
                    f"{collection.name} has more than {MOST_CHARACTERS:,} characters: no index can be made "
                    "of it."
                )
            progress.hint(done, "reading")
            for record in page:
                fingerprint.add(record.id, record.digest())
                yield Passage(record.id, record.document or "", record.metadata or {})
    finally:
        progress.clear()
