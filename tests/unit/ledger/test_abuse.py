"""Ten abusers among fifty who ask: nobody is refused for it, and they get no more than their part."""

from __future__ import annotations

import pytest

from tests.unit.ledger import simulation
from tests.unit.ledger.simulation import ABUSERS, ENDS, HONEST, OLD_RULES, Outcome, directory, simulate

pytestmark = pytest.mark.timeout(120)

SEED = 1978
DOLLAR = 1_000_000_000


@pytest.fixture(scope="module")
def undisturbed() -> Outcome:
    with directory() as made:
        return simulate(made, SEED, abusers=0)


@pytest.mark.parametrize("known", [True, False], ids=["users of this site", "who come anew at midnight"])
def test_ten_abusers_among_fifty_honest_users(undisturbed: Outcome, known: bool) -> None:
    with directory() as made:
        day = simulate(made, SEED, known=known)
    assert len(day.honest) == HONEST
    # Whose question failed once more or less is the same chance; what changes is what the others do.
    assert day.honest == undisturbed.honest
    assert sum(tally.answered for tally in day.honest.values()) > 600
    # They have tried: each in several ways, and a thousand times in all.
    assert len(day.abusers) == ABUSERS > len(ENDS)
    assert min(tally.refused for tally in day.abusers.values()) > 50
    assert sum(tally.asked for tally in day.abusers.values()) > 1000
    # Their part of the dollar is no larger than their part of the users.
    assert 0 < day.spent * (HONEST + ABUSERS) <= DOLLAR * ABUSERS
    assert day.given_back <= 10 * ABUSERS
    # Ten at once, and one every ten seconds.
    assert 0 < day.free <= ABUSERS * (10 + simulation.DAY // 10)


def test_the_same_ten_before_there_were_such_rules() -> None:
    """So what holds above is not for want of trying."""
    with directory() as made:
        day = simulate(made, SEED, **OLD_RULES)
    assert day.spent > DOLLAR // 2
    assert sum(tally.money for tally in day.honest.values()) > 100
