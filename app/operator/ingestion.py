"""`scripts/ingest.py`: passages from files into a collection. Embeds and writes only what changed; goes on
where it stopped.

There is no state beside the collection: what is there already, in this very wording, needs nothing. So a run
that was interrupted is simply run again, and pays again for one call at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from app.adapters.openai_replies import usable
from app.index.terms import plain
from app.operator import quotas
from app.operator.chunks import read
from app.operator.connector import ChromaDBConnector
from app.operator.console import EXIT_OK, Console, Progress
from app.operator.embedding import Embedder, TooDear, batches
from app.operator.indexing import index_collection
from app.operator.problems import OperatorError, UsageError
from app.operator.quotas import MAX_RECORDS, shown
from app.operator.records import NOT_FINITE, Record, same_content
from app.operator.store import Database
from app.operator.stored_collection import StoredCollection
from app.pricing import dollars
from app.settings import Settings

MODEL = "embedding_model"
"""The key of a collection's metadata that says what embedded it. The request path reads it too."""


@dataclass(frozen=True)
class Request:
    """One call of the command; `max_cost` in nano-dollars."""

    files: tuple[Path, ...]
    collection: str
    max_cost: int
    part_bytes: int = 4000
    prune: bool = False
    dry_run: bool = False


@dataclass
class Changes:
    """What has to be done to a collection. `to_rewrite` keep their vectors: only metadata changed."""

    to_embed: list[Record] = field(default_factory=list)
    to_rewrite: list[Record] = field(default_factory=list)
    stored: dict[str, Record] = field(default_factory=dict)
    """What is there of those two now, without vectors."""
    unchanged: int = 0
    vanished: list[str] = field(default_factory=list)


def ingest(settings: Settings, request: Request, console: Console) -> int:
    """Returns the exit status. Raises OperatorError."""
    embedder = _embedder(settings, request.max_cost)
    records = read(request.files, request.part_bytes, lambda note: console.line(f"Note: {note}"))
    console.line(
        f"Read {len(records)} passages from {len(request.files)} file{'s'[: len(request.files) > 1]}"
    )
    if not records:
        raise OperatorError("There is no passage in the files: nothing to do.")
    _check_quotas(records, console)

    connector = ChromaDBConnector(settings=settings)
    connector.connect()
    console.line(f"Connected: {connector!r}")
    target = connector.database.find(request.collection)
    unnamed = target is not None and not _names_model(target, embedder.model)
    changes = _changes(records, target)
    estimate = embedder.estimate(_embedded(changes.to_embed))
    console.line(
        f"{request.collection}: {len(changes.to_embed)} to embed with {embedder.model} (about "
        f"${dollars(estimate):.4f}), {len(changes.to_rewrite)} with new metadata only, {changes.unchanged} "
        f"unchanged, {len(changes.vanished)} not in the files"
    )
    console.facts.update(
        collection=request.collection,
        passages=len(records),
        to_embed=len(changes.to_embed),
        estimated_dollars=dollars(estimate),
        rewritten=len(changes.to_rewrite),
        unchanged=changes.unchanged,
        vanished=len(changes.vanished),
    )
    if request.dry_run:
        console.line("Dry run: nothing was embedded or changed.")
        return EXIT_OK
    if target is not None and unnamed and target.count():
        console.ask(f"{target.name} does not say which model embedded it. Was it {embedder.model}?")
    if request.prune and changes.vanished:
        examples = ", ".join(map(shown, changes.vanished[:5])) + (" …" if len(changes.vanished) > 5 else "")
        console.ask(f"Remove {len(changes.vanished)} passages that are not in the files ({examples})?")

    target = target or _create(connector.database, request.collection, embedder.model)
    _rewrite(target, changes)
    _embed(target, changes, embedder, console)
    if unnamed:
        # Not before its vectors were seen to fit.
        target.change(metadata={**target.metadata, MODEL: embedder.model})
    if changes.vanished and request.prune:
        for ids in _chunked(changes.vanished, MAX_RECORDS):
            target.remove(ids)
        console.line(f"Removed {len(changes.vanished)} passages that are not in the files")
    elif changes.vanished:
        console.line(
            f"{len(changes.vanished)} passages are in the collection and not in the files; --prune removes "
            "them"
        )
    console.facts.update(embedded_tokens=embedder.tokens, dollars=dollars(embedder.spent))
    console.line(
        f"✓ {request.collection} has {target.count()} passages; embedding cost ${dollars(embedder.spent):.6f}"
    )
    index_collection(settings, connector, target, console)
    return EXIT_OK


def _embedder(settings: Settings, max_cost: int) -> Embedder:
    if not settings.openai.api_key:
        raise UsageError(
            "OPENAI_API_KEY is not set: embedding needs it (any word does for a server of your own)."
        )
    if find_spec("openai") is None:
        raise OperatorError("The package openai is not installed here: run scripts/setup.sh --operator.")
    # With a key, settings without a price for the model are refused when they are read.
    return Embedder(
        settings.openai, settings.pricing.of(settings.openai.embedding_model), max_cost, settings.ca_file
    )


def _check_quotas(records: Sequence[Record], console: Console) -> None:
    violations = [violation for record in records for violation in quotas.of_record(record, None)]
    for violation in violations:
        console.line(f"  ✗ {violation}")
    if violations:
        raise OperatorError(f"{len(violations)} violations of Chroma Cloud's quotas; nothing was embedded.")


def _names_model(target: StoredCollection, model: str) -> bool:
    """Whether the collection says that `model` embedded it. OperatorError when it names another one: vectors
    of two models in one collection find nonsense."""
    theirs = target.metadata.get(MODEL)
    if theirs and theirs != model:
        raise OperatorError(
            f"{target.name} was embedded with {theirs}, the settings say {model}: set "
            f"OPENAI_EMBEDDING_MODEL={theirs}, or give another --collection to embed everything anew."
        )
    return bool(theirs)


def _create(database: Database, name: str, model: str) -> StoredCollection:
    return database.create(name, {MODEL: model}, {"hnsw": {"space": "cosine"}})


def _changes(records: Sequence[Record], target: StoredCollection | None) -> Changes:
    changes = Changes()
    if target is None:
        changes.to_embed = list(records)
        return changes
    wanted = {record.id: record for record in records}
    new = dict(wanted)
    for page in target.pages(embeddings=False):
        for stored in page:
            record = wanted.get(stored.id)
            new.pop(stored.id, None)
            if record is None:
                changes.vanished.append(stored.id)
            elif same_content(record, stored):
                changes.unchanged += 1
            else:
                (changes.to_rewrite if record.document == stored.document else changes.to_embed).append(
                    record
                )
                changes.stored[stored.id] = stored
    changes.to_embed += new.values()
    return changes


def _rewrite(target: StoredCollection, changes: Changes) -> None:
    """New metadata with the vector that is there: the text is the same, so it costs nothing."""
    for records in _chunked(changes.to_rewrite, 100):
        vectors = {
            record.id: record.embedding for record in target.get([r.id for r in records], embeddings=True)
        }
        # What has vanished meanwhile has no vector, and the write says so.
        _write(target, [replace(record, embedding=vectors.get(record.id)) for record in records], changes)


def _embed(target: StoredCollection, changes: Changes, embedder: Embedder, console: Console) -> None:
    progress = Progress(console, len(changes.to_embed), indent="  ")
    done = 0
    for batch in batches(changes.to_embed):
        try:
            vectors = embedder.embed(_embedded(batch))
        except TooDear:
            progress.end()
            raise OperatorError(
                f"Stopped at ${dollars(embedder.spent):.6f}: the next call could go beyond --max-cost. "
                f"{done} passages are embedded and kept; run the same command again with a higher --max-cost "
                "to go on."
            ) from None
        if bad := [record.id for record, vector in zip(batch, vectors, strict=True) if not usable(vector)]:
            progress.end()
            raise OperatorError(
                f"{embedder.model} gave {', '.join(map(shown, bad[:5]))}{' …' * (len(bad) > 5)} an embedding "
                f"of zeros, or one that {NOT_FINITE}: look at the text and at the server. {done} passages "
                "are embedded and kept."
            )
        if target.dimension and len(vectors[0]) != target.dimension:
            raise OperatorError(
                f"{embedder.model} makes {len(vectors[0])} dimensions, {target.name} has {target.dimension}: "
                "it was embedded with another model. Set OPENAI_EMBEDDING_MODEL to that one, or give "
                "another --collection."
            )
        _write(target, [replace(r, embedding=v) for r, v in zip(batch, vectors, strict=True)], changes)
        target.dimension = len(vectors[0])
        done += len(batch)
        progress.step(
            done, f"Embedded {done}/{len(changes.to_embed)} passages (${dollars(embedder.spent):.6f})"
        )
    progress.end()


def _embedded(records: Sequence[Record]) -> list[str]:
    """The texts without soft hyphens and ligatures, which would hide words from the model, too."""
    return [plain(text).strip() or text for text in (record.document or "" for record in records)]


def _write(target: StoredCollection, records: Sequence[Record], changes: Changes) -> None:
    """Upsert. Chroma merges metadata, so keys that are no longer wanted are set to null."""
    ready = []
    for record in records:
        old = changes.stored.get(record.id)
        leftover = {
            key: None for key in (old.metadata or {} if old else {}) if key not in (record.metadata or {})
        }
        ready.append(replace(record, metadata={**leftover, **(record.metadata or {})} or None))
    crowded = [record.id for record in ready if len(record.metadata or {}) > quotas.METADATA_KEYS]
    if crowded:
        target.remove(crowded)
    target.upsert(ready)


def _chunked(items: Sequence[Record] | Sequence[str], size: int) -> Iterator[list]:  # type: ignore[type-arg]
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
