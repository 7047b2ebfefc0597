"""Passages out of files: what is read, what is kept whole, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.operator.chunks import read
from app.operator.markdown import sections
from app.operator.problems import OperatorError
from app.operator.records import Record

RULES = """\
---
title: House rules
---
Before any heading.

# Combat

### Turn order
Every side rolls.
#### Ties
Roll again.
### Surprise

One in six.

**Table: Surprise**

| Race | Chance |
|------|-------:|
| elf  | 2 in 6 |

After the table.

```
# not a heading
| not | a table |
|---|---|
```

## Missiles ##
# Combat
Again.
"""


def parts(text: str, size: int = 4000) -> dict[str, Record]:
    return {record.id: record for record in sections(text, "house", size)}


def test_markdown_is_split_by_its_headings() -> None:
    found = parts(RULES)
    assert {i: (r.metadata or {}).get("hierarchy") for i, r in found.items()} == {
        "house": "house",
        "house-combat-turn-order": "Combat > Turn order",
        "house-combat-turn-order-ties": "Combat > Turn order > Ties",
        "house-combat-surprise": "Combat > Surprise",
        "house-combat": "Combat",
    }
    assert found["house-combat-turn-order"] == Record(
        "house-combat-turn-order",
        "## Turn order\nCombat > Turn order\n\nEvery side rolls.",
        {"name": "Turn order", "hierarchy": "Combat > Turn order", "book": "house"},
        None,
    )
    assert "# not a heading" in (found["house-combat-surprise"].document or "")


def test_a_table_stays_whole_with_its_caption_and_long_sections_get_parts() -> None:
    found = parts(RULES, 60)
    family = [record for record in found.values() if record.id.startswith("house-combat-surprise")]
    assert [(r.metadata or {})["chunk_part"] for r in family] == list(range(1, len(family) + 1))
    assert {(r.metadata or {})["total_parts"] for r in family} == {len(family)}
    (table,) = (r for r in family if (r.metadata or {}).get("type") == "table")
    assert (table.document or "").endswith(
        "**Table: Surprise**\n\n| Race | Chance |\n|------|-------:|\n| elf  | 2 in 6 |"
    )  # longer than a part, and not cut


@pytest.mark.parametrize("caption", ["**Table: Ranges**", "Table 3: Ranges", "*Table III*"])
def test_a_caption_directly_above_belongs_to_the_table(caption: str) -> None:
    text = f"# Bows\nA long paragraph of forty bytes, as it is.\n{caption}\na | b\n--|--\n1 | 2\n"
    documents = [record.document or "" for record in sections(text, "x", 45)]
    assert documents[-1].endswith(f"\n\n{caption}\na | b\n--|--\n1 | 2")
    assert documents[0].endswith("as it is.")


def test_same_headings_get_ids_of_their_own_and_long_ones_fit() -> None:
    text = "# A\nx\n# A\ny\n# A 2\nz\n# " + "é" * 300 + "\nlong\n# " + "é" * 300 + "!\nlonger\n# 龍\ndragon\n"
    ids = [record.id for record in sections(text, "s", 4000)]
    assert len(set(ids)) == 6 and all(len(identity) <= 128 and identity.isascii() for identity in ids)


@given(
    st.lists(st.sampled_from(["word", "two words.", "A sentence! ", "é" * 30, "x" * 90, "\n"]), max_size=40),
    st.integers(20, 200),
)
def test_no_word_is_lost_or_changed_and_no_part_is_too_long(pieces: list[str], size: int) -> None:
    text = " ".join(pieces)
    found = list(sections(f"# H\n{text}", "x", size))
    bodies = [(record.document or "").split("\n\n", 1)[1] for record in found]
    assert "".join("".join(bodies).split()) == "".join(text.split())
    assert all(len(body.encode()) <= size for body in bodies)


def test_json_in_all_its_forms(tmp_path: Path) -> None:
    entries = [
        {"uid": "a", "text": "one", "metadata": {"name": "A", "none": None}},
        {"id": 7, "document": "two", "book": "B", "metadata": {"book": "wins", "tags": ["x"]}},
        {"id": "c", "content": "three"},
    ]
    expected = [
        Record("a", "one", {"name": "A"}, None),
        Record("7", "two", {"book": "wins", "tags": ["x"]}, None),
        Record("c", "three", None, None),
    ]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    (tmp_path / "object.json").write_text("\ufeff" + json.dumps({"chunks": entries}), encoding="utf-8")
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, entries)) + "\n\n")
    for name in ("list.json", "object.json", "lines.jsonl"):
        assert read([tmp_path / name], 4000) == expected


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    lines = ['{"id": "a", "text": "x"}', '{"id": "a", "text": "y"}', "{", '{"text": "x"}', '{"id": "b", "text": " "}',
             '{"id": "c", "text": "x", "metadata": {"deep": {"er": 1}}}', "[]"]  # fmt: skip
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    (tmp_path / "latin.md").write_bytes(b"# caf\xe9\n")
    (tmp_path / "book.pdf").write_bytes(b"%PDF")
    with pytest.raises(OperatorError) as caught:
        read([tmp_path / "bad.jsonl", tmp_path / "latin.md", tmp_path / "book.pdf", tmp_path / "gone.json"], 4000)
    told = str(caught.value)
    for expected in (
        "bad.jsonl:2: id 'a' is used already",
        "bad.jsonl:3: no JSON",
        "bad.jsonl:4: no uid or id",
        "bad.jsonl:5: b: no text, document, content with text in it",
        "bad.jsonl:6: c: deep is neither text",
        "bad.jsonl:7: no JSON object",
        "latin.md: cannot be read as UTF-8",
        "book.pdf: give .json, .jsonl or .md files",
        "gone.json: cannot be read",
    ):
        assert expected in told


def test_the_sample_rules_are_readable(tmp_path: Path) -> None:
    from tests.operator.conftest import ROOT

    records = read(sorted((ROOT / "app/sample_rules").glob("*.jsonl")), 4000)
    assert len(records) > 300 and all(record.metadata for record in records)
