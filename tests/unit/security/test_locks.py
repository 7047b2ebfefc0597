"""What is installed is what was locked: all that requirements bring with them, by version and by the hash of
its files.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness import ROOT

SETS = ["requirements-host", "requirements", "requirements-dev"]


def locked(path: Path) -> dict[str, set[str]]:
    """Names and versions; fails for an entry without a hash."""
    found: dict[str, set[str]] = {}
    text = path.read_text(encoding="utf-8")
    for name, version, rest in re.findall(r"^([a-z0-9.-]+)==(\S+)((?:.*\\\n)*.*)$", text, re.MULTILINE):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name
        found.setdefault(name, set()).add(version)
    entries = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert len(entries) == sum(map(len, found.values())), "what is not NAME==VERSION"
    return found


def required(name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (ROOT / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            found |= required(line[3:].removesuffix(".txt"))
        elif line:
            package, version = line.split("==")
            found[package] = version
    return found


@pytest.mark.parametrize("name", SETS)
def test_a_lock_holds_what_its_requirements_say(name: str) -> None:
    """Fails when one is changed without the other: scripts/lock_requirements.sh makes them agree."""
    lock = locked(ROOT / f"{name}.lock")
    assert {package: lock.get(package) for package in required(name)} == {
        p: {v} for p, v in required(name).items()
    }
    assert "://" not in (ROOT / f"{name}.lock").read_text(encoding="utf-8"), "an address of a registry"


def test_the_larger_set_holds_the_smaller() -> None:
    host, operator, dev = (locked(ROOT / f"{name}.lock") for name in SETS)
    assert all(operator[name] == host[name] for name in host)
    assert all(dev[name] <= operator[name] for name in set(dev) & set(operator))
