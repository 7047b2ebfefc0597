"""Tables that go on in the next passage are one; titles are as people say them."""

from __future__ import annotations

from typing import Any

import pytest

from app.index.grids import Grid, GridRow, from_json, to_json
from app.index.reader import read
from app.index.reading.titles import spoken
from app.models import Passage
from tests.unit.index.stated import passage

HEAD = "| d100 | Effect |\n|---|---|\n"


def parts(first: str, second: str, **metadata: Any) -> list[Passage]:
    section = {"original_chunk_uid": "wand-1", "total_parts": 2, **metadata}
    return [
        passage(f"## WAND (part 1 of 2)\n\n{first}", "WAND", "wand-1", chunk_part=1, **section),
        passage(f"## WAND (part 2 of 2)\n\n{second}", "WAND", "wand-2", chunk_part=2, **section),
    ]


@pytest.mark.parametrize("head", [HEAD, "", "| D100 | **Effect** |\n|:-:|:-:|\n"])
def test_a_table_that_goes_on_in_the_next_part_is_one(head: str) -> None:
    found = read(
        parts(f"Roll:\n\n{HEAD}| 01-50 | Slow |\n| 51-90 | Rain |", f"{head}| 91-00 | Stun |\n| none | - |")
    )
    (grid,) = found.grids
    assert grid.title == "Wand" and not found.unread
    assert grid.rows == (
        GridRow("wand-1", ("01-50", "Slow")),
        GridRow("wand-1", ("51-90", "Rain")),
        GridRow("wand-2", ("91-00", "Stun")),
        GridRow("wand-2", ("none", "-")),
    )


def test_another_table_in_the_next_part_is_another() -> None:
    found = read(parts(f"{HEAD}| 01-50 | Slow |", "| d6 | Colour |\n|---|---|\n| 1 | Red |"))
    assert [grid.columns for grid in found.grids] == [("d100", "Effect"), ("d6", "Colour")]


def test_without_parts_only_what_goes_on_where_the_last_row_ends_is_joined() -> None:
    def of(first: str, second: str) -> int:
        texts = ((first, "Wand"), (second, "Wand (continued)"))
        return len(read([passage(HEAD + text, name, name) for text, name in texts]).grids)

    assert of("| 01-50 | Slow |", "| 51-00 | Rain |") == 1
    assert of("| 01-50 | Slow |", "| 01-50 | Rain |") == 2


def test_rows_without_headings_are_said_where_nothing_is_before_them() -> None:
    found = read([passage("| 1 | Slow |\n| 2 | Rain |")])
    assert found.grids == [] and [unread.why for unread in found.unread] == [
        "rows without headings: 1 | Slow"
    ]


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("OWLBEAR", "Owlbear"),
        (
            "I.A. ATTACK MATRIX FOR CLERICS, DRUIDS AND MONKS",
            "I.A. Attack Matrix for Clerics, Druids and Monks",
        ),
        ("ANGEL'S TRUMPET (GIANT)", "Angel's Trumpet (Giant)"),
        ("TABLE II: AC AND HD", "Table II: AC and HD"),
        ("Bag of Holding", "Bag of Holding"),
        ("WILL-O-(THE)-WISP", "Will-O-(The)-Wisp"),
    ],
)
def test_capitals_are_said_as_words(title: str, said: str) -> None:
    assert spoken(title) == said


def test_a_grid_is_kept_as_it_is() -> None:
    grid = Grid('T "x"', "T\nabove", ("", "a"), (GridRow("p", ("1", "½")), GridRow("q", ("2", ""))), "table")
    assert from_json(to_json(grid)) == grid
