"""Processes that ask questions, with real paid calls over HTTP, until SIGKILL at a random moment.

After each death one other question is admitted, as the next visitor's would be; then nothing of the dead may
be open.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from app.adapters.openai import OpenAI
from app.deadline import Deadline
from app.ledger.ledger import Ledger
from app.models import PlannedCall
from app.settings import OpenAISettings
from tests.harness.ledgers import CHAT, EMBEDDINGS, PRICING, limits

BOUND_EMBEDDINGS, BOUND_CHAT = 100_000, 5_000_000


def ask(plan: dict[str, Any], name: str, ready: int, questions: Iterable[int]) -> None:
    ledger = Ledger(Path(plan["path"]), limits(**plan["limits"]), PRICING)
    openai = OpenAI(OpenAISettings(plan["base_url"], CHAT, EMBEDDINGS, plan["key"]))
    # The way to the first admission is part of what may be interrupted.
    os.write(ready, b"!")
    for number in questions:
        request_id = f"{name}-{number}"
        with ledger.admit(name, request_id, BOUND_EMBEDDINGS + BOUND_CHAT) as admission:
            openai.embed(
                [request_id],
                Deadline(20),
                pay=partial(admission.sent, PlannedCall("embeddings", EMBEDDINGS, BOUND_EMBEDDINGS)),
            )
            pay = partial(admission.sent, PlannedCall("chat", CHAT, BOUND_CHAT))
            prompt = [{"role": "user", "content": request_id}]
            for _ in openai.chat(prompt, 100, Deadline(20), pay=pay, stream=number % 2 == 0):
                pass
            admission.finish("answered")


def seconds_for_one(plan: dict[str, Any]) -> float:
    """How long a question takes here and now, so that the kills fall into it on a busy machine as well."""
    started = time.monotonic()
    ready, tell = os.pipe()
    if not (pid := os.fork()):
        ask(plan, "undisturbed", tell, range(5))
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(ready)
    os.close(tell)
    return (time.monotonic() - started) / 5


def main() -> None:
    plan = json.loads(sys.argv[1])
    chance = random.Random(plan["seed"])
    path = Path(plan["path"])
    visitor = Ledger(path, limits(**plan["limits"]), PRICING)
    visitor.admit("visitor", "first", 0).finish("answered")
    look = sqlite3.connect(path, timeout=20, isolation_level=None)
    one_question = seconds_for_one(plan)
    damaged = outlived = left_open = 0
    for number in range(plan["kills"]):
        ready, tell = os.pipe()
        if not (pid := os.fork()):
            # SQLite's connections must not be used after a fork: the child opens its own, and these are its
            # parent's.
            ask(plan, f"victim-{number}", tell, itertools.count())
        os.close(tell)
        os.read(ready, 1)
        os.close(ready)
        time.sleep(chance.uniform(0, 4 * one_question))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        left_open += look.execute("SELECT COUNT(*) FROM requests WHERE outcome IS NULL").fetchone()[0]
        visitor.admit("visitor", f"visitor-{number}", 0).finish("answered")
        outlived += look.execute("SELECT COUNT(*) FROM requests WHERE outcome IS NULL").fetchone()[0]
        damaged += look.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
    print(
        json.dumps(
            {"killed": plan["kills"], "left_open": left_open, "outlived": outlived, "damaged": damaged}
        )
    )


if __name__ == "__main__":
    main()
