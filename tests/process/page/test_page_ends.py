"""However a question ends, the page has a finished draft, says what is true of it, and can be asked again."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Response

from app.errors import AIServiceError, InvalidToken
from app.web import replies
from tests.harness.doubles.faults import Fault
from tests.harness.gated import GatedOpenAI
from tests.harness.ledgers import query
from tests.harness.page import Page
from tests.process.page.test_page_streaming import CHAT, DONE, SOURCES, as_stream, ask, shown, words
from tests.process.page.test_page_streaming import page as page
from tests.process.page.test_page_streaming import server as server

BROKE_OFF = "The connection broke off before the answer was complete. Try again."
BAD = AIServiceError.public
WORDS = SOURCES + words("An owlbear [1]", " is a beast.")
ANSWER = "An owlbear [1] is a beast."


def error_frame(error: Exception = AIServiceError(), **fields: Any) -> bytes:  # noqa: B008
    assert isinstance(error, AIServiceError | InvalidToken)
    return replies.sse_frame("error", {**replies.error_body(error, "r"), **fields})


class Reset:
    """The connection ends in the middle of the reply."""


RESET = Reset()


def stream(*parts: bytes | Reset | threading.Event) -> Response:
    def pieces() -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            elif isinstance(part, Reset):
                # A browser forgets what has come but was not read before the connection broke.
                time.sleep(0.3)
                raise ConnectionResetError
            else:
                part.wait(20)

    return as_stream(pieces())


def hang_up(environ: dict[str, Any], start_response: Any) -> Any:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def ended(page: Page) -> str:
    """What is said of how the last question ended ("" where it was answered), once all is as after the end of
    one.
    """
    page.until(lambda: page.one("#status").text == "" and page.all("article:last-child > :not(h3)"))
    assert page.all("[aria-busy]") == [], "the draft is not finished"
    assert (page.one("#send").is_displayed(), page.one("#stop").is_displayed()) == (True, False)
    assert page.one("#send").get_attribute("aria-disabled") == "false"
    problems = page.all("article:last-child > .problem")
    assert [page.announcer(problem) for problem in problems] == ["log"] * len(problems)
    return " ".join(problem.text for problem in problems)


ENDS: dict[str, tuple[Response | Any, str, str]] = {
    # name: (reply, the words that are left, what is said)
    "done": (stream(WORDS, DONE), ANSWER, ""),
    "done, then reset": (stream(WORDS, DONE, RESET), ANSWER, ""),
    "done, then garbage": (stream(WORDS, DONE, b"data: <html>\n\n"), ANSWER, ""),
    "done, then an error": (stream(WORDS, DONE + error_frame()), ANSWER, ""),
    "done in one piece with all else": (stream(WORDS + DONE), ANSWER, ""),
    "error, then reset": (
        stream(WORDS, error_frame(counted=True), RESET),
        ANSWER,
        f"The answer broke off. {BAD} This question counted. ",
    ),
    "error that did not count": (
        stream(WORDS, error_frame(counted=False)),
        ANSWER,
        f"The answer broke off. {BAD} This question did not count. ",
    ),
    "error of which nobody knows": (
        stream(WORDS, error_frame()),
        ANSWER,
        f"The answer broke off. {BAD} (Reference: r)",
    ),
    "error without fields": (
        stream(WORDS, b"event: error\ndata: {}\n\n"),
        ANSWER,
        "The answer broke off. The server gave no answer",
    ),
    "reset in the words": (stream(WORDS, RESET), ANSWER, BROKE_OFF),
    "reset before the words": (stream(SOURCES, RESET), "", BROKE_OFF),
    "reset before all": (hang_up, "", "The server cannot be reached. Try again shortly."),
    "nothing": (stream(b""), "", BROKE_OFF),
    "no end": (stream(WORDS), ANSWER, BROKE_OFF),
    "half an event": (stream(WORDS, DONE[:-1]), ANSWER, BROKE_OFF),
    "no JSON": (stream(WORDS, b"event: done\ndata: {oh}\n\n"), ANSWER, BROKE_OFF),
    "JSON that is no object": (stream(WORDS, b"event: done\ndata: null\n\n"), ANSWER, BROKE_OFF),
    "a page in the stream": (stream(WORDS, b"<html>\n\n<p>502 Bad Gateway\n\n"), ANSWER, BROKE_OFF),
    "fields of other kinds": (
        stream(
            b'event: sources\ndata: {"sources":[null,7,{"n":"1"},{"n":1,"name":{"toString":1},"book":[]}]}\n\n',
            b'event: delta\ndata: {"text":7}\n\n',
            words("An owlbear [1]."),
            b'event: done\ndata: {"sources":{"a":1},"errors":[{"toString":1},"Oh."],"meta":{"model":[],"rate_limit":7}}\n\n',
        ),
        "An owlbear [1].",
        "Oh.",
    ),
    "a 401 in the stream": (stream(WORDS, error_frame(InvalidToken())), "", ""),
    "200 and a page": (
        Response("<h1>Log in to the hotel</h1>"),
        "",
        "The server gave no answer we understand (status 200).",
    ),
    "200 and half a document": (
        Response('{"answer": "An ow'),
        "",
        "The server gave no answer we understand (status 200).",
    ),
    "200 and a list": (Response("[]"), "", "The server gave no answer we understand (status 200)."),
    "429 without fields": (Response("{}", 429), "", "The server gave no answer we understand (status 429)."),
    "503 without fields": (
        Response("null", 503),
        "",
        "The server gave no answer we understand (status 503).",
    ),
    "429 with fields of other kinds": (
        Response(
            '{"message":{"toString":1},"error":{"toString":1},"rate_info":{"retry_after":{"valueOf":1,"toString":1}},'
            '"passages":[null,3],"counted":"no"}',
            429,
        ),
        "",
        "The server gave no answer we understand (status 429).",
    ),
    "429 with a date": (
        Response('{"message":"Later."}', 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        "",
        "Later.",
    ),
    "502 of a proxy": (
        Response("<h1>Bad Gateway</h1>", 502),
        "",
        "The server gave no answer we understand (status 502).",
    ),
    "504 that counted": (
        Response('{"message":"Too long.","counted":true}', 504),
        "",
        "Too long. This question counted.",
    ),
    "504 that did not": (
        Response('{"message":"Too long.","counted":false}', 504),
        "",
        "Too long. This question did not count.",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_leaves_a_finished_draft(page: Page, name: str) -> None:
    reply, left, said = ENDS[name]
    page.open()
    page.site.canned = {"Who?": reply}
    ask(page, "Who?")
    if name == "a 401 in the stream":
        page.until(
            lambda: page.one("#login-problem").text.startswith(f"The answer broke off. {InvalidToken.public}")
        )
        assert page.all("[aria-busy]") == []
        return
    problem = ended(page)
    assert problem.startswith(said)
    assert shown(page) == left
    assert bool(said) == bool(problem)
    assert ("did not count" in problem, "question counted" in problem) == (
        "did not count" in said,
        "question counted" in said,
    )
    # The focus is where the next question is typed, or this one again.
    assert page.browser.switch_to.active_element.get_attribute("id") == "question"
    assert page.one("#question").get_property("value") == (
        "Who?" if problem and not left.endswith("[1].") else ""
    )
    page.run("document.querySelector('#question').value = ''")
    page.site.canned = {"And then?": stream(SOURCES + words("A bear.") + DONE)}
    ask(page, "And then?")
    page.until(lambda: shown(page) == "A bear.")


def test_a_connection_that_stays_open_after_the_end_holds_nothing_up(page: Page) -> None:
    for last, said in ((DONE, ""), (error_frame(counted=True), "The answer broke off. ")):
        go_on = threading.Event()
        page.open()
        page.site.canned = {"Who?": stream(WORDS, last, go_on, RESET)}
        ask(page, "Who?")
        try:
            assert ended(page).startswith(said)
            assert not go_on.is_set()
        finally:
            go_on.set()
        # And its end is no error that nobody has caught.
        page.run("return new Promise((done) => setTimeout(done, 300))")


@pytest.mark.parametrize("heard", [b"", SOURCES, WORDS], ids=["nothing", "sources", "words"])
def test_stop_at_any_moment(page: Page, heard: bytes) -> None:
    go_on = threading.Event()
    page.open()
    page.site.canned = {"Who?": stream(heard, go_on, DONE)}
    ask(page, "Who?")
    try:
        if heard == WORDS:
            page.until(lambda: shown(page) == ANSWER)
        page.until(lambda: page.one("#stop").is_displayed())
        page.one("#stop").click()
        assert ended(page) == "You stopped this answer."
        assert shown(page) == (ANSWER if heard == WORDS else "")
        assert page.browser.switch_to.active_element.get_attribute("id") == "send"
    finally:
        go_on.set()


def test_stop_as_the_last_event_comes_is_too_late(page: Page) -> None:
    """Pressed by the page's own script in the very turn in which the end is heard."""
    go_on = threading.Event()
    page.open()
    page.site.canned = {"Who?": stream(WORDS, go_on, DONE, RESET)}
    page.run(
        "const parse = JSON.parse; JSON.parse = (text) => {"
        " if (text.includes('\"meta\"')) document.querySelector('#stop').click(); return parse(text); }"
    )
    ask(page, "Who?")
    page.until(lambda: shown(page) == ANSWER)
    go_on.set()
    assert ended(page) == ""
    assert shown(page) == ANSWER


@contextmanager
def answer_without_end(page: Page) -> Iterator[None]:
    """All words are shown, and the end does not come until this is over."""
    go_on = threading.Event()
    page.open()
    page.site.canned = {"Who?": stream(WORDS, go_on, DONE)}
    ask(page, "Who?")
    try:
        page.until(lambda: shown(page) == ANSWER)
        yield
    finally:
        go_on.set()


def test_going_back_to_the_page_finds_it_usable(page: Page) -> None:
    with answer_without_end(page):
        page.browser.get(page.site.address + "style.css")
        page.browser.back()
        # Kept as it was, or loaded anew: in either case nothing waits.
        page.until(lambda: page.one("#question").is_displayed())
        assert page.all("[aria-busy]") == []
        assert page.one("#send").get_attribute("aria-disabled") != "true"


def test_a_kept_page_has_no_draft_that_waits(page: Page) -> None:
    """What a browser does that keeps the page for the way back, without its doing so."""
    with answer_without_end(page):
        page.run("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
        assert ended(page) == BROKE_OFF
        assert shown(page) == ANSWER


def test_a_question_that_is_sent_twice_is_asked_once(page: Page) -> None:
    page.open()
    page.run(
        "const all = document.querySelectorAll('.example'); all[0].click(); all[0].click(); all[1].click();"
        "document.querySelector('#question').value = 'And?'; document.querySelector('#ask').requestSubmit();"
    )
    page.until(lambda: page.one("#status").text == "")
    assert len(page.all("article")) == len(page.site.asked) == 1


def test_offline_is_said_and_nothing_of_counting(page: Page) -> None:
    page.open()
    conditions = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    page.browser.execute_cdp_cmd("Network.enable", {})
    page.browser.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)
    try:
        ask(page, "Who?")
        assert ended(page) == "The server cannot be reached. You seem to be offline."
    finally:
        page.browser.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {**conditions, "offline": False, "downloadThroughput": -1, "uploadThroughput": -1},
        )


# -- the ledger, the reply and the page say the same -------------------------------------------------------------------

COUNTS = {
    "refused": ([Fault(path=CHAT, status=400)], False),
    "no key": ([Fault(path=CHAT, status=401)], False),
    "too many": ([Fault(path=CHAT, status=429, retry_after=0, times=None)], False),
    "broken": ([Fault(path=CHAT, status=500, times=None)], False),
    "no embeddings": ([Fault(path="*/embeddings", status=500, times=None)], False),
    "no words": ([Fault("garbage", path=CHAT, body="data: [DONE]\n\n")], True),
    "reset before the head": ([Fault("close_before_headers", path=CHAT, times=None, reset=True)], True),
    "broke off after words": ([Fault("stream_error", path=CHAT, after=3)], True),
    "reset after words": ([Fault("cut", path=CHAT, after=1500, reset=True)], True),
}


@pytest.mark.parametrize("name", COUNTS)
def test_ledger_reply_and_page_say_the_same(
    page: Page, openai: GatedOpenAI, tmp_path: Path, name: str
) -> None:
    faults, counts = COUNTS[name]
    openai.script_answer("one two three four five six seven eight nine ten eleven twelve")
    openai.faults.push(*faults)
    page.open()
    ask(page)
    problem = ended(page)
    assert ("This question counted." in problem, "This question did not count." in problem) == (
        counts,
        not counts,
    )
    assert query(tmp_path / "ledger.sqlite3", "SELECT SUM(admitted) FROM user_days") == [(int(counts),)]
    # There is something to read in place of the answer.
    assert page.one("article .sources details[open]").text
    assert re.search("owlbear", page.one("article .sources details[open]").text, re.IGNORECASE)


def test_what_nobody_knows_is_asked_of_the_ledger(page: Page) -> None:
    page.open()
    page.site.canned = {"Who?": stream(WORDS, RESET)}
    ask(page, "Who?")
    assert ended(page) == BROKE_OFF
    page.until(lambda: page.all("article > .hint:last-child"))
    assert page.all("article > .hint")[-1].text == "30 questions left today"


def test_without_an_answer_to_that_nothing_is_said(page: Page) -> None:
    page.open()
    page.site.canned = {"Who?": Response(json.dumps({"error": "x"}), 500)}
    page.run(
        "const real = fetch; window.fetch = (url, ...more) => url === 'api/me' ? Promise.reject(7) : real(url, ...more)"
    )
    ask(page, "Who?")
    assert ended(page)
    page.run("return new Promise((done) => setTimeout(done, 200))")
    assert page.all("article > .hint") == []
