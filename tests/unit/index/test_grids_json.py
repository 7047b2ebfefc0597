"""Tables that a model wrote down as JSON, a row or a whole table a passage, are tables again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.index.reader import read
from app.index.reading.json_tables import MOST_LEVELS, split_title
from app.models import Passage
from tests.unit.index.stated import cells, cells_of, reading, whys

WANTED = [
    ("3", "roll to hit by level of attacker: 1-3", "17"),
    ("3", "roll to hit by level of attacker: 4-6", "15"),
    ("2", "roll to hit by level of attacker: 1-3", "18"),
    ("2", "roll to hit by level of attacker: 4-6", "16"),
]


def row(
    title: str, value: dict[str, Any], number: int = 0, *, fenced: bool = True, **metadata: Any
) -> Passage:
    text = json.dumps(value, indent=2)
    body = f"```json\n{text}\n```" if fenced else text
    return Passage(f"row-{number}", f"#### {title}\n\n{body}", {"title": title, "book": "DMG", **metadata})


def attack(armor: int, rolls: tuple[int, int]) -> dict[str, Any]:
    return {"1-3": rolls[0], "4-6": rolls[1]}


TITLE = "I.A. ATTACK MATRIX FOR CLERICS -- opponent armor class"
SAME = {
    "as it should be": [
        {
            "title": f"{TITLE} 3",
            "opponent armor class": 3,
            "roll to hit by level of attacker": {"1-3": 17, "4-6": 15},
        },
        {
            "title": f"{TITLE} 2",
            "opponent armor class": 2,
            "roll to hit by level of attacker": {"1-3": 18, "4-6": 16},
        },
    ],
    "other case, other order, other dash": [
        {
            "title": f"{TITLE} 3",
            "opponent armor class": 3,
            "roll to hit by level of attacker": {"1-3": 17, "4-6": 15},
        },
        {
            "Title": "Attack Matrix I.A. for Clerics — Opponent Armor Class 2",
            "Opponent Armor Class": "2",
            "Roll To Hit By Level Of Attacker": {"1-3": "18", "4-6": "16"},
        },
    ],
    "no title inside": [
        {"opponent armor class": 3, "roll to hit by level of attacker": {"1-3": 17, "4-6": 15}},
        {"opponent armor class": 2, "roll to hit by level of attacker": {"1-3": 18, "4-6": 16}},
    ],
    "no label inside": [
        {
            "title": f"{TITLE} 3",
            "opponent armor class": 3,
            "roll to hit by level of attacker": {"1-3": 17, "4-6": 15},
        },
        {"title": f"{TITLE} 2", "roll to hit by level of attacker": {"1-3": 18, "4-6": 16}},
    ],
    "wrapped in values, listed": [
        {
            "title": f"{TITLE} 3",
            "opponent armor class": 3,
            "values": {"roll to hit by level of attacker": {"1-3": 17, "4-6": 15}},
        },
        {
            "title": f"{TITLE} 2",
            "opponent armor class": 2,
            "roll to hit by level of attacker": [{"level": "1-3", "roll": 18}, {"level": "4-6", "roll": 16}],
        },
    ],
    "another name for the same property": [
        {
            "title": f"{TITLE} 3",
            "opponent armor class": 3,
            "roll to hit by level of attacker": {"1-3": 17, "4-6": 15},
        },
        {"title": f"{TITLE} 2", "opponent armor class": 2, "to hit": {"1-3": 18, "4-6": 16}},
    ],
}


@pytest.mark.parametrize("fenced", [True, False])
@pytest.mark.parametrize("way", SAME)
def test_rows_that_are_passages_are_one_table(way: str, fenced: bool) -> None:
    passages = [
        row(f"{TITLE} {armor}", value, armor, fenced=fenced)
        for armor, value in zip((3, 2), SAME[way], strict=True)
    ]
    found = read(passages)
    (grid,) = found.grids
    assert cells_of(found) == WANTED and not found.unread
    assert [row.passage for row in grid.rows] == ["row-3", "row-2"]
    assert grid.title == "I.A. Attack Matrix for Clerics"
    assert grid.columns[0] == "opponent armor class"


def test_values_beside_the_label_and_ranges_that_are_expanded() -> None:
    value = {
        "title": "SAVES -- level 4",
        "level": 4,
        "poison": 13,
        "rods": 14,
        "by class": {"1": {"x": 2}, "2": {"x": 3}},
    }
    assert cells_of(read([row("SAVES -- level 4", value)])) == [
        ("4", "poison", "13"),
        ("4", "rods", "14"),
        ("4", "by class: 1: x", "2"),
        ("4", "by class: 2: x", "3"),
    ]


def test_rows_are_in_the_order_of_their_labels() -> None:
    passages = [
        row(f"XP -- level {n}", {"title": f"XP -- level {n}", "level": n, "points": n * 1000}, n)
        for n in (3, 1, 2)
    ]
    (grid,) = read(passages).grids
    assert [r.cells for r in grid.rows] == [("1", "1000"), ("2", "2000"), ("3", "3000")]


def test_tables_of_one_title_are_told_apart_by_where_they_stand() -> None:
    passages = [
        row(
            "SAVES -- level 1",
            {"title": "SAVES -- level 1", "level": 1, "poison": n},
            n,
            hierarchy=f"CLASSES → {who}",
        )
        for n, who in ((10, "CLERIC"), (14, "THIEF"))
    ]
    assert [(grid.context.split("\n")[1], grid.rows[0].cells) for grid in read(passages).grids] == [
        ("CLASSES → CLERIC", ("1", "10")),
        ("CLASSES → THIEF", ("1", "14")),
    ]


def test_what_all_rows_say_of_their_table_is_context() -> None:
    must = {"contain_one_of": [["cleric", "clerics"], ["armor class 3", "ac 3"]]}
    other = {"contain_one_of": [["cleric", "clerics"], ["armor class 2", "ac 2"]]}
    passages = [
        row(
            "M -- ac 3",
            {"ac": 3, "1": 17, "description": "Rolled on d20 against 3"},
            3,
            query_must=json.dumps(must),
        ),
        row(
            "M -- ac 2",
            {"ac": 2, "1": 18, "description": "Rolled on d20 against 2"},
            2,
            query_must=json.dumps(other),
        ),
    ]
    (grid,) = read(passages).grids
    assert grid.context.split("\n") == ["M", "Rolled on d20 against", "cleric", "clerics"]


WHOLE = {
    "a list of rows": {"title": "Levels", "rows": [{"level": 1, "xp": 0}, {"level": 2, "xp": "2,000"}]},
    "lists": {"title": "Levels", "columns": ["level", "xp"], "rows": [[1, 0], [2, "2,000"]]},
    "rows by their labels": {"title": "Levels", "1": {"xp": 0, "hd": None}, "2": {"xp": "2,000", "hd": ""}},
    "deeper": {"title": "Levels", "table": {"1": {"xp": 0, "hd": ""}, "2": {"xp": "2,000", "hd": ""}}},
    "only a list": [{"level": 1, "xp": 0}, {"level": 2, "xp": "2,000"}],
    "only lists": [["level", "xp"], ["1", "0"], ["2", "2,000"]],
}


@pytest.mark.parametrize("way", WHOLE)
def test_a_whole_table_is_read(way: str) -> None:
    found = reading(f"# Levels\n\n{json.dumps(WHOLE[way])}", name="Levels")
    assert cells_of(found) == [("1", "xp", "0"), ("2", "xp", "2,000")]
    assert [grid.title for grid in found.grids] == ["Levels"] and not found.unread


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('```json\n{"title": "T -- 1", "a": }\n```', "damaged JSON"),
        ('```json\n{"a": 1, "b": \n```', "damaged JSON"),
        ('{"a": ' * 2000 + "1" + "}" * 2000, "damaged JSON: nested too deeply"),
        ('```json\n{"title": "T"}\n```', "JSON that states nothing"),
        ('```json\n{"title": "T", "x": {"a": 1}}\n```', "JSON without a label"),
        ("```json\n{" + ", ".join(f'"k{n}": {n}' for n in range(300)) + "}\n```", "JSON with more than 200"),
        ('```json\n"words"\n```', ""),
        ("[see below] and {more}", ""),
    ],
)
def test_what_is_damaged_or_too_much_is_no_fact(text: str, why: str) -> None:
    assert cells(f"# T\n\n{text}") == []
    assert all(said.startswith(why) for said in whys(f"# T\n\n{text}")) and bool(why) == bool(
        whys(f"# T\n\n{text}")
    )


def test_deep_values_are_left_out() -> None:
    value: dict[str, Any] = {"x": 1}
    for _ in range(MOST_LEVELS + 3):
        value = {"in": value}
    assert cells(f"# T\n\n{json.dumps({'title': 'T -- 1', 'n': 1, 'flat': 2, **value})}") == [
        ("1", "flat", "2")
    ]


@pytest.mark.parametrize(
    ("title", "parts"),
    [
        ("ATTACK MATRIX -- armor class -3", ("ATTACK MATRIX", "armor class -3")),
        ("Saves — level 1–3", ("Saves", "level 1–3")),
        ("Dragon - Red: age 3", ("Dragon - Red", "age 3")),
        ("Saving Throws", ("Saving Throws", "")),
        ("Armor-piercing", ("Armor-piercing", "")),
    ],
)
def test_titles_are_parted_at_their_last_dash(title: str, parts: tuple[str, str]) -> None:
    assert split_title(title) == parts
