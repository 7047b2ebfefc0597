"""A copy is built beside the collection it replaces, and takes its name when it is verified. Whatever
interrupts it, the next run goes on.

Chroma renames collections but cannot exchange two names in one step. So the old one is renamed away, the new
one takes the name, and only then the old one is deleted. In between the name belongs to nobody for about one
round trip. A reader that knows the old collection's id (the request path keeps it in a cache) is answered
from the old one until it is deleted, then finds the new one by its name; a reader that asks for the name just
then is told that there is none, and asks once more.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from app.operator.journal import Journal
from app.operator.problems import OperatorError
from app.operator.quotas import COLLECTION_NAME_BYTES
from app.operator.records import About, space
from app.operator.store import Database
from app.operator.stored_collection import StoredCollection

BUILDING, SWITCHING = "building", "switching"


class NameTaken(OperatorError):
    """The name belongs to a collection that nobody agreed to replace."""


def open_staging(
    database: Database, journal: Journal, name: str, about: About, replaces: StoredCollection | None
) -> StoredCollection:
    """The staging collection of the interrupted run, or a new one. `replaces` has the name now."""
    found = _resumed(database, journal, about)
    if found is None:
        journal.mark_none_sent()
        state = journal.state()
        if "staging" not in state:
            mark = secrets.token_hex(4)
            # Noted before the collections exist: nothing is left behind that a later run does not know.
            stem = _stem(name)
            state = {"staging": f"{stem}-upload-{mark}", "retired": f"{stem}-replaced-{mark}"}
            journal.note(phase=BUILDING, source=about.identity, **state)
        found = database.create(state["staging"], about.metadata, about.configuration)
    elif found.metadata != about.metadata:
        found.change(metadata=about.metadata)
        found.metadata = about.metadata
    journal.note(staging_id=found.id, replaces=replaces.id if replaces else "")
    found.dimension = about.dimension
    return found


def _stem(name: str) -> str:
    """What names beside `name` begin with: `name`, or its beginning and a hash, as names have a quota."""
    most = COLLECTION_NAME_BYTES - len("-replaced-01234567")
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name if len(name) <= most else f"{name[: most - 9]}-{mark}"


def _resumed(database: Database, journal: Journal, about: About) -> StoredCollection | None:
    state = journal.state()
    found = database.find(state["staging"]) if "staging" in state else None
    if found is None:
        return None
    there = (found.id, state["source"], space(found.configuration, found.metadata))
    if there != (state.get("staging_id", found.id), about.identity, about.space):
        # Built from another source than there is now: its embeddings cannot be trusted.
        discard(database, journal)
        return None
    return found


def leftovers(database: Database, journal: Journal, name: str) -> list[str]:
    """Staging collections of `name` whose journal was lost, or is on another machine."""
    own = journal.state().get("staging")
    pattern = re.compile(re.escape(_stem(name)) + r"-upload-[0-9a-f]{8}")
    return [found for found in database.names() if pattern.fullmatch(found) and found != own]


def discard(database: Database, journal: Journal) -> None:
    """Give up what was uploaded so far: the staging collection and the journal's memory of it."""
    if staging := journal.state().get("staging"):
        database.delete(staging)
    journal.forget()


def switch(database: Database, journal: Journal, name: str) -> None:
    """Give the verified staging collection its name: from here on only forward. Raises OperatorError."""
    journal.note(phase=SWITCHING)
    complete(database, journal, name)


def complete(database: Database, journal: Journal, name: str) -> None:
    """Do what is left of the switch in the journal. Raises OperatorError; repeating it is safe."""
    state = journal.state()
    ours, old, retired = state["staging_id"], state["replaces"], state["retired"]
    current = database.find(name)
    if current is None or current.id != ours:
        staging = _known(database, state["staging"], ours)
        if staging is None:
            if current is None and (previous := _known(database, retired, old)):
                previous.change(name=name)
            journal.forget()
            raise OperatorError(
                f"The uploaded collection {state['staging']} is gone from {database.label}; {name} is as it "
                "was. Run the same command again to upload once more."
            )
        if current is not None:
            if current.id != old:
                raise NameTaken(
                    f"{database.label}: {name} is not the collection that was to be replaced: somebody else "
                    f"made it meanwhile. The upload is complete as {state['staging']}; with --restart the "
                    "upload begins anew."
                )
            current.change(name=retired)
        staging.change(name=name)
    if _known(database, retired, old):
        database.delete(retired)
    journal.forget()


def _known(database: Database, name: str, identity: str) -> StoredCollection | None:
    """The collection of this name, if it is the one with this id; "" stands for none."""
    found = database.find(name) if identity else None
    return found if found is not None and found.id == identity else None
