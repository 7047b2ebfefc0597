"""What a request loads: starting a process is most of what a request costs, so each module is there on
purpose.

The lists in tests/data/modules-*.txt are exact for our own modules and for packages from outside. The
standard library's modules differ between versions of Python: of those there is a largest number, and some
that must not be there at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.harness import ROOT
from tests.harness.cgi_process import DEPLOYED, CgiProgram
from tests.harness.cgi_protocol import CgiReply
from tests.harness.doubles.auth_api import AuthDouble

NEVER = {"chromadb", "openai", "requests", "numpy", "pydantic", "httpx", "onnxruntime", "aiohttp", "pytest"}
DATA = ROOT / "tests/data"

Check = Callable[[CgiReply, int, str], None]


@dataclass(frozen=True)
class Pinned:
    """A list: `app.…` and packages exactly, `stdlib at most N`, `never NAME …`; `#` begins a comment."""

    modules: frozenset[str]
    stdlib: int
    never: frozenset[str]

    @classmethod
    def read(cls, name: str) -> Pinned:
        modules, never, stdlib = set(), set(NEVER), 0
        for line in (DATA / f"modules-{name}.txt").read_text(encoding="utf-8").splitlines():
            words = line.partition("#")[0].split()
            if words[:3] == ["stdlib", "at", "most"]:
                stdlib = int(words[3])
            elif words[:1] == ["never"]:
                never |= set(words[1:])
            elif words:
                (module,) = words
                modules.add(module)
        return cls(frozenset(modules), stdlib, frozenset(never))


@pytest.fixture(scope="module")
def auth() -> Iterator[AuthDouble]:
    with AuthDouble() as auth:
        yield auth


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, auth: AuthDouble) -> CgiProgram:
    made = CgiProgram(tmp_path_factory.mktemp("program"), command=DEPLOYED, AUTH_API_URL=auth.url)
    # The first question also builds the index, once in the life of a host.
    assert (
        made.request("POST", "/api/query", {"question": "orc"}, token=auth.token_for("alice")).status == 200
    )
    return made


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """Compares what was loaded with the list of that name, and prints it whatever comes of it."""

    def check(reply: CgiReply, status: int, name: str) -> None:
        loaded = modules_of(reply, status)
        with capsys.disabled():
            print(f"\n{name}:{loaded}")
        compare(loaded, name)

    return check


@dataclass(frozen=True)
class Loaded:
    """The modules of one process: our own, packages from outside by their first name, and the standard
    library's.
    """

    own: frozenset[str]
    packages: frozenset[str]
    stdlib: frozenset[str]

    def __str__(self) -> str:
        parts = {"own": self.own, "packages": self.packages, "standard library": self.stdlib}
        return "".join(
            f"\n  {len(names)} {title}: {' '.join(sorted(names))}" for title, names in parts.items()
        )


def modules_of(reply: CgiReply, status: int) -> Loaded:
    assert reply.status == status, reply.body
    names = {line for line in reply.probed if "=" not in line} - {"__main__"}
    own = frozenset(name for name in names if name.partition(".")[0] == "app")
    stdlib = frozenset(name for name in names if name.partition(".")[0] in sys.stdlib_module_names)
    packages = {name.partition(".")[0] for name in names - own - stdlib}
    # The hooks that installers leave in site-packages run at every start, whatever the program does.
    return Loaded(
        own, frozenset(name for name in packages if not name.startswith(("_distutils", "__editable"))), stdlib
    )


def compare(loaded: Loaded, name: str) -> None:
    pinned, found = Pinned.read(name), loaded.own | loaded.packages
    assert not (found | loaded.stdlib) & pinned.never, "must never be loaded"
    assert not found - pinned.modules, f"loaded, but not in tests/data/modules-{name}.txt"
    assert not pinned.modules - found, f"in tests/data/modules-{name}.txt, but not loaded"
    assert len(loaded.stdlib) <= pinned.stdlib, (
        f"more of the standard library than tests/data/modules-{name}.txt allows"
    )


def test_a_health_request(program: CgiProgram, check: Check) -> None:
    check(program.request("GET", "/health", probe=True), 200, "health")


def test_a_request_without_a_token(program: CgiProgram, check: Check) -> None:
    check(program.request("POST", "/api/query", {"question": "orc"}, probe=True), 401, "refused")


def test_a_request_whose_token_is_not_valid(program: CgiProgram, check: Check) -> None:
    check(program.request("POST", "/api/query", {"question": "orc"}, token="x", probe=True), 401, "rejected")


def test_the_first_question_after_a_login(program: CgiProgram, auth: AuthDouble, check: Check) -> None:
    reply = program.request(
        "POST", "/api/query", {"question": "orc"}, token=auth.token_for("alice"), probe=True
    )
    check(reply, 200, "newcomer")


def test_an_answered_request(program: CgiProgram, auth: AuthDouble, check: Check) -> None:
    token = auth.token_for("alice")
    program.request("POST", "/api/query", {"question": "orc"}, token=token)
    reply = program.request("POST", "/api/query", {"question": "orc"}, token=token, probe=True)
    check(reply, 200, "answered")


def test_a_request_that_the_books_figures_answer(program: CgiProgram, auth: AuthDouble, check: Check) -> None:
    token = auth.token_for("alice")
    asked = {"question": "What is the armor class of an owlbear?"}
    program.request("POST", "/api/query", asked, token=token)
    check(program.request("POST", "/api/query", asked, token=token, probe=True), 200, "exact")


def test_the_books_figures_take_less_than_any_other_answer() -> None:
    exact, other = Pinned.read("exact"), Pinned.read("answered")
    assert len(exact.modules) < len(other.modules)
    assert not exact.modules & {"app.retrieval.retriever", "app.retrieval.fusion", "app.adapters"}
