"""Many processes that ask one ledger at the same moment.

Each is a real process with its own connection. They wait at a barrier, then all go; what each was told comes
back over a pipe. With `hold`, whoever is admitted keeps the question open until all have been told; with
`until`, those that are refused for questions in flight or for the budget try again until they are admitted or
told that the money is spent.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from app.errors import BudgetExceeded, ConcurrentRequest, Refused
from app.ledger.ledger import Ledger
from app.models import PlannedCall, Usage
from tests.harness.ledgers import CHAT, PRICING, limits


def ask_once(ledger: Ledger, plan: dict[str, Any], user: str, report: Any, release: int) -> None:
    try:
        admission = ledger.admit(user, f"{user}-{os.getpid()}", plan.get("reserve", 0))
    except Refused as refusal:
        report({"user": user, "said": refusal.code, "retry_after": refusal.retry_after})
        return
    report({"user": user, "said": "admitted"})
    os.read(release, 1)
    admission.finish("answered")


def ask_until_admitted(ledger: Ledger, plan: dict[str, Any], user: str, report: Any, release: int) -> None:
    chance = random.Random(os.getpid())
    refused = 0
    give_up = time.monotonic() + plan["until"]
    while time.monotonic() < give_up:
        try:
            admission = ledger.admit(user, f"{user}-{os.getpid()}", plan["reserve"])
        except (ConcurrentRequest, BudgetExceeded) as refusal:
            refused += 1
            if isinstance(refusal, BudgetExceeded) and refusal.retry_after > 60:
                report({"user": user, "said": "spent", "refused": refused})
                return
            time.sleep(chance.uniform(0.2, 1.5))
            continue
        call = admission.sent(PlannedCall("chat", CHAT, plan["reserve"]))
        time.sleep(chance.uniform(0, plan["hold_ms"] / 1000))
        if chance.random() < 0.2:
            call.settle(None)
        else:
            call.settle(Usage(prompt_tokens=chance.randrange(plan["reserve"] // 200)))
        report(
            {"user": user, "said": "admitted", "refused": refused, "cost": admission.finish("answered").cost}
        )
        return
    report({"user": user, "said": "gave up", "refused": refused})


def main() -> None:
    plan = json.loads(sys.argv[1])
    ask = ask_until_admitted if "until" in plan else ask_once
    barrier, lift = os.pipe()
    release, let_go = os.pipe()
    results, tell = os.pipe()
    processes = []
    for number in range(plan["processes"]):
        if pid := os.fork():
            processes.append(pid)
            continue
        os.close(lift)
        os.close(let_go)
        ledger = Ledger(Path(plan["path"]), limits(**plan["limits"]), PRICING)
        code = 1
        try:
            os.read(barrier, 1)
            user = plan["users"][number % len(plan["users"])]
            ask(ledger, plan, user, lambda what: os.write(tell, json.dumps(what).encode() + b"\n"), release)
            code = 0
        except Exception as error:
            os.write(
                tell, json.dumps({"user": "", "said": f"{type(error).__name__}: {error}"}).encode() + b"\n"
            )
        finally:
            os._exit(code)
    os.close(tell)
    started = time.monotonic()
    os.close(lift)
    told: list[dict[str, Any]] = []
    with os.fdopen(results) as lines:
        for line in lines:
            told.append(json.loads(line))
            if len(told) == plan["processes"]:
                break
    seconds = time.monotonic() - started
    os.close(let_go)
    failed = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 for pid in processes)
    by_user: dict[str, Counter[str]] = {}
    for entry in told:
        by_user.setdefault(entry["user"], Counter())[entry["said"]] += 1
    summary = {
        "said": Counter(entry["said"] for entry in told),
        "by_user": by_user,
        "retry_after": sorted({entry["retry_after"] for entry in told if "retry_after" in entry}),
        "refused": sum(entry.get("refused", 0) for entry in told),
        "cost": sum(entry.get("cost", 0) for entry in told),
        "failed": failed,
        "seconds": round(seconds, 2),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
