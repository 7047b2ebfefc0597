"""Tables are read whatever they are drawn with: all dialects say the same."""

from __future__ import annotations

import pytest

from app.index.reading.raw import MOST_COLUMNS
from tests.unit.index.stated import cells, reading, whys

THIEVES = [
    ("1", "Pick pockets", "30%"),
    ("1", "Open locks", "25%"),
    ("2-3", "Pick pockets", "35%"),
    ("2-3", "Open locks", "29%"),
]

DIALECTS = {
    "bars": """
| Level | Pick pockets | Open locks |
|---|---|---|
| 1 | 30% | 25% |
| 2-3 | 35% | 29% |
""",
    "no bars at the ends": """
Level | Pick pockets | Open locks
:---: | ---: | :---
1 | 30% | 25%
2-3 | 35% | 29%
""",
    "emphasis, entities, blanks": """
|  **Level**  | *Pick&nbsp;pockets* | `Open locks` |
| :-- | :-: | --: |
| **1** | 30&#37; | 25% |
|2-3|  35%|29%[^1] |
""",
    "no line of dashes": """
| Level | Pick pockets | Open locks |
| 1 | 30% | 25% |
| 2-3 | 35% | 29% |
""",
    "headings again": """
| Level | Pick pockets | Open locks |
|---|---|---|
| 1 | 30% | 25% |
| Level | Pick pockets | Open locks |
|---|---|---|
| 2-3 | 35% | 29% |
""",
    "HTML": """
<table class="x">
<tr><th>Level</th><th>Pick pockets</th><th>Open locks</th></tr>
<tr><td>1</td><td>30%</td><td>25%</td></tr>
<tr><td>2-3</td><td>35%</td><td>29%</td></tr>
</table>
""",
    "HTML, headings of rows, no closing tags, breaks": """
<TABLE><thead><tr><th>Level<th>Pick<br/>pockets<th><b>Open</b> locks
<tbody><tr><th scope="row">1<td>30%<td>25%<tr><th scope="row">2-3<td>35%<td>
29%
</TABLE>
""",
    "a frame": """
+-------+--------------+------------+
| Level | Pick pockets | Open locks |
+=======+==============+============+
| 1     | 30%          | 25%        |
+-------+--------------+------------+
| 2-3   | 35%          | 29%        |
+-------+--------------+------------+
""",
    "columns under dashes": """
Level   Pick pockets   Open locks
------- -------------- ------------
1       30%            25%
2-3     35%            29%
""",
    "columns under equals signs": """
=======  ============  ==========
Level    Pick pockets  Open locks
=======  ============  ==========
1        30%           25%
2-3      35%           29%
=======  ============  ==========
""",
    "rows of several lines": """
--------------------------------
Level   Pick         Open
        pockets      locks
------- ------------ -----------
1       30%          25%

2-3     35%          29%
--------------------------------
""",
    "tabs": "Level\tPick pockets\tOpen locks\n1\t30%\t25%\n2-3\t35%\t29%\n",
    "wide blanks": """
Level  Pick pockets  Open locks
1      30%           25%
2-3    35%           29%
""",
    "a quotation mark of code": """
```
Level  Pick pockets  Open locks
1      30%           25%
2-3    35%           29%
```
""",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_says_the_same(dialect: str) -> None:
    text = f"# Thief Skills\n\nThieves have skills:\n{DIALECTS[dialect]}\nThey are rolled on d%."
    found = reading(text)
    assert [(*tuple(f)[1:3], f.row) for g in found.grids for f in g.facts()] == [
        (column, value, row) for row, column, value in THIEVES
    ]
    assert [grid.title for grid in found.grids] == ["Test Table"] and not found.unread


def test_an_escaped_bar_is_text() -> None:
    assert cells("| Sign | Means |\n|---|---|\n| \\| | a wall |\n| a \\| b | either |") == [
        ("|", "Means", "a wall"),
        ("a | b", "Means", "either"),
    ]


def test_a_star_that_means_something_is_kept() -> None:
    table = "| Level | Skeleton | Ghoul |\n|---|---|---|\n| 7 | D* | 1-4* or T* |"
    assert cells(table) == [("7", "Skeleton", "D*"), ("7", "Ghoul", "1-4* or T*")]


def test_tables_side_by_side_are_two() -> None:
    table = """
| d% | Armor Type |  | d% | Armor Bonus |
|---|---|---|---|---|
| 1-60 | Leather |  | 1-50 | +1 |
| 61-00 | Plate |  | 51-90 | +2 |
|  |  |  | 91-00 | +3 |
"""
    found = reading(table)
    assert [grid.columns for grid in found.grids] == [("d%", "Armor Type"), ("d%", "Armor Bonus")]
    assert cells(table)[-1] == ("91-00", "Armor Bonus", "+3") and not found.unread


@pytest.mark.parametrize("between", [" |", ""])
def test_one_table_in_two_pairs_of_columns_is_one(between: str) -> None:
    table = f"""
| d6 | Foe |{between} d6 | Foe |
|---|---|{"---|" if between else ""}---|---|
| 1 | Dragons |{between} 3 | Giants |
| 2 | Undead |{between} 4 | Trolls |
"""
    (grid,) = reading(table).grids
    assert grid.columns == ("d6", "Foe")
    assert [row.cells for row in grid.rows] == [
        ("1", "Dragons"),
        ("2", "Undead"),
        ("3", "Giants"),
        ("4", "Trolls"),
    ]


TWO_LEVELS = {
    "empty": "| Level | Spells by level |  |  |\n|---|---|---|---|\n|  | 1 | 2 | 3 |\n| 5 | 4 | 2 | 1 |\n| 6 | 4 | 2 | 2 |",
    "repeated": "| Level | Spells by level | Spells by level | Spells by level |\n|---|---|---|---|\n"
    "|  | 1 | 2 | 3 |\n| 5 | 4 | 2 | 1 |\n| 6 | 4 | 2 | 2 |",
    "above": "|  | Spells by level | Spells by level | Spells by level |\n| Level | 1 | 2 | 3 |\n|---|---|---|---|\n"
    "| 5 | 4 | 2 | 1 |\n| 6 | 4 | 2 | 2 |",
    "HTML": "<table><tr><th rowspan=2>Level</th><th colspan=3>Spells by level</th></tr><tr><th>1<th>2<th>3</tr>"
    "<tr><td>5<td>4<td>2<td>1</tr><tr><td>6<td>4<td>2<td>2</tr></table>",
}


@pytest.mark.parametrize("way", TWO_LEVELS)
def test_headings_of_two_levels_are_joined(way: str) -> None:
    found = cells(TWO_LEVELS[way])
    assert found[:3] == [
        ("5", "Spells by level: 1", "4"),
        ("5", "Spells by level: 2", "2"),
        ("5", "Spells by level: 3", "1"),
    ]
    assert len(found) == 6


def test_a_heading_over_all_columns_says_what_the_table_is() -> None:
    for table in (
        "<table><tr><th colspan=2>Rolled on d%</th></tr><tr><th>Die<th>Result</tr><tr><td>1<td>Fall</table>",
        "| Rolled on d% |  |  |\n|---|---|---|\n| Melee | Missile | Bonus |\n| 1-40 | 1-46 | +1 |\n| 41-00 | 47-00 | +2 |",
    ):
        grid = reading(table).grids[0]
        assert "Rolled on d%" in grid.context and "Rolled" not in " ".join(grid.columns)
        assert grid.columns in (("Die", "Result"), ("Melee", "Missile", "Bonus"))


def test_merged_values_are_those_of_each_row_and_column() -> None:
    table = """<table><tr><th>Dragon<th>Young<th>Old</tr>
<tr><td>Red<td colspan="2">Fire</tr><tr><td>White<td rowspan="2">Cold<td>Ice</tr><tr><td>Blue<td>Sleet</tr></table>"""
    assert cells(table) == [
        ("Red", "Young", "Fire"),
        ("Red", "Old", "Fire"),
        ("White", "Young", "Cold"),
        ("White", "Old", "Ice"),
        ("Blue", "Young", "Cold"),
        ("Blue", "Old", "Sleet"),
    ]


MERGED = [("Fighter, 1", "To hit", "20"), ("Fighter, 2", "To hit", "19"), ("Cleric, 1", "To hit", "20")]


@pytest.mark.parametrize(
    "table",
    [
        "| Class | Level | To hit |\n|---|---|---|\n| Fighter | 1 | 20 |\n|  | 2 | 19 |\n| Cleric | 1 | 20 |",
        "<table><tr><th>Class<th>Level<th>To hit</tr><tr><td rowspan=2>Fighter<td>1<td>20</tr><tr><td>2<td>19</tr>"
        "<tr><td rowspan=1>Cleric<td>1<td>20</tr><tr><td>Cleric<td>2<td>20</tr></table>",
    ],
)
def test_merged_labels_are_told_with_what_tells_them_apart(table: str) -> None:
    assert cells(table)[:3] == MERGED


def test_a_cell_of_several_lines_is_one() -> None:
    table = """
| Weapon | Damage | Notes |
|---|---|---|
| Lance | 2-7 | breaks on a fumble, |
|  |  | unless it is magical |
| Bow | 1-6 | two shots<br>a round |
"""
    assert cells(table) == [
        ("Lance", "Damage", "2-7"),
        ("Lance", "Notes", "breaks on a fumble, unless it is magical"),
        ("Bow", "Damage", "1-6"),
        ("Bow", "Notes", "two shots a round"),
    ]


@pytest.mark.parametrize("mark", ["~ ", "↳ ", "&nbsp;&nbsp;", "– ", "&emsp;", "• "])
def test_a_row_set_under_another_is_told_with_it(mark: str) -> None:
    table = f"| Item | Cost |\n|---|---|\n| Ale |  |\n| {mark}Gallon | 2 sp |\n| {mark}Mug | 4 cp |\n| Bread | 2 cp |"
    assert cells(table) == [
        ("Ale, Gallon", "Cost", "2 sp"),
        ("Ale, Mug", "Cost", "4 cp"),
        ("Bread", "Cost", "2 cp"),
    ]


def test_rows_that_are_all_marked_stand_under_none() -> None:
    assert cells("| Item | Cost |\n|---|---|\n| – Ale | 2 sp |\n| – Bread | 2 cp |") == [
        ("Ale", "Cost", "2 sp"),
        ("Bread", "Cost", "2 cp"),
    ]


def test_headings_inside_tell_the_same_labels_apart() -> None:
    table = """
| Weapon | Damage |
|---|---|
| One hand |  |
| Sword | 1-8 |
| Club | 1-4 |
| Two hands |  |
| Sword | 1-10 |
"""
    assert cells(table) == [
        ("One hand, Sword", "Damage", "1-8"),
        ("Club", "Damage", "1-4"),
        ("Two hands, Sword", "Damage", "1-10"),
    ]


def test_another_die_begins_another_table() -> None:
    found = reading("| d4 | Trait |\n|---|---|\n| 1 | Brave |\n| 2 | Shy |\n| d6 | Bond |\n| 1 | A sister |")
    assert [grid.columns for grid in found.grids] == [("d4", "Trait"), ("d6", "Bond")]


def test_each_column_of_levels_labels_the_rows() -> None:
    table = """
| Fighter level | Thief level | Bonus |
|---|---|---|
| 1-2 | 1-3 | +1 |
| 3-4 | 4-6 | +2 |
| 5-9 | 7-12 | +3 |
|  | 13-20 | +4 |
"""
    first, second = reading(table).grids
    assert first.columns == ("Fighter level", "Thief level", "Bonus")
    assert second.columns == ("Thief level", "Bonus")
    assert [row.cells for row in second.rows] == [
        ("1-3", "+1"),
        ("4-6", "+2"),
        ("7-12", "+3"),
        ("13-20", "+4"),
    ]


def test_several_tables_are_called_as_they_are_headed() -> None:
    text = """# Grenades

### Oil

| Hit | Damage |
|---|---|
| direct | 2-12 |

**Table 3: Holy water**

| Hit | Damage |
|---|---|
| direct | 2-7 |
"""
    found = reading(text, name="GRENADES", hierarchy="COMBAT → GRENADES")
    assert [grid.title for grid in found.grids] == ["Oil", "Holy water"]
    assert found.grids[0].context.split("\n") == ["Grenades", "Oil", "COMBAT → GRENADES"]


@pytest.mark.parametrize("text", ["<table><caption>Loads</caption>", "**Loads**", "Table: Loads"])
def test_a_caption_is_context(text: str) -> None:
    html = text.startswith("<table")
    table = (
        "<tr><th>A<th>B</tr><tr><td>1<td>2</tr></table>" if html else "\n\n| A | B |\n|---|---|\n| 1 | 2 |"
    )
    (grid,) = reading(text + table).grids
    assert (grid.title, "Loads" in grid.context) == ("Test Table", True)
    (grid,) = reading(text + table, type="spell").grids
    assert grid.title == "Loads"


UNCERTAIN = {
    "+---+-------+\n| A | B     |\n|   +---+---+\n|   | 3 | u |\n+===+===+===+\n| x | y | z |\n+---+---+---+": "a frame with",
    "| a | b |\n|---|---|\n| 1 | 2 | 3 |": "a row of 3 cells under 2 headings",
    "| 1 | 2 |\n| 3 | 4 |": "rows without headings",
    "| Item |  |\n|---|---|\n| Sword | sharp |": "a column without a heading",
    "| A | B | C |\n|---|---|---|\n| x | y | z |\n|  | u |  |": "a row without a label",
    "| A |\n|---|\n| x |": "one column only",
    "|"
    + " a |" * (MOST_COLUMNS + 1)
    + "\n"
    + "|---" * (MOST_COLUMNS + 1)
    + "|\n|"
    + " 1 |" * 3: "larger than",
    "<table><tr><th>A<th>B</tr><tr><td>1<td><table><tr><td>x</table></tr></table>": "a table inside a table",
    "Name    Length  Width\n------ ------ -----\nA very long name   1   2": "a row that is out of its columns",
    "abc  d1e\nfgh  i2j\nklm  n3o\n": "columns without a heading that is certain",
}


@pytest.mark.parametrize("text", UNCERTAIN)
def test_what_is_not_certain_is_no_fact_and_said(text: str) -> None:
    assert any(why.startswith(UNCERTAIN[text]) for why in whys(text))
    assert not {"3", "sharp", "u"} & {value for _, _, value in cells(text)}


@pytest.mark.parametrize(
    "text",
    [
        "The odds are 3 | 4 on a good day.",
        "Choose: sword | bow | sling.",
        "A heading\n---------\nand a line of prose.",
        "---\nThe text between rules.\n---",
        "He said  this  and  that\nand then it  was over.",
        "<table></table>",
        "|||||\n|---|",
        "|",
        "+---+",
        "|---|---|",
    ],
)
def test_prose_is_no_table(text: str) -> None:
    assert reading(text).grids == []


NOTES = "Read the line of the load, then the column of the mount. A lame beast carries half. "


@pytest.mark.parametrize(
    ("kind", "notes", "title"),
    [
        ("rule", 1, "Beasts of Burden"),
        ("rule", 5, "Loads"),
        ("spell", 1, "Loads"),
        ("table", 5, "Beasts of Burden"),
    ],
)
def test_a_passage_that_is_one_table_gives_it_its_title(kind: str, notes: int, title: str) -> None:
    text = f"## BEASTS OF BURDEN\n\n**Table: Loads**\n\n{DIALECTS['bars']}\n\n{NOTES * notes}"
    (grid,) = reading(text, type=kind, name="", title="BEASTS OF BURDEN").grids
    assert grid.title == title
    assert {"Beasts of Burden", "Loads"} <= set(grid.context.split("\n"))


BY_A_WORD_PROCESSOR = """<table border=1 style="border-collapse:collapse">
<tr><td rowspan=2><p><b><span>Giant</span></b></p></td><td colspan=2><p><b>Rocks</b></p></td></tr>
<tr><td><p><b>Range</b></p></td><td><p><b>Damage</b></p></td></tr>
<tr><td><p><b>Cold</b></p></td><td></td><td></td></tr>
<tr><td><p><span lang=EN>Frost</span></p></td><td>200'</td><td>3d6<o:p></o:p></td></tr>
</table>"""
GIANTS = [("Frost", "Rocks: Range", "200'"), ("Frost", "Rocks: Damage", "3d6")]


def test_a_word_processor_marks_headings_by_bold_letters_only() -> None:
    assert cells(BY_A_WORD_PROCESSOR) == GIANTS
    assert cells("<table><tr><td><b>a</b><td><b>b</b></tr><tr><td><b>1</b><td><b>2</b></tr></table>") == []


@pytest.mark.parametrize("section", ['<th colspan="2">{}</th>', "<th>{}</th><th></th>"])
def test_a_heading_below_the_headings_is_of_the_rows_that_follow(section: str) -> None:
    shields, helmets = (f"<tr>{section.format(name)}</tr>" for name in ("Shields", "Helmets"))
    row = "<tr><td>Small</td><td>{}</td></tr>"
    table = f"<table><tr><th>Item</th><th>Price</th></tr>{shields}{row.format('5 gp')}{helmets}{row.format('9 gp')}"
    assert cells(table + "</table>") == [
        ("Shields, Small", "Price", "5 gp"),
        ("Helmets, Small", "Price", "9 gp"),
    ]


@pytest.mark.parametrize("units", ["| (lb.) | (miles/day) | |", "| lbs. | miles per day | |"])
def test_a_row_of_units_belongs_to_the_headings(units: str) -> None:
    table = f"| Load | March | Notes |\n|---|---|---|\n{units}\n| 0-40 | 24 | light |"
    said = units.strip("| ").split(" | ")[-1].removesuffix(" |").strip()
    assert cells(table) == [("0-40", f"March {said}", "24"), ("0-40", "Notes", "light")]
    assert len(cells("| Item | Unit |\n|---|---|\n| (none) | (none) |")) == 1


def test_a_label_that_is_merged_over_a_few_rows_is_told_with_their_names() -> None:
    lances = """<table><tr><th>Lance<th>Mount<th>Damage</tr>
<tr><td rowspan="2">Heavy<td>Warhorse<td>3-9</tr><tr><td>On foot<td>1-4</tr><tr><td>Light<td>Warhorse<td>1-6</tr></table>"""
    assert cells(lances) == [
        ("Heavy, Warhorse", "Damage", "3-9"),
        ("Heavy, On foot", "Damage", "1-4"),
        ("Light, Warhorse", "Damage", "1-6"),
    ]


@pytest.mark.parametrize(
    "table",
    [
        "| Item | Cost | Weight |\n|---|---|---|\n| Light armor | Light armor | Light armor |\n| Padded | 5 | 10 |",
        "+--------+------+--------+\n| Item   | Cost | Weight |\n+========+======+========+\n"
        "| Light armor            |\n+--------+------+--------+\n| Padded | 5    | 10     |\n"
        "+--------+------+--------+",
    ],
)
def test_a_heading_over_all_columns_inside_is_no_value(table: str) -> None:
    assert cells(table) == [("Padded", "Cost", "5"), ("Padded", "Weight", "10")]


def test_a_mark_of_ditto_is_what_stands_above() -> None:
    table = '| Load | Speed | Rest |\n|---|---|---|\n| 1 | 12" | 1 |\n| 2 | " | ditto |\n| 3 | 9" | 2 |'
    assert [value for _, _, value in cells(table)] == ['12"', "1", '12"', "1", '9"', "2"]


def test_a_quoted_table_is_a_table() -> None:
    assert cells("> | Level | Load |\n> |---|---|\n> | 1 | 10 |") == [("1", "Load", "10")]


def test_numbered_tables_are_called_without_their_numbers() -> None:
    table = "| Level | Load |\n|---|---|\n| 1 | 10 |"
    text = f"# Table 3-1. Beasts\n\nTable 3-2. Mules\n\n{table}\n\nTable 3-3: Camels\n\n{table}"
    found = reading(text, name="Table 3-1. Beasts").grids
    assert [grid.title for grid in found] == ["Mules", "Camels"]
    assert found[0].context == "Beasts\nMules"
    assert reading(table, name="TABLE IN THE HALL").grids[0].title == "Table in the Hall"


@pytest.mark.parametrize("colon", [":", ""])
def test_the_line_above_tells_several_tables_apart(colon: str) -> None:
    first, second = ("| Trade | Day |\n|---|---|\n| Cook | " + wage + " |" for wage in ("1 sp", "3 sp"))
    text = f"# Wages\n\n{first}\n\nIn time of war{colon}\n\n{second}"
    assert [grid.title for grid in reading(text, name="Wages").grids] == ["Wages", "Wages: In time of war"]
    (grid,) = reading(f"# Wages\n\nIn time of war{colon}\n\n{second}", name="Wages").grids
    assert grid.title == "Wages"
