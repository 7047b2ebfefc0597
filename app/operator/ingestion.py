"""`scripts/ingest.py`: passages from files into a collection. Embeds and writes only what changed; goes on
where it stopped.

There is no state beside the collection: what is there already, in this very wording, needs nothing. So a run
that was interrupted is simply run again, and pays again for one call at most.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from app.operator.parallel import batched
from app.operator.problems import OperatorError, UsageError
from app.operator.quotas import MAX_RECORDS, shown
from app.operator.records import NOT_FINITE, Record, same_content
from app.operator.stored_collection import StoredCollection
from app.pricing import dollars
from app.settings import Settings

MODEL = "embedding_model"
"""The key of a collection's metadata that says what embedded it. The request path reads it too."""
SHOWN = 5
"""So many ids are named as examples."""


@dataclass
class Changes:
    """What has to be done to a collection. `to_rewrite` keep their vectors: only metadata changed."""

    to_embed: list[Record] = field(default_factory=list)
    to_rewrite: list[Record] = field(default_factory=list)
    stored: dict[str, Record] = field(default_factory=dict)
    """What is there of those two now, without vectors."""
    unchanged: int = 0
    vanished: list[str] = field(default_factory=list)


def ingest(
    settings: Settings,
    console: Console,
    files: Sequence[Path],
    name: str,
    *,
    max_cost: int,
    part_bytes: int,
    prune: bool,
    dry_run: bool,
) -> int:
    """Bring the passages of `files` into the collection `name`; `max_cost` in nano-dollars. Returns the exit
    status. Raises OperatorError.
    """
    say = console.line
    embedder = _embedder(settings, max_cost)
    records = read(files, part_bytes, lambda note: say(f"Note: {note}"))
    say(f"Read {len(records)} passages from {len(files)} file{'s'[: len(files) > 1]}")
    if not records:
        raise OperatorError("There is no passage in the files: nothing to do.")
    violations = [violation for record in records for violation in quotas.of_record(record, None)]
    quotas.refuse(violations, say, "nothing was embedded")

    connector = ChromaDBConnector(settings=settings)
    connector.connect()
    say(f"Connected: {connector!r}")
    target = connector.database.find(name)
    unnamed = target is not None and not _names_model(target, embedder.model)
    changes = _changes(records, target)
    vanished = len(changes.vanished)
    estimate = dollars(embedder.estimate(_embedded(changes.to_embed)))
    say(
        f"{name}: {len(changes.to_embed)} to embed with {embedder.model} (about ${estimate:.4f}), "
        f"{len(changes.to_rewrite)} with new metadata only, {changes.unchanged} unchanged, "
        f"{vanished} not in the files"
    )
    facts = console.facts
    facts.update(collection=name, passages=len(records), unchanged=changes.unchanged, vanished=vanished)
    facts.update(
        to_embed=len(changes.to_embed), rewritten=len(changes.to_rewrite), estimated_dollars=estimate
    )
    if dry_run:
        say("Dry run: nothing was embedded or changed.")
        return EXIT_OK
    if target is not None and unnamed and target.count():
        console.ask(f"{name} does not say which model embedded it. Was it {embedder.model}?")
    if prune and vanished:
        console.ask(f"Remove {vanished} passages that are not in the files ({_examples(changes.vanished)})?")

    if target is None:
        target = connector.database.create(name, {MODEL: embedder.model}, {"hnsw": {"space": "cosine"}})
    _rewrite(target, changes)
    _embed(target, changes, embedder, console)
    if unnamed:
        # Not before its vectors were seen to fit.
        target.change(metadata={**target.metadata, MODEL: embedder.model})
    if vanished and prune:
        for ids in batched(changes.vanished, MAX_RECORDS):
            target.remove(ids)
        say(f"Removed {vanished} passages that are not in the files")
    elif vanished:
        say(f"{vanished} passages are in the collection and not in the files; --prune removes them")
    facts.update(embedded_tokens=embedder.tokens, dollars=dollars(embedder.spent))
    say(f"✓ {name} has {target.count()} passages; embedding cost ${dollars(embedder.spent):.6f}")
    index_collection(settings, connector, target, console)
    return EXIT_OK


def _embedder(settings: Settings, max_cost: int) -> Embedder:
    openai = settings.openai
    if not openai.api_key:
        raise UsageError(
            "OPENAI_API_KEY is not set: embedding needs it (any word does for a server of your own)."
        )
    if find_spec("openai") is None:
        raise OperatorError("The package openai is not installed here: run scripts/setup.sh --operator.")
    # With a key, settings without a price for the model are refused when they are read.
    return Embedder(openai, settings.pricing.of(openai.embedding_model), max_cost, settings.ca_file)


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


def _changes(records: Sequence[Record], target: StoredCollection | None) -> Changes:
    changes, new = Changes(), {record.id: record for record in records}
    for page in target.pages(embeddings=False) if target else ():
        for stored in page:
            record = new.pop(stored.id, None)
            if record is None:
                changes.vanished.append(stored.id)
            elif same_content(record, stored):
                changes.unchanged += 1
            else:
                same_text = record.document == stored.document
                (changes.to_rewrite if same_text else changes.to_embed).append(record)
                changes.stored[stored.id] = stored
    changes.to_embed += new.values()
    return changes


def _rewrite(target: StoredCollection, changes: Changes) -> None:
    """New metadata with the vector that is there: the text is the same, so it costs nothing."""
    for records in batched(changes.to_rewrite, 100):
        stored = target.get([record.id for record in records], embeddings=True)
        vectors = {record.id: record.embedding for record in stored}
        # What has vanished meanwhile has no vector, and the write says so.
        _write(target, [replace(record, embedding=vectors.get(record.id)) for record in records], changes)


def _embed(target: StoredCollection, changes: Changes, embedder: Embedder, console: Console) -> None:
    total, done, model = len(changes.to_embed), 0, embedder.model
    progress = Progress(console, total, indent="  ")
    try:
        for batch in batches(changes.to_embed):
            kept = f"{done} passages are embedded and kept"
            try:
                vectors = embedder.embed(_embedded(batch))
            except TooDear:
                raise OperatorError(
                    f"Stopped at ${dollars(embedder.spent):.6f}: the next call could go beyond --max-cost. "
                    f"{kept}; run the same command again with a higher --max-cost to go on."
                ) from None
            pairs = list(zip(batch, vectors, strict=True))
            if bad := [record.id for record, vector in pairs if not usable(vector)]:
                raise OperatorError(
                    f"{model} gave {_examples(bad)} an embedding of zeros, or one that {NOT_FINITE}: look at "
                    f"the text and at the server. {kept}."
                )
            if target.dimension and len(vectors[0]) != target.dimension:
                raise OperatorError(
                    f"{model} makes {len(vectors[0])} dimensions, {target.name} has {target.dimension}: it "
                    "was embedded with another model. Set OPENAI_EMBEDDING_MODEL to that one, or give "
                    "another --collection."
                )
            _write(target, [replace(record, embedding=vector) for record, vector in pairs], changes)
            target.dimension, done = len(vectors[0]), done + len(batch)
            progress.step(done, f"Embedded {done}/{total} passages (${dollars(embedder.spent):.6f})")
    finally:
        progress.end()


def _embedded(records: Sequence[Record]) -> list[str]:
    """The texts without soft hyphens and ligatures, which would hide words from the model, too."""
    return [plain(text).strip() or text for text in (record.document or "" for record in records)]


def _write(target: StoredCollection, records: Sequence[Record], changes: Changes) -> None:
    """Upsert. Chroma merges metadata, so keys that are no longer wanted are set to null."""
    ready = []
    for record in records:
        stored = changes.stored.get(record.id, record).metadata or {}
        ready.append(replace(record, metadata={**dict.fromkeys(stored), **(record.metadata or {})} or None))
    if crowded := [record.id for record in ready if len(record.metadata or {}) > quotas.METADATA_KEYS]:
        target.remove(crowded)
    target.upsert(ready)


def _examples(ids: Sequence[str]) -> str:
    return ", ".join(map(shown, ids[:SHOWN])) + " …" * (len(ids) > SHOWN)
