"""The chat page in a real Chromium, served with the Content-Security-Policy of the .htaccess template before
an application.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from . import ROOT
from .apache_config import render_htaccess
from .doubles.openai import KEY, OpenAIDouble
from .relay import Relay

PAGES = ROOT / "public_html"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
TOKEN = "a-token-for-development"

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


def services(openai: OpenAIDouble, chroma: Relay, data_dir: Path) -> dict[str, str]:
    """The settings of a site that asks these two."""
    return {
        "AUTH_DEV_TOKEN": TOKEN,
        "DATA_DIR": str(data_dir),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": openai.base_url,
        "CHROMA_HOST": "127.0.0.1",
        "CHROMA_PORT": str(chroma.port),
    }


class Site:
    """The page before `app`. `canned` maps a question to a reply before the application's; `asked` keeps what
    was asked.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        policy = re.search(
            r'Content-Security-Policy "([^"]+)"',
            render_htaccess(cgi_url="/x.cgi", auth_origin="https://a.example"),
        )
        assert policy
        self._policy = policy[1]
        self.reset()

    def reset(self) -> None:
        self.canned: dict[str, Response] = {}
        self.asked: list[dict[str, Any]] = []
        self.auth_api = ""

    def __enter__(self) -> Site:
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        if request.path == "/api/query":
            self.asked.append(json.loads(request.get_data()))
            reply = self.canned.get(self.asked[-1]["question"])
            if reply:
                return reply(environ, start_response)
            return self._app(_again(environ, request.get_data()), start_response)
        if request.path in ("/api/me", "/api/health"):
            return self._app(environ, start_response)
        if request.path == "/auth/login":
            right = request.get_json() == {"username": "elf", "password": "mellon"}
            found = {"success": True, "data": {"access_token": TOKEN}} if right else {"success": False}
            return Response(json.dumps(found), 200 if right else 401)(environ, start_response)
        name = request.path.lstrip("/") or "index.html"
        text = PAGES.joinpath(name).read_text(encoding="utf-8")
        text = text.replace('"auth-api" content=""', f'"auth-api" content="{self.auth_api}"')
        page = Response(text, content_type=KINDS[Path(name).suffix] + "; charset=utf-8")
        page.headers["Content-Security-Policy"] = self._policy
        return page(environ, start_response)


def _again(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The request as it was before its body was read."""
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


@contextlib.contextmanager
def open_chromium(profile: Path) -> Iterator[Chrome]:
    """A browser with its profile in that directory."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert browser and driver, "the page is tested in Chromium: apt-get install chromium chromium-driver"
    options = ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in SWITCHES:
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    opened = Chrome(options=options, service=Service(driver))
    try:
        yield opened
    finally:
        opened.quit()


class Page:
    """What the tests do on the page and look for. Leaving it, nothing may have been said in the browser's
    console.
    """

    def __init__(self, browser: Chrome, site: Site) -> None:
        self.browser, self.site = browser, site

    def __enter__(self) -> Page:
        self.site.reset()
        self.browser.get(self.site.address)
        self.run("sessionStorage.clear()")
        self.browser.get_log("browser")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whatever the page's own files violate of the policy is said there, and scripts that fail.
        # What a server refuses or breaks off is said there, too, and is none.
        said = [entry["message"] for entry in self.browser.get_log("browser") if entry["source"] != "network"]
        assert error is not None or said == []

    def open(self, token: str = TOKEN, width: int = 1000) -> None:
        size = {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.get("about:blank")  # otherwise only the fragment would change
        self.browser.get(self.site.address + (f"#token={token}" if token else ""))

    def type(self, *keys: str) -> None:
        """To whatever has the focus, as a keyboard does."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def ask(self, question: str, waits_for: str = "") -> WebElement:
        """The answer, or the problem, when it is complete; with `waits_for` that element, as soon as it is
        there.
        """
        turns = len(self.all("article"))
        self.type(question, Keys.ENTER)
        self.until(lambda: len(self.all("article")) == turns + 1)
        if not waits_for:
            # What is shown of an answer while it is written is replaced at its end.
            self.until(lambda: self.one("#send").get_attribute("aria-disabled") != "true")
        return self.one(waits_for or "article:last-child .answer, article:last-child .problem")

    def one(self, selector: str) -> WebElement:
        return self.until(lambda: next(iter(self.all(selector)), None))

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def until(self, condition: Callable[[], Any]) -> Any:
        # What it looks at may be replaced while it looks.
        passing = [StaleElementReferenceException]
        return WebDriverWait(self.browser, 60, poll_frequency=0.05, ignored_exceptions=passing).until(
            lambda _: condition()
        )

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def announcer(self, element: WebElement) -> str:
        """The role, as the browser computes it, of the live region that holds this element."""
        region = self.run("return arguments[0].closest('[role=log], [role=alert], [role=status]')", element)
        return region.aria_role if region and region.is_displayed() else ""
