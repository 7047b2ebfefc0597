"""The collection that a copy is built in, under a name of its own, beside the one it will replace."""

from __future__ import annotations

import hashlib
import re
import secrets

from app.operator import switching
from app.operator.journal import Journal
from app.operator.quotas import COLLECTION_NAME_BYTES
from app.operator.sources import About, space
from app.operator.store import MAX_RECORDS, Database, StoredCollection


def open_staging(
    database: Database, journal: Journal, name: str, about: About, replaces: StoredCollection | None
) -> StoredCollection:
    """The staging collection of this copy: the one of the interrupted run, or a new one. `replaces` has the name now."""
    found = _resumed(database, journal, about)
    if found is None:
        journal.mark_none_sent()
        state = journal.state()
        if "staging" not in state:
            mark = secrets.token_hex(4)
            # The names are on the disk before the collections exist: nothing is left behind that a later run does not know.
            stem = _stem(name)
            state = {"staging": f"{stem}-upload-{mark}", "retired": f"{stem}-replaced-{mark}"}
            journal.note(phase=switching.BUILDING, source=about.identity, **state)
        found = database.create(state["staging"], about.metadata, about.configuration)
    elif found.metadata != about.metadata:
        found.change(metadata=about.metadata)
        found.metadata = about.metadata
    journal.note(staging_id=found.id, replaces=replaces.id if replaces else "")
    found.dimension = about.dimension
    return found


def _stem(name: str) -> str:
    """What names beside `name` begin with: `name`, or of a long one its beginning and a hash, as they have a quota too."""
    most = COLLECTION_NAME_BYTES - len("-replaced-01234567")
    return name if len(name) <= most else f"{name[: most - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _resumed(database: Database, journal: Journal, about: About) -> StoredCollection | None:
    state = journal.state()
    if "staging" not in state:
        return None
    found = database.find(state["staging"])
    if found is None:
        return None
    expected = state.get("staging_id", found.id)
    if found.id != expected or state["source"] != about.identity or space(found.configuration, found.metadata) != about.space:
        # Built from another source than there is now: its embeddings cannot be trusted.
        discard(database, journal)
        return None
    return found


def clean(staging: StoredCollection, journal: Journal) -> int:
    """Remove from the staging collection what the journal calls stale; returns how many ids that were."""
    removed = 0
    while ids := journal.stale(MAX_RECORDS):
        staging.remove(ids)
        journal.not_stale(ids)
        removed += len(ids)
    return removed


def leftovers(database: Database, journal: Journal, name: str) -> list[str]:
    """Staging collections of `name` that this journal does not know: of a journal that was lost, or of another machine."""
    own = journal.state().get("staging")
    pattern = re.compile(re.escape(_stem(name)) + r"-upload-[0-9a-f]{8}")
    return [found for found in database.names() if pattern.fullmatch(found) and found != own]


def discard(database: Database, journal: Journal) -> None:
    """Give up what was uploaded so far: the staging collection and the journal's memory of it."""
    if staging := journal.state().get("staging"):
        database.delete(staging)
    journal.forget()
