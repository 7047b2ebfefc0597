"""The ledger against a plain model of it, over random histories of questions, times and clocks.

The model knows no file, no transactions and no microseconds: exact fractions, lists and loops.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.errors import BudgetExceeded, ConcurrentRequest, DailyLimitExceeded, RateLimited, Refused
from app.ledger.ledger import Admission
from app.ledger.settlement import PaidCall
from app.models import PlannedCall, Usage
from tests.harness.ledgers import CHAT, SetClock, open_ledger, query

CAPACITY, INTERVAL, DAILY, IN_FLIGHT, BUDGET = 4, 60, 7, 3, 20_000_000
GIVE_BACKS, FREE, FREE_INTERVAL, SHARE_DAYS = 2, 3, 10, 2
USERS = ("gary", "dave", "ernie", "rob")


class Person:
    def __init__(self) -> None:
        self.tokens = Fraction(CAPACITY)
        self.free = Fraction(FREE)
        self.asked: dict[int, int] = {}
        self.given_back: dict[int, int] = {}
        self.spent: dict[int, int] = {}
        self.days: set[int] = set()


class Asked:
    def __init__(self, user: str, day: int, held: int, admission: Admission) -> None:
        self.user, self.day, self.held, self.spent = user, day, held, 0
        self.admission = admission
        self.sent: list[tuple[PaidCall, int]] = []


def check_refusal(refusal: Refused, expected: type[Refused] | None, seconds: float) -> None:
    """It is the `expected` one; that of a bucket says to wait until a permit is back, in `seconds`."""
    assert type(refusal) is expected
    if expected is RateLimited:
        assert seconds <= refusal.retry_after < seconds + 1


class LedgerModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="ledger-model-"))
        self.clock = SetClock()
        self.ledger = open_ledger(
            self.directory,
            self.clock,
            capacity=CAPACITY,
            daily=DAILY,
            in_flight=IN_FLIGHT,
            budget="0.02",
            give_backs=GIVE_BACKS,
            free_capacity=FREE,
            free_interval_us=FREE_INTERVAL * 1_000_000,
            share_days=SHARE_DAYS,
        )
        self.ledger.quota("nobody")
        # Nothing grows old here: orphans have their own tests.
        self.ledger.orphan_after_us = 10**15
        self.people = {user: Person() for user in USERS}
        self.open: list[Asked] = []
        self.using: list[tuple[str, AbstractContextManager[None]]] = []
        self.spent: dict[int, int] = {}
        self.number = 0

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.directory)

    @property
    def day(self) -> int:
        return self.clock.wall_us // 86_400_000_000

    def committed(self, day: int) -> int:
        return self.spent.get(day, 0) + sum(asked.held for asked in self.open if asked.day == day)

    def in_flight(self, user: str) -> int:
        return sum(asked.user == user for asked in self.open) + sum(other == user for other, _ in self.using)

    def fits_share(self, user: str, day: int, amount: int, asked: Asked | None = None) -> bool:
        """Whether `amount` more is within the user's part of the day, or all that the user asks of it."""
        others = self.people[user].spent.get(day, 0) - (asked.spent if asked else 0)
        others += sum(
            bound
            for one in self.open
            if (one.user, one.day) == (user, day) and one is not asked
            for _, bound in one.sent
        )
        own = (asked.spent + sum(bound for _, bound in asked.sent)) if asked else 0
        counts = [
            sum(d in person.days for person in self.people.values())
            for d in range(self.day - SHARE_DAYS, day + 1)
        ]
        most = max(counts, default=0)
        return not amount or not others or others + own + amount <= BUDGET // max(1, most + most // 4)

    def spend(self, asked: Asked, cost: int) -> None:
        asked.spent += cost
        person = self.people[asked.user]
        for totals in (self.spent, person.spent):
            totals[asked.day] = totals.get(asked.day, 0) + cost

    @rule(seconds=st.sampled_from([0.000001, 1, 29.5, 59.999999, 60, 61, 240, 3600, 43_200]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for person in self.people.values():
            passed = Fraction(int(seconds * 1_000_000), 1_000_000)
            person.tokens = min(Fraction(CAPACITY), person.tokens + passed / INTERVAL)
            person.free = min(Fraction(FREE), person.free + passed / FREE_INTERVAL)

    @rule(seconds=st.sampled_from([-86_400, -3600, -1, 1, 3600]))
    def clock_is_set(self, seconds: int) -> None:
        self.clock.set_wall(seconds)

    @rule(
        user=st.sampled_from(USERS),
        reserve=st.sampled_from([0, 1, 3_000_000, 7_000_000, 12_000_000]),
        least=st.sampled_from([0, 1_000_000]),
    )
    def ask(self, user: str, reserve: int, least: int) -> None:
        person = self.people[user]
        too_dear = not self.fits_share(user, self.day, min(least, reserve))
        expected: type[Refused] | None = None
        if person.asked.get(self.day, 0) >= DAILY:
            expected = DailyLimitExceeded
        elif person.tokens < 1:
            expected = RateLimited
        elif self.in_flight(user) >= IN_FLIGHT:
            expected = ConcurrentRequest
        elif too_dear or (reserve and self.committed(self.day) + reserve > BUDGET):
            expected = BudgetExceeded
        self.number += 1
        try:
            admission = self.ledger.admit(user, f"r{self.number}", reserve, least=min(least, reserve))
        except Refused as refusal:
            check_refusal(refusal, expected, (1 - person.tokens) * INTERVAL)
            return
        assert expected is None
        person.tokens -= 1
        person.asked[self.day] = person.asked.get(self.day, 0) + 1
        person.days.add(self.day)
        self.open.append(Asked(user, self.day, reserve, admission))

    @precondition(lambda self: any(not asked.held and not asked.spent for asked in self.open))
    @rule(
        data=st.data(),
        reserve=st.sampled_from([0, 1, 3_000_000, 12_000_000]),
        least=st.sampled_from([0, 1_000_000]),
    )
    def reserve(self, data: st.DataObject, reserve: int, least: int) -> None:
        """What was admitted without money turns out to need some, or is as if it had not been asked."""
        free = [asked for asked in self.open if not asked.held and not asked.spent]
        asked = data.draw(st.sampled_from(free))
        least = min(least, reserve)
        fits = self.committed(asked.day) + reserve <= BUDGET if reserve else True
        fits = fits and self.fits_share(asked.user, asked.day, least, asked)
        try:
            asked.admission.reserve(reserve, least=least)
        except BudgetExceeded as refusal:
            assert not fits
            self.open.remove(asked)
            person = self.people[asked.user]
            person.tokens = min(Fraction(CAPACITY), person.tokens + 1)
            person.asked[asked.day] -= 1
            if not person.asked[asked.day] + person.given_back.get(asked.day, 0):
                person.days.discard(asked.day)
            assert refusal.quota == self.ledger.quota(asked.user)
            assert (asked.admission.finish("budget_exceeded").cost, asked.admission.counted) == (0, False)
            return
        assert fits
        asked.held += reserve

    @rule()
    def everybody_asks(self) -> None:
        """Something that costs nothing: from then on the day's money is shared by all."""
        for user in USERS:
            before = len(self.open)
            self.ask(user, 0, 0)
            if len(self.open) > before:
                self.end(self.open[-1], "answered")

    @precondition(lambda self: self.open)
    @rule(data=st.data(), bound=st.sampled_from([1, 2_000_000, 5_000_000]))
    def send(self, data: st.DataObject, bound: int) -> None:
        asked = data.draw(st.sampled_from(self.open))
        unassigned = asked.held - sum(bound for _, bound in asked.sent)
        # What is more than the answer needs is let go.
        more = bound - unassigned
        fits = more <= 0 or self.committed(asked.day) + more <= BUDGET
        fits = fits and self.fits_share(asked.user, asked.day, bound, asked)
        try:
            call = asked.admission.sent(PlannedCall("chat", CHAT, bound))
        except BudgetExceeded:
            assert not fits
            return
        assert fits
        asked.held += more
        asked.sent.append((call, bound))

    @precondition(lambda self: any(asked.sent for asked in self.open))
    @rule(data=st.data(), how=st.sampled_from(["usage", "unknown", "free"]))
    def settle(self, data: st.DataObject, how: str) -> None:
        asked = data.draw(st.sampled_from([asked for asked in self.open if asked.sent]))
        call, bound = asked.sent.pop(data.draw(st.integers(0, len(asked.sent) - 1)))
        cost = 0
        if how == "free":
            # Its bound stays with the question, for the next attempt.
            call.not_billed()
        elif how == "unknown":
            call.settle(None)
            cost = bound
        else:
            tokens = data.draw(st.integers(0, bound // 100))
            call.settle(Usage(tokens))
            cost = tokens * 100
        asked.held -= 0 if how == "free" else bound
        self.spend(asked, cost)
        # A settlement is written with the question's next commit; another call brings it about, and lets go
        # of the rest.
        asked.admission.sent(PlannedCall("chat", CHAT, 0)).not_billed()
        asked.held = sum(bound for _, bound in asked.sent)

    @precondition(lambda self: self.open)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(["answered", "disconnected", "ai_service_error"]),
        own_doing=st.booleans(),
    )
    def finish(self, data: st.DataObject, outcome: str, own_doing: bool) -> None:
        self.end(data.draw(st.sampled_from(self.open)), outcome, own_doing)

    def end(self, asked: Asked, outcome: str, own_doing: bool = False) -> None:
        self.open.remove(asked)
        left = sum(bound for _, bound in asked.sent)
        self.spend(asked, left)
        person = self.people[asked.user]
        back = person.given_back.get(asked.day, 0)
        counted = outcome == "answered" or own_doing or asked.spent > 0 or back >= GIVE_BACKS
        if not counted:
            person.tokens = min(Fraction(CAPACITY), person.tokens + 1)
            person.asked[asked.day] -= 1
            person.given_back[asked.day] = back + 1
        assert asked.admission.finish(outcome, own_doing=own_doing).cost == asked.spent
        assert asked.admission.counted is counted

    @rule(user=st.sampled_from(USERS))
    def use_free(self, user: str) -> None:
        person = self.people[user]
        expected: type[Refused] | None = None
        if self.in_flight(user) >= IN_FLIGHT:
            expected = ConcurrentRequest
        elif person.free < 1:
            expected = RateLimited
        use = self.ledger.admit_free(user, "passages")
        try:
            use.__enter__()
        except Refused as refusal:
            check_refusal(refusal, expected, (1 - person.free) * FREE_INTERVAL)
            return
        assert expected is None
        person.free -= 1
        self.using.append((user, use))

    @precondition(lambda self: self.using)
    @rule(data=st.data())
    def end_free(self, data: st.DataObject) -> None:
        _, use = self.using.pop(data.draw(st.integers(0, len(self.using) - 1)))
        use.__exit__(None, None, None)

    @invariant()
    def quota_is_what_the_model_says(self) -> None:
        for user, person in self.people.items():
            quota = self.ledger.quota(user)
            assert quota.burst_remaining == int(person.tokens)
            assert quota.daily_remaining == DAILY - person.asked.get(self.day, 0)
            assert quota.day_spent == self.spent.get(self.day, 0)
            # Neither failing on purpose nor anything else makes more of a day than these.
            admitted = person.asked.get(self.day, 0) + person.given_back.get(self.day, 0)
            assert admitted <= DAILY + GIVE_BACKS

    @invariant()
    def money_is_what_the_model_says(self) -> None:
        held = dict(query(self.ledger, "SELECT request_id, held_nd FROM requests WHERE outcome IS NULL"))
        assert held == {asked.admission.request_id: asked.held for asked in self.open}
        for day in self.spent:
            assert self.committed(day) <= BUDGET


LedgerModel.TestCase.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedgerAgainstModel = LedgerModel.TestCase
