"""`scripts/restore.py`: a backup file to a collection, built beside, verified and switched like an upload."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.operator.backup import BackupSource
from app.operator.connector import ChromaDBConnector
from app.operator.console import EXIT_OK, Console
from app.operator.journal import Journal, journal_path
from app.operator.retries import Patience
from app.operator.transfer import Options, Transfer
from app.settings import Settings


@dataclass(frozen=True)
class Request:
    """One call of the command; `name` is empty for the name in the backup."""

    path: Path
    name: str
    to: Literal["auto", "cloud", "local"]
    options: Options
    patience: Patience
    verify_only: bool = False


def restore(settings: Settings, request: Request, console: Console) -> int:
    """Returns the exit status. Raises OperatorError."""
    source = BackupSource(request.path, request.name)
    about = source.about()
    console.facts["collection"] = about.name
    console.line(f"{request.path}: {about.count} records of {about.name}")
    connector = ChromaDBConnector(request.to, settings=settings, patience=request.patience)
    connector.connect()
    console.line(f"Connected: {connector!r}")
    database = connector.database
    cloud = bool(connector.where.api_key)
    # The local server keeps its data in SQLite, whose writers get in each other's way: one at a time is fastest there.
    options = request.options if cloud else replace(request.options, workers=1)
    transfer = Transfer(
        source, database, about.name, options, console, "backup", "cloud" if cloud else "server"
    )
    if request.verify_only:
        return transfer.verify(database.need(about.name))
    if cloud:
        # A local server has no quotas.
        transfer.check()
    where = connector.where
    path = journal_path(
        settings.data_dir, str(request.path.resolve()), where.url, where.tenant, where.database, about.name
    )
    with Journal(path) as journal:
        transfer.settle(journal)
        existing = database.find(about.name)
        if existing is not None and not transfer.agree(existing):
            transfer.abandon(journal)
            return EXIT_OK
        target = transfer.build(journal, existing)
        transfer.fetch(journal)
        transfer.send(journal, target)
        status = transfer.verify(target, journal)
    if status == EXIT_OK:
        console.line(f"   ✅ SUCCESS: {about.name} is restored!")
    return status
