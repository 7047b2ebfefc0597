"""A day of fifty users who ask and ten abusers, against the real ledger file, with a clock that jumps.

    python3 -m tests.unit.ledger.simulation            the table
    python3 -m tests.unit.ledger.simulation --seed 7   another day

Only the clock is not real: every limit, reservation and settlement is the program's own. What HTTP lets a
caller do is done as the program does it (`app/answering/pipeline.py`): admission, embeddings, retrieval, the
call for the answer, the end.
"""

from __future__ import annotations

import argparse
import heapq
import logging
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from app.errors import BudgetExceeded, Refused
from app.ledger.ledger import Admission
from app.models import PlannedCall, Usage
from app.pricing import MAX_ANSWER_TOKENS, MAX_EMBEDDED_TOKENS, MAX_PROMPT_TOKENS
from tests.harness.ledgers import CHAT, EMBEDDINGS, PRICING, SetClock, open_ledger, query

HONEST, ABUSERS = 50, 10
MIDNIGHT = 1_795_305_600  # 2026-11-22 00:00 UTC
HOUR, DAY = 3600, 86_400
# What the ledger did before it had limits for those who do not mean well.
OLD_RULES = {"give_backs": 10**6, "free_capacity": 0, "share_days": 0}

Steps = Iterator[float]
"""What somebody does, step by step: yields how many seconds pass until the next."""


@dataclass
class Tally:
    asked: int = 0
    answered: int = 0
    refused: int = 0
    money: int = 0
    """Refusals because of money."""


@dataclass
class Outcome:
    """A day. `spent` (of one: `dearest`), `given_back`, `free`: of the abusers; money in nano-dollars."""

    honest: dict[str, Tally] = field(default_factory=dict)
    abusers: dict[str, Tally] = field(default_factory=dict)
    spent: int = 0
    given_back: int = 0
    free: int = 0
    day_spent: int = 0
    dearest: int = 0


class Size(NamedTuple):
    """Of a question, in tokens as they are bounded (bytes) and as they are counted."""

    embedded: int
    prompt_bytes: int
    usage: Usage


class World:
    def __init__(self, directory: Path, seed: int, **rules: int) -> None:
        self.clock = SetClock(MIDNIGHT - DAY / 2)
        self.ledger = open_ledger(directory, self.clock, in_flight=2, **rules)
        self.outcome = Outcome()
        self.seed = seed
        self._number = 0
        self._events: list[tuple[float, int, Steps]] = []
        self._order = 0

    def begin(self, at: float, steps: Steps) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, self._order, steps))

    def run(self, until: float) -> None:
        """Everything that was begun, in the order of time."""
        while self._events and self._events[0][0] < until:
            at, order, steps = heapq.heappop(self._events)
            self.clock.advance(max(0.0, at - self.clock.wall_us / 1e6))
            wait = next(steps, None)
            if wait is not None:
                heapq.heappush(self._events, (at + wait, order, steps))
        self._events.clear()

    def admit(self, user: str, size: Size) -> Admission:
        self._number += 1
        first = PlannedCall("embeddings", EMBEDDINGS, PRICING.bound(EMBEDDINGS, size.embedded))
        reserve = first.bound + PRICING.bound(CHAT, MAX_PROMPT_TOKENS, MAX_ANSWER_TOKENS)
        least = first.bound + PRICING.bound(CHAT, size.embedded // 2, MAX_ANSWER_TOKENS)
        return self.ledger.admit(user, f"r{self._number}", reserve, first, least)

    def ask(self, user: str, tally: Tally, size: Size, end: Callable[[Admission, Size], Steps]) -> Steps:
        """One question as the program takes it; `end` is what becomes of the call for the answer."""
        tally.asked += 1
        try:
            admission = self.admit(user, size)
            yield 0.3
            admission.sent(
                PlannedCall("embeddings", EMBEDDINGS, PRICING.bound(EMBEDDINGS, size.embedded))
            ).settle(Usage(size.embedded // 4))
            yield from end(admission, size)
        except Refused as refusal:
            tally.refused += 1
            if isinstance(refusal, BudgetExceeded):
                tally.money += 1
                yield from self.look_at_pages(user)
            yield min(refusal.retry_after, 1800)

    def look_at_pages(self, user: str) -> Steps:
        """What a refusal by the budget brings along."""
        try:
            with self.ledger.admit_free(user, "passages"):
                yield 0.1
        except Refused as refusal:
            yield refusal.retry_after

    def pay(self, admission: Admission, size: Size) -> Callable[[Usage | None], None]:
        try:
            return admission.sent(
                PlannedCall("chat", CHAT, PRICING.bound(CHAT, size.prompt_bytes, MAX_ANSWER_TOKENS))
            ).settle
        except Refused as refusal:
            admission.finish(refusal.code)
            raise


# -- those who ask --


def typical(chance: random.Random) -> Size:
    """As measured with tests/data over the sample rules: 2,800 to 14,000 bytes of prompt, median 7,800."""
    prompt = round(chance.triangular(2_800, 14_000, 6_500))
    return Size(chance.randint(80, 300), prompt, Usage(prompt // 4, chance.randint(150, 450)))


def honest(world: World, user: str) -> Steps:
    """5 to 25 questions in up to three sittings from 7 to 23 o'clock; one in fifty meets provider trouble."""
    chance = random.Random(f"{world.seed} {user}")
    tally = world.outcome.honest.setdefault(user, Tally())
    count = chance.randint(5, 25)
    sittings = sorted(chance.uniform(7 * HOUR, 22 * HOUR) for _ in range(3))
    now = 0.0

    def end(admission: Admission, size: Size) -> Steps:
        trouble = chance.random()
        if trouble < 0.01:
            admission.finish("ai_service_error")
            return
        settle = world.pay(admission, size)
        yield 2.0
        settle(None if trouble < 0.02 else size.usage)
        admission.finish("timeout_error" if trouble < 0.02 else "answered", 2000)
        tally.answered += trouble >= 0.02

    for number in range(count):
        start = sittings[number * 3 // count]
        if now < start:
            yield start - now
            now = start
        for seconds in world.ask(user, tally, typical(chance), end):
            now += seconds
            yield seconds
        pause = chance.uniform(30, 240)
        now += pause
        yield pause


# -- those who do what they can --

# Every byte a token, as with letters that no tokenizer knows: a prompt that is as long as it may be, and
# counted so.
LONGEST = Size(MAX_EMBEDDED_TOKENS, MAX_PROMPT_TOKENS, Usage(MAX_PROMPT_TOKENS, MAX_ANSWER_TOKENS))


def answered(world: World, admission: Admission, size: Size) -> Steps:
    settle = world.pay(admission, size)
    yield 5
    settle(size.usage)
    admission.finish("answered", 5000)


def timed_out(world: World, admission: Admission, size: Size) -> Steps:
    settle = world.pay(admission, size)
    yield 30
    settle(None)
    admission.finish("timeout_error")


def left(world: World, admission: Admission, size: Size) -> Steps:
    """Disconnected as soon as the model writes."""
    world.pay(admission, size)
    yield 0.5
    admission.finish("disconnected")


def tried_three_times(world: World, admission: Admission, size: Size) -> Steps:
    """Each attempt may have been billed."""
    for _ in range(3):
        world.pay(admission, size)(None)
        yield 1
    admission.finish("ai_service_error")


def refused_by_the_provider(world: World, admission: Admission, size: Size) -> Steps:
    yield 0.5
    admission.finish("ai_service_error", own_doing=True)


def too_much_work(world: World, admission: Admission, size: Size) -> Steps:
    yield 30
    admission.finish("timeout_error", own_doing=True)


def killed(world: World, admission: Admission, size: Size) -> Steps:
    """The process has died before the answer was asked for: the next admission closes its books."""
    yield 10
    db = sqlite3.connect(world.ledger.store.path, isolation_level=None)
    db.execute("UPDATE requests SET pid_started = 1 WHERE request_id = ?", (admission.request_id,))
    db.close()


def killed_while_it_is_answered(world: World, admission: Admission, size: Size) -> Steps:
    world.pay(admission, size)
    yield from killed(world, admission, size)


ENDS = (
    answered, timed_out, left, tried_three_times, refused_by_the_provider, too_much_work, killed,
    killed_while_it_is_answered,
)  # fmt: skip


def abuser(world: World, user: str, number: int, lane: int) -> Steps:
    """From midnight on as often as it goes, in two lanes at once; what is refused is tried again all day."""
    chance = random.Random(f"{world.seed} {user} {lane}")
    tally = world.outcome.abusers.setdefault(user, Tally())
    favourite = ENDS[number % len(ENDS)]
    while True:
        how = favourite if chance.random() < 0.7 else chance.choice(ENDS)
        # Small ones, too: up to the last that fits, and then one as large as it may be.
        size = LONGEST if chance.random() < 0.8 else typical(chance)
        yield from world.ask(user, tally, size, lambda admission, size, how=how: how(world, admission, size))  # type: ignore[misc]
        if chance.random() < 0.4:
            yield from world.look_at_pages(user)
        yield chance.uniform(0.1, 120)


# -- a day --


def simulate(
    directory: Path, seed: int, *, abusers: int = ABUSERS, known: bool = True, **rules: int
) -> Outcome:
    """A day after one on which everybody asked something; the abusers only if they are `known`."""
    world = World(directory, seed, **rules)
    honest_users = [f"honest-{number:02}" for number in range(HONEST)]
    bad = [f"abuser-{number}" for number in range(abusers)]
    chance = random.Random(seed)
    for user in honest_users + (bad if known else []):
        admission = world.admit(user, typical(chance))
        admission.finish("answered", 1000)
    world.clock.advance(MIDNIGHT - world.clock.wall_us / 1e6)
    for number, user in enumerate(bad):
        for lane in range(3):
            world.begin(MIDNIGHT + number * 0.01, abuser(world, user, number, lane))
    for user in honest_users:
        world.begin(MIDNIGHT, honest(world, user))
    world.run(MIDNIGHT + DAY - 1)
    rows = query(
        world.ledger,
        "SELECT user_id, spent_nd, given_back, free FROM user_days"
        " WHERE day = '2026-11-22' ORDER BY spent_nd",
    )
    outcome = world.outcome
    outcome.day_spent = world.ledger.quota("").day_spent
    for user, spent, given_back, free in rows:
        if user in outcome.abusers:
            outcome.spent += spent
            outcome.given_back += given_back
            outcome.free += free
            outcome.dearest = max(outcome.dearest, spent)
    world.ledger.close()
    return outcome


@contextmanager
def directory() -> Iterator[Path]:
    """For one day; in memory where that is possible, as the disk has no part in what is simulated."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as made:
        yield Path(made)


DAYS: Sequence[tuple[str, dict[str, int]]] = (
    ("without abusers", {"abusers": 0}),
    ("ten of sixty known users", {}),
    ("ten who come anew", {"known": False}),
    ("ten known, old rules", OLD_RULES),
)

COLUMNS = (
    ("tried", lambda day: sum(tally.asked for tally in day.abusers.values())),
    ("admitted", lambda day: sum(tally.asked - tally.refused for tally in day.abusers.values())),
    ("given back", lambda day: day.given_back),
    ("free", lambda day: day.free),
    ("$ spent", lambda day: f"{day.spent / 1e9:.4f}"),
    ("dearest", lambda day: f"{day.dearest / 1e9:.4f}"),
    ("honest: asked", lambda day: sum(tally.asked for tally in day.honest.values())),
    ("answered", lambda day: sum(tally.answered for tally in day.honest.values())),
    ("refused", lambda day: sum(tally.refused for tally in day.honest.values())),
    ("$ in all", lambda day: f"{day.day_spent / 1e9:.4f}"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1978, help="which day (default %(default)s)")
    seed = parser.parse_args().seed
    logging.disable(logging.WARNING)
    print(f"{'':24}" + "".join(f"{name:>{max(10, len(name) + 2)}}" for name, _ in COLUMNS))
    for name, given in DAYS:
        with directory() as made:
            day = simulate(made, seed, **given)
        print(
            f"{name:24}" + "".join(f"{value(day):>{max(10, len(column) + 2)}}" for column, value in COLUMNS)
        )


if __name__ == "__main__":
    main()
