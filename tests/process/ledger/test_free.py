"""What costs no quota has limits of its own: pages in place of an answer, deep health report, feedback."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.deadline import Deadline
from app.errors import ConcurrentRequest, RateLimited, Refused
from app.ledger.ledger import Ledger
from app.models import Question
from app.retrieval.retriever import HybridRetriever, Retrieval
from app.web.replies import error_details
from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.doubles.openai import OpenAIDouble
from tests.harness.ledgers import SetClock, open_ledger, query
from tests.process.ledger.test_answering import Reply, Site

pytestmark = pytest.mark.timeout(60)


def use(ledger: Ledger, user: str = "gary") -> None:
    with ledger.admit_free(user, "passages"):
        pass


def test_ten_at_once_and_one_every_ten_seconds(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock)
    for _ in range(10):
        use(ledger)
    with pytest.raises(RateLimited) as caught:
        use(ledger)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "rate_limited", 10)
    assert error_details(caught.value) == {"rate_info": {"daily_remaining": 30, "retry_after": 10}}
    use(ledger, "dave")
    clock.advance(10)
    use(ledger)
    # Questions are another matter.
    quota = ledger.quota("gary")
    assert (quota.burst_remaining, quota.daily_remaining) == (15, 30)
    assert query(ledger, "SELECT user_id, free, refused_free FROM user_days") == [
        ("dave", 1, 0),
        ("gary", 11, 1),
    ]


def test_it_is_in_flight_beside_questions(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, in_flight=1)
    with ledger.admit_free("gary", "health"):
        with pytest.raises(ConcurrentRequest):
            ledger.admit("gary", "a", 0)
        with pytest.raises(ConcurrentRequest):
            use(ledger)
        use(ledger, "dave")
    question = ledger.admit("gary", "b", 0)
    with pytest.raises(ConcurrentRequest):
        use(ledger)
    question.finish("answered")
    with pytest.raises(ZeroDivisionError), ledger.admit_free("gary", "passages"):
        raise ZeroDivisionError
    use(ledger)


def test_eight_processes_at_once_and_one_that_is_killed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, in_flight=1)
    use(ledger, "dave")
    ledger.close()
    barrier, lift = os.pipe()
    results, tell = os.pipe()
    processes = []
    for _ in range(8):
        if pid := os.fork():
            processes.append(pid)
            continue
        os.close(lift)
        os.read(barrier, 1)
        try:
            with ledger.admit_free("gary", "passages"):
                os.write(tell, b"admitted\n")
                # Until it is killed.
                time.sleep(60)
        except Refused as refusal:
            os.write(tell, refusal.code.encode() + b"\n")
        finally:
            os._exit(0)
    os.close(lift)
    with os.fdopen(results) as lines:
        said = Counter(next(lines).strip() for _ in processes)
    assert said == {"admitted": 1, "concurrent_request": 7}
    with pytest.raises(ConcurrentRequest):
        use(ledger)
    for pid in processes:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    use(ledger)
    assert query(ledger, "SELECT COUNT(*) FROM free_uses") == [(0,)]


# -- over HTTP
# ---------------------------------------------------------------------------------------------------------


class GatedRetriever(HybridRetriever):
    """Finds what it finds, and lets nobody go before the gate opens; knows how many were there at once."""

    gate: threading.Event
    inside = most = 0

    def retrieve(self, question: Question, deadline: Deadline, *_: object) -> Retrieval:
        type(self).inside += 1
        type(self).most = max(self.most, self.inside)
        self.gate.wait(20)
        type(self).inside -= 1
        return super().retrieve(question, deadline)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with OpenAIDouble() as openai, AuthDouble() as auth:
        made = Site(tmp_path, openai, auth, DAILY_BUDGET_USD="0.001", MAX_IN_FLIGHT_PER_USER="1")
        try:
            yield made
        finally:
            made.close()


def test_eight_questions_without_budget_find_passages_one_at_a_time(site: Site) -> None:
    GatedRetriever.gate, GatedRetriever.inside, GatedRetriever.most = threading.Event(), 0, 0
    site.services.answering._free = lambda: GatedRetriever(site.services._sample_index)
    assert site.call("GET", "/api/me").status == 200
    told: list[Reply] = []

    def ask() -> None:
        told.append(site.ask())
        if len(told) == 7:
            GatedRetriever.gate.set()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ask) for _ in range(8)]:
            done.result()
    assert GatedRetriever.most == 1
    assert Counter((reply.status, reply.json["error"]) for reply in told) == {
        (429, "concurrent_request"): 7,
        (503, "budget_exceeded"): 1,
    }
    assert told[-1].json["passages"][0]["name"] == "Owlbear"


def test_pages_in_place_of_an_answer_have_a_rate(site: Site) -> None:
    replies = [site.ask() for _ in range(12)]
    assert [reply.status for reply in replies] == [503] * 10 + [429] * 2
    refused = replies[-1]
    assert refused.json["error"] == "rate_limited"
    assert 0 < refused.json["rate_info"]["retry_after"] <= 10
    assert refused.headers["Retry-After"] == str(refused.json["rate_info"]["retry_after"])
    assert "passages" not in refused.json
    # Somebody else has the pages.
    assert site.ask(token=site.auth.token_for("bob")).json["passages"]


def test_deep_health_reports_have_a_rate_and_so_have_the_calls_they_make(site: Site) -> None:
    assert site.call("GET", "/api/me").status == 200
    asked = len(site.auth.requests)
    replies = [site.call("GET", "/api/health?deep=1") for _ in range(20)]
    assert [reply.status for reply in replies] == [200] * 10 + [429] * 10
    assert replies[-1].json["error"] == "rate_limited"
    assert len(site.auth.requests) - asked == 10
    # The shallow one asks nobody.
    assert site.call("GET", "/api/health").status == 200


def test_feedback_has_a_rate_also_for_answers_that_one_was_not_given(site: Site) -> None:
    given = {"request_id": "no such answer", "rating": "up"}
    replies = [site.call("POST", "/api/feedback", given) for _ in range(12)]
    assert [reply.status for reply in replies] == [400] * 10 + [429] * 2
