"""The sample rules: all is there, every passage has its form, tables can be read, and each is found by its
name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from app.bootstrap import create_app
from app.index import sample_rules
from app.settings import load
from tests.harness import ROOT
from tests.harness.sample_collection import Record, sample_records

RECORDS = sample_records()
BY_ID = {record.id: record for record in RECORDS}
QUESTIONS = ROOT / "tests/data/questions.jsonl"

MONSTER_LINES = [
    *(
        "FREQUENCY",
        "NO. APPEARING",
        "ARMOR CLASS",
        "MOVE",
        "HIT DICE",
        "% IN LAIR",
        "TREASURE TYPE",
        "NO. OF ATTACKS",
    ),
    *(
        "DAMAGE/ATTACK",
        "SPECIAL ATTACKS",
        "SPECIAL DEFENSES",
        "MAGIC RESISTANCE",
        "INTELLIGENCE",
        "ALIGNMENT",
        "SIZE",
    ),
    "PSIONIC ABILITY",
]
SPELL_LINES = [
    "Class and level",
    "Range",
    "Components",
    "Casting Time",
    "Duration",
    "Area of Effect",
    "Saving Throw",
]
CLASSES = [
    "cleric",
    "druid",
    "fighter",
    "paladin",
    "ranger",
    "magic-user",
    "illusionist",
    "thief",
    "assassin",
    "monk",
    "bard",
]
DRAGONS = ["black", "blue", "brass", "bronze", "copper", "gold", "green", "red", "silver", "white"]


def of_type(kind: str) -> list[Record]:
    return [record for record in RECORDS if record.metadata["type"] == kind]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(record: Record) -> list[list[str]]:
    """The table's rows: head, rule, body."""
    return [cells(line) for line in record.document.splitlines() if line.startswith("|")]


# -- what has to be there ----------------------------------------------------------------------------------------------


def test_there_are_enough_passages_of_each_kind() -> None:
    assert len(RECORDS) >= 300
    assert len(of_type("monster")) >= 100
    assert len(of_type("spell")) >= 60
    assert len(of_type("table")) >= 40
    assert len(of_type("rule")) >= 30


@pytest.mark.parametrize(
    "names",
    [
        [
            "Beholder",
            "Owlbear",
            "Orc",
            "Lizard Man",
            "Troll",
            "Goblin",
            "Skeleton",
            "Vampire",
            "Lich",
            "Mind Flayer",
        ],
        [
            "Prismatic Sphere",
            "Fireball",
            "Magic Missile",
            "Sleep",
            "Cure Light Wounds",
            "Raise Dead",
            "Wish",
            "Web",
        ],
    ],
    ids=["monsters", "spells"],
)
def test_the_entries_everybody_asks_for_are_there(names: list[str]) -> None:
    there = {record.metadata["name"].casefold() for record in RECORDS}
    assert [name for name in names if name.casefold() not in there] == []


def test_every_dragon_is_there() -> None:
    assert {f"sb-dragon-{colour}" for colour in DRAGONS} <= set(BY_ID)


def test_every_class_has_its_passage_and_its_experience_table() -> None:
    assert {f"sr-class-{name}" for name in CLASSES} | {f"st-{name}-experience" for name in CLASSES} <= set(
        BY_ID
    )


@pytest.mark.parametrize(
    "ability", ["strength", "intelligence", "wisdom", "dexterity", "constitution", "charisma"]
)
def test_every_ability_has_its_table(ability: str) -> None:
    scores = " ".join(row[0] for row in rows(BY_ID[f"st-{ability}"]))
    assert {"3", "18"} <= set(re.findall(r"\d+", scores))


@pytest.mark.parametrize("group", ["cleric", "fighter", "magic-user", "thief", "monster"])
def test_every_group_has_its_to_hit_matrix_and_saving_throws(group: str) -> None:
    assert len(rows(BY_ID[f"st-attack-{group}"])) >= 5
    assert len(rows(BY_ID[f"st-save-{group}"])) >= 3


PROMISED = [
    *(
        "st-turn-undead",
        "st-thief-functions",
        "st-movement",
        "st-encumbrance",
        "sr-initiative",
        "sr-alignment-change",
    ),
    *(
        "sr-healing-natural",
        "sr-healing-magical",
        "sr-combat-sequence",
        "sr-surprise",
        "sr-melee",
        "sr-saving-throws",
    ),
]


def test_the_rules_the_project_promises_are_there() -> None:
    assert [identity for identity in PROMISED if identity not in BY_ID] == []


# -- the form of every passage -----------------------------------------------------------------------------------------


def test_ids_are_unique_and_names_within_a_type_too() -> None:
    assert [
        identity for identity, count in Counter(record.id for record in RECORDS).items() if count > 1
    ] == []
    names = Counter((record.metadata["type"], record.metadata["name"]) for record in RECORDS)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.id)
def test_a_passage_has_its_form(record: Record) -> None:
    name, hierarchy = record.metadata["name"], record.metadata["hierarchy"]
    heading, place, *text = record.document.splitlines()
    assert (heading, place) == (f"## {name}", hierarchy)
    assert hierarchy.split(" > ")[-1] == name
    assert re.fullmatch(r"Sample (Bestiary|Grimoire|Rules|Tables), p\. \d+", record.metadata["book"])
    assert len("".join(text)) > 80
    # What Chroma Cloud takes.
    assert len(record.document.encode()) <= 16_384
    assert len(record.id.encode()) <= 128
    assert re.fullmatch(r"[a-z0-9-]+", record.id)
    assert all(
        isinstance(value, str) and 0 < len(value.encode()) <= 4_096 for value in record.metadata.values()
    )
    # What would not survive a page, a table or a terminal.
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f\ufffd<>]", re.sub(r" > | [<>] ?\d|[<>]=?\d", "", record.document)
    )
    parent = record.metadata.get("parent_category_id")
    assert parent is None or BY_ID[parent].metadata["type"] == "category"


@pytest.mark.parametrize("record", of_type("monster"), ids=lambda record: record.id)
def test_a_monster_has_all_its_statistics(record: Record) -> None:
    found = dict(re.findall(r"^([A-Z%][A-Z./% ]+): *(.*)$", record.document, re.MULTILINE))
    assert [name for name in found if name in MONSTER_LINES] == MONSTER_LINES
    assert [name for name in MONSTER_LINES if not found[name].strip()] == []
    assert re.search(r"\d|Nil|Special", found["HIT DICE"])
    assert re.search(r"\d", found["ARMOR CLASS"])


@pytest.mark.parametrize("record", of_type("spell"), ids=lambda record: record.id)
def test_a_spell_has_all_its_lines(record: Record) -> None:
    found = dict(re.findall(r"^([A-Z][A-Za-z ]+): *(.*)$", record.document, re.MULTILINE))
    assert [name for name in SPELL_LINES if not found.get(name, "").strip()] == []
    assert re.search(r"(Cleric|Druid|Magic-user|Illusionist|Paladin|Ranger) \d", found["Class and level"])
    # Components, or "V, S" with a remark.
    assert re.match(r"[VSM](, [VSM])*", found["Components"])


@pytest.mark.parametrize(
    "record", [record for record in RECORDS if rows(record)], ids=lambda record: record.id
)
def test_a_table_is_one_with_a_caption_and_even_rows(record: Record) -> None:
    captions = re.findall(r"^\*\*Table: .+\*\*$", record.document, re.MULTILINE)
    assert len(captions) == 1
    assert len(re.findall(r"(?:^\|.*(?:\n|\Z))+", record.document, re.MULTILINE)) == 1
    assert f"{captions[0]}\n|" in record.document
    head, rule, *body = rows(record)
    assert {len(row) for row in (rule, *body)} == {len(head)}
    assert len(head) >= 2
    assert body
    assert all(re.fullmatch(r":?-+:?", cell) for cell in rule)
    assert all(head)
    assert all(row[0] for row in body)
    assert not re.search(r"[|]", re.sub(r"^\|.*$", "", record.document, flags=re.MULTILINE))


def test_a_passage_of_type_table_has_one() -> None:
    assert [record.id for record in of_type("table") if not rows(record)] == []


# -- figures (tests/unit/rules holds them against one another) ------------------------------------------------------------


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize(
    ("name", "level", "points"),
    [
        ("fighter", 9, 250_001),
        ("cleric", 9, 225_001),
        ("magic-user", 11, 375_001),
        ("thief", 10, 160_001),
        ("paladin", 9, 350_001),
    ],
)
def test_well_known_figures_of_experience(name: str, level: int, points: int) -> None:
    head, _, *body = rows(BY_ID[f"st-{name}-experience"])
    [row] = [row for row in body if row[head.index("Level")] == str(level)]
    assert number(re.split(r"[-+ ]", row[head.index("Experience points")])[0]) == points


def test_what_the_questions_expect_is_what_the_passages_say() -> None:
    asked = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    missing = [
        (question["id"], fact)
        for question in asked
        for fact in question.get("answer_facts", [])
        if not any(fact in BY_ID[identity].document for identity in question["relevant"])
    ]
    assert missing == []


# -- the index ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """The ids of the sources of an answer in embedded mode, best first."""
    limits = {"TOKEN_BUCKET_CAPACITY": "1000000", "DAILY_USER_REQUEST_LIMIT": "1000000"}
    folder = tmp_path_factory.mktemp("var")
    client = create_app(
        load({"HOME": str(folder), "DATA_DIR": str(folder), **limits}, folder), dev_token="secret"
    ).test_client()

    def sources(question: str) -> list[str]:
        reply = client.post(
            "/api/query", json={"question": question}, headers={"Authorization": "Bearer secret"}
        )
        assert reply.status_code == 200, reply.text
        return [source["id"] for source in reply.json["sources"]]

    return sources


def test_every_passage_is_in_the_index(tmp_path: Path) -> None:
    assert sample_rules.index(tmp_path).count() == len(RECORDS)


def test_every_passage_is_found_by_its_name(ask: Callable[[str], list[str]]) -> None:
    found = {record.id: ask(record.metadata["name"])[:3] for record in RECORDS}
    assert {identity: ids for identity, ids in found.items() if identity not in ids} == {}


def test_every_monster_is_found_by_a_question(ask: Callable[[str], list[str]]) -> None:
    found = {
        record.id: ask(f"How many hit dice does a {record.metadata['name'].lower()} have?")
        for record in of_type("monster")
    }
    assert {identity: ids for identity, ids in found.items() if identity not in ids} == {}


def test_the_index_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    line = '{"id": "x-%s", "document": "A %s is a thing.", "metadata": {"name": "%s"}}\n'
    rules.joinpath("a.jsonl").write_text(line % (("grue",) * 3), encoding="utf-8")
    monkeypatch.setattr(sample_rules, "DIRECTORY", rules)
    assert sample_rules.index(tmp_path).count() == 1
    rules.joinpath("b.jsonl").write_text(line % (("snark",) * 3), encoding="utf-8")
    assert sample_rules.index(tmp_path).count() == 2
