"""The chat page while an answer is written: words as they come, Stop, what breaks off, and what a reader and
a listener notice.

Before the real application with the double of OpenAI, which says no more until its gate is opened.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from werkzeug.wrappers import Response

from app.answering.events import Sources
from app.bootstrap import create_app
from app.models import Passage
from app.settings import load
from app.web import replies
from tests.harness.doubles.faults import Fault
from tests.harness.gated import GatedOpenAI
from tests.harness.page import TOKEN, Page, Site, services
from tests.harness.relay import Relay
from tests.harness.waiting import eventually

CHAT = "*/chat/completions"
OWLBEAR = "What is an owlbear?"
MARKED = """The **owlbear** [1, 2] is a beast \N{OWL} of `5 HD` [1].

| Name | Hit dice | Armor class | Where it is found, and how often | Treasure |
|---|---|---|---|---|
| Owlbear | 5+2 | 5 | in dense and tangled forests, and below the ground [1] | C |
| Bear | 3+3 | 7 | anywhere but in a desert\u2028or at sea | nil |

### What it does

1. It **hugs**.
2. It eats [2].

> Beware."""


@pytest.fixture
def server(openai: GatedOpenAI, chroma: Relay, tmp_path: Path) -> Iterator[Site]:
    values = services(openai, chroma, tmp_path)
    with Site(create_app(load(values, root=tmp_path), dev_token=TOKEN)) as site:
        yield site


@pytest.fixture
def page(chromium: Chrome, server: Site, openai: GatedOpenAI) -> Iterator[Page]:
    with Page(chromium, server) as page:
        yield page
        openai.gate.set()


def ask(page: Page, question: str = OWLBEAR) -> None:
    page.type(question, Keys.ENTER)


def shown(page: Page) -> str:
    return " ".join(element.text for element in page.all("article:last-child .answer"))


def finished(page: Page) -> WebElement:
    """The answer, once it is complete."""
    page.until(lambda: page.one("#status").text == "")
    return page.one("article:last-child .answer")


FOUND = Sources(tuple(Passage(name, "Some text.", {"name": name}) for name in ("Owlbear", "Bear")))
SOURCES = replies.sse(FOUND)
DONE = replies.sse_frame(
    "done", {"sources": replies.sources(FOUND, frozenset({1, 2})), "errors": [], "meta": {}}
)


def words(*texts: str) -> bytes:
    return b"".join(replies.sse_frame("delta", {"text": text}) for text in texts)


def as_stream(pieces: Iterator[bytes]) -> Response:
    return Response(pieces, mimetype="text/event-stream")


# -- while it is written -----------------------------------------------------------------------------------------------


def test_the_first_words_are_there_before_the_model_has_finished(page: Page, openai: GatedOpenAI) -> None:
    openai.script_answer("An owlbear is a beast [1].")
    openai.faults.push(Fault("stream_stall", path=CHAT, after=3))
    page.open()
    ask(page)
    page.until(lambda: shown(page) == "An owlbear is")
    assert not openai.gate.is_set()
    assert page.one("#status").text == "Writing…"
    assert page.site.asked[-1]["stream"] is True
    openai.gate.set()
    answer = finished(page)
    assert answer.text == "An owlbear is a beast [1]."
    assert page.one("article:last-child .sources summary").text.startswith("[1] Owlbear")
    assert len(page.all("article:last-child .answer")) == 1
    assert page.browser.switch_to.active_element.get_attribute("id") == "question"
    # It belongs to the conversation as any other.
    ask(page, "And its armor class?")
    finished(page)
    assert page.site.asked[-1]["history"][1] == {"role": "assistant", "content": "An owlbear is a beast [1]."}


def test_a_listener_hears_the_finished_answer_and_not_each_word(page: Page, openai: GatedOpenAI) -> None:
    """What is put into a live region is read out: nothing but the whole, and what is not to be read out is
    marked so.
    """
    openai.script_answer("An owlbear is a beast [1].")
    openai.faults.push(Fault("stream_stall", path=CHAT, after=3))
    page.open()
    page.run(
        "window.heard = []; new MutationObserver((changes) => { for (const { target, addedNodes } of changes) {"
        " const quiet = (node) => (node.nodeType === 1 ? node : node.parentElement).closest('[aria-live=off]');"
        " for (const node of addedNodes) if (!quiet(target) && !quiet(node)) heard.push(node.textContent);"
        "} }).observe(document.querySelector('#log'), { childList: true, subtree: true, characterData: true })"
    )
    ask(page)
    page.until(lambda: shown(page) == "An owlbear is")
    assert page.run("return heard") == [f"You asked: {OWLBEAR}"]
    writing = accessible(page, page.one("article:last-child .answer"))
    assert (writing.get("live", "off"), bool(writing["busy"])) == ("off", True)
    openai.gate.set()
    answer = finished(page)
    assert page.run("return heard[1]") == "An owlbear is a beast [1]."
    assert page.announcer(answer) == "log"
    assert "busy" not in accessible(page, answer)


def accessible(page: Page, element: WebElement) -> dict[str, Any]:
    """What the browser tells a screen reader of the element."""
    page.browser.execute_cdp_cmd("DOM.enable", {})
    page.run("arguments[0].id ||= 'looked-at'", element)
    node = page.browser.execute_cdp_cmd(
        "Runtime.evaluate", {"expression": "document.getElementById('looked-at')"}
    )
    tree = page.browser.execute_cdp_cmd(
        "Accessibility.getPartialAXTree", {"objectId": node["result"]["objectId"], "fetchRelatives": False}
    )
    return {one["name"]: one["value"].get("value") for one in tree["nodes"][0].get("properties", [])}


def test_nothing_moves_under_the_readers_eyes(page: Page, openai: GatedOpenAI) -> None:
    openai.script_answer(MARKED + "\n\n" + "More of it. " * 60)
    openai.faults.push(Fault("stream_stall", path=CHAT, after=25))
    page.open(width=360)
    page.run("""window.shifts = [];
        const named = ({ sources }) => sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? node?.textContent);
        const seen = (list) => shifts.push(...list.getEntries().filter((one) => !one.hadRecentInput).map(named));
        new PerformanceObserver(seen).observe({ type: 'layout-shift' })""")
    for _ in range(2):
        ask(page)
        page.until(lambda: "owlbear" in shown(page))
        place = "return document.querySelector('article:last-child h3').getBoundingClientRect().top"
        before = page.run(place)
        assert 0 <= before < 60, "the question is at the top"
        openai.gate.set()
        finished(page)
        assert page.run(place) == before
        assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.run("return new Promise((done) => setTimeout(done, 100))")
    assert page.run("return shifts") == []


def test_a_table_that_was_scrolled_and_a_citation_that_has_the_focus_stay_so(page: Page) -> None:
    go_on, end = threading.Event(), threading.Event()
    head, table, tail = (
        MARKED.partition("|")[0],
        MARKED[MARKED.index("|") : MARKED.index("###")],
        "\n\nThat is all.",
    )

    def pieces() -> Iterator[bytes]:
        yield SOURCES + words(head, table)
        go_on.wait(20)
        yield words(tail)
        end.wait(20)
        yield DONE

    page.open(width=360)
    page.site.canned = {"Who?": as_stream(pieces())}
    try:
        ask(page, "Who?")
        box = page.one("article .scroll[tabindex='0']")
        page.run("arguments[0].scrollLeft = 50; document.querySelector('.answer .cite').focus()", box)
        go_on.set()
        page.until(lambda: "That is all." in shown(page))
        assert page.run("return arguments[0].isConnected && arguments[0].scrollLeft", box) == 50
        assert page.browser.switch_to.active_element.text == "[1]"
    finally:
        go_on.set()
        end.set()
    finished(page)
    assert page.browser.switch_to.active_element.text == "[1]"


# -- markup in pieces --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 64])
def test_markup_that_arrives_in_pieces_is_in_the_end_what_it_is_in_one(page: Page, size: int) -> None:
    """Words cut anywhere in the text, and the stream cut anywhere in its bytes."""
    texts = [MARKED[start : start + 3] for start in range(0, len(MARKED), 3)]
    raw = SOURCES + words(*texts) + DONE
    page.site.canned = {
        "cut": as_stream(raw[start : start + size] for start in range(0, len(raw), size)),
        "whole": Response(
            json.dumps({"answer": MARKED, "sources": replies.sources(FOUND, frozenset({1, 2}))})
        ),
    }
    page.open()
    made = []
    for question in ("cut", "whole"):
        ask(page, question)
        html = finished(page).get_property("innerHTML")
        assert isinstance(html, str)
        made.append(html.replace("#source-1-", "#source-2-"))
    assert made[0] == made[1]
    answer = page.one("article .answer")
    assert [link.text for link in page.all("article:first-child .answer > p .cite")] == ["[1]", "[2]", "[1]"]
    assert len(answer.find_elements("css selector", "tbody tr")) == 2


def test_at_no_moment_is_half_a_mark_shown(page: Page) -> None:
    """After every letter: no sign of Markdown, and each block stays what it was first shown as."""
    page.open()
    states = page.run(
        """const [text] = arguments;
        return import('./markdown.js').then(({ render, settled, make }) => [...text].map((_, n) => {
            const shown = render(settled([...text].slice(0, n + 1).join('')));
            return [[...shown.children].map((one) => one.className || one.tagName).join(' '), shown.textContent];
        }))""",
        MARKED,
    )
    blocks = [state[0] for state in states]
    assert blocks[-1] == "P scroll H4 OL BLOCKQUOTE"
    # The letter that has just come may be the first of a block.
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(blocks))
    texts = [state[1] for state in states]
    assert [text for text in texts if any(sign in text for sign in ("**", "|", "`", "###", ">", "---"))] == []
    assert [text for text in texts if text.count("[") != text.count("]")] == []
    assert max(len(text) - len(texts[n - 1]) for n, text in enumerate(texts) if n) < 110, "a row at a time"


# -- Stop --------------------------------------------------------------------------------------------------------------


def test_stop_ends_it_for_the_page_and_for_the_model(page: Page, openai: GatedOpenAI) -> None:
    openai.script_answer("word " * 2000, times=1)
    openai.word_delay = 0.02
    page.open()
    ask(page)
    page.until(lambda: "word word" in shown(page))
    (chat,) = openai.chats()
    page.until(lambda: page.one("#stop").is_displayed())
    assert not page.one("#send").is_displayed()
    page.type(Keys.TAB)
    assert page.browser.switch_to.active_element.accessible_name == "Stop"
    page.type(Keys.ENTER)
    finished(page)
    assert page.one("article .problem").text == "You stopped this answer."
    assert shown(page).startswith("word word")
    # The focus is not lost with the button that had it.
    assert page.browser.switch_to.active_element.accessible_name == "Ask"
    eventually(lambda: chat.client_gone)
    openai.word_delay = 0
    openai.script_answer("Again.")
    page.run("document.querySelector('#question').focus()")
    ask(page, "Once more?")
    page.until(lambda: shown(page) == "Again.")
    assert page.site.asked[-1]["history"][1]["content"].startswith("word word")


def test_a_second_click_on_ask_does_not_stop_it(page: Page, openai: GatedOpenAI) -> None:
    openai.faults.push(Fault("stream_stall", path=CHAT, after=1))
    page.open()
    page.type(OWLBEAR)
    box = page.one("#send").rect
    for _ in range(2):
        page.run(
            "document.elementFromPoint(...arguments).click()",
            box["x"] + box["width"] / 2,
            box["y"] + box["height"] / 2,
        )
    assert page.one("#status").text == "Still looking up the last one…"
    openai.gate.set()
    finished(page)
    assert page.all("article .problem") == []
    assert len(page.site.asked) == 1


def test_starting_over_ends_it(page: Page, openai: GatedOpenAI) -> None:
    openai.script_answer("word " * 2000)
    openai.word_delay = 0.02
    page.open()
    ask(page)
    page.until(lambda: "word word" in shown(page))
    page.one("#restart").click()
    assert page.all("article") == []
    eventually(lambda: openai.chats()[0].client_gone)
    page.run("return new Promise((done) => setTimeout(done, 700))")
    assert (page.all("article"), page.one("#send").is_displayed()) == ([], True)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_an_error_in_the_middle_is_said_below_what_came(page: Page, openai: GatedOpenAI) -> None:
    openai.script_answer("An owlbear [1] is a beast.")
    openai.faults.push(Fault("stream_error", path=CHAT, after=4))
    page.open()
    ask(page)
    answer = finished(page)
    assert answer.text == "An owlbear [1] is"
    problem = page.one("article .problem")
    words = "The answer broke off. The language model stopped in the middle; please ask again. This question counted. (Ref"
    assert problem.text.startswith(words)
    assert page.announcer(problem) == "log"
    # Its sources can still be looked up.
    assert page.one("article .sources summary").text.startswith("[1] Owlbear")
    assert page.one("#question").get_property("value") == OWLBEAR


def test_a_stream_that_ends_too_early_is_said(page: Page) -> None:
    page.open()
    page.site.canned = {
        "Who?": as_stream(iter([SOURCES, words("An owl", "bear"), b'event: done\ndata: {"sour']))
    }
    ask(page, "Who?")
    assert finished(page).text == "An owlbear"
    assert (
        page.one("article .problem").text
        == "The connection broke off before the answer was complete. Try again."
    )


def test_what_is_no_event_of_ours_is_said(page: Page) -> None:
    page.open()
    page.site.canned = {"Who?": as_stream(iter([SOURCES, b"data: <html>\n\n"]))}
    ask(page, "Who?")
    page.until(lambda: page.one("#status").text == "")
    assert (
        page.one("article .problem").text
        == "The connection broke off before the answer was complete. Try again."
    )


def test_a_browser_without_streams_gets_the_answer_whole(page: Page, openai: GatedOpenAI) -> None:
    openai.script_answer("An owlbear is a beast [1].")
    script = {"source": "delete Response.prototype.body"}
    added = page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    try:
        page.open()
        ask(page)
        assert finished(page).text == "An owlbear is a beast [1]."
    finally:
        page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert page.site.asked[-1]["stream"] is False
