"""Put a verified collection in the place of the one that has its name now. Whatever interrupts it, the next run completes it.

Chroma renames collections but cannot exchange two names in one step. So the old one is renamed away, the new one takes the
name, and only then the old one is deleted. In between the name belongs to nobody for about one round trip. A reader that
knows the old collection's id (the request path keeps it in a cache) is answered from the old one until it is deleted, then
finds the new one by its name; a reader that asks for the name just then is told that there is none, and asks once more.
"""

from __future__ import annotations

from app.operator.journal import Journal
from app.operator.problems import OperatorError
from app.operator.store import Database

BUILDING, SWITCHING = "building", "switching"


class NameTaken(OperatorError):
    """The name belongs to a collection that nobody agreed to replace."""


def begin(journal: Journal) -> None:
    """The staging collection is verified: from here on only forward."""
    journal.note(phase=SWITCHING)


def complete(database: Database, journal: Journal, name: str) -> None:
    """Do what is left of the switch that the journal describes. Raises OperatorError; repeating it is safe."""
    state = journal.state()
    ours, old, retired = state["staging_id"], state["replaces"], state["retired"]
    current = database.find(name)
    if current is None or current.id != ours:
        staging = database.find(state["staging"])
        if staging is None or staging.id != ours:
            _give_back(database, name, old, retired)
            journal.forget()
            raise OperatorError(
                f"The uploaded collection {state['staging']} is gone from {database.label}; {name} is as it was. "
                "Run the same command again to upload once more."
            )
        if current is not None:
            if current.id != old:
                raise NameTaken(
                    f"{database.label}: {name} is not the collection that was to be replaced: somebody else made it meanwhile. "
                    f"The upload is complete as {state['staging']}; with --restart the upload begins anew."
                )
            current.change(name=retired)
        staging.change(name=name)
    if old and (previous := database.find(retired)) is not None and previous.id == old:
        database.delete(retired)
    journal.forget()


def _give_back(database: Database, name: str, old: str, retired: str) -> None:
    if old and database.find(name) is None and (previous := database.find(retired)) is not None and previous.id == old:
        previous.change(name=name)
