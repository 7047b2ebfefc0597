"""Tables held against questions: which rows are asked for, which tables have a place, which rows are spared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.deadline import Deadline
from app.index.build import build
from app.index.search import LexicalIndex
from app.models import Passage, Question, Turn
from app.retrieval import numbers
from app.retrieval.retriever import HybridRetriever, Retrieval

SAVES = {"1-3": (14, 15), "4-6": (12, 13), "7-9": (10, 11), "10+": (8, 9)}
ADVANCEMENT = {level: 2000 * (2 ** (level - 1) - 1) for level in range(1, 10)}


def saves(people: str, owners: bool) -> Iterator[Passage]:
    for label, (death, spells) in SAVES.items():
        low, _, high = label.partition("-")
        must = {
            "contain_one_of": [[people, f"{people}s"]],
            "contain_range": {"min": int(low.rstrip("+")), "max": int(high or 99)},
        }
        yield row(f"{people} saving throws", "level", label, {"death": death, "spells": spells}, must, owners)


def advancement(people: str, owners: bool) -> Iterator[Passage]:
    for level, points in ADVANCEMENT.items():
        cells = {"experience points": points, "hit dice": f"{level}d6"}
        yield row(f"{people} advancement", "level", str(level), cells, None, owners)


def row(title: str, key: str, label: str, cells: dict[str, object], must: object, owners: bool) -> Passage:
    """As the owner's collection has it, or as another hand writes the same."""
    identity = f"{title.replace(' ', '-')}-{label}"
    if owners:
        heading = f"{title.upper()} -- {key} {label}"
        value = {"title": heading, "description": f"{title} for {key} {label}", key: label, "values": cells}
        text = f"#### {heading}\n\n```json\n{json.dumps(value, indent=2)}\n```"
        metadata = {
            "title": heading,
            "type": "rule",
            "hierarchy": "CHARACTERS → TABLES",
            "parent_chunk_uid": "",
        }
        return Passage(identity, text, metadata | ({"query_must": json.dumps(must)} if must else {}))
    value = {"table": title.title(), "row": label, "columns": cells}
    return Passage(identity, json.dumps(value), {"name": f"{title.title()} ({key.title()} {label})"})


@pytest.fixture(scope="module", params=[True, False], ids=["owner's hand", "another hand"])
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Retrieval]:
    passages = [
        *(p for people in ("warden", "mystic", "rogue") for p in saves(people, request.param)),
        *(p for people in ("warden", "mystic") for p in advancement(people, request.param)),
        *(
            Passage(
                f"filler-{n}",
                f"## Chapter {n}\n\nOf travel, weather and the level of rivers.",
                {"name": f"Chapter {n}"},
            )
            for n in range(30)
        ),
    ]
    path: Path = tmp_path_factory.mktemp("tables") / "i.sqlite3"
    build(passages, path, {})
    retriever = HybridRetriever(LexicalIndex(path))

    def asked(text: str, *history: Turn) -> Retrieval:
        return retriever.retrieve(Question(text, history=history), Deadline(60))

    return asked


def rows(found: Retrieval) -> set[str]:
    return {passage.id for passage in found.passages if not passage.id.startswith("filler")}


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("What must an 8th level mystic roll to save against spells?", {"mystic-saving-throws-7-9"}),
        ("saving throw against death of a warden of level five", {"warden-saving-throws-4-6"}),
        ("a 12th level rogue's saving throws", {"rogue-saving-throws-10+"}),
        ("experience for a 7th level warden", {"warden-advancement-7"}),
        ("How many hit dice has a mystic of the third level?", {"mystic-advancement-3"}),
        (
            "Does a warden or a mystic need more experience points for 6th level?",
            {"warden-advancement-6", "mystic-advancement-6"},
        ),
        (
            "mystic saving throws at levels 2 and 8",
            {"mystic-saving-throws-1-3", "mystic-saving-throws-7-9"},
        ),
        ("experience points of a warden at levels 3 to 5", {f"warden-advancement-{n}" for n in (3, 4, 5)}),
    ],
)
def test_the_rows_that_a_question_names_are_there_and_no_others_of_their_table(
    ask: Callable[..., Retrieval], question: str, wanted: set[str]
) -> None:
    found = rows(ask(question))
    assert wanted <= found
    tables = {identity.rpartition("-")[0] for identity in wanted if "advancement" in identity}
    assert {identity for identity in found if identity.rpartition("-")[0] in tables} <= wanted


def test_a_number_that_no_row_has_lies_between_two(ask: Callable[..., Retrieval]) -> None:
    """30,000 points are more than the 30,000 of level 5 need, and fewer than the 62,000 of level 6."""
    assert "warden-advancement-5" in rows(ask("What level is a warden with 31,000 experience points?"))


def test_a_row_that_the_filter_would_drop_is_kept_where_nothing_else_has_the_answer(tmp_path: Path) -> None:
    """A model wrote the filter: the table has several columns that tell its rows apart, the filter knows one."""
    attack = [
        row(
            "attack bonus",
            "warden level",
            label,
            {"monster hit dice": dice, "bonus": f"+{bonus}"},
            {"contain_range": {"min": level, "max": level}},
            True,
        )
        for bonus, (level, dice) in enumerate([(1, 2), (3, 4), (5, 6), (7, 8)])
        for label in [str(level)]
    ]
    build(attack, tmp_path / "i.sqlite3", {})
    retriever = HybridRetriever(LexicalIndex(tmp_path / "i.sqlite3"))
    found = retriever.retrieve(Question("attack bonus of a monster with 6 hit dice"), Deadline(60))
    assert rows(found) == {"attack-bonus-5"}


def test_the_next_level_is_the_one_after_that_asked_for(ask: Callable[..., Retrieval]) -> None:
    before = Turn("user", "experience points of a 4th level mystic?")
    found = ask("and for the level after that?", before, Turn("assistant", "14,000"))
    assert "mystic-advancement-5" in rows(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a 7th level fighter against AC 4", [(7, 7, "level"), (4, 4, "armor class")]),
        ("levels five to seven", [(5, 7, "level")]),
        ("the 5th, 6th and 9th level", [(5, 5, "level"), (6, 6, "level"), (9, 9, "level")]),
        ("17 in strength, AC of -3", [(17, 17, "strength"), (-3, -3, "armor class")]),
        ("the value of a 6+6 Hit Dice monster", [(6.6, 6.6, "hit die")]),
        ("strength 18/51", [(18.051, 18.051, "strength")]),
        ("2,001 experience points", [(2001, 2001, "experience point")]),
        ("thief 7", [(7, 7, "level")]),
        ("3d6 damage in 7.5 rounds", []),
    ],
)
def test_numbers_are_told_by_what_they_count(text: str, wanted: list[tuple[float, float, str]]) -> None:
    assert [(number.low, number.high, number.of) for number in numbers.read(text).numbers] == wanted
