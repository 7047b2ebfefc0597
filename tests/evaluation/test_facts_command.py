"""scripts/evaluate_facts.py as an operator runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT


@pytest.mark.parametrize("layout", ["", "nested"])
def test_a_corpus_is_measured_in_either_layout(tmp_path: Path, layout: str) -> None:
    block = "ARMOR CLASS: {n}\nHIT DICE: {n}+1\nALIGNMENT: Neutral\nMORALE: {n}"
    names = ("Owlbear", "Troll", "Manticore", "Basilisk", "Chimera")
    passages = [
        {
            "id": name,
            "document": f"## {name}\n\n{block.format(n=n)}\n\nText.",
            "metadata": {"name": name, "type": "monster"},
        }
        for n, name in enumerate(names, 2)
    ]
    rows = "\n".join(f"| {n} | {n * 1000:,} |" for n in range(1, 9))
    passages.append(
        {
            "id": "xp",
            "document": f"## Cleric Advancement\n\n| Level | Experience points |\n|---|---|\n{rows}",
            "metadata": {"name": "Cleric Advancement", "type": "table"},
        }
    )
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(one) + "\n" for one in passages), encoding="utf-8")
    command = [sys.executable, str(ROOT / "scripts" / "evaluate_facts.py"), "--corpus", str(corpus)]
    done = subprocess.run(
        [*command, "--half", "both", "--layout", layout], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "of 28 cells that another reader is sure of" in done.stdout
    assert "| all | " in done.stdout
    assert "Not to be answered exactly: 0 of " in done.stdout
