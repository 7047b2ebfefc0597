"""What several modules of tests stand on. Nothing here is started, or imported, unless a test asks for it.

Most tests start no server: what drives one (the official clients, Selenium) is most of a second to import, in
every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.quick import Watch, starts_nothing

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from app.index.search import LexicalIndex
    from tests.harness.chroma_server import ChromaServer
    from tests.harness.gated import GatedAuth, GatedOpenAI
    from tests.harness.page import Page, Site
    from tests.harness.relay import Relay


_quick = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="only the tests that start no server and no process beside their own",
    )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No long bytes in the name of a test: what was packed holds the time, and each process has to find the
    same names.
    """
    return argname if isinstance(val, bytes) and len(val) > 20 else None


# The files that take longest, which are begun first: a process that takes one last would work on alone.
LONGEST = (
    "test_warm_worker.py",
    "test_upload.py",
    "test_upload_interrupted.py",
    "test_apache.py",
    "test_upload_refused.py",
    "test_ingest.py",
    "test_page_ends.py",
    "test_strangers.py",
    "test_bounds.py",
    "test_terminal.py",
    "test_model.py",
    "test_adapters.py",
    "test_streaming.py",
)


def _longest_first(item: pytest.Item) -> int:
    return LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_longest_first)
    for item in items:
        item.stash[_quick] = starts_nothing(item)
    if config.getoption("quick"):
        config.hook.pytest_deselected(items=[item for item in items if not item.stash[_quick]])
        items[:] = [item for item in items if item.stash[_quick]]


@pytest.fixture(scope="session")
def _watch() -> Watch:
    return Watch()


@pytest.fixture(autouse=True)
def _starts_what_it_may(request: pytest.FixtureRequest, _watch: Watch) -> Iterator[None]:
    """A test that counts as quick, and starts a server all the same, fails: so --quick is what it says."""
    _watch.test = request.node.nodeid if request.node.stash[_quick] else ""
    yield
    _watch.test = ""


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """A copy of the checkout to make programs from."""
    from tests.harness.checkout import checkout

    with checkout() as copy:
        yield copy


@pytest.fixture(scope="session")
def rules() -> Iterator[ChromaServer]:
    """A real Chroma with the sample rules in it."""
    from tests.harness.chroma_server import ChromaServer
    from tests.harness.doubles.openai import KEY, OpenAIDouble
    from tests.harness.sample_collection import load_sample_rules

    with ChromaServer() as server, OpenAIDouble() as openai:
        load_sample_rules(server.host, server.port, openai.base_url, KEY)
        yield server


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LexicalIndex]:
    """The index over the sample rules."""
    from app.index import sample_rules

    made = sample_rules.index(tmp_path_factory.mktemp("sample"))
    yield made
    made.close()


@pytest.fixture
def auth() -> Iterator[GatedAuth]:
    from tests.harness.gated import GatedAuth

    with GatedAuth() as double:
        yield double


@pytest.fixture
def openai() -> Iterator[GatedOpenAI]:
    from tests.harness.gated import GatedOpenAI

    with GatedOpenAI() as double:
        yield double


@pytest.fixture
def chroma(rules: ChromaServer) -> Iterator[Relay]:
    from tests.harness.relay import Relay

    with Relay(rules.url) as relay:
        yield relay


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    from tests.harness.page import open_chromium

    with open_chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The chat page before the application over the sample rules, with a development server's token."""
    from app.bootstrap import create_app
    from app.settings import load
    from tests.harness.page import TOKEN, Site

    data = tmp_path_factory.mktemp("data")
    settings = load({"AUTH_DEV_TOKEN": TOKEN, "DATA_DIR": str(data)}, root=data)
    with Site(create_app(settings, dev_token=TOKEN)) as site:
        yield site


@pytest.fixture
def page(chromium: Chrome, page_site: Site) -> Iterator[Page]:
    """The chat page in the browser, as it is before anybody has done anything."""
    from tests.harness.page import Page

    with Page(chromium, page_site) as page:
        yield page
