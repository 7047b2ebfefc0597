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
    # By this the request path knows the parts of one section.
    assert {(r.metadata or {})["first_part_id"] for r in family} == {family[0].id}
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
             '{"id": "c", "text": "x", "metadata": {"deep": {"er": NaN}}}', "[]"]  # fmt: skip
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    (tmp_path / "broken.md").write_bytes(b"# caf\xc3\xa9\n\xe9\n")
    (tmp_path / "book.pdf").write_bytes(b"%PDF")
    with pytest.raises(OperatorError) as caught:
        read(
            [tmp_path / "bad.jsonl", tmp_path / "broken.md", tmp_path / "book.pdf", tmp_path / "gone.json"],
            4000,
        )
    told = str(caught.value)
    for expected in (
        "bad.jsonl:2: id 'a' is used already",
        "bad.jsonl:3: no JSON",
        "bad.jsonl:4: no uid or id",
        "bad.jsonl:5: b: no text, document, content with text in it",
        "bad.jsonl:6: c: deep is neither text",
        "bad.jsonl:7: no JSON object",
        "broken.md: is UTF-8 with a broken character in line 2",
        "book.pdf: is a PDF file",
        "gone.json: cannot be read",
    ):
        assert expected in told


def test_the_sample_rules_are_readable(tmp_path: Path) -> None:
    from tests.operator.conftest import ROOT

    records = read(sorted((ROOT / "app/sample_rules").glob("*.jsonl")), 4000)
    assert len(records) > 300 and all(record.metadata for record in records)


def test_what_chroma_cannot_store_is_refused_by_name(tmp_path: Path) -> None:
    """`json` reads all of these; a half character cannot even be written as UTF-8."""
    values = ["NaN", "1e999", "[1.0, Infinity]", str(2**63), "[[1]]", '[1, "a"]', r'"\ud800"']
    lines = [f'{{"id": {n}, "text": "x", "metadata": {{"k": {value}}}}}' for n, value in enumerate(values, 1)]
    lines += [r'{"id": 8, "text": "\udfff"}', r'{"id": "\udfff", "text": "x"}', "[" * 100_000]
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    with pytest.raises(OperatorError) as caught:
        read([tmp_path / "bad.jsonl"], 4000)
    told = str(caught.value)
    assert all(f"bad.jsonl:{number}: " in told for number in range(1, len(lines) + 1)), told
    assert told.encode()


def test_what_says_nothing_is_left_out(tmp_path: Path) -> None:
    entry = {
        "id": "a",
        "text": " ",
        "content": "there",
        "metadata": {"none": None, "tags": [], "largest": 2**63 - 1, "no": 0},
    }
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    assert read([tmp_path / "a.json"], 4000) == [Record("a", "there", {"largest": 2**63 - 1, "no": 0}, None)]


def hierarchies(text: str) -> list[str]:
    return [(record.metadata or {})["hierarchy"] for record in sections(text, "x", 4000)]


def test_underlined_headings() -> None:
    text = "Combat\n======\nA\n\nSurprise\n---\nB\n### Deep\nC\n\n"
    text += "Two lines\nof text\n---\n\n- a list\n---\n>said\n---\n\n---\nD\n"
    assert hierarchies(text) == ["Combat", "Combat > Surprise", "Combat > Surprise > Deep"]
    assert "\n\nTwo lines\nof text\n---\n\n" in [r.document or "" for r in sections(text, "x", 4000)][-1]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("---\ntitle: x\n---\n# A\na", ["A"]),
        ("---\n---\n# A\na", ["A"]),
        ("---\n\nKept, as it names no key.\n\n---\n# A\na", ["x", "A"]),
        ("# A\na\n# B\n\n---\n\n# C\nc", ["A", "C"]),
        ("```code``` in a sentence\n# A\na", ["x", "A"]),
        ("~~~\n# no\n```\n# no\n~~~\n# A\na", ["x", "A"]),
        ("", []),
        ("no heading", ["x"]),
    ],
)
def test_what_is_a_section(text: str, paths: list[str]) -> None:
    assert hierarchies(text) == paths


def test_a_page_break_in_the_text_stays() -> None:
    (record,) = sections("# A\none\fpage\u2028line", "x", 4000)
    assert (record.document or "").endswith("one\fpage\u2028line")


def test_the_parts_of_one_section_are_not_taken_for_another_section() -> None:
    text = "# A Part 2\nx\n# A\n" + "word " * 100
    ids = [record.id for record in sections(text, "s", 200)]
    assert len(set(ids)) == len(ids) and "s-a-part-2" in ids and "s-a-2-part-2" in ids


def test_a_table_in_html_stays_whole() -> None:
    table = "<table>\n<tr><th>Race</th></tr>\n\n" + "<tr><td>elf</td></tr>\n" * 20 + "</table>"
    found = list(sections(f"# A\nBefore.\n\n**Table: Races**\n\n{table}\nAfter.", "x", 200))
    assert [(r.metadata or {}).get("type") for r in found] == [None, "table", None]
    assert (found[1].document or "").endswith(f"**Table: Races**\n\n{table}")
