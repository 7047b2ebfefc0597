"""The commands that copy a collection: `scripts/upload_to_chromacloud.py` and `scripts/restore.py`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.operator.backup import BackupSource
from app.operator.connector import ChromaDBConnector
from app.operator.console import EXIT_OK, Console, duration
from app.operator.journal import Journal, journal_path
from app.operator.problems import OperatorError
from app.operator.quotas import ShortIds
from app.operator.records import Source
from app.operator.retries import Patience
from app.operator.transfer import Options, Transfer
from app.settings import Settings


@dataclass(frozen=True)
class Upload:
    """One call of the command."""

    name: str
    options: Options
    patience: Patience
    dry_run: bool = False
    verify_only: bool = False
    fix_ids: bool = False


@dataclass(frozen=True)
class Restoration:
    """One call of the command; `name` is empty for the name in the backup."""

    path: Path
    name: str
    to: Literal["auto", "cloud", "local"]
    options: Options
    patience: Patience
    verify_only: bool = False


def upload(settings: Settings, request: Upload, console: Console) -> int:
    """Returns the exit status. Raises OperatorError with the one sentence that says why it cannot be done."""
    started = time.monotonic()
    name = request.name
    console.facts["collection"] = name
    console.line(f"Uploading collection: {name}")
    console.line("=" * 80)

    console.line("\n1. Connecting to LOCAL ChromaDB...")
    local = ChromaDBConnector("local", settings=settings, patience=request.patience)
    source = _local_source(local, request, console)
    cloud = ChromaDBConnector("cloud", settings=settings, patience=request.patience)
    transfer = Transfer(source, cloud.database, name, request.options, console, "local", "cloud")
    if not request.verify_only:
        transfer.check()

    console.line("\n2. Connecting to ChromaCloud...")
    cloud.connect()
    console.line(f"   Connected: {cloud!r}")
    if request.dry_run:
        status = transfer.preview()
    elif request.verify_only:
        status = _verify(transfer)
    else:
        with Journal(_journal(settings, local.where.url, cloud, name)) as journal:
            status = transfer.run(journal, console.line)
    traffic = cloud.database.http.traffic
    seconds = time.monotonic() - started
    console.facts.update(seconds=round(seconds, 2), requests=traffic.requests, retries=traffic.retries)
    if status == EXIT_OK and traffic.retries:
        repeated = "1 call" if traffic.retries == 1 else f"{traffic.retries} calls"
        console.line(f"   ({repeated} had to be repeated; {duration(seconds)} in all)")
    return status


def _local_source(local: ChromaDBConnector, request: Upload, console: Console) -> Source:
    local.connect()
    console.line(f"   Connected: {local!r}")
    collection = local.database.need(request.name)
    count = collection.count()
    console.line(f"   Found collection: {request.name} ({count} documents)")
    if not count:
        raise OperatorError(f"Collection {request.name} is empty: there is nothing to upload.")
    return ShortIds(collection) if request.fix_ids else collection


def _verify(transfer: Transfer) -> int:
    target = transfer.database.find(transfer.name)
    if target is None:
        raise OperatorError(f"There is no collection {transfer.name} in the cloud to verify.")
    transfer.console.line("\n6. Verification:")
    status = transfer.verify(target)
    if status == EXIT_OK:
        transfer.console.line("   ✅ SUCCESS: Both are the same!")
    return status


def restore(settings: Settings, request: Restoration, console: Console) -> int:
    """Returns the exit status. Raises OperatorError."""
    source = BackupSource(request.path, request.name)
    about = source.about()
    console.facts["collection"] = about.name
    console.line(f"{request.path}: {about.count} records of {about.name}")
    connector = ChromaDBConnector(request.to, settings=settings, patience=request.patience)
    connector.connect()
    console.line(f"Connected: {connector!r}")
    cloud = bool(connector.where.api_key)
    # A local server keeps its data in SQLite, which has one writer: one call at a time is fastest.
    options = request.options if cloud else replace(request.options, workers=1)
    there = "cloud" if cloud else "server"
    transfer = Transfer(source, connector.database, about.name, options, console, "backup", there)
    if request.verify_only:
        return transfer.verify(connector.database.need(about.name))
    if cloud:
        # A local server has no quotas.
        transfer.check()
    with Journal(_journal(settings, str(request.path.resolve()), connector, about.name)) as journal:
        return transfer.run(journal)


def _journal(settings: Settings, source: str, target: ChromaDBConnector, name: str) -> Path:
    where = target.where
    return journal_path(settings.data_dir, source, where.url, where.tenant, where.database, name)
