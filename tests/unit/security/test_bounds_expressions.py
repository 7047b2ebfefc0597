"""No regular expression on the way of a request takes more than linear time, whatever text it is put on."""

from __future__ import annotations

import ast
import importlib
import re
import warnings
from collections.abc import Iterator

import pytest

from app.index import terms
from tests.harness import ROOT
from tests.unit.security.adversarial import TEXTS
from tests.unit.security.regex_steps import MOST_STEPS, attacks, steps

# On a text of twice the length twice the steps, and some.
DOUBLED = 2.4
LENGTH = 40
# The texts of other kinds that have most places to begin at.
OTHERS = (
    "digits and a letter",
    "apostrophes",
    "hyphen chain",
    "blanks",
    "line-end hyphens",
    "nested citations",
    "capitalised",
)


# What takes the square of a length that is bounded.
SHORT = {
    "app.index.names._PARENTHESES": "names, when the index is built: 4 kB of metadata",
    "app.grounding.check._OPENING": "the 12 characters before a word",
}


def expressions() -> Iterator[tuple[str, re.Pattern[str], bool]]:
    """Every expression of the request path: where it stands, and whether it is only ever held against a whole
    text.
    """
    for path in sorted((ROOT / "app").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if (
            name.startswith("app.operator")
            or path.name == "__init__.py"
            or name in ("app.wsgi", "app.servers.worker", "app.servers.scgi", "app.servers.fcgi")
        ):
            continue
        source = path.read_text(encoding="utf-8")
        for variable, value in vars(importlib.import_module(name)).items():
            if isinstance(value, terms.Expression):
                value = re.compile(value.pattern, value.flags)
            if (
                isinstance(value, re.Pattern)
                and isinstance(value.pattern, str)
                and f"{variable} = " in source
            ):
                searched = re.search(rf"\b{variable}\.(?:search|find\w+|subn?|split)\b", source)
                yield f"{name}.{variable}", value, not searched
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func.value) == "re"
            ):
                method, pattern = node.func.attr, node.args[0] if node.args else None
                if (
                    method != "compile"
                    and isinstance(pattern, ast.Constant)
                    and isinstance(pattern.value, str)
                ):
                    flags = re.IGNORECASE if "IGNORECASE" in ast.unparse(node) else 0
                    yield (
                        f"{name} {pattern.value}",
                        re.compile(pattern.value, flags),
                        method in ("match", "fullmatch"),
                    )


FOUND = list(expressions())


def test_they_are_found() -> None:
    assert len(FOUND) > 60 and {name for name, _, _ in FOUND} >= {
        "app.index.terms._CUT",
        "app.retrieval.followup._ONE",
        *SHORT,
    }


@pytest.mark.parametrize(
    ("pattern", "whole"), [pytest.param(*rest, id=name) for name, *rest in FOUND if name not in SHORT]
)
def test_its_time_is_linear(pattern: re.Pattern[str], whole: bool) -> None:
    for text in (*attacks(pattern), *map(TEXTS.__getitem__, OTHERS)):
        before, after = (steps(pattern, text(length), whole=whole) for length in (LENGTH, 2 * LENGTH))
        assert after < MOST_STEPS and after <= DOUBLED * before + 200, (text(30), before, after)


@pytest.mark.parametrize(
    ("slow", "text"),
    [(r"a*b", "a"), (r"\b([a-z-]+) ones?\b", "a-"), (r"[\d.]*(?:d\d+)?[\d.]*", "1"), (r"\s+$", " ")],
)
def test_what_is_not_linear_is_seen(slow: str, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pattern = re.compile(slow)
    tried = [*attacks(pattern), lambda length: text * length + "!"]
    for whole in (True, False):
        counted = [
            [steps(pattern, made(length), whole=whole) for length in (LENGTH, 2 * LENGTH)] for made in tried
        ]
        if any(after >= MOST_STEPS or after > DOUBLED * before + 200 for before, after in counted):
            return
    raise AssertionError(slow)
