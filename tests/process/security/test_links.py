"""A link logs nobody in: a token in the address counts on this machine's development server alone, and
replaces no session.
"""

from __future__ import annotations

import pytest

from app.servers.dev import PAGE_HEADERS
from tests.harness import ROOT
from tests.harness.page import TOKEN, Page

OTHER = "the-token-of-somebody-else"
KEPT = "return sessionStorage.getItem('dndchat.token')"


@pytest.mark.parametrize("again", ["in a new page", "in the same page"])
@pytest.mark.parametrize("answer", [True, False])
def test_a_session_is_replaced_by_a_link_only_when_that_is_wanted(
    page: Page, answer: bool, again: str
) -> None:
    page.open()
    assert page.run(KEPT) == TOKEN
    if again == "in a new page":
        page.browser.get("about:blank")
    page.browser.get(f"{page.site.address}#token={OTHER}")
    question = page.until(lambda: page.browser.switch_to.alert)
    assert question.text == "Log out here, and log in by the address you came by?"
    question.accept() if answer else question.dismiss()
    page.until(lambda: page.run(KEPT) == (OTHER if answer else TOKEN))
    assert page.browser.current_url == page.site.address, "the token stays in the address"


def test_a_link_with_the_token_that_counts_already_changes_nothing(page: Page) -> None:
    page.open()
    page.ask("What is an orc?")
    page.browser.get(f"{page.site.address}#token={TOKEN}")
    page.until(lambda: page.browser.current_url == page.site.address)
    assert len(page.all("article")) == 1


@pytest.mark.parametrize("session", ["", TOKEN])
def test_on_a_web_host_no_link_logs_anybody_in(page: Page, session: str) -> None:
    """Chromium takes every name below localhost for this machine; to the page it is a host like any other."""
    page.site.auth_api = "https://a.example"
    elsewhere = page.site.address.replace("127.0.0.1", "dnd.localhost")
    page.browser.get(elsewhere)
    page.run(
        "arguments[0] ? sessionStorage.setItem('dndchat.token', arguments[0]) : sessionStorage.clear()",
        session,
    )
    page.browser.get("about:blank")
    page.browser.get(f"{elsewhere}#token={OTHER}")
    page.until(lambda: page.browser.current_url == elsewhere)
    assert page.run(KEPT) == (session or None)
    assert page.one("#question").is_displayed() == bool(session)
    if not session:
        assert (
            page.one("#login-problem").text
            == "The address you came by would have logged you in as somebody else; it was not used."
        )
    page.run("sessionStorage.clear()")


@pytest.mark.parametrize(
    "host", ["127.0.0.1.evil.example", "localhost.evil.example", "notlocalhost", "evil.example", "1270.0.0.1"]
)
def test_which_hosts_are_this_machine(page: Page, host: str) -> None:
    """The pattern itself, as most of these names lead nowhere here."""
    line = next(
        line
        for line in (ROOT / "public_html/chat.js").read_text().splitlines()
        if line.startswith("const LOOPBACK")
    )
    pattern = line.partition("= ")[2].partition(";")[0]
    assert not page.run(f"return {pattern}.test(arguments[0])", host)
    for here in ("localhost", "127.0.0.1", "127.9.9.9", "[::1]"):
        assert page.run(f"return {pattern}.test(arguments[0])", here)


def test_the_development_server_sends_what_the_template_does(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import re

    template = (ROOT / ".htaccess.template").read_text(encoding="utf-8")
    assert dict(re.findall(r'^ +Header always set (\S+) "(.*)"$', template, re.MULTILINE)) == PAGE_HEADERS
