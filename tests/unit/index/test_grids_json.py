"""Tables that a model wrote down as JSON, a row or a whole table a passage, are tables again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.index.reader import read
from app.index.reading.json_rows import MOST_LEVELS, split_title
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


LEVELS = {
    "the heading says what the label counts": (
        "Warden Advancement — Level {}",
        lambda level, cells: {"table": "Warden Advancement", "row": level, "columns": cells},
    ),
    "in parentheses": (
        "Warden Advancement (Level {})",
        lambda level, cells: {"table": "Warden Advancement", "row": f"{level}", "columns": cells},
    ),
    "the label says it": (
        "Warden Advancement: row {}",
        lambda level, cells: {"table": "Warden Advancement", "row": {"Level": level}, "columns": cells},
    ),
    "beside the label, a column a pair": (
        "Warden Advancement: row {}",
        lambda level, cells: {
            "table": "Warden Advancement",
            "row_label": "Level",
            "row": level,
            "columns": [{"column": name, "value": value} for name, value in cells.items()],
        },
    ),
    "the passage alone has a title": (
        "Warden Advancement (Level {})",
        lambda level, cells: {"row": level, "columns": cells},
    ),
}


@pytest.mark.parametrize("way", LEVELS)
@pytest.mark.parametrize("headed", [True, False])
def test_a_row_may_call_its_label_row(way: str, headed: bool) -> None:
    title, value = LEVELS[way]
    rows = [
        Passage(
            f"row-{level}",
            (f"#### {title.format(level)}\n\n" if headed else "")
            + json.dumps(value(level, {"Experience Points": points, "Hit Dice": f"{level}d8"})),
            {"title": title.format(level)},
        )
        for level, points in ((1, 0), (2, 2000), (3, 4000))
    ]
    (grid,) = read(rows).grids
    assert (grid.title, grid.columns) == ("Warden Advancement", ("Level", "Experience Points", "Hit Dice"))
    assert grid.passages == ["row-1", "row-2", "row-3"]
    assert [row.cells for row in grid.rows] == [("1", "0", "1d8"), ("2", "2000", "2d8"), ("3", "4000", "3d8")]


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


@pytest.mark.parametrize(
    "body",
    [
        "- Paralyzation: {}\n- Rods: {}\n- Spells: 15",
        "| Level | Paralyzation | Rods | Spells |\n|---|---|---|---|\n| {level} | {} | {} | 15 |",
        "**Paralyzation:** {}\n**Rods:** {}\n**Spells:** 15",
    ],
)
def test_rows_need_not_be_json(body: str) -> None:
    passages = [
        Passage(
            f"row-{level}", f"#### SAVES -- level {level}\n\n{text}", {"title": f"SAVES -- level {level}"}
        )
        for level in (1, 2)
        if (text := body.format(10 + level, 13 + level, level=level))
    ]
    found = read(passages)
    assert [(label.removeprefix("level "), *rest) for label, *rest in cells_of(found)] == [
        ("1", "Paralyzation", "11"),
        ("1", "Rods", "14"),
        ("1", "Spells", "15"),
        ("2", "Paralyzation", "12"),
        ("2", "Rods", "15"),
        ("2", "Spells", "15"),
    ]
    assert [grid.title for grid in found.grids] == ["Saves"]


ONE = [
    ("3", "level of attacker: 1", "17"),
    ("3", "level of attacker: 2", "16"),
    ("3", "level of attacker: 3", "15"),
]
HANDS = {
    "inside one property": {
        "title": "M -- ac 3",
        "row": {"ac": 3, "level of attacker": {"1": 17, "2": 16, "3": 15}},
    },
    "axes by name": {
        "title": "M -- ac 3",
        "y-axis": "ac",
        "y-axis value": 3,
        "x_axis": "level of attacker",
        "values": {"1": 17, "2": 16, "3": 15},
    },
    "camel case": {"title": "M -- ac 3", "ac": 3, "levelOfAttacker": {"1": 17, "2": 16, "3": 15}},
    "two lists": {"title": "M -- ac 3", "ac": 3, "levels": [1, 2, 3], "level of attacker": [17, 16, 15]},
    "objects in a list": {
        "title": "M -- ac 3",
        "ac": 3,
        "level of attacker": [{"level": 1, "roll": 17}, {"level": 2, "roll": 16}, {"level": 3, "roll": 15}],
    },
    "no dash": {"title": "M for ac 3", "ac": 3, "level of attacker": {"1": 17, "2": 16, "3": 15}},
    "title last": {"level of attacker": {"1": 17, "2": 16, "3": 15}, "ac": 3, "name": "M: ac 3"},
}


@pytest.mark.parametrize("hand", HANDS)
def test_other_hands_nest_in_other_ways(hand: str) -> None:
    found = read([row("M -- ac 3", HANDS[hand])])
    assert cells_of(found) == ONE
    assert (found.grids[0].title, found.grids[0].columns[0]) == ("M", "ac")


def test_a_label_of_two_properties_is_both() -> None:
    value = {
        "title": "SAVES -- cleric level 5",
        "class": "cleric",
        "level": 5,
        "level limit": 5,
        "saves": {"poison": 9},
    }
    found = read([row("SAVES -- cleric level 5", value)])
    assert cells_of(found) == [("cleric, 5", "level limit", "5"), ("cleric, 5", "saves: poison", "9")]


def test_what_is_only_untidy_is_read() -> None:
    text = '```json\n{"level": 1,\n "xp": [2, 3,],\n}\n```'
    found = read([Passage("p", f"#### XP -- level 1\n\n{text}\nA note.", {"title": "XP -- level 1"})])
    assert cells_of(found) == [("1", "xp", "2, 3")]


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


def test_labels_that_differ_only_in_their_signs_are_apart() -> None:
    rows = [
        row(
            f"MONSTERS -- armor class {ac}",
            {"armor class": ac, "values": {"1-1": 1, "1": 2, "1+": 3, "-1": 4}},
        )
        for ac in (2, 3)
    ]
    assert [what[1:] for what in cells_of(read(rows)) if what[0] == "3"] == [
        ("1-1", "1"),
        ("1", "2"),
        ("1+", "3"),
        ("-1", "4"),
    ]


def test_labels_that_only_look_alike_are_apart_where_a_row_has_both() -> None:
    rows = [
        row(f"LOADS -- strength {number}", {"strength": number, "values": {"a load": 1, "load": 2}})
        for number in (2, 3)
    ]
    assert [what[1:] for what in cells_of(read(rows)) if what[0] == "3"] == [("a load", "1"), ("load", "2")]


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "Loads -- level 3", "level": 3, "load": 10, "load": 20}',
        '{"title": "Loads -- level 3", "level": 3, "values": {"load": 10}, "data": {"load": 20}}',
        '{"title": "Loads", "rows": [["Level", "Load", "Level", "Load"], [1, 10, 4, 20], [2, 15, 5, 25]]}',
    ],
)
def test_two_values_under_one_label_are_none(text: str) -> None:
    assert cells(text) == []


def test_a_list_of_named_things_is_a_table() -> None:
    text = """# Beasts of the Marsh

[{"name": "Bog Lizard", "stats": {"AC": 5, "HD": "2+1"}}, {"name": "Mire Toad", "stats": {"AC": 7, "HD": "3"}}]"""
    found = reading(text, name="Beasts of the Marsh")
    assert found.grids[0].title == "Beasts of the Marsh"
    assert cells_of(found) == [
        ("Bog Lizard", "AC", "5"),
        ("Bog Lizard", "HD", "2+1"),
        ("Mire Toad", "AC", "7"),
        ("Mire Toad", "HD", "3"),
    ]


def test_a_value_beside_others_that_are_held_together_labels_them() -> None:
    made = {"title": "RACIAL CHANGES", "race": "elf", "values": {"dexterity": 1, "constitution": -1}}
    assert cells_of(read([row("RACIAL CHANGES", made)])) == [
        ("elf", "dexterity", "1"),
        ("elf", "constitution", "-1"),
    ]


def test_rows_without_any_title_are_of_the_table_they_stand_under() -> None:
    rows = [
        Passage(
            f"p{level}", json.dumps({"level": level, "thac0": 21 - level}), {"hierarchy": "Classes > Squires"}
        )
        for level in (3, 4)
    ]
    (grid,) = read(rows).grids
    assert (grid.title, grid.columns) == ("Squires", ("level", "thac0"))
    assert [row.cells for row in grid.rows] == [("3", "18"), ("4", "17")]


def test_a_label_is_all_that_the_title_says() -> None:
    made = [("cleric", "1-3", 10), ("cleric", "4-6", 9), ("fighter", "1-2", 14)]
    rows = [
        row(
            title := f"SAVES -- {who}s {levels}",
            {"title": title, "class": who, "levels": levels, "saves": {"poison": save}},
        )
        for who, levels, save in made
    ]
    assert sorted(cells_of(read(rows))) == [
        (f"{who}, {levels}", "saves: poison", str(save)) for who, levels, save in made
    ]
