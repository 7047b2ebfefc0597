"""docs/host.md: each line names a test, and the test is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.apache_config import ROOT

LINES = [line for line in (ROOT / "docs/host.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip())
def test_a_line_names_a_test_that_is_there(line: str) -> None:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == 4, cells
    match = re.fullmatch(r"`(tests/\S+\.py)::(test_\w+)`", cells[3])
    assert match, cells[3]
    tree = ast.parse((ROOT / match[1]).read_text(encoding="utf-8"))
    assert match[2] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_list_covers_what_a_host_can_lack() -> None:
    said = " ".join(line.split("|")[1].lower() for line in LINES)
    for what in (
        "python", "sqlite", "kernel", "locks", "home", "path", "locale", "umask", "time", "ca bundle", "ipv6", "links", "room",
        "memory", "processes", "descriptors", "owns",
    ):  # fmt: skip
        assert what in said, what
