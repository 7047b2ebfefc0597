"""The chat page in a real Chromium: what a person with a keyboard, a phone or a screen reader gets.

The page is served with the Content-Security-Policy of the .htaccess template, before the real application over the sample
rules. A test may put a reply of its own before the application's, made by the application's own functions.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.answering.events import Sources
from app.bootstrap import create_app
from app.errors import AIServiceError, InvalidToken
from app.models import Passage
from app.rag.quotation import quote
from app.settings import load
from app.web import replies
from tests.support.apache import render_htaccess

PAGES = Path(__file__).resolve().parent.parent / "public_html"
TOKEN = "a-token-for-development"
FIGHTER = "How many experience points does a fighter need to reach 9th level?"

# Without a sandbox, because CI runs as root; and nothing that would call out.
SWITCHES = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

HOSTILE = """<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 2"> **bold<svg onload=window.hacked=3>**
[press](javascript:window.hacked=4) <a href="javascript:window.hacked=5">this</a> [1](javascript:window.hacked=6) `<b>code</b>`

| <iframe srcdoc="<script>parent.hacked=7</script>"> | b |
|---|---|
| <style>body{display:none}</style> | <form action="https://evil.example"><button>go |

> > > > > > > > > > > > <details open ontoggle="window.hacked = 8">
- <object data="javascript:window.hacked=9"> </script></article><meta http-equiv=refresh content="0;url=https://evil.example">
"""


@dataclass
class Site:
    """The server under the page: `canned` maps a question to a reply, `asked` keeps what the page sent."""

    address: str = ""
    canned: dict[str, Response] = field(default_factory=dict)
    auth_api: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("data")
    app = create_app(load({"AUTH_DEV_TOKEN": TOKEN, "DATA_DIR": str(data)}, root=data), dev_token=TOKEN)
    policy = re.search(r'Content-Security-Policy "([^"]+)"', render_htaccess(cgi_url="/x.cgi", auth_origin="https://a.example"))
    assert policy
    made = Site()

    def site(environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        if request.path == "/api/query":
            made.asked.append(json.loads(request.get_data()))
            reply = made.canned.get(made.asked[-1]["question"])
            if reply:
                return reply(environ, start_response)
            return app(request_again(environ, request.get_data()), start_response)
        if request.path == "/auth/login":
            right = request.get_json() == {"username": "elf", "password": "mellon"}
            found = {"success": True, "data": {"access_token": TOKEN}} if right else {"success": False}
            return Response(json.dumps(found), 200 if right else 401)(environ, start_response)
        name = request.path.lstrip("/") or "index.html"
        text = (
            (PAGES / name).read_text(encoding="utf-8").replace('"auth-api" content=""', f'"auth-api" content="{made.auth_api}"')
        )
        kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
        page = Response(text, content_type=kinds[Path(name).suffix] + "; charset=utf-8")
        page.headers["Content-Security-Policy"] = policy[1]
        return page(environ, start_response)

    running = make_server("127.0.0.1", 0, site, threaded=True)
    made.address = f"http://127.0.0.1:{running.server_port}/"
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield made
    running.shutdown()
    thread.join()
    running.server_close()


def request_again(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The request as it was before its body was read."""
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.fail("the page is tested in Chromium: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in SWITCHES:
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    opened = Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


class Page:
    """What the tests do on the page and look for."""

    def __init__(self, browser: Chrome, site: Site) -> None:
        self.browser, self.site = browser, site

    def open(self, token: str = TOKEN, width: int = 1000) -> None:
        size = {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.get("about:blank")  # otherwise only the fragment would change
        self.browser.get(self.site.address + (f"#token={token}" if token else ""))

    def type(self, *keys: str) -> None:
        """To whatever has the focus, as a keyboard does."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def ask(self, question: str, waits_for: str = "article:last-child .answer, article:last-child .problem") -> WebElement:
        turns = len(self.all("article"))
        self.type(question, Keys.ENTER)
        self.until(lambda: len(self.all("article")) == turns + 1)
        return self.one(waits_for)

    def one(self, selector: str) -> WebElement:
        return self.until(lambda: next(iter(self.all(selector)), None))

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, 5, poll_frequency=0.05).until(lambda _: condition())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def announcer(self, element: WebElement) -> str:
        """The role, as the browser computes it, of the live region that holds this element."""
        region = self.run("return arguments[0].closest('[role=log], [role=alert], [role=status]')", element)
        return region.aria_role if region and region.is_displayed() else ""


@pytest.fixture
def page(chromium: Chrome, server: Site) -> Iterator[Page]:
    server.canned.clear()
    server.asked.clear()
    server.auth_api = ""
    chromium.get(server.address)
    chromium.execute_script("sessionStorage.clear()")
    chromium.get_log("browser")
    yield Page(chromium, server)
    # Whatever the page's own files violate of the policy is said here, and scripts that fail.
    assert [entry["message"] for entry in chromium.get_log("browser") if "status of" not in entry["message"]] == []


def error(known: Any, **headers: str) -> Response:
    return Response(json.dumps(replies.error_body(known, "0123abcd")), known.status, headers=headers)


def too_many(code: str, retry_after: int | None, header: int) -> Response:
    body = {"error": code, "message": "Too many questions.", "rate_info": {"daily_remaining": 0, "retry_after": retry_after}}
    return Response(json.dumps(body), 429, headers={"Retry-After": str(header)})


def answered(*passages: Passage, answer: str | None = None) -> Response:
    body = {"answer": answer or "".join(quote(passages)), "sources": replies.sources(Sources(passages), frozenset({1}))}
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


def test_the_conversation_goes_along_within_the_contracts_bounds(page: Page) -> None:
    page.open()
    page.site.canned = {f"question {n}": answered(Passage("x", "y"), answer=f"{n} \x00" + "🐉" * 1800) for n in range(8)}
    for n in range(8):
        page.ask(f"question {n}")
    first, second, *_, last = (asked["history"] for asked in page.site.asked)
    assert first == []
    assert second == [{"role": "user", "content": "question 0"}, {"role": "assistant", "content": "0 " + "🐉" * 1800}]
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
    passage = Passage("x", HOSTILE, {"name": "<img src=x onerror=window.hacked=10>", "book": "<b>book</b>", "hierarchy": "<i>"})
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
    "text", ["`" * 8000, "**a " * 4000, "> " * 4000, "- " * 4000 + "x", "*a_" * 4000, "|" * 4000 + "\n" + "|-" * 4000]
)
def test_text_made_to_be_slow_is_not(page: Page, text: str) -> None:
    page.open()
    slow = """import('./markdown.js').then(({ render }) => {
        const start = performance.now();
        render(arguments[0]);
        return performance.now() - start;
    })"""
    assert page.run(f"return {slow}", text) < 1000


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
        (too_many("daily_limit_exceeded", None, 21600), "Too many questions. You can ask again in about 6 hours, at "),
        (error(AIServiceError()), "The language model did not answer; please try again shortly. This question did not count."),
        (Response("<h1>Internal Server Error</h1>", 500), "The server gave no answer we understand (status 500)."),
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
    passages = replies.sources(Sources((Passage("mm-owlbear", "ARMOR CLASS: 5\nMOVE: 12\nSIZE: L", {"name": "Owlbear"}),)))
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
