"""What an answer says of whom, held against what the books say: by example, as a reader would see it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.grounding.check import Check, ground
from app.grounding.course import Claim
from app.index.grids import Grid, GridRow
from app.models import Passage
from tests.harness.books import page
from tests.harness.counting import lines

OWLBEAR = page(
    "owlbear",
    "Owlbear",
    'ARMOR CLASS: 5\nMOVE: 12"\nHIT DICE: 5+2\nDAMAGE/ATTACK: 1-6/1-6/2-12\nALIGNMENT: Neutral\n\n'
    "It hugs for 2-16 when a claw hits with an 18 or better, and does not gain +2 at night.",
)
OGRE = page(
    "ogre", "Ogre", 'ARMOR CLASS: 4\nMOVE: 9"\nHIT DICE: 4+1\nALIGNMENT: Chaotic evil\n\nIt likes gold.'
)
LEVELS = page(
    "xp", "Fighter Advancement", "| Level | Experience points |\n|---|---|\n| 8 | 125,001 |", "table"
)
SPELL = page(
    "fire",
    "Fireball",
    "The ball does 1d6 points of damage per level. It fills a sphere of 20' radius.",
    "spell",
)
SAVES = page("saves", "Saving Throws of Fighters", "| Level | Poison |\n|---|---|\n| 7-8 | 10 |", "table")
PASSAGES = [OWLBEAR, OGRE, LEVELS, SPELL, SAVES]


def block(passage: Passage, **stated: str) -> Grid:
    columns = ("", *(name.replace("_", " ") for name in stated))
    row = GridRow(passage.id, (passage.name, *stated.values()))
    return Grid(passage.name, passage.hierarchy, columns, (row,), "block")


GRIDS = [
    block(OWLBEAR, ARMOR_CLASS="5", MOVE='12"', HIT_DICE="5+2", DAMAGE="1-6/1-6/2-12", ALIGNMENT="Neutral"),
    block(OGRE, ARMOR_CLASS="4", MOVE='9"', HIT_DICE="4+1", ALIGNMENT="Chaotic evil"),
    Grid(
        "Fighter Advancement",
        "Experience of fighters",
        ("Level", "Experience points"),
        (GridRow("xp", ("8", "125,001")), GridRow("xp", ("9", "250,001"))),
        "table",
    ),
    Grid(
        "Saving Throws of Fighters",
        "Saves",
        ("Level", "Poison", "Petrification"),
        (GridRow("saves", ("5-6", "11", "12")), GridRow("saves", ("7-8", "10", "11"))),
        "table",
    ),
]


def claims(answer: str, question: str = "") -> list[Claim]:
    return list(ground(answer, PASSAGES, question, (), GRIDS)[1].claims)


def said(answer: str, question: str = "") -> list[tuple[str, str | None]]:
    """Of each claim its status and what the books say."""
    return [(claim.status, claim.books_say) for claim in claims(answer, question)]


SUPPORTED = ("supported", None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The armor class of the owlbear is 5.", [SUPPORTED]),
        ('An owlbear has AC 5, 5+2 hit dice and moves 12" [1].', [SUPPORTED] * 3),
        ("The armor class of an owlbear is 10.", [("contradicted", "5")]),
        # A number that stands in the passage, but is something else.
        ("The owlbear's armor class is 12 [1].", [("contradicted", "5")]),
        # A number that is somebody else's.
        ("The ogre has an armor class of 5 [1].", [("contradicted", "4")]),
        ("An ogre and an owlbear have AC 4.", [("supported", None)]),
        ("AC 5 for the owlbear and AC 4 for the ogre.", [SUPPORTED, SUPPORTED]),
        ("AC 4 for the owlbear and AC 5 for the ogre.", [("contradicted", "5"), ("contradicted", "4")]),
        # Carried from the sentence, the heading, the item before.
        ("The owlbear is a beast. Its armor class is 4.", [("contradicted", "5")]),
        ('**Ogre**\n- **Armor Class:** 4 [2]\n- **Move:** 12" [2]', [SUPPORTED, ("contradicted", '9"')]),
        ("The armor classes are:\n- Owlbear: 5\n- Ogre: 3", [SUPPORTED, ("contradicted", "4")]),
        # In words.
        ("The ogre's alignment is chaotic evil.", [SUPPORTED]),
        ("The owlbear's alignment is chaotic evil.", [("contradicted", "Neutral")]),
    ],
)
def test_a_figure_is_what_its_statement_says_of_whom(
    answer: str, expected: list[tuple[str, str | None]]
) -> None:
    found = [one for one in said(answer) if one != ("unchecked", None)]
    assert found == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A 9th level fighter needs 250,001 experience points.", SUPPORTED),
        ("At level 9 a fighter has 250001 XP.", SUPPORTED),
        ("A 9th level fighter needs 125,001 experience points.", ("contradicted", "250,001")),
        ("A fighter of level 7 saves against poison with a 10.", SUPPORTED),
        ("A fighter of level 7 saves against poison with an 11.", ("contradicted", "10")),
        ("A fighter of level 5 saves against poison with a 10.", ("contradicted", "11")),
        ("| Level | Poison |\n|---|---|\n| Level 7 | 10 |", SUPPORTED),
        ("| Level | Poison |\n|---|---|\n| Level 7 | 11 |", ("contradicted", "10")),
    ],
)
def test_a_cell_is_found_by_its_row_and_column(answer: str, expected: tuple[str, str | None]) -> None:
    assert said(answer) == [expected]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("| | Owlbear | Ogre |\n|---|---|---|\n| AC | 5 | 4 |", [SUPPORTED, SUPPORTED]),
        (
            "| | Owlbear | Ogre |\n|---|---|---|\n| AC | 4 | 5 |",
            [("contradicted", "5"), ("contradicted", "4")],
        ),
        ('| Name | AC | Move |\n|---|---|---|\n| Ogre | 4 | 12" |', [SUPPORTED, ("contradicted", '9"')]),
    ],
)
def test_a_table_of_the_answer_is_read_by_its_headings(
    table: str, expected: list[tuple[str, str | None]]
) -> None:
    assert said(table) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A longsword costs 15 gp.", SUPPORTED),
        ("A scimitar costs 10 gp.", ("contradicted", "15")),
        ("- Longsword: 10 gp", ("contradicted", "15")),
        ("Holy water costs 30 gp.", ("contradicted", "25")),
        # A row that has the whole name is meant before one of several names.
        ("The cost of a club is 3 gp.", ("contradicted", "2")),
        ("A walking staff costs 3 gp.", SUPPORTED),
    ],
)
def test_a_row_of_several_names_is_found_by_each(answer: str, expected: tuple[str, str | None]) -> None:
    prices = page("prices", "Prices", "", "table")
    rows = {"Longsword/Scimitar": "15", "Holy or unholy water": "25", "Club": "2", "Club/Walking Staff": "3"}
    grid = Grid(
        "Prices", "", ("Item", "Cost"), tuple(GridRow("prices", row) for row in rows.items()), "table"
    )
    found = ground(f"The costs:\n{answer}", [prices], "", (), [grid])[1].claims
    assert [(claim.status, claim.books_say) for claim in found] == [expected]


def test_a_subject_that_no_passage_knows_has_no_support() -> None:
    assert [c.status for c in claims("The manticore has armor class 5 [1].")] == ["unchecked"]
    assert [c.status for c in claims("**Manticore**\n- Armor class: 5 [1]")] == ["unchecked"]
    report = ground("It is said that manticores have armor class 5.", PASSAGES, "", ["manticores"], GRIDS)[1]
    assert report.verdict == "unchecked"


@pytest.mark.parametrize(
    "answer",
    [
        "The owlbear has AC 3 with a shield.",
        "If it charges, the owlbear has AC 3.",
        "The owlbear has AC 5 (3 in the dark).",
        "The owlbear has AC 5, or 3 at night.",
    ],
)
def test_what_is_said_of_a_case_is_not_contradicted(answer: str) -> None:
    assert "contradicted" not in [claim.status for claim in claims(answer)]


@pytest.mark.parametrize(
    "same",
    ["AC 5", "armor class of 5", "Armour Class: 5", "an armor class of five", "A.C. 5"],
)  # fmt: skip
def test_one_attribute_has_many_names(same: str) -> None:
    assert said(f"The owlbear has {same}.") == [SUPPORTED]


@pytest.mark.parametrize("same", ["20 feet", "20'", "20 ft", "twenty feet", "20-foot"])
@pytest.mark.parametrize("right", [True, False])
def test_prose_is_compared_by_the_words_around_a_value(same: str, right: bool) -> None:
    written = same if right else same.replace("20", "30").replace("twenty", "thirty")
    (claim,) = claims(f"A fireball fills a sphere of {written} radius.")
    assert (claim.status, claim.n) == ("supported" if right else "contradicted", 4)
    assert right or "It fills a sphere of 20' radius" in (claim.books_say or "")


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("If you roll 4 or higher, the worm swallows you whole.", True),
        ("The worm swallows its prey whole if it rolls 4 or higher.", True),
        ("If it rolls 4 or more above the number needed, the worm swallows its prey.", False),
        ("The worm swallows its prey if it hits by 4 or more.", False),
        ("The worm swallows its prey if it hits by at least 4 or more.", False),
        ("On 4 more than needed the worm swallows its prey.", False),
    ],
)
def test_how_far_beyond_a_number_is_no_number(answer: str, wrong: bool) -> None:
    worm = page(
        "worm", "Worm", "If it rolls 4 or more above the number needed to hit, it swallows its prey whole."
    )
    found = [claim.status for claim in ground(answer, [worm])[1].claims]
    assert ("contradicted" in found) == wrong


def test_what_the_books_deny_is_no_support() -> None:
    assert said("The owlbear does not gain +2 at night.") == [SUPPORTED]
    assert [status for status, _ in said("The owlbear gains +2 at night.")] == ["contradicted"]


@pytest.mark.parametrize(
    ("sum_", "expected"),
    [
        ("5 × 8 = 40", SUPPORTED),
        ("5 × 8 gp = 42 gp", ("contradicted", "5 × 8 gp = 40")),
        ("20 − 4 = 16", SUPPORTED),
        ("60 [1] + 7 [2] + 10 = 77 gp", SUPPORTED),
        ("2 + 3 × 4 = 20", ("contradicted", "2 + 3 × 4 = 14")),
        ("4d8 + 2 = 6-34", SUPPORTED),
        ("2d6 averages 7", SUPPORTED),
        ("the average of 2d6 is 9", ("contradicted", "2d6 averages 7")),
    ],
)  # fmt: skip
def test_a_sum_that_is_shown_is_worked_out_again(sum_: str, expected: tuple[str, str | None]) -> None:
    assert expected in said(f"So that makes {sum_}.")
    right = expected[0] == "supported"
    assert right == ("contradicted" not in [status for status, _ in said(f"So that makes {sum_}.")])


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("The owlbear is faster than the ogre.", "supported"),
        ("The ogre is faster than the owlbear.", "contradicted"),
        ("The ogre is not faster than the owlbear.", "supported"),
        # Of 5 and 4 the lower one is the better one.
        ("The ogre is harder to hit than the owlbear.", "supported"),
        ("The owlbear has a better armor class than the ogre.", "contradicted"),
        ("The owlbear has more hit dice than the ogre.", "supported"),
        ("The owlbear and the ogre have the same armor class.", "contradicted"),
        ("The ogre does not have the same armor class as the owlbear.", "supported"),
    ],
)
def test_a_comparison_looks_both_sides_up(answer: str, status: str) -> None:
    assert [claim.status for claim in claims(answer)] == [status]


@pytest.mark.parametrize(
    ("question", "denied"),
    [
        ("Does the owlbear have AC 5?", ("contradicted", "5")),
        ("Does the owlbear have AC 6?", SUPPORTED),
        ("Tell me, has an ogre 4+1 hit dice?", ("contradicted", "4+1")),
        ("Is the owlbear faster than the ogre?", ("contradicted", 'Owlbear MOVE: 12"; Ogre MOVE: 9"')),
        ("Is the ogre faster than the owlbear?", SUPPORTED),
        ("Is the alignment of an ogre chaotic evil?", ("contradicted", "Chaotic evil")),
        ("Does a fighter of level 7 save against poison with a 10?", ("contradicted", "10")),
        ("Does an ogre like gold?", ("contradicted", "It likes gold")),
        # What the books say holds for none of these.
        ("Does the owlbear have AC 5 at night?", None),
        ("Has the owlbear AC 5 or AC 4?", None),
        ("Doesn't the owlbear have AC 5?", None),
        ("Has only the owlbear AC 5?", None),
        ("Does an ogre like silver?", None),
        ("Does an ogre need gold?", None),
        ("What is the AC of the owlbear?", None),
    ],
)  # fmt: skip
def test_yes_and_no_are_held_against_what_was_asked(
    question: str, denied: tuple[str, str | None] | None
) -> None:
    for answer in ("No.", "No, it is not.", "The answer is no."):
        found = [one for one in said(answer, question) if one != ("unchecked", None)]
        assert found == ([denied] if denied else [])
    affirmed = [status for status, _ in said("Yes.", question) if status != "unchecked"]
    # Later it may answer something else.
    assert said("The ogre has AC 4. Can it fly? No.", question)[1:] in ([], [("unchecked", None)])
    swapped = {"supported": "contradicted", "contradicted": "supported"}
    assert affirmed == ([swapped[denied[0]]] if denied else [])


@pytest.mark.parametrize(
    ("question", "answer", "status"),
    [
        ("Which is faster, the owlbear or the ogre?", "The owlbear.", "supported"),
        ("Which is faster, the owlbear or the ogre?", "The ogre.", "contradicted"),
        ("owlbear or ogre: which one is harder to hit?", "It is the owlbear.", "contradicted"),
        ("owlbear or ogre: which one is harder to hit?", "The ogre is the hardest to hit.", "supported"),
        ("owlbear or ogre: which has the most hit dice?", "The ogre has the most hit dice.", "contradicted"),
        ("Does the owlbear have the same movement as the ogre?", "Yes.", "contradicted"),
        # It only says what follows is about.
        ("Which is faster, the owlbear or the ogre?", "**Ogre**", None),
        ("Tell me about the owlbear and the ogre", "The ogre.", None),
    ],
)
def test_what_is_chosen_is_held_against_the_others(question: str, answer: str, status: str | None) -> None:
    assert [claim.status for claim in claims(answer, question)] == ([status] if status else [])


def test_armor_classes_above_ten_are_the_better_the_higher() -> None:
    roc, wyvern = page("roc", "Roc", "A bird."), page("wyvern", "Wyvern", "A dragon.")
    grids = [block(roc, AC="18"), block(wyvern, AC="16")]
    report = ground("The wyvern is harder to hit than the roc.", [roc, wyvern], "", (), grids)[1]
    assert [(c.status, c.books_say) for c in report.claims] == [("contradicted", "Wyvern AC: 16; Roc AC: 18")]


@pytest.mark.parametrize(
    "answer",
    [
        "See page 73 and step 4.",
        "There are two ways.",
        "1. First\n2. Second",
        "For 40 gp you get nothing.",
        "[1][2]",
    ],
)  # fmt: skip
def test_what_needs_no_support_is_no_claim(answer: str) -> None:
    assert [claim for claim in claims(answer, "What do I get for 40 gp?") if claim.value] == []


def test_statements_with_a_figure_and_no_citation_are_counted() -> None:
    answer = 'The owlbear has AC 5. The ogre has AC 4 [2]. It likes gold.\n- Move: 9"\n\n| | AC |\n|---|---|\n| Ogre | 4 |'
    assert ground(answer, PASSAGES, "", (), GRIDS)[1].uncited == 3


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The owlbear has AC 5.", "supported"),
        ("The owlbear has AC 5 and 77 teeth.", "unchecked"),
        ("The owlbear has AC 6 and 77 teeth.", "contradicted"),
        # Nothing was looked at.
        ("No.", "unchecked"),
        ("", "unchecked"),
    ],
)
def test_the_verdict_is_the_worst(answer: str, verdict: str) -> None:
    assert ground(answer, PASSAGES, "", (), GRIDS)[1].verdict == verdict


def test_the_statement_that_is_wrong_is_said_with_what_the_books_say() -> None:
    report = ground("The armor class of an owlbear is 10.", PASSAGES, "", (), GRIDS)[1]
    assert report.errors()[0] == (
        'The answer says "armor class of an owlbear is 10"; the books say "5" [1].'
    )  # fmt: skip


def test_a_statement_is_checked_as_soon_as_it_is_whole() -> None:
    check = Check(PASSAGES, "", GRIDS)
    shown = check.shown(iter(["The owlbear has AC 5. ", "The ogre", " has", " AC 4."]))
    # Its end is seen by what follows; and the reader gets a piece before it is looked at.
    assert [next(shown), next(shown), next(shown)] == ["The owlbear has AC 5.", " The ogre", " has"]
    assert [claim.text for claim in check.report().claims] == ["AC 5"]
    assert list(shown) == [" AC 4."]
    assert [claim.text for claim in check.report().claims] == ["AC 5", "AC 4"]


ANSWER = (
    "An owlbear has AC 5 vs. the ogre's 4 [2]. It moves 12\" [1][9]! Both:\n\n| | Owlbear |\n|---|---|\n| HD | 5+2 |"
    '\n\n1. First, 5 × 8 = 41.\n- **Move:** 9"\n## Ogre\nAC 4.'
)


@given(st.data())
def test_however_the_words_arrive_the_report_is_the_same(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ANSWER)), max_size=8)))
    check = Check(PASSAGES, "", GRIDS)
    pieces = [ANSWER[a:z] for a, z in zip([0, *cuts], [*cuts, len(ANSWER)], strict=True)]
    shown = "".join(check.shown(pieces))
    assert (shown, check.report()) == ground(ANSWER, PASSAGES, "", (), GRIDS)


@given(st.text(alphabet="[]0123456789,-–+×=/|:.\nAbd*'\" %", max_size=80))
def test_no_answer_is_too_odd(answer: str) -> None:
    ground(answer, PASSAGES, answer, (), GRIDS)


@pytest.mark.parametrize(
    "sentence",
    [
        "The owlbear has AC 5, 5+2 hit dice. ",
        "A fighter of level 7 saves at 10. ",
        "Level 8, level 9 and AC 5, ",
    ],
)
def test_an_answer_of_twice_the_length_is_twice_the_work(sentence: str) -> None:
    grids = [*GRIDS, Grid("Big", "Level", ("Level", *"abcdef"), tuple(GridRow("xp", (str(n), *"123456")) for n in range(300)), "table")]  # fmt: skip
    half, whole = (lines(lambda n=n: ground(sentence * n, PASSAGES, "", (), grids)) for n in (20, 40))  # type: ignore[misc]
    assert whole <= 2.3 * half
