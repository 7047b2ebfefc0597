"""Checks on tables: each by itself (without gaps, rising or falling throughout), and two against one
another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from tests.unit.rules.passages import Check, Passages, Table, bounds, by_id, number, table, tables

_BY_LEVEL = ("cleric", "druid", "magic-user", "illusionist", "paladin", "ranger")
_CLASSES = (
    *("cleric", "druid", "fighter", "paladin", "ranger", "magic-user", "illusionist"),
    *("thief", "assassin", "monk", "bard"),
)


def _figures(cells: Sequence[str]) -> list[float]:
    """A dash is nothing; "T" turns without a roll, "D" destroys, "D*" destroys more: each better than any
    number.
    """
    better = {"-": 0.0, "T": -1.0, "D": -2.0, "D*": -3.0}
    return [
        better[cell] if cell in better else float(re.sub(r"[,%\"]", "", cell.split(" ")[0])) for cell in cells
    ]


def scores_leave_no_gap(passages: Passages) -> Iterator[str]:
    """The first column of scores, levels or dice goes on where the row above ends."""
    for found in tables(passages):
        inner = [
            row[0] for row in found.rows if not re.match(r"(?i)(?:less|under|below|over|up to) ", row[0])
        ]
        ranges = [bounds(label) for label in inner]
        if len(ranges) < 3 or not all(ranges):
            continue
        steps = [step for step in ranges if step]
        percent = inner[0].startswith("01")
        if percent:
            steps = [(low or 100, 100 if high == 0 else high) for low, high in steps]
        for (_, high), (low, _) in pairwise(steps):
            if high is None or low != high + 1:
                yield f"{found.id}: {low} does not follow {high}"
        if percent and steps[-1][1] != 100:
            yield f"{found.id}: not all of 01 to 00"


def rows_of_percent_leave_no_gap(passages: Passages) -> Iterator[str]:
    for found in tables(passages):
        for row in found.rows:
            cells = [re.fullmatch(r"(\d\d)(?:-(\d\d))?", cell) for cell in row[1:]]
            if len(cells) >= 3 and all(cells) and row[1].startswith("01"):
                steps = [(int(cell[1]) or 100, int(cell[2] or cell[1]) or 100) for cell in cells if cell]
                if steps[-1][1] != 100 or any(low != high + 1 for (_, high), (low, _) in pairwise(steps)):
                    yield f"{found.id}: {row[0]}: {row[1:]}"


def _turns(line: Sequence[float]) -> bool:
    return list(line) not in (sorted(line), sorted(line, reverse=True))


def _monotone(found: Table, columns: Sequence[str] | None = None, along_rows: bool = True) -> Iterator[str]:
    picked = [index for index, title in enumerate(found.head) if (title in columns if columns else index)]
    rows = [_figures([row[index] for index in picked]) for row in found.rows]
    for index, line in enumerate(zip(*rows, strict=True)):
        if _turns(line):
            yield f"{found.id}: column {found.head[picked[index]]!r} turns"
    for row, line_of_row in zip(found.rows, rows, strict=True):
        if along_rows and _turns(line_of_row):
            yield f"{found.id}: row {row[0]!r} turns"


def attack_matrices(passages: Passages) -> Iterator[str]:
    """One place of armor class is one point; 20 stands six times, and what would be 21 there goes on after
    it.
    """
    for group in ("cleric", "fighter", "magic-user", "thief", "monster"):
        found = table(passages, f"st-attack-{group}")
        for index, title in enumerate(found.head[1:], start=1):
            column = [int(row[index]) for row in found.rows]
            right = [column[0] + step for step in range(len(column))]
            right = [score if score <= 20 else max(20, score - 5) for score in right]
            if column != right:
                yield f"{found.id}: column {title!r} is {column}, not {right}"
        yield from _monotone(found)


def saving_throws(passages: Passages) -> Iterator[str]:
    for group in ("cleric", "fighter", "magic-user", "thief"):
        yield from _monotone(table(passages, f"st-save-{group}"), along_rows=False)


def spells_per_day(passages: Passages) -> Iterator[str]:
    for name in _BY_LEVEL:
        yield from _monotone(table(passages, f"st-spells-{name}"), along_rows=name != "ranger")


def chances_rise(passages: Passages) -> Iterator[str]:
    yield from _monotone(table(passages, "st-thief-functions"), along_rows=False)
    yield from _monotone(table(passages, "st-assassination"))
    for identity in ("st-constitution", "st-intelligence-spells", "st-dexterity-thief"):
        found = table(passages, identity)
        plain = [title for title in found.head[1:] if re.fullmatch(r"[-+\d%]+", found.column(title)[-1])]
        yield from _monotone(found, plain, along_rows=False)


def turning(passages: Passages) -> Iterator[str]:
    """Harder undead are harder to turn, higher clerics turn better; the undead stand in this order, each with
    its entry.
    """
    found = table(passages, "st-turn-undead")
    cells = [
        [30.0 if cell == "-" else figure for cell, figure in zip(row[1:], _figures(row[1:]), strict=True)]
        for row in found.rows
    ]
    for row, line in zip(found.rows, cells, strict=True):
        if any(left <= right and 0 < left < 30 for left, right in pairwise(line)):
            yield f"{found.id}: {row[0]} turns"
    for title, column in zip(found.head[1:], zip(*cells, strict=True), strict=True):
        if list(column) != sorted(column):
            yield f"{found.id}: level {title} turns"
    undead = [label.lower() for label in found.column(found.head[0])[:-1]]
    if ", ".join(undead[:-1]) + f" and {undead[-1]}" not in by_id(passages, "sb-undead"):
        yield "sb-undead: not in the order of the turning table"
    names = {
        passage.metadata["name"].lower()
        for passage in passages
        if passage.metadata.get("parent_category_id") == "sb-undead"
    }
    if names != set(undead):
        yield f"{found.id}: not the undead of the bestiary: {sorted(names ^ set(undead))}"


def levels_of_classes(passages: Passages) -> Iterator[str]:
    """No level is left out; hit dice rise by one up to the most, then by hit points; later levels cost as
    much as the last.
    """
    dice = table(passages, "st-class-hit-dice")
    for name in _CLASSES:
        found = table(passages, f"st-{name}-experience")
        points = found.column("Experience points")
        for title in (title for title in found.head if title.startswith("Hit Dice")):
            die, most, plus = (
                dice.row(name)["Die"],
                int(dice.row(name)["Most dice"]),
                dice.row(name)[dice.head[-1]],
            )
            counts = range(2 if "two at 1st" in die else 1, 99)[: len(points)]
            right = [
                str(count) if count <= most else f"{most}+{(count - most) * int(plus)}" for count in counts
            ]
            if found.column(title) != right or title != f"Hit Dice ({die.split(' ')[0]})":
                yield f"{found.id}: {title} {found.column(title)}, by the table of hit dice {die}: {right}"
        steps = [step for step in map(bounds, points) if step]
        if steps[0][0] != 0 or found.column("Level") != [str(level) for level in range(1, len(points) + 1)]:
            yield f"{found.id}: not every level from the first, which costs nothing"
        if cost := re.search(r"After (\d+)th level: ([\d,]+) experience points per level", found.prose):
            ends = [end for _, end in steps if end]
            paid = [end - before for before, end in pairwise(ends[int(cost[1]) - 2 :])]
            if int(cost[1]) > len(points) or any(step != number(cost[2]) for step in paid):
                yield f"{found.id}: {cost[0]!r}, but the last of {len(points)} rows cost {paid}"
        elif steps[-1][1] is not None or f"{len(points)}" not in found.prose:
            yield f"{found.id}: neither what a further level costs nor that {len(points)} is the last"


def titles(passages: Passages) -> Iterator[str]:
    """A level named with a title ("8th level (Patriarch)", "Wizard (12th level)") has it in the class's
    table.
    """
    of: dict[str, int] = {}
    for name in _CLASSES:
        found = table(passages, f"st-{name}-experience")
        for row in found.rows:
            level, title = row[found.head.index("Level")], row[found.head.index("Level title")]
            of.setdefault(re.sub(r" \(\d+\w+ level\)", "", title), int(level))
            if (own := re.search(r"\((\d+)\w+ level\)", title)) and own[1] != level:
                yield f"{found.id}: level {level} is called {title!r}"
    for passage in passages:
        for level, title in re.findall(
            r"(\d+)(?:st|nd|rd|th)(?: level)?,? \(([A-Z][\w -]+)\)", passage.document
        ):
            if title in of and of[title] != int(level):
                yield f"{passage.id}: {title} is of level {of[title]}, not {level}"
        for title, level in re.findall(
            r"([A-Z]\w+(?: of (?:the )?[A-Z]\w+)*) \((\d+)(?:st|nd|rd|th) level\)", passage.document
        ):
            single = title.replace("Masters", "Master")
            if (
                "|" not in title
                and single in of
                and of[single] != int(level)
                and passage.metadata["type"] != "table"
            ):
                yield f"{passage.id}: {title} are of level {of[single]}, not {level}"


def one_thing_one_figure(passages: Passages) -> Iterator[str]:
    """What stands in two tables under the same name and the same head is the same."""
    named = [found for found in tables(passages) if not all(bounds(row[0]) for row in found.rows)]
    for first, second in combinations(named, 2):
        shared = [title for title in first.head[1:] if title in second.head[1:]]
        if not shared or not _same_sort(first, second):
            continue
        for row in first.rows:
            for other in second.rows:
                if row[0].split(",")[0:2] == other[0].split(",")[0:2]:
                    for title in shared:
                        one, two = row[first.head.index(title)], other[second.head.index(title)]
                        if one != two:
                            yield f"{first.id}, {second.id}: {row[0]}: {title} {one} and {two}"


def _same_sort(first: Table, second: Table) -> bool:
    """Tables of different adjustments have the same heads, too: races that are rows of both are not the same
    thing.
    """
    return first.name.split(" ")[-1] == second.name.split(" ")[-1]


def coins(passages: Passages) -> Iterator[str]:
    """Each coin is worth the same in all others."""
    found = table(passages, "st-coin-exchange")
    worth = {}
    for row in found.rows:
        parts = [
            int(whole) / int(of or 1)
            for whole, of in re.findall(r"(\d+)(?:/(\d+))?", " ".join(row[1:]).replace(",", ""))
        ]
        worth[row[0]] = [part / parts[3] for part in parts]
    for name, line in worth.items():
        if line != next(iter(worth.values())):
            yield f"{found.id}: {name} is worth {line} to the gold piece"


def loads(passages: Passages) -> Iterator[str]:
    """The encumbrance table counts ten coins to the pound, and its rule has the same loads."""
    found = table(passages, "st-encumbrance")
    rule = by_id(passages, "sr-encumbrance")
    for row in found.rows:
        weight, pounds = (number(re.findall(r"\d[\d,]*", cell)[-1]) for cell in row[1:3])
        if weight != 10 * pounds:
            yield f"{found.id}: {row[1]} is not {row[2]} pounds"
        if f"{weight:,} " not in rule and not row[1].startswith("over"):
            yield f"sr-encumbrance: nothing of {weight:,} coins"
        if not all(inches in rule for inches in re.findall(r"\d+\"", row[3])):
            yield f"sr-encumbrance: nothing of {row[3]}"


CHECKS: tuple[Check, ...] = (
    *(
        scores_leave_no_gap,
        rows_of_percent_leave_no_gap,
        attack_matrices,
        saving_throws,
        spells_per_day,
        chances_rise,
        turning,
    ),
    *(levels_of_classes, titles, one_thing_one_figure, coins, loads),
)
