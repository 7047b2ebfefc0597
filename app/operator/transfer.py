"""The steps of a copy from a source to a collection on a server, and what the operator reads of them: check,
build beside, verify, switch. `copying` has the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from app.operator import quotas, switching
from app.operator.console import EXIT_FAILED, EXIT_OK, Console, Progress
from app.operator.journal import Journal
from app.operator.parallel import batched, in_order
from app.operator.quotas import ShortIds, shown
from app.operator.records import Page, Record, Source
from app.operator.retries import Patience
from app.operator.store import Database
from app.operator.stored_collection import StoredCollection
from app.operator.verification import Comparison, compare


@dataclass(frozen=True)
class Options:
    """What the command line may change."""

    batch_size: int = 100
    workers: int = 4
    restart: bool = False
    verify_only: bool = False
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Transfer:
    """One copy of `source` to the collection `name`; `here` and `there` name the two sides for people.

    `heading` prints the headings of the steps, `done` ends the line of success. Every method raises
    OperatorError.
    """

    source: Source
    database: Database
    name: str
    options: Options
    console: Console
    here: str
    there: str
    done: str
    heading: Callable[[str], None] = lambda text: None

    def check(self) -> None:
        """Check the whole source against the quotas. Raises OperatorError after all violations are listed."""
        say, facts = self.console.line, self.console.facts
        plan = quotas.plan(self.name, self.source.about(), self._pages("checking"))
        facts.update(documents=plan.records, bytes_to_send=plan.wire_bytes)
        facts.update(bytes_to_read=plan.returned_bytes, dollars=round(plan.dollars, 6))
        if isinstance(self.source, ShortIds):
            facts["replaced_ids"] = dict(self.source.replaced)
            for old, new in self.source.replaced:
                say(f"   Replaced id: {shown(old)} becomes {new}; metadata original_id keeps the old one")
        if plan.violations:
            facts["violations"] = [[v.where, v.problem, v.remedy] for v in plan.violations]
        quotas.refuse(plan.violations, say, "nothing was sent")
        say("   Checked: every document fits Chroma Cloud's quotas")
        for sentence in plan.estimate(self.options.batch_size, self.options.workers):
            say(f"   {sentence}")

    def preview(self) -> int:
        """Say what a copy would do; change nothing, here or there. Returns the exit status."""
        target, verdict = self.database.find(self.name), "would be replaced. Nothing was changed."
        if target is None:
            verdict = "would be created. Nothing was changed."
        elif (found := self._compared(target)).same:
            self.console.facts["differences"] = []
            verdict = "is identical; there is nothing to do."
        else:
            self._show(found)
        self.console.line(f"\nDry run: {self.name} in the {self.there} {verdict}")
        return EXIT_OK

    def run(self, journal: Journal) -> int:
        """The whole copy. Returns the exit status."""
        self.heading("\n3. Creating cloud collection...")
        self._settle(journal)
        existing = self.database.find(self.name)
        if existing is not None and self._is_copied(existing):
            # What an interrupted run may have left.
            switching.discard(self.database, journal)
            return EXIT_OK
        target = switching.open_staging(self.database, journal, self.name, self.source.about(), existing)
        created = f"   Created: {self.name}"
        if sent := journal.count(sent=True):
            created = f"   Resuming: {self.name} ({sent} of {journal.count()} documents are there already)"
        self.console.line(created)
        self.console.line(f"   It is built as {target.name} and takes its name once it is verified")
        self.heading(f"\n4. Fetching data from local collection ({self.source.about().count} documents)...")
        reading = journal.read(self._pages("fetching", embeddings=False))
        if reading.changed or reading.vanished:
            changes = f"{reading.changed} changed and {reading.vanished} vanished since the last run"
            self.console.line(f"   {changes}: those are sent again or removed")
        self.console.line(f"   Fetched {reading.records} documents")
        self.heading(f"\n5. Uploading to cloud (batch size: {self.options.batch_size})...")
        self._send(journal, target)
        return self.verify(target, journal)

    def verify(self, target: StoredCollection, journal: Journal | None = None) -> int:
        """Compare everything and, with a journal, switch. The exit status says whether all is well."""
        self.heading("\n6. Verification:")
        found = self._compared(target, "verifying", journal)
        self._count(found.source_count, found.target_count)
        if not found.same:
            self._show(found)
            again = "run again with --restart"
            if found.of_records():
                again = "run the same command again, it sends them once more"
            kept = "" if journal is None else f" {self.name} in the {self.there} is as it was; {again}."
            self.console.line(f"   ❌ FAILED: the two are not the same.{kept}")
            return EXIT_FAILED
        self.console.line("   Content: every id, document, metadata and embedding is the same on both sides")
        if journal is not None:
            # Once more, for what is not in the records: raises SourceChanged.
            self.source.about()
            switching.switch(self.database, journal, self.name)
        self.console.line(f"   ✅ SUCCESS: {self.done if journal else 'Both are the same!'}")
        return EXIT_OK

    def _settle(self, journal: Journal) -> None:
        """Complete an interrupted switch; with --restart, give up what the earlier run uploaded."""
        if journal.state().get("phase") == switching.SWITCHING:
            self.console.line(f"   Completing the switch to the new {self.name} that was interrupted")
            try:
                switching.complete(self.database, journal, self.name)
            except switching.NameTaken:
                if not self.options.restart:
                    raise
        if self.options.restart:
            if leftovers := switching.leftovers(self.database, journal, self.name):
                self.console.ask(f"   Delete the unfinished {', '.join(leftovers)} of earlier uploads?")
            switching.discard(self.database, journal)
            for leftover in leftovers:
                self.database.delete(leftover)

    def _is_copied(self, target: StoredCollection) -> bool:
        """Whether the target is what it should be; if not, ask to replace it. Raises Declined."""
        count = target.count()
        self.console.line(
            f"   Found: {self.name} ({count} documents); comparing it with the {self.here} one..."
        )
        found = self._compared(target)
        if found.same:
            self.console.line("   Identical: nothing to upload")
            self.heading("\n6. Verification:")
            self._count(found.source_count, count)
            self.console.line(f"   ✅ SUCCESS: {self.done}")
            self.console.facts.update(uploaded=0)
            return True
        self._show(found)
        self.console.ask(
            f"   Replace {self.name} in the {self.there}? It stays as it is until the new one is verified."
        )
        return False

    def _send(self, journal: Journal, target: StoredCollection) -> None:
        """Upsert what is not marked as sent, and mark each batch when the server has acknowledged it."""
        for ids in journal.stale(quotas.MAX_RECORDS):
            target.remove(ids)
        total, resumed = journal.count(), journal.count(sent=True)
        size = self.options.batch_size
        batches = -(-total // size)
        number = batches - -(-(total - resumed) // size)
        progress, done = Progress(self.console, total, resumed), resumed

        def write(batch: list[Record]) -> int:
            target.upsert(batch)
            journal.mark_sent([record.id for record in batch])
            return len(batch)

        pages = journal.watch(self.source.pages(embeddings=True))
        unsent = batched((record for page in pages for record in journal.unsent(page)), size)
        for count in in_order(write, unsent, self.options.workers, target.api.http.stopping):
            done, number = done + count, number + 1
            progress.step(done, f"Uploaded batch {number}/{batches} ({done}/{total} documents)")
        progress.end()
        self.console.facts.update(uploaded=done - resumed, resumed=resumed)

    def _compared(
        self, target: StoredCollection, doing: str = "comparing", journal: Journal | None = None
    ) -> Comparison:
        """Source and target, record by record; what is wrong in the target is noted in the journal."""
        about, pages, workers = self.source.about(), self._pages(doing), self.options.workers
        if journal is None:
            return compare(about, pages, target, workers)
        return compare(about, journal.watch(pages), target, workers, journal.mark_wrong)

    def _pages(self, doing: str, *, embeddings: bool = True) -> Iterator[Page]:
        """The pages of the source, with a bar on a terminal."""
        progress, done = Progress(self.console, self.source.about().count), 0
        try:
            for page in self.source.pages(embeddings=embeddings):
                done += len(page)
                progress.hint(done, doing)
                yield page
        finally:
            progress.clear()

    def _count(self, source: int, target: int) -> None:
        self.console.facts.update(source_count=source, target_count=target)
        for side, count in ((self.here, source), (self.there, target)):
            self.console.line(f"   {side.capitalize() + ':':7} {count} documents")

    def _show(self, found: Comparison) -> None:
        lines = found.lines() or [f"{found.source_count} documents here, {found.target_count} there"]
        self.console.facts["differences"] = lines
        for line in lines:
            self.console.line(f"   ✗ {line}")
