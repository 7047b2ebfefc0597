"""What the documents name is there: files, modules, tests, pages, headings."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from tests.harness import ROOT
from tests.unit.docs import commands, documents

# A path from the top, or, as the tables of modules have it, from `app` on and without its ending.
PATH = re.compile(r"(?:app|cgi-bin|docs|public_html|scripts|tests)/[\w./*-]*")
ROOMS = "|".join(sorted(path.parent.name for path in (ROOT / "app").glob("*/__init__.py")))
MODULE = re.compile(rf"(?:{ROOMS})/\w+(?:\.\w+)?")
FILE = re.compile(r"\w+\.(?:py|sh|cgi|fcgi)")


def is_there(code: str) -> bool:
    if PATH.fullmatch(code):
        return any(ROOT.glob(code.rstrip("/")))
    if MODULE.fullmatch(code):
        return any(ROOT.glob(f"app/{code}")) or any(ROOT.glob(f"app/{code}.py"))
    return not FILE.fullmatch(code) or any(
        any((ROOT / folder).rglob(code)) for folder in ("app", "cgi-bin", "docs", "scripts", "tests")
    )


@pytest.mark.parametrize("document", documents.NAMES)
def test_every_file_that_is_named_is_there(document: str) -> None:
    assert not {code for code in documents.code_in_text(document) if not is_there(code)}


@pytest.mark.parametrize("wrong", ["app/no_such.py", "scripts/ingst.py", "retrieval/no_such", "no_such.py"])
def test_a_file_that_is_not_there_is_seen(wrong: str) -> None:
    assert not is_there(wrong)


def broken(document: str, address: str) -> bool:
    """Whether a link leads to no file, or to no heading of it. Other sites are not asked."""
    if "://" in address:
        return False
    path, _, fragment = unquote(address).partition("#")
    target = (ROOT / document).parent / path if path else ROOT / document
    if not target.exists():
        return True
    if not fragment:
        return False
    name = str(target.resolve().relative_to(ROOT))
    return fragment not in {documents.anchor(heading) for _, heading in documents.headings(name)}


@pytest.mark.parametrize("document", documents.NAMES)
def test_every_link_leads_somewhere(document: str) -> None:
    assert not [address for address in documents.links(document) if broken(document, address)]


@pytest.mark.parametrize("wrong", ["no-such-page.md", "deploy.md#no-such-heading", "#no-such-heading"])
def test_a_link_to_nothing_is_seen(wrong: str) -> None:
    assert broken("docs/setup.md", wrong)


# `NAME`, `NAME=value`: a setting, or a constant of the program.
CAPITALS = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=\S*)?")
# Of the operating system, and not used.
OUTSIDE = {"RLIMIT_DATA"}


def defaults() -> dict[str, str]:
    """Every setting with its default, as the example of a settings file has them."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^#? ?(\w+)=(\S*)$", example, re.MULTILINE))


@pytest.mark.parametrize("document", documents.NAMES)
def test_every_setting_that_is_named_is_one(document: str) -> None:
    named = {match[1] for code in documents.code_in_text(document) if (match := CAPITALS.fullmatch(code))}
    assert named - OUTSIDE <= commands.words_of_the_program()


def test_the_limits_have_their_defaults() -> None:
    head, *rows = documents.tables("docs/limits.md")[0]
    assert head[:3] == ["limit", "default", "setting"]
    assert len(rows) >= 8
    for limit, default, names, _ in rows:
        name = re.findall(r"`(\w+)`", names)[0]
        assert defaults()[name] in default.replace("seven", "7"), limit


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {address.partition("#")[0] for address in documents.links("README.md")}
    assert {name for name in documents.NAMES if name != "README.md"} <= linked


def test_the_readme_is_short() -> None:
    assert len(documents.text_of("README.md").splitlines()) <= 150


def test_each_decision_has_a_heading_and_each_part_is_in_the_contents() -> None:
    headings = documents.headings("docs/decisions.md")
    assert len(set(headings)) == len(headings), "one decision twice"
    assert len([text for level, text in headings if level == 3]) >= 52, "a decision is lost"
    linked = set(documents.links("docs/decisions.md"))
    assert {f"#{documents.anchor(text)}" for level, text in headings if level == 2} <= linked
    # As decisions stood before they had headings.
    assert not re.findall(r"^\*\*.+", documents.text_of("docs/decisions.md"), re.MULTILINE)
