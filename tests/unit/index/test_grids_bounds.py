"""Whatever a passage holds, reading it ends soon: damaged or endless tables are no fact and no error."""

from __future__ import annotations

import pytest

from app.index.reader import read
from app.models import Passage
from tests.harness.counting import lines

SIZE = 400

HUGE = {
    "rows": lambda size: "| a | b | c |\n|---|---|---|\n" + "| 1 | 2 | 3 |\n" * size,
    "columns": lambda size: "|" + " a |" * size + "\n|" + "---|" * size + "\n|" + " 1 |" * size,
    "bars": lambda size: "|" * 10 * size,
    "lines of dashes": lambda size: "|---|---|\n" * size,
    "escapes": lambda size: "\\|" * size,
    "nested JSON": lambda size: "```json\n" + '{"a":' * size + "1" + "}" * size,
    "wide JSON": lambda size: (
        '{"title": "T -- 1", "n": 1, ' + ",".join(f'"k{n}": 1' for n in range(size)) + "}"
    ),
    "JSON again and again": lambda size: '["a\n' * size,
    "fences": lambda size: "```json\n{\n```\n" * size,
    "nested HTML": lambda size: "<table><tr><td>" * size,
    "open HTML": lambda size: "<table\n" * size,
    "merged cells": lambda size: "<table><tr>" + "<td colspan=200 rowspan=65000>a" * size + "</table>",
    "frames": lambda size: "+---+---+\n| a | b |\n" * size,
    "rules": lambda size: "--- ---\na b\n" * size,
    "headings under rules": lambda size: "----------\na\n--- ---\nb c\n\n" * size,
    "tabs": lambda size: "a\tb\tc\n" * size,
    "pairs": lambda size: "AC: 5\nHD: 3\n\n" * size,
    "pairs of one line": lambda size: "AC 5; HD 3; " * size,
    "headings": lambda size: "## AC\nAC: 5\nHD: 3\n" * size,
}


@pytest.mark.parametrize("kind", HUGE)
def test_twice_as_much_is_twice_the_work(kind: str) -> None:
    def work(size: int) -> int:
        passage = Passage("p", "# T\n\n" + HUGE[kind](size), {"name": "T"})
        return lines(lambda: read([passage]))

    # Stems are kept once they are made.
    work(2 * SIZE)
    assert work(2 * SIZE) <= 2.3 * work(SIZE) + 1000


@pytest.mark.parametrize("kind", ["columns", "nested JSON", "wide JSON", "nested HTML", "merged cells"])
def test_what_is_too_large_is_left_out_and_said(kind: str) -> None:
    found = read([Passage("p", "# T\n\n" + HUGE[kind](SIZE), {"name": "T"})])
    assert found.grids == [] and found.unread and found.unread[0].id == "p"


def test_rows_of_many_passages_with_columns_of_their_own_are_no_table() -> None:
    rows = [
        Passage(
            f"p{n}", f'```json\n{{"title": "T -- level {n}", "level": {n}, "k{n}": 1}}\n```', {"title": "T"}
        )
        for n in range(300)
    ]
    assert read(rows).grids == []
