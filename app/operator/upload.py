"""`scripts/upload_to_chromacloud.py`: a local collection to Chroma Cloud, in six numbered steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

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
class Request:
    """One call of the command."""

    name: str
    options: Options
    patience: Patience
    dry_run: bool = False
    verify_only: bool = False
    fix_ids: bool = False


def upload(settings: Settings, request: Request, console: Console) -> int:
    """Returns the exit status. Raises OperatorError with the one sentence that says why it cannot be done."""
    started = time.monotonic()
    name = request.name
    console.facts["collection"] = name
    console.line(f"Uploading collection: {name}")
    console.line("=" * 80)

    console.line("\n1. Connecting to LOCAL ChromaDB...")
    local = ChromaDBConnector("local", settings=settings, patience=request.patience)
    source = _source(local, request, console)
    cloud = ChromaDBConnector("cloud", settings=settings, patience=request.patience)
    transfer = Transfer(source, cloud.database, name, request.options, console, "local", "cloud")
    if not request.verify_only:
        transfer.check()

    console.line("\n2. Connecting to ChromaCloud...")
    cloud.connect()
    console.line(f"   Connected: {cloud!r}")
    if request.dry_run or request.verify_only:
        status = _look(transfer, request)
    else:
        path = journal_path(
            settings.data_dir, local.database.where.url, cloud.database.where.url, *_where(cloud), name
        )
        with Journal(path) as journal:
            status = _copy(transfer, journal)
    traffic = cloud.database.http.traffic
    console.facts.update(
        seconds=round(time.monotonic() - started, 2), requests=traffic.requests, retries=traffic.retries
    )
    if status == EXIT_OK and traffic.retries:
        repeated = "1 call" if traffic.retries == 1 else f"{traffic.retries} calls"
        console.line(f"   ({repeated} had to be repeated; {duration(time.monotonic() - started)} in all)")
    return status


def _source(local: ChromaDBConnector, request: Request, console: Console) -> Source:
    local.connect()
    console.line(f"   Connected: {local!r}")
    collection = local.database.need(request.name)
    count = collection.count()
    console.line(f"   Found collection: {request.name} ({count} documents)")
    if not count:
        raise OperatorError(f"Collection {request.name} is empty: there is nothing to upload.")
    return ShortIds(collection) if request.fix_ids else collection


def _where(cloud: ChromaDBConnector) -> tuple[str, str]:
    return cloud.database.where.tenant, cloud.database.where.database


def _look(transfer: Transfer, request: Request) -> int:
    """Say how things are; change nothing, here or there."""
    target = transfer.database.find(request.name)
    if request.verify_only:
        if target is None:
            raise OperatorError(f"There is no collection {request.name} in the cloud to verify.")
        transfer.console.line("\n6. Verification:")
        status = transfer.verify(target)
        if status == EXIT_OK:
            transfer.console.line("   ✅ SUCCESS: Both are the same!")
        return status
    if target is None:
        transfer.console.line(
            f"\nDry run: {request.name} would be created in the cloud. Nothing was changed."
        )
        return EXIT_OK
    found = transfer.compare_with(target)
    transfer.console.facts["differences"] = found.lines()
    if found.same:
        transfer.console.line(f"\nDry run: {request.name} in the cloud is identical; there is nothing to do.")
        return EXIT_OK
    for line in found.lines():
        transfer.console.line(f"   ✗ {line}")
    transfer.console.line(f"\nDry run: {request.name} in the cloud would be replaced. Nothing was changed.")
    return EXIT_OK


def _copy(transfer: Transfer, journal: Journal) -> int:
    console = transfer.console
    console.line("\n3. Creating cloud collection...")
    transfer.settle(journal)
    existing = transfer.database.find(transfer.name)
    if existing is not None and not transfer.agree(existing):
        count = transfer.source.about().count
        console.line("\n6. Verification:")
        console.line(f"   Local:  {count} documents")
        console.line(f"   Cloud:  {existing.count()} documents")
        console.line("   ✅ SUCCESS: All documents uploaded!")
        console.facts.update(uploaded=0)
        transfer.abandon(journal)
        return EXIT_OK
    target = transfer.build(journal, existing)

    console.line(f"\n4. Fetching data from local collection ({transfer.source.about().count} documents)...")
    transfer.fetch(journal)

    console.line(f"\n5. Uploading to cloud (batch size: {transfer.options.batch_size})...")
    transfer.send(journal, target)

    console.line("\n6. Verification:")
    status = transfer.verify(target, journal)
    if status == EXIT_OK:
        console.line("   ✅ SUCCESS: All documents uploaded!")
    return status
