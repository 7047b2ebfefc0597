"""The commands that copy a collection: `scripts/upload_to_chromacloud.py` and `scripts/restore.py`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from app.operator.backup import BackupSource
from app.operator.connector import ChromaDBConnector
from app.operator.console import EXIT_OK, Console, duration
from app.operator.journal import Journal, journal_path
from app.operator.problems import OperatorError
from app.operator.quotas import ShortIds
from app.operator.transfer import Options, Transfer
from app.settings import Settings


def upload(
    settings: Settings,
    console: Console,
    name: str,
    options: Options,
    *,
    dry_run: bool = False,
    fix_ids: bool = False,
) -> int:
    """Copy `name` from the local server to the cloud. Returns the exit status.

    Raises OperatorError with the one sentence that says why it cannot be done.
    """
    started = time.monotonic()
    console.facts["collection"] = name
    console.line(f"Uploading collection: {name}")
    console.line("=" * 80)

    console.line("\n1. Connecting to LOCAL ChromaDB...")
    local = ChromaDBConnector("local", settings=settings, patience=options.patience)
    local.connect()
    console.line(f"   Connected: {local!r}")
    collection = local.database.need(name)
    count = collection.count()
    console.line(f"   Found collection: {name} ({count} documents)")
    if not count:
        raise OperatorError(f"Collection {name} is empty: there is nothing to upload.")
    source = ShortIds(collection) if fix_ids else collection
    cloud = ChromaDBConnector("cloud", settings=settings, patience=options.patience)
    done = "All documents uploaded!"
    copy = Transfer(source, cloud.database, name, options, console, "local", "cloud", done, console.line)
    if not options.verify_only:
        copy.check()

    console.line("\n2. Connecting to ChromaCloud...")
    cloud.connect()
    console.line(f"   Connected: {cloud!r}")
    if dry_run:
        status = copy.preview()
    elif options.verify_only:
        status = copy.verify(cloud.database.need(name))
    else:
        with Journal(_journal(settings, local.where.url, cloud, name)) as journal:
            status = copy.run(journal)
    http = cloud.database.http
    seconds = time.monotonic() - started
    console.facts.update(seconds=round(seconds, 2), requests=http.requests, retries=http.retries)
    if status == EXIT_OK and http.retries:
        repeated = f"{http.retries} call{'s'[: http.retries > 1]}"
        console.line(f"   ({repeated} had to be repeated; {duration(seconds)} in all)")
    return status


def restore(
    settings: Settings,
    console: Console,
    path: Path,
    options: Options,
    *,
    name: str = "",
    to: Literal["auto", "cloud", "local"] = "auto",
) -> int:
    """Copy a backup to a server; `name` is empty for the name in the backup. Returns the exit status.

    Raises OperatorError.
    """
    source = BackupSource(path, name)
    about = source.about()
    console.facts["collection"] = about.name
    console.line(f"{path}: {about.count} records of {about.name}")
    connector = ChromaDBConnector(to, settings=settings, patience=options.patience)
    connector.connect()
    console.line(f"Connected: {connector!r}")
    there = "cloud" if connector.where.api_key else "server"
    if there == "server":
        # A local server keeps its data in SQLite, which has one writer: one call at a time is fastest.
        options = replace(options, workers=1)
    done = f"{about.name} is restored!"
    copy = Transfer(source, connector.database, about.name, options, console, "backup", there, done)
    if options.verify_only:
        return copy.verify(connector.database.need(about.name))
    if there == "cloud":
        # A local server has no quotas.
        copy.check()
    with Journal(_journal(settings, str(path.resolve()), connector, about.name)) as journal:
        return copy.run(journal)


def _journal(settings: Settings, source: str, target: ChromaDBConnector, name: str) -> Path:
    where = target.where
    return journal_path(settings.data_dir, source, where.url, where.tenant, where.database, name)
