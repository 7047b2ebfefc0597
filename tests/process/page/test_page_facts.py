"""What the books state on the page: before the words, marked where it stands, and beside what contradicts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from werkzeug.wrappers import Response

from app.answering.events import Facts, Sources
from app.bootstrap import create_app
from app.index import sample_rules
from app.index.build import build
from app.index.search import index_path
from app.models import Fact, Passage
from app.settings import load
from app.web import replies
from tests.harness.doubles.faults import Fault
from tests.harness.gated import GatedOpenAI
from tests.harness.page import TOKEN, Page, Site, services
from tests.harness.relay import Relay
from tests.process.page.test_page import HOSTILE
from tests.process.page.test_page_streaming import CHAT, ask, finished, shown

EXACT = "What is the armor class of an owlbear?"
ASKS_MORE = "Why is the armor class of an owlbear so good?"
SO = "Owlbear · ARMOR CLASS: 5 [1] Sample Bestiary, p. 85"


@pytest.fixture
def server(openai: GatedOpenAI, chroma: Relay, tmp_path: Path) -> Iterator[Site]:
    values = services(openai, chroma, tmp_path)
    build(sample_rules.passages(), index_path(tmp_path, "adnd_1e"), {})
    with Site(create_app(load(values, root=tmp_path), dev_token=TOKEN)) as site:
        yield site


@pytest.fixture
def with_model(chromium: Chrome, server: Site, openai: GatedOpenAI) -> Iterator[Page]:
    with Page(chromium, server) as page:
        yield page
        openai.gate.set()


def turn(page: Page, selector: str) -> list[WebElement]:
    return page.all(f"article:last-child {selector}")


def texts(page: Page, selector: str) -> list[str]:
    """As the browser shows them, or, in what is closed or only read out, as they are."""
    return [str(one.get_property("textContent")) for one in turn(page, selector)]


def answered(answer: str, facts: Facts, *passages: Passage, **meta: Any) -> Response:
    body = {
        "answer": answer,
        "facts": replies.facts(facts),
        "sources": replies.sources(Sources(passages, {}, facts), frozenset(range(1, 9))),
        "errors": [],
        "meta": {"answered_by": "model", "model": "m", **meta},
    }
    return Response(json.dumps(body))


def contradicted(text: str, books_say: str = "5", n: int | None = 1) -> dict[str, Any]:
    return {"text": text, "status": "contradicted", "n": n, "books_say": books_say}


def checked(
    answer: str, *claims: dict[str, Any], verdict: str = "contradicted", uncited: int = 0
) -> Response:
    grounding = {"verdict": verdict, "claims": claims, "uncited": uncited, "removed_citations": []}
    return answered(answer, Facts(), Passage("a", "AC: 5", {"name": "Owlbear"}), grounding=grounding)


# -- exact answers -----------------------------------------------------------------------------------------------------


def test_an_answer_from_the_books_says_so_and_the_model_can_be_asked_as_well(
    with_model: Page, openai: GatedOpenAI
) -> None:
    page = with_model
    page.open()
    answer = page.ask(EXACT)
    assert turn(page, "> *")[1].text == "The books state\nOwlbear, armor class: 5 [1]."
    assert answer.text == "Owlbear, armor class: 5 [1]."
    assert (
        turn(page, "> .hint")[0].text
        == "From the books’ own figures; no model was asked · 29 questions left today"
    )
    (button,) = page.until(lambda: turn(page, "button"))
    assert (
        button.find_element("xpath", "..").text == "Ask the model as well This counts as one more question."
    )
    assert openai.chats() == []
    openai.script_answer("Because of its thick hide [1].")
    page.run("arguments[0].focus()", button)
    page.type(Keys.ENTER)
    page.until(lambda: shown(page) == "Because of its thick hide [1].")
    assert texts(page, "h3") == [f"You asked: {EXACT}"]
    sent = page.site.asked[-1]
    assert (sent["question"], sent["exact"], sent["history"]) == (EXACT, False, [])
    assert page.site.asked[0].get("exact", True) is True


def test_without_a_model_none_is_offered(page: Page) -> None:
    page.open()
    page.run("window.said = []; const real = fetch; window.fetch = async (...all) => {"
             " const reply = await real(...all); said.push(all[0]); return reply; }")  # fmt: skip
    page.ask(EXACT)
    page.until(lambda: "api/health" in page.run("return said"))
    page.run("return new Promise((done) => setTimeout(done, 200))")
    assert turn(page, "button") == []


# -- where it stands ---------------------------------------------------------------------------------------------------


def test_the_citation_leads_to_the_cell_marked_in_its_table(page: Page) -> None:
    page.open()
    answer = page.ask("How many experience points does a fighter need to reach 9th level?")
    page.run("arguments[0].focus()", answer.find_element("css selector", ".cite"))
    page.type(Keys.ENTER)
    (cell,) = turn(page, ".sources td.stated")
    assert cell.is_displayed()
    assert cell.get_property("textContent") == "250,001-500,000 (stated here)"
    assert texts(page, ".sources .label") == ["Experience points", "9"]
    assert "Marked: Level 9 · Experience points" in texts(page, ".sources .hint")
    # Not by colour alone.
    style = page.run(
        "const { outlineStyle, outlineWidth } = getComputedStyle(arguments[0]); return [outlineStyle, outlineWidth]",
        cell,
    )
    assert style == ["solid", "2px"]


def test_on_a_phone_the_marked_cell_is_scrolled_into_view_inside_its_table(page: Page) -> None:
    page.open(width=320)
    page.ask("turn undead table, ghost, column 14+")
    page.run("arguments[0].focus()", page.one("article:last-child .sources summary"))
    page.type(Keys.ENTER)
    (cell,) = turn(page, ".sources td.stated")
    box = cell.find_element("xpath", "ancestor::div[@class='scroll']")
    inside = """const [cell, box] = [...arguments].map((one) => one.getBoundingClientRect());
        return cell.left >= box.left - 1 && cell.right <= box.right + 1"""
    page.until(lambda: page.run(inside, cell, box))
    assert page.run("return arguments[0].scrollLeft > 0", box)
    assert page.until(lambda: box.get_attribute("tabindex") == "0"), "no keyboard reaches the rest"
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


BLOCK = Passage("owl", "ARMOR CLASS: 5\nMOVE: 12\nHIT DICE: 5+2\n\nIt hugs.", {"name": "Owlbear"})
LISTED = Passage("owl", "**Statistics:**\n- Armor Class: 5\n- **Hit Dice:** 5+2", {"name": "Owlbear"})
ON_ONE_LINE = Passage("owl", "MV 5; AC 5 (4 with shield); HD 15", {"name": "Owlbear"})
JSON = """```json
{"title": "CLERIC ADVANCEMENT -- level 4", "level": 4,
 "values": {"experience points": 6000, "hit dice": ["4d6", "+1"]}, "query_must": {"contain": "level 4"}}
```"""
ROW = Passage("row", JSON, {"title": "CLERIC ADVANCEMENT -- level 4"})
TWO_LEVELS = Passage(
    "t", "| Level | 1 | 2 |\n|---|---|---|\n| 4 | 3 | 1 |\n| 5 | 3 | 3 |", {"name": "Spells"}
)
HTML = Passage("h", "<table><tr><th>Level</th><th>XP</th></tr><tr><td>9</td><td>250</td></tr></table>", {})


@pytest.mark.parametrize(
    ("passage", "fact", "marked"),
    [
        (BLOCK, Fact("Owlbear", "ARMOR CLASS", "5", "owl"), "5"),
        (LISTED, Fact("Owlbear", "Hit Dice", "5+2", "owl"), "Hit Dice:| 5+2"),
        (ON_ONE_LINE, Fact("Owlbear", "AC", "5 (4 with shield)", "owl"), "AC 5 (4 with shield"),
        (ROW, Fact("Cleric", "experience points", "6000", "row", "4", "experience points", "level"), "6000"),
        (TWO_LEVELS, Fact("Spells", "Spells by level: 2", "3", "t", "5", "Spells by level: 2", "Level"), "3"),
        (HTML, Fact("Fighter", "XP", "250", "h", "9", "XP", "Level"), "250"),
    ],
)
def test_what_is_stated_is_marked_however_the_book_writes_it(
    page: Page, passage: Passage, fact: Fact, marked: str
) -> None:
    page.open()
    page.site.canned = {"Who?": answered("So [1].", Facts(((1, fact),)), passage)}
    page.ask("Who?")
    assert "|".join(texts(page, ".sources mark")).replace(" (stated here)", "") == marked
    if passage is TWO_LEVELS:
        assert texts(page, ".sources tr:last-child td") == ["5", "3", "3 (stated here)"]
    if passage is ROW:
        assert texts(page, ".sources dt") == ["title", "level", "experience points", "hit dice"]
        assert texts(page, ".sources dd")[1:] == ["4", "6000 (stated here)", "4d6, +1"]
        assert turn(page, ".sources pre") == []
    if passage is HTML:
        assert texts(page, ".sources th") == ["Level", "XP"]


# -- before the words --------------------------------------------------------------------------------------------------


def test_facts_come_before_the_words_and_nothing_moves(with_model: Page, openai: GatedOpenAI) -> None:
    page = with_model
    openai.script_answer("Its armor class of 5 [1] is due to its thick hide.")
    openai.faults.push(Fault("stream_stall", path=CHAT, after=3))
    page.open(width=360)
    page.run("""window.shifts = [];
        const seen = (list) => shifts.push(...list.getEntries().flatMap(({ sources }) => sources)
            .map(({ node }) => node).filter((node) => document.querySelector('#log').contains(node)));
        new PerformanceObserver(seen).observe({ type: 'layout-shift' })""")
    ask(page, ASKS_MORE)
    page.until(lambda: shown(page) == "Its armor class")
    box = page.one("article .facts")
    assert " ".join(box.text.split()) == f"The books state {SO}"
    assert page.announcer(box) == "log"
    assert page.run("return arguments[0].closest('[aria-live=off]')", box) is None
    assert [one.get_property("className") for one in turn(page, "> *")][1:] == ["facts", "answer"]
    openai.gate.set()
    finished(page)
    assert turn(page, ".facts") == [box], "it was made anew, and is read out twice"
    assert texts(page, ".sources mark") == ["5 (stated here)"]
    page.run("return new Promise((done) => setTimeout(done, 100))")
    assert page.run("return shifts") == []


def test_facts_come_first_where_no_answer_comes(with_model: Page, openai: GatedOpenAI) -> None:
    page = with_model
    openai.faults.push(Fault(path=CHAT, status=500, times=None))
    page.open()
    problem = page.ask(ASKS_MORE, waits_for="article .problem")
    box, after, *_ = turn(page, "> :not(h3)")
    assert (" ".join(box.text.split()), after) == (f"The books state {SO}", problem)
    assert page.one("article .sources .stated").is_displayed()


def test_what_broke_off_keeps_its_facts(with_model: Page, openai: GatedOpenAI) -> None:
    page = with_model
    openai.script_answer("Its armor class of 5 is due to its hide.")
    openai.faults.push(Fault("stream_error", path=CHAT, after=4))
    page.open()
    page.ask(ASKS_MORE, waits_for="article .problem")
    box, answer, *_ = turn(page, "> :not(h3)")
    assert " ".join(box.text.split()) == f"The books state {SO}"
    assert answer.text == "Its armor class of"


# -- what the books contradict -----------------------------------------------------------------------------------------


def test_what_the_books_contradict_is_marked_when_the_answer_is_complete(
    with_model: Page, openai: GatedOpenAI
) -> None:
    page = with_model
    openai.script_answer("The **armor class** of an owlbear is 10. It hugs.")
    openai.faults.push(Fault("stream_stall", path=CHAT, after=9))
    page.open()
    ask(page, "What is an owlbear?")
    page.until(lambda: "10" in shown(page))
    assert turn(page, "mark") == []
    openai.gate.set()
    answer = finished(page)
    assert page.announcer(answer) == "log"
    assert texts(page, ".answer mark")[0].startswith("Contradicted by the books: ")
    assert texts(page, ".answer mark")[-1].endswith("10")
    assert texts(page, ".answer .note") == [" (the books say: 5 [1])"]
    (summary,) = turn(page, "section.problem")
    assert summary.text.startswith("The books contradict this answer:\n“")
    assert "10” (the books say: 5 [1])" in summary.text
    assert "Without a source: 1 statement with a figure." in summary.text
    assert "10 (the books say: 5 [1]). It hugs." in answer.text


TABLE = "| | AC |\n|---|---|\n| Owlbear | 10 |\n| Troll | 10 |"


@pytest.mark.parametrize(
    ("answer", "claims", "marked"),
    [
        ("It has **armor** *class* `10` [1] now.", [contradicted("armor class 10")], "armor| |class| |10"),
        ("It has armor [1] class 10.", [contradicted("armor class 10")], "armor| |class 10"),
        ("A -1 it is.", [contradicted("-1")], "-1"),
        ("It has 100 or 10 hit dice.", [contradicted("10")], "10"),
        (TABLE, [{"text": "10", "status": "supported", "n": 1}, contradicted("10")], "10"),
        ("It has 10 hit dice.", [contradicted("ten hit dice")], ""),
        ("One.\n\nTwo 2 and 3.", [contradicted("2 and 3"), contradicted("and 3")], "2 and 3"),
    ],
)
def test_the_words_of_a_claim_are_found_whatever_their_markup(
    page: Page, answer: str, claims: list[dict[str, Any]], marked: str
) -> None:
    page.open()
    page.site.canned = {"Who?": checked(answer, *claims)}
    page.ask("Who?")
    found = "|".join(texts(page, ".answer mark")).replace("Contradicted by the books: ", "")
    assert found.replace(" ", "") == marked.replace("| |", "|").replace(" ", "")
    assert len(turn(page, ".answer .note")) == bool(marked)
    if answer == TABLE:
        assert texts(page, ".answer tr:last-child td")[1].endswith("10 (the books say: 5 [1])")
    said = sum(claim["status"] == "contradicted" for claim in claims)
    assert len(turn(page, ".problem li")) == said, "what is not found in the words is said below them"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            checked("It is.", {"text": "It is", "status": "supported", "n": 1}, verdict="supported"),
            "Checked against the books: they say the same (1 statement).",
        ),
        (
            checked(
                "It is.", {"text": "It is", "status": "unchecked", "n": None}, verdict="unchecked", uncited=2
            ),
            "Could not be checked against the books: 1 of 1 statement\nWithout a source: 2 statements with a figure.",
        ),
        (
            checked("It is.", verdict="unchecked"),
            "Nothing in this answer could be checked against the books.",
        ),
        (answered("It is.", Facts(), grounding=None), ""),
    ],
)
def test_what_the_check_came_to_is_said_in_words(page: Page, reply: Response, words: str) -> None:
    page.open()
    page.site.canned = {"Who?": reply}
    page.ask("Who?")
    assert "\n".join(one.text for one in turn(page, "> section")) == words


def test_what_is_said_of_a_claim_is_not_said_twice(page: Page) -> None:
    page.open()
    reply = json.loads(checked("It has 10.", contradicted("10")).get_data())
    reply["errors"] = ['The answer says "10"; the books say "5" [1].', "The answer was cut off."]
    page.site.canned = {"Who?": Response(json.dumps(reply))}
    page.ask("Who?")
    assert [one.text for one in turn(page, "p.problem")] == ["The answer was cut off."]
    assert len(turn(page, "section.problem li")) == 1


# -- text that is not to be trusted ------------------------------------------------------------------------------------


def test_hostile_facts_and_claims_stay_text(page: Page) -> None:
    page.open()
    fact = Fact(HOSTILE, HOSTILE, HOSTILE, "x", HOSTILE, HOSTILE, HOSTILE)
    passage = Passage(
        "x", f"```json\n{json.dumps({HOSTILE: HOSTILE})}\n```", {"name": HOSTILE, "book": HOSTILE}
    )
    grounding = {"verdict": "contradicted", "claims": [contradicted(HOSTILE, HOSTILE), contradicted("hides")]}
    answer = f"It hides. {HOSTILE}"
    page.site.canned = {"Who?": answered(answer, Facts(((1, fact),)), passage, grounding=grounding)}
    page.ask("Who?")
    page.run("for (const box of document.querySelectorAll('details')) box.open = true")
    made = "script, img, svg, iframe, style, form, object, meta, a[href]:not([href^='#source-']), button, [onerror], [onload]"
    assert page.run("return document.querySelectorAll(`#log :is(${arguments[0]})`).length", made) == 0
    page.run("return new Promise((done) => setTimeout(done, 200))")
    assert page.run("return window.hacked") is None


def test_facts_and_claims_of_other_kinds_are_none(page: Page) -> None:
    page.open()
    odd: list[Any] = [None, 7, {"subject": {}, "n": "1", "value": 5, "row": [], "heading": 3}]
    reply = json.loads(checked("So.", verdict="contradicted").get_data())
    reply |= {"facts": odd, "errors": {}}
    reply["meta"]["grounding"] |= {"claims": [*odd, {"text": 7, "status": "contradicted"}], "uncited": "x"}
    page.site.canned = {"Who?": Response(json.dumps(reply))}
    assert page.ask("Who?").text == "So."
