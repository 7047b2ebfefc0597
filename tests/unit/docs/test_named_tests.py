"""The tests that the documents name are there, and each line of what holds names one."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.harness import ROOT
from tests.unit.docs import documents

NAMED = re.compile(r"`(tests/\S+?\.py)::(test_\w+)`")
# As the last cell of a table has it: with a link to the file.
LINKED = re.compile(r"\[`(tests/\S+?\.py)::test_\w+`\]\(\.\./\1\)")
# Every table of these pages is a list of what holds.
LISTS = ("docs/host.md", "docs/security.md")
# What holds stands in the first column, what does not in the second.
PROMISES = ["what holds", "what does not", "test"]


def promises(document: str) -> list[list[str]]:
    """The rows of all tables of what holds, heads left out."""
    every = document in LISTS
    return [row for head, *rows in documents.tables(document) if every or head == PROMISES for row in rows]


@cache
def functions_of(file: str) -> set[str]:
    """The functions of a file of tests; none where there is no such file."""
    if not (ROOT / file).is_file():
        return set()
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("document", documents.NAMES)
def test_every_test_that_is_named_is_there(document: str) -> None:
    named = NAMED.findall(documents.text_of(document))
    assert not [f"{file}::{test}" for file, test in named if test not in functions_of(file)]


@pytest.mark.parametrize("document", documents.NAMES)
def test_every_line_of_what_holds_names_a_test(document: str) -> None:
    assert not [row for row in promises(document) if not LINKED.fullmatch(row[-1])]


# The pages by task that promise something, and the lists.
@pytest.mark.parametrize(
    ("document", "least"),
    [
        ("docs/settings.md", 4),
        ("docs/deploy.md", 5),
        ("docs/ingest.md", 5),
        ("docs/migration.md", 8),
        ("docs/limits.md", 12),
        ("docs/retrieval.md", 8),
        ("docs/host.md", 30),
        ("docs/security.md", 30),
    ],
)
def test_a_page_says_what_holds(document: str, least: int) -> None:
    found = promises(document)
    assert len(found) >= least
    assert len({len(row) for row in found}) == 1, "a row with a bar too many"


def test_the_list_covers_what_a_host_can_lack() -> None:
    said = " ".join(row[0].lower() for row in promises("docs/host.md"))
    what_a_host_has = (
        "python, sqlite, kernel, locks, home, path, locale, umask, time, ca bundle, ipv6, links, room, "
        "memory, processes, descriptors, owns"
    )
    for what in what_a_host_has.split(", "):
        assert what in said, what


def test_the_list_covers_whoever_could_do_harm() -> None:
    parts = re.split(r"^## ", documents.text_of("docs/security.md"), flags=re.MULTILINE)[1:]
    for part, who in zip(parts, ("stranger", "user", "account", "line", "provider", "passage"), strict=True):
        assert who in part.splitlines()[0] and "Not protected: " in part
