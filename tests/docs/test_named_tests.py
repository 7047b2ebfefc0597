"""The documents in docs/: each test that one names is there, and each line of a list of what is held names one."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.support.apache_config import ROOT

NAMED = re.compile(r"`(tests/\S+?\.py)::(test_\w+)`")
# Lists whose every line names a test in its last column.
LISTS = ("host.md", "security.md")


def rows(name: str) -> list[list[str]]:
    """The cells of the lines of all tables in a document, heads left out."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    tables = re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_test_that_is_named_is_there(name: str) -> None:
    named = NAMED.findall((ROOT / "docs" / name).read_text(encoding="utf-8"))
    missing = [f"{file}::{test}" for file, test in named if not (ROOT / file).is_file() or test not in functions_of(file)]
    assert not missing


@pytest.mark.parametrize("name", LISTS)
def test_every_line_of_a_list_names_a_test(name: str) -> None:
    found = rows(name)
    assert len(found) > 20 and len({len(row) for row in found}) == 1
    assert not [row for row in found if not NAMED.fullmatch(row[-1])]


def test_the_list_covers_what_a_host_can_lack() -> None:
    said = " ".join(row[0].lower() for row in rows("host.md"))
    for what in (
        "python", "sqlite", "kernel", "locks", "home", "path", "locale", "umask", "time", "ca bundle", "ipv6", "links", "room",
        "memory", "processes", "descriptors", "owns",
    ):  # fmt: skip
        assert what in said, what


def test_the_list_covers_whoever_could_do_harm() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    for part, who in zip(parts, ("stranger", "user", "account", "line", "provider", "passage"), strict=True):
        assert who in part.splitlines()[0] and "Not protected: " in part
