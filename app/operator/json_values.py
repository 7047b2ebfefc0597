"""The JSON values in a text, any number of them one after another, with their lines. Knows nothing of passages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from app.operator.texts import Foreign

LOOKS_LIKE_JSON = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")
_BETWEEN = re.compile(r"[\s,\x1e\ufeff]*")
_PYTHON = re.compile(r"\s*\[?\s*(?:\{\s*'|\w+\()")


class Wrong(str):
    """What is wrong, in place of a value."""


def values(text: str) -> Iterator[tuple[int, Any]]:
    """Every JSON value of `text` with its line; where one line is wrong among others, that line with what is wrong.

    Raises Foreign when it is no JSON.
    """
    try:
        yield from list(_documents(text))
        return
    except (ValueError, RecursionError) as error:
        problem = error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    first = _line(lines[0][1])
    if len(lines) == 1 or isinstance(first, Wrong):
        hint = ""
        if _PYTHON.match(text):
            hint = "; this is how Python prints values: write them with json.dump"
        elif isinstance(problem, json.JSONDecodeError) and problem.pos >= len(text.rstrip()):
            hint = "; the file ends in the middle"
        raise Foreign(f"no JSON ({problem}){hint}") from problem
    yield from ((number, _line(line)) for number, line in lines)


def _documents(text: str) -> Iterator[tuple[int, Any]]:
    # Line ends inside strings are let pass: people's files have them.
    decoder = json.JSONDecoder(strict=False)
    position, counted, line = 0, 0, 1
    while (position := _BETWEEN.match(text, position).end()) < len(text):  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, position), position
        value, position = decoder.raw_decode(text, position)
        yield line, value


def _line(line: str) -> Any:
    """The one value, or the values as a list, of a line of JSON Lines."""
    try:
        values = [value for _, value in _documents(line)]
    except (ValueError, RecursionError) as error:
        return Wrong(f"no JSON ({error})")
    return values[0] if len(values) == 1 else values
