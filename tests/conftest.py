"""What several modules of tests stand on. Nothing here is started unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.doubles.openai import KEY, OpenAIDouble
from tests.support.chroma_server import ChromaServer
from tests.support.collection import load_sample_rules
from tests.support.gated import GatedAuth, GatedOpenAI
from tests.support.page import open_chromium
from tests.support.program import checkout
from tests.support.relay import Relay


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """A copy of the checkout to make programs from."""
    with checkout() as copy:
        yield copy


@pytest.fixture(scope="session")
def rules() -> Iterator[ChromaServer]:
    """A real Chroma with the sample rules in it."""
    with ChromaServer() as server, OpenAIDouble() as openai:
        load_sample_rules(server.host, server.port, openai.base_url, KEY)
        yield server


@pytest.fixture
def auth() -> Iterator[GatedAuth]:
    with GatedAuth() as double:
        yield double


@pytest.fixture
def openai() -> Iterator[GatedOpenAI]:
    with GatedOpenAI() as double:
        yield double


@pytest.fixture
def chroma(rules: ChromaServer) -> Iterator[Relay]:
    with Relay(rules.url) as relay:
        yield relay


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser
