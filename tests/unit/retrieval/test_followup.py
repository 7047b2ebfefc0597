"""Questions that lean on the conversation, and those that do not."""

from __future__ import annotations

import pytest

from app.index.search import LexicalIndex
from app.models import Turn
from app.retrieval import followup
from app.retrieval.entities import read
from tests.harness.books import BESTIARY, index_of, table


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    armor = table("armor", "Armor", ["Armor", "Cost"], [["Chain mail", "75 gp"], ["Plate mail", "400 gp"]])
    return index_of([*BESTIARY, armor], tmp_path_factory.mktemp("index") / "bestiary.sqlite3")


def understood(index: LexicalIndex, question: str, *history: str) -> str:
    roles = ("user", "assistant")
    turns = [Turn(roles[n % 2], text) for n, text in enumerate(history)]  # type: ignore[arg-type]
    return followup.resolve(question, turns, index)


def named(index: LexicalIndex, text: str) -> set[str]:
    return {owner for entity in read(text, index).entities if entity.certain for owner in entity.owners}


@pytest.mark.parametrize(
    ("question", "history", "expected"),
    [
        ("and its armour class?", ["What is an owlbear?", "A beast with a beak."], {"owlbear"}),
        ("How do you kill one?", ["Tell me about ghouls", "They paralyze."], {"ghoul"}),
        ("How much do they cost?", ["What is chain mail?", "Rings of metal."], {"armor"}),
        ("what about the white one?", ["How many hit dice has a red dragon?", "9-11."], {"white"}),
        ("What about the spectre?", ["How many hit dice has an orc?", "One."], {"spectre"}),
        ("Does the spectre fear the same?", ["What does an orc fear?", "Elves."], {"orc", "spectre"}),
        ("which of those two is faster?", ["Owlbear or orc, who wins?", "The owlbear."], {"owlbear", "orc"}),
        ("Does the spectre fear it?", ["Tell me about the owlbear", "A beast."], {"owlbear", "spectre"}),
        ("and what does it eat?", ["Which beast has a beak and hugs?", "That is the owlbear."], {"owlbear"}),
        ("Armor class?", ["How many hit dice has a roper?", "10 to 12"], {"roper"}),
        ("and the armour class?", ["How fast is an orc?", "9 inches", "and its hit dice?", "One."], {"orc"}),
    ],
)
def test_what_a_question_leaves_out_is_carried_over(
    index: LexicalIndex, question: str, history: list[str], expected: set[str]
) -> None:
    assert named(index, understood(index, question, *history)) == expected


def test_what_was_asked_of_the_first_is_asked_of_the_next(index: LexicalIndex) -> None:
    text = understood(index, "And plate mail?", "What does chain mail cost?", "75 gp.")
    assert "cost" in text
    assert "plate mail" in text
    assert "chain" not in text


@pytest.mark.parametrize(
    "question",
    [
        "How many hit dice has a spectre?",
        "What does the web spell do and how long does it last?",
        "Is there a monster that throws ropes at people?",
        "Which class is best at fighting?",
    ],
)
def test_a_question_with_its_own_subject_is_left_alone(index: LexicalIndex, question: str) -> None:
    assert understood(index, question, "What is an owlbear?", "A beast with a beak.") == question


def test_without_a_conversation_nothing_changes(index: LexicalIndex) -> None:
    assert understood(index, "and its armour class?") == "and its armour class?"


def test_without_an_index_the_last_question_is_put_before_it() -> None:
    turns = (Turn("user", "What is an owlbear?"), Turn("assistant", "A beast."))
    assert (
        followup.resolve("and its armour class?", turns, None) == "What is an owlbear? and its armour class?"
    )


def test_a_long_conversation_adds_no_more_than_its_bound(index: LexicalIndex) -> None:
    history = ["and the owlbear’s beak " + "é" * 3000, "A beak."] * 5
    text = understood(index, "and its armour class?", *history)
    assert text.endswith("and its armour class?")
    assert len(text.encode()) <= len(b"and its armour class?") + followup.MOST_BYTES
