"""The steps of a copy from a source to a collection on a server, and what the operator reads of them: check,
build beside, verify, switch. `upload` and `restoring` are the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.operator import quotas, switching
from app.operator.console import EXIT_FAILED, EXIT_OK, Console, Progress
from app.operator.journal import Journal
from app.operator.parallel import in_order
from app.operator.problems import OperatorError
from app.operator.quotas import ShortIds, shown
from app.operator.records import Page, Record, Source
from app.operator.store import Database
from app.operator.stored_collection import StoredCollection
from app.operator.verification import Comparison, compare


@dataclass(frozen=True)
class Options:
    """What the command line may change."""

    batch_size: int = 100
    workers: int = 4
    restart: bool = False


@dataclass(frozen=True)
class Transfer:
    """One copy of `source` to the collection `name`; `here` and `there` name the two sides for people."""

    source: Source
    database: Database
    name: str
    options: Options
    console: Console
    here: str
    there: str

    def check(self) -> None:
        """Check the whole source against the quotas. Raises OperatorError after all violations are listed."""
        about = self.source.about()
        plan = quotas.plan(self.name, about, self._pages("checking", embeddings=True))
        self.console.facts.update(
            documents=plan.records,
            bytes_to_send=plan.wire_bytes,
            bytes_to_read=plan.returned_bytes,
            dollars=round(plan.dollars, 6),
        )
        if isinstance(self.source, ShortIds):
            self.console.facts["replaced_ids"] = dict(self.source.replaced)
            for old, new in self.source.replaced:
                self.console.line(
                    f"   Replaced id: {shown(old)} becomes {new}; metadata original_id keeps the old one"
                )
        if plan.violations:
            self.console.facts["violations"] = [[v.where, v.problem, v.remedy] for v in plan.violations]
            for violation in plan.violations:
                self.console.line(f"   ✗ {violation}")
            count = len(plan.violations)
            raise OperatorError(
                f"{count} violation{'s'[: count > 1]} of Chroma Cloud's quotas; nothing was sent."
            )
        self.console.line("   Checked: every document fits Chroma Cloud's quotas")
        for sentence in plan.estimate(self.options.batch_size, self.options.workers):
            self.console.line(f"   {sentence}")

    def preview(self) -> int:
        """Say what a copy would do; change nothing, here or there. Returns the exit status."""
        target = self.database.find(self.name)
        if target is None:
            verdict = f"{self.name} would be created in the {self.there}. Nothing was changed."
        elif (found := self.compare_with(target)).same:
            self.console.facts["differences"] = []
            verdict = f"{self.name} in the {self.there} is identical; there is nothing to do."
        else:
            self._differences(found)
            verdict = f"{self.name} in the {self.there} would be replaced. Nothing was changed."
        self.console.line(f"\nDry run: {verdict}")
        return EXIT_OK

    def run(self, journal: Journal, step: Callable[[str], None] | None = None) -> int:
        """The whole copy; `step` prints the headings of its steps. Returns the exit status."""
        say = step or (lambda heading: None)
        say("\n3. Creating cloud collection...")
        self.settle(journal)
        existing = self.database.find(self.name)
        if existing is not None and not self.agree(existing):
            if step:
                step("\n6. Verification:")
                step(f"   Local:  {self.source.about().count} documents")
                step(f"   Cloud:  {existing.count()} documents")
                step("   ✅ SUCCESS: All documents uploaded!")
                self.console.facts.update(uploaded=0)
            # The target is what it should be: drop what an interrupted run may have left.
            switching.discard(self.database, journal)
            return EXIT_OK
        target = self.build(journal, existing)
        say(f"\n4. Fetching data from local collection ({self.source.about().count} documents)...")
        self.fetch(journal)
        say(f"\n5. Uploading to cloud (batch size: {self.options.batch_size})...")
        self.send(journal, target)
        say("\n6. Verification:")
        status = self.verify(target, journal)
        if status == EXIT_OK:
            done = "All documents uploaded!" if step else f"{self.name} is restored!"
            self.console.line(f"   ✅ SUCCESS: {done}")
        return status

    def settle(self, journal: Journal) -> None:
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

    def compare_with(self, target: StoredCollection) -> Comparison:
        """Source and an existing target, record by record."""
        pages = self._pages("comparing", embeddings=True)
        return compare(self.source.about(), pages, target, workers=self.options.workers)

    def agree(self, target: StoredCollection) -> bool:
        """Show the differences and ask to replace. False when there is nothing to do. Raises Declined."""
        self.console.line(
            f"   Found: {self.name} ({target.count()} documents); comparing it with the {self.here} one..."
        )
        found = self.compare_with(target)
        if found.same:
            self.console.line("   Identical: nothing to upload")
            return False
        self._differences(found)
        self.console.ask(
            f"   Replace {self.name} in the {self.there}? It stays as it is until the new one is verified."
        )
        return True

    def build(self, journal: Journal, replaces: StoredCollection | None) -> StoredCollection:
        """Open the staging collection, beginning or going on."""
        target = switching.open_staging(self.database, journal, self.name, self.source.about(), replaces)
        if sent := journal.count(sent=True):
            self.console.line(
                f"   Resuming: {self.name} ({sent} of {journal.count()} documents are there already)"
            )
        else:
            self.console.line(f"   Created: {self.name}")
        self.console.line(f"   It is built as {target.name} and takes its name once it is verified")
        return target

    def fetch(self, journal: Journal) -> int:
        """Take down what is to be sent: id and hash of every record, on the disk."""
        reading = journal.read(self._pages("fetching", embeddings=False))
        if reading.changed or reading.vanished:
            changes = f"{reading.changed} changed and {reading.vanished} vanished since the last run"
            self.console.line(f"   {changes}: those are sent again or removed")
        self.console.line(f"   Fetched {reading.records} documents")
        return reading.records

    def send(self, journal: Journal, target: StoredCollection) -> None:
        """Upsert what is not marked as sent, and mark each batch when the server has acknowledged it."""
        switching.clean(target, journal)
        total, resumed = journal.count(), journal.count(sent=True)
        size = self.options.batch_size
        batches = -(-total // size)
        number = batches - -(-(total - resumed) // size)
        progress, done = Progress(self.console, total, resumed), resumed

        def write(batch: list[Record]) -> int:
            target.upsert(batch)
            journal.mark_sent([record.id for record in batch])
            return len(batch)

        for count in in_order(write, self._batches(journal), self.options.workers, target.api.http.stopping):
            done, number = done + count, number + 1
            progress.step(done, f"Uploaded batch {number}/{batches} ({done}/{total} documents)")
        progress.end()
        self.console.facts.update(uploaded=done - resumed, resumed=resumed)

    def _batches(self, journal: Journal) -> Iterator[list[Record]]:
        size = self.options.batch_size
        waiting: list[Record] = []
        for page in journal.watch(self.source.pages(embeddings=True)):
            waiting += journal.unsent(page)
            while len(waiting) >= size:
                yield waiting[:size]
                waiting = waiting[size:]
        if waiting:
            yield waiting

    def verify(self, target: StoredCollection, journal: Journal | None = None) -> int:
        """Compare everything and, with a journal, switch. The exit status says whether all is well."""
        pages = self._pages("verifying", embeddings=True)
        wrong: list[str] = []

        def remember(ids: Sequence[str]) -> None:
            if journal is not None and ids:
                journal.mark_wrong(ids)
                wrong.extend(ids[:1])

        found = compare(
            self.source.about(),
            pages if journal is None else journal.watch(pages),
            target,
            workers=self.options.workers,
            wrong=remember,
        )
        self.console.line(f"   {self.here.capitalize() + ':':7} {found.source_count} documents")
        self.console.line(f"   {self.there.capitalize() + ':':7} {found.target_count} documents")
        self.console.facts.update(source_count=found.source_count, target_count=found.target_count)
        if not found.same:
            self._differences(found)
            again = (
                "run the same command again, it sends them once more" if wrong else "run again with --restart"
            )
            kept = "" if journal is None else f" {self.name} in the {self.there} is as it was; {again}."
            self.console.line(f"   ❌ FAILED: the two are not the same.{kept}")
            return EXIT_FAILED
        self.console.line("   Content: every id, document, metadata and embedding is the same on both sides")
        if journal is not None:
            # Once more, for what is not in the records: raises SourceChanged.
            self.source.about()
            switching.begin(journal)
            switching.complete(self.database, journal, self.name)
        return EXIT_OK

    def _pages(self, doing: str, *, embeddings: bool) -> Iterator[Page]:
        """The pages of the source, with a bar on a terminal."""
        progress, done = Progress(self.console, self.source.about().count), 0
        try:
            for page in self.source.pages(embeddings=embeddings):
                done += len(page)
                progress.hint(done, doing)
                yield page
        finally:
            progress.clear()

    def _differences(self, found: Comparison) -> None:
        lines = found.lines() or [f"{found.source_count} documents here, {found.target_count} there"]
        self.console.facts["differences"] = lines
        for line in lines:
            self.console.line(f"   ✗ {line}")
