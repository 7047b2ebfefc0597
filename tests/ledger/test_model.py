"""The ledger against a plain model of it, over random histories of questions, times and clocks (hypothesis, stateful).

The model knows no file, no transactions and no microseconds: exact fractions, lists and loops.
"""

from __future__ import annotations

import shutil
import tempfile
from fractions import Fraction
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.errors import BudgetExceeded, ConcurrentRequest, DailyLimitExceeded, RateLimited, Refused
from app.ledger.spending import Admission, PaidCall
from app.models import Usage
from tests.ledger.support import CHAT, SetClock, open_ledger, query

CAPACITY, INTERVAL, DAILY, IN_FLIGHT, BUDGET = 4, 60, 7, 3, 20_000_000
USERS = ("gary", "dave")


class Person:
    def __init__(self) -> None:
        self.tokens = Fraction(CAPACITY)
        self.asked: dict[int, int] = {}


class Asked:
    def __init__(self, user: str, day: int, held: int, admission: Admission) -> None:
        self.user, self.day, self.held, self.spent = user, day, held, 0
        self.admission = admission
        self.sent: list[tuple[PaidCall, int]] = []


class LedgerModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="ledger-model-"))
        self.clock = SetClock()
        self.ledger = open_ledger(
            self.directory, self.clock, capacity=CAPACITY, daily=DAILY, in_flight=IN_FLIGHT, budget="0.02"
        )
        self.ledger.quota("nobody")
        # Nothing grows old here: orphans have their own tests.
        self.ledger.orphan_after_us = 10**15
        self.people = {user: Person() for user in USERS}
        self.open: list[Asked] = []
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

    @rule(seconds=st.sampled_from([0.000001, 1, 29.5, 59.999999, 60, 61, 240, 3600, 43_200]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for person in self.people.values():
            person.tokens = min(Fraction(CAPACITY), person.tokens + Fraction(int(seconds * 1_000_000), INTERVAL * 1_000_000))

    @rule(seconds=st.sampled_from([-86_400, -3600, -1, 1, 3600]))
    def clock_is_set(self, seconds: int) -> None:
        self.clock.set_wall(seconds)

    @rule(user=st.sampled_from(USERS), reserve=st.sampled_from([0, 1, 3_000_000, 7_000_000, 12_000_000]))
    def ask(self, user: str, reserve: int) -> None:
        person = self.people[user]
        expected: type[Refused] | None = None
        if person.asked.get(self.day, 0) >= DAILY:
            expected = DailyLimitExceeded
        elif person.tokens < 1:
            expected = RateLimited
        elif sum(asked.user == user for asked in self.open) >= IN_FLIGHT:
            expected = ConcurrentRequest
        elif reserve and self.committed(self.day) + reserve > BUDGET:
            expected = BudgetExceeded
        self.number += 1
        try:
            admission = self.ledger.admit(user, f"r{self.number}", reserve)
        except Refused as refusal:
            assert type(refusal) is expected
            if expected is RateLimited:
                exact = (1 - person.tokens) * INTERVAL
                assert exact <= refusal.retry_after < exact + 1
            return
        assert expected is None
        person.tokens -= 1
        person.asked[self.day] = person.asked.get(self.day, 0) + 1
        self.open.append(Asked(user, self.day, reserve, admission))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), bound=st.sampled_from([1, 2_000_000, 5_000_000]))
    def send(self, data: st.DataObject, bound: int) -> None:
        asked = data.draw(st.sampled_from(self.open))
        unassigned = asked.held - sum(bound for _, bound in asked.sent)
        more = max(0, bound - unassigned)
        fits = not more or self.committed(asked.day) + more <= BUDGET
        try:
            call = asked.admission.sent("chat", CHAT, bound)
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
            call.free()
        elif how == "unknown":
            call.settle(None)
            cost = bound
        else:
            tokens = data.draw(st.integers(0, bound // 100))
            call.settle(Usage(tokens))
            cost = tokens * 100
        asked.held -= 0 if how == "free" else bound
        asked.spent += cost
        self.spent[asked.day] = self.spent.get(asked.day, 0) + cost
        # A settlement is written with the question's next commit; another call brings it about.
        asked.admission.sent("chat", CHAT, 0).free()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), outcome=st.sampled_from(["answered", "disconnected", "ai_service_error"]))
    def finish(self, data: st.DataObject, outcome: str) -> None:
        asked = data.draw(st.sampled_from(self.open))
        self.open.remove(asked)
        left = sum(bound for _, bound in asked.sent)
        asked.spent += left
        self.spent[asked.day] = self.spent.get(asked.day, 0) + left
        if outcome != "answered" and not asked.spent:
            person = self.people[asked.user]
            person.tokens = min(Fraction(CAPACITY), person.tokens + 1)
            person.asked[asked.day] -= 1
        assert asked.admission.finish(outcome).cost == asked.spent

    @invariant()
    def quota_is_what_the_model_says(self) -> None:
        for user, person in self.people.items():
            quota = self.ledger.quota(user)
            assert quota.burst_remaining == int(person.tokens)
            assert quota.daily_remaining == DAILY - person.asked.get(self.day, 0)
            assert quota.day_spent == self.spent.get(self.day, 0)

    @invariant()
    def money_is_what_the_model_says(self) -> None:
        held = dict(query(self.ledger, "SELECT request_id, held_nd FROM requests WHERE outcome IS NULL"))
        assert held == {asked.admission.request_id: asked.held for asked in self.open}
        for day in self.spent:
            assert self.committed(day) <= BUDGET


LedgerModel.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedgerAgainstModel = LedgerModel.TestCase
