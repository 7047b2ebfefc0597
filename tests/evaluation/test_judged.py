"""Answers that people have judged, through the check: what is counted as found, flagged, praised."""

from __future__ import annotations

import json
from pathlib import Path

from tests.evaluation.grounding import judged, mistakes, table


def test_claims_are_matched_by_their_words_and_counted_by_half(tmp_path: Path) -> None:
    passages = [
        {"id": "troll", "name": "Troll", "text": "## Troll\n\nARMOR CLASS: 4\nHIT DICE: 6+6\nMOVE: 12"}
    ]
    told = (
        ("The troll has AC 7 and 6+6 hit dice.", [("AC 7", "contradicted"), ("6+6 hit dice", "true")]),
        ("The troll has AC 4. It is green.", [("AC 4", "true"), ("green", "contradicted")]),
    )
    file = tmp_path / "judged.jsonl"
    lines = [
        json.dumps(
            {
                "question": "Tell me about trolls",
                "passages": passages,
                "answer": answer,
                "claims": [{"text": text, "status": status} for text, status in claims],
            }
        )
        for answer, claims in told
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    found = judged(file)
    assert [[claim.said for claim in answer] for answer in found] == [
        [("contradicted",), ("supported",)],
        [("supported",), ("unchecked",)],
    ]
    assert list(table(found))[2:] == [
        "| first | 1 of 1 | 0 of 1 | 1 of 1 | 0 of 1 |",
        "| second | 0 of 1 | 0 of 1 | 1 of 1 | 0 of 1 |",
        "| all | 1 of 2 | 0 of 2 | 2 of 2 | 0 of 2 |",
    ]
    assert list(mistakes(found)) == ["not found: 'green' (unchecked) in 'The troll has AC 4. It is green.'"]
