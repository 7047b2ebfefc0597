"""The client: one request at a time, timed and checked; and many clients at once. What is wrong stops the
benchmark.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.contestants import Contestant, Scenario

QUESTIONS = (
    "What is the armor class of an owlbear?",
    "How many experience points does a fighter need to reach 9th level?",
    "What does the spell Animate Dead do?",
    "How much damage does a fireball do?",
    "Which weapons may a cleric use?",
)
EXPECTED = {"health": 200, "refused": 401, "answered": 200, "streamed": 200}


class WrongReply(RuntimeError):
    """A program did not answer as it must, so its times mean nothing."""


@dataclass(frozen=True)
class Timing:
    """Seconds from opening the connection to the end of the reply, and to the model's first word in a
    stream.
    """

    sent_at: float
    """Unix time."""
    total: float
    first_word: float | None = None


class Client:
    """Asks the programs of one server."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self.token = port, token
        self._questions = itertools.cycle(QUESTIONS)

    def ask(self, contestant: Contestant, scenario: Scenario, url: str = "") -> Timing:
        """One request on a connection of its own. Raises WrongReply."""
        method, path, headers, body = self._request(scenario)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        sent_at, started = time.time(), time.perf_counter()
        first_word = None
        try:
            connection.request(method, (url or contestant.url) + path, body=body, headers=headers)
            response = connection.getresponse()
            pieces = []
            if scenario == "streamed":
                while line := response.readline():
                    if first_word is None and line.startswith(b"event: delta"):
                        first_word = time.perf_counter() - started
                    pieces.append(line)
            pieces.append(response.read())
            total = time.perf_counter() - started
        except (OSError, http.client.HTTPException) as error:
            raise WrongReply(f"{contestant.title}, {scenario}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        _check(contestant, scenario, response.status, b"".join(pieces))
        return Timing(sent_at, total, first_word)

    def load(
        self, contestant: Contestant, scenario: Scenario, clients: int, seconds: float
    ) -> tuple[int, float]:
        """So many clients ask without a pause for so long: requests answered, and the seconds until the last
        one was.
        """
        lock = threading.Lock()
        finished: list[float] = []
        started = time.perf_counter()

        def ask() -> bool:
            self.ask(contestant, scenario)
            with lock:
                finished.append(time.perf_counter() - started)
            return finished[-1] < seconds

        at_once(clients, ask)
        return len(finished), max(finished)

    def question(self, *, stream: bool = False) -> bytes:
        """The body of the next question."""
        # A model is asked by all contestants, also where the books' own figures would do.
        return json.dumps({"question": next(self._questions), "stream": stream, "exact": False}).encode()

    def _request(self, scenario: Scenario) -> tuple[str, str, dict[str, str], bytes | None]:
        headers = {"Connection": "close"}
        if scenario == "health":
            return "GET", "/health", headers, None
        if scenario == "refused":
            # Without a body: mod_cgid loses the reply of a program that does not read one, as the obvious
            # program does not.
            return "POST", "/api/query", {**headers, "Content-Length": "0"}, None
        body = self.question(stream=scenario == "streamed")
        headers |= {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        return "POST", "/api/query", headers, body


def at_once(clients: int, ask: Callable[[], bool]) -> None:
    """So many threads call `ask`, each until it says that there is no more to do. Raises what it has raised
    in one.
    """
    failures: list[BaseException] = []

    def one() -> None:
        try:
            while not failures and ask():
                pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _check(contestant: Contestant, scenario: Scenario, status: int, body: bytes) -> None:
    good = status == EXPECTED[scenario]
    if good and scenario == "answered":
        document = json.loads(body)
        good = bool(document["answer"]) and len(document["sources"]) > 0
    elif good and scenario == "streamed":
        good = b"event: done" in body
    if not good:
        raise WrongReply(f"{contestant.title}, {scenario}: status {status}, {body[:300]!r}")
