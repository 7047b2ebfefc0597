"""The chat page in a real Chromium: what a person with a keyboard, a phone or a screen reader gets.

The page is served with the Content-Security-Policy of the .htaccess template, before the real application
over the sample rules. A test may put a reply of its own before the application's, made by the application's
own functions.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from werkzeug.wrappers import Response

from app.answering.events import Sources
from app.answering.writers import quote
from app.errors import AIServiceError, InvalidToken
from app.models import Passage
from app.web import replies
from tests.harness.page import TOKEN, Page

FIGHTER = "How many experience points does a fighter need to reach 9th level?"

HOSTILE = """<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 2"> **bold<svg onload=window.hacked=3>**
[press](javascript:window.hacked=4) <a href="javascript:window.hacked=5">this</a> [1](javascript:window.hacked=6) `<b>code</b>`

| <iframe srcdoc="<script>parent.hacked=7</script>"> | b |
|---|---|
| <style>body{display:none}</style> | <form action="https://evil.example"><button>go |

> > > > > > > > > > > > <details open ontoggle="window.hacked = 8">
- <object data="javascript:window.hacked=9"> </script></article><meta http-equiv=refresh content="0;url=https://evil.example">
"""


def error(known: Any, counted: bool | None = None, **headers: str) -> Response:
    known.counted = counted
    return Response(json.dumps(replies.error_body(known, "0123abcd")), known.status, headers=headers)


def too_many(code: str, retry_after: int | None, header: int) -> Response:
    body = {
        "error": code,
        "message": "Too many questions.",
        "rate_info": {"daily_remaining": 0, "retry_after": retry_after},
    }
    return Response(json.dumps(body), 429, headers={"Retry-After": str(header)})


def answered(*passages: Passage, answer: str | None = None) -> Response:
    body = {
        "answer": answer or "".join(quote(passages, read=True)),
        "sources": replies.sources(Sources(passages), frozenset({1})),
    }
    return Response(json.dumps({**body, "errors": [], "meta": {}}))


# -- asking ------------------------------------------------------------------------------------------------------------


def test_a_question_asked_by_keyboard_is_answered_with_the_source_it_cites(page: Page) -> None:
    page.open()
    answer = page.ask(FIGHTER)
    assert "250,001" in answer.text
    assert page.browser.current_url == page.site.address, "the token stays in the address"
    assert page.browser.switch_to.active_element.get_attribute("id") == "question"
    assert page.announcer(answer) == "log"
    citation = answer.find_element(By.CSS_SELECTOR, ".cite")
    assert citation.accessible_name == "[1], source: Fighter Experience Table"
    page.run("arguments[0].focus()", citation)
    page.type(Keys.ENTER)
    source = page.browser.switch_to.active_element
    assert source.text == "[1] Fighter Experience Table Sample Tables, p. 26"
    assert source.find_element(By.XPATH, "..").get_property("open") is True


@pytest.mark.parametrize(
    ("written", "linked"),
    [
        ("[1]", ["[1]"]),
        ("[1, 3]", ["[1]", "[3]"]),
        ("[1-3]", ["[1]", "[2]", "[3]"]),
        ("[1; 2–3]", ["[1]", "[2]", "[3]"]),
        ("[3-1]", []),
    ],
)
def test_each_number_of_a_citation_is_a_link(page: Page, written: str, linked: list[str]) -> None:
    page.open()
    passages = [Passage(str(n), "text", {"name": f"Source {n}"}) for n in (1, 2, 3)]
    page.site.canned = {"beholder?": answered(*passages, answer=f"It floats {written}.")}
    answer = page.ask("beholder?")
    links = [link.text for link in answer.find_elements(By.CSS_SELECTOR, ".answer .cite")]
    assert links == (linked or ["[3]", "[1]"])


def test_the_conversation_goes_along_within_the_contracts_bounds(page: Page) -> None:
    page.open()
    page.site.canned = {
        f"question {n}": answered(Passage("x", "y"), answer=f"{n} \x00" + "🐉" * 1800) for n in range(8)
    }
    for n in range(8):
        page.ask(f"question {n}")
    first, second, *_, last = (asked["history"] for asked in page.site.asked)
    assert first == []
    assert second == [
        {"role": "user", "content": "question 0"},
        {"role": "assistant", "content": "0 " + "🐉" * 1800},
    ]
    assert [turn["role"] for turn in last] == ["user", "assistant"] * (len(last) // 2)
    assert 2 <= len(last) <= 10
    assert sum(len(turn["content"]) for turn in last) <= 8000
    assert last[-2]["content"] == "question 6"


def test_shift_enter_makes_a_line_and_nothing_is_sent_while_an_answer_is_awaited(page: Page) -> None:
    page.open()
    page.run("window.fetch = () => new Promise(() => {})")
    page.type("one", Keys.SHIFT, Keys.ENTER, Keys.NULL, "two")
    assert page.one("#question").get_property("value") == "one\ntwo"
    page.type(Keys.ENTER)
    status = page.one("#status")
    assert (status.text, status.aria_role) == ("Looking it up…", "status")
    assert page.one("#send").get_attribute("aria-disabled") == "true"
    page.type("three", Keys.ENTER)
    assert status.text == "Still looking up the last one…"
    assert len(page.all("article")) == 1


def test_a_statistics_block_becomes_a_list_of_terms(page: Page) -> None:
    page.open()
    answer = page.ask("What is a beholder?")
    terms = [term.text for term in answer.find_elements(By.CSS_SELECTOR, "dt")]
    assert terms[:3] == ["FREQUENCY", "NO. APPEARING", "ARMOR CLASS"]
    assert "FREQUENCY" not in " ".join(part.text for part in answer.find_elements(By.TAG_NAME, "p"))


def test_a_wide_table_scrolls_in_its_box_and_does_not_widen_the_page(page: Page) -> None:
    page.open(width=320)
    page.ask("turning undead table")
    box = page.one(".scroll[tabindex='0']")
    assert page.run("return arguments[0].scrollWidth > arguments[0].clientWidth", box)
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert (box.aria_role, box.accessible_name) == ("group", "Table: Clerics affecting undead")


# -- text that is not to be trusted ------------------------------------------------------------------------------------


def test_hostile_text_stays_text(page: Page) -> None:
    page.open()
    passage = Passage(
        "x",
        HOSTILE,
        {"name": "<img src=x onerror=window.hacked=10>", "book": "<b>book</b>", "hierarchy": "<i>"},
    )
    # Bare as a model would repeat it, and quoted with its name as the embedded mode does.
    page.site.canned = {"repeat": answered(passage, answer=HOSTILE), "quote": answered(passage)}
    for question in page.site.canned:
        answer = page.ask(question)
        assert "<script>window.hacked = 1</script>" in answer.text
        page.run("for (const box of document.querySelectorAll('details')) box.open = true")
    made = "script, img, svg, iframe, style, form, object, meta, a[href]:not([href^='#source-']), button, [onerror], [onload]"
    assert page.run("return document.querySelectorAll(`#log :is(${arguments[0]})`).length", made) == 0
    page.run("return new Promise((done) => setTimeout(done, 200))")
    assert page.run("return window.hacked") is None
    assert page.browser.current_url == page.site.address


@pytest.mark.parametrize(
    ("unit", "head", "tail"),
    [
        ("`", "", ""),
        ("``a", "", ""),
        ("**a ", "", ""),
        ("**a***", "", ""),
        ("> ", "", ""),
        ("- ", "", "x"),
        ("*a_", "", ""),
        ("**__", "", "x"),
        ("|", "", "\n|-|"),
        ("||\n", "|a|b|c|d|e|f|g|h|\n|-|-|-|-|-|-|-|-|\n", ""),
        ("[1, ", "", ""),
        ("[1", "", ""),
        (" ", "# a", "b"),
        (" #", "# a", "b"),
        (" ", "a|b\n", "x"),
        ("*", "", "x"),
        (" ", "- ", "x"),
        (" ", "A: b", "x"),
        ("\n", "", ""),
        ("1. a\n", "", ""),
        ("- ", "", "\n" * 9),
        (" -", "", "x"),
        ("- -:|", "a|b\n", "x"),
        ("-", "a|b\n|", "x"),
        ("1 , ", "[", "x"),
        ("_a*", "", ""),
        ("\\", "", ""),
        ("```\n", "", "x"),
        ("#", "", " x"),
        ("[1-50]", "", ""),
    ],
)
def test_text_made_to_be_slow_is_not(page: Page, unit: str, head: str, tail: str) -> None:
    """A text ten times as long as any answer or passage, of which quadratic work would take minutes."""
    page.open()
    text = head + unit * (100_000 // len(unit)) + tail
    page.browser.set_script_timeout(20)
    made = """const [text, done] = arguments;
        import("./markdown.js").then(({ render, settled }) => { settled(text); done(render(text).childNodes.length + 1); })"""
    assert page.browser.execute_async_script(made, text) > 0


def test_few_signs_do_not_become_thousands_of_links(page: Page) -> None:
    """A citation of a range is a link for each number of it: in an answer so many and no more, in a passage
    none.
    """
    page.open()
    passages = [Passage(str(n), "[1-50]" * 2000, {"name": f"Source {n}"}) for n in range(1, 4)]
    page.site.canned = {"many": answered(*passages, answer="Hugs [1-3]. " + "[1-3]" * 4000)}
    answer = page.ask("many")
    assert 500 <= len(answer.find_elements(By.CSS_SELECTOR, ".cite")) <= 550
    nodes = """let count = 0; const walk = document.createTreeWalker(document.querySelector("#log"), NodeFilter.SHOW_ALL);
        while (walk.nextNode()) count++; return count"""
    assert page.run(nodes) < 10_000


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_an_expired_login_is_said_and_the_question_is_kept_for_after_it(page: Page) -> None:
    page.site.auth_api = page.site.address
    page.open()
    page.site.canned = {"Who?": error(InvalidToken())}
    page.type("Who?", Keys.ENTER)
    alert = page.until(lambda: page.one("#login-problem") if page.one("#login-problem").text else None)
    assert alert.text == "Your login is not valid or has expired; please log in again."
    assert page.announcer(alert) == "alert"
    page.type(Keys.TAB)
    page.type("elf", Keys.TAB)
    page.type("wrong", Keys.ENTER)
    page.until(lambda: alert.text == "User name or password is not right.")
    page.one("#password").clear()
    page.one("#password").send_keys("mellon", Keys.ENTER)
    page.until(lambda: page.one("#question").is_displayed())
    assert page.one("#question").get_property("value") == "Who?"


def test_without_a_token_and_a_login_service_it_says_how_to_get_one(page: Page) -> None:
    page.open(token="")
    assert "scripts/start_flask.sh" in page.one("#no-login").text
    assert not page.one("#login-form").is_displayed()
    # The address with the token, pasted into the same tab, changes only the fragment.
    page.browser.get(page.site.address + f"#token={TOKEN}")
    page.until(lambda: page.one("#question").is_displayed())


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (too_many("rate_limited", 42, 42), "Too many questions. You can ask again in 42 seconds."),
        (
            too_many("daily_limit_exceeded", None, 21600),
            "Too many questions. You can ask again in about 6 hours, at ",
        ),
        (
            error(AIServiceError(), False),
            f"{AIServiceError.public} This question did not count. (Reference: ",
        ),
        (error(AIServiceError(), True), f"{AIServiceError.public} This question counted. (Reference: "),
        (error(AIServiceError()), f"{AIServiceError.public} (Reference: "),
        (
            Response("<h1>Internal Server Error</h1>", 500),
            "The server gave no answer we understand (status 500).",
        ),
    ],
)
def test_a_refusal_is_shown_in_words_and_announced(page: Page, reply: Response, words: str) -> None:
    page.open()
    page.site.canned = {"Who?": reply}
    problem = page.ask("Who?")
    assert problem.text.startswith(words)
    assert page.announcer(problem) == "log"
    assert page.one("#question").get_property("value") == "Who?", "the question is lost"


def test_a_spent_budget_still_gives_the_passages(page: Page) -> None:
    page.open()
    passages = replies.sources(
        Sources((Passage("mm-owlbear", "ARMOR CLASS: 5\nMOVE: 12\nSIZE: L", {"name": "Owlbear"}),))
    )
    body = {"error": "budget_exceeded", "message": "Today's budget is used up.", "passages": passages}
    page.site.canned = {"Who?": Response(json.dumps(body), 503)}
    assert page.ask("Who?").text.startswith("Today's budget is used up.")
    assert page.one(".sources summary").text == "[1] Owlbear"
    assert page.one(".sources dl").is_displayed()


def test_a_server_out_of_reach_is_said(page: Page) -> None:
    page.open()
    page.run("window.fetch = () => Promise.reject(new TypeError('Failed to fetch'))")
    assert page.ask("Who?").text == "The server cannot be reached. Try again shortly."


def test_an_answer_is_given_up_after_a_minute(page: Page) -> None:
    page.open()
    page.run(
        "window.fetch = (url, {signal}) => new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason)));"
        "window.setTimeout = ((real) => (f, ms) => real(f, ms === 60000 ? 100 : ms))(window.setTimeout)"
    )
    assert page.ask("Who?").text == "The server did not answer within 60 seconds. Try again."
