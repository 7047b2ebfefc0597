"""Citations of nothing are taken out of an answer while it is written, as they are out of the whole."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.grounding.check import Check, ground
from app.grounding.statements import CITATION
from app.models import Passage

TWO = [Passage("a", "A beast."), Passage("b", "A bird.")]
PARTS = st.lists(
    st.sampled_from(
        [
            "[1]",
            "[3]",
            "[2, 9]",
            "[[9]7]",
            " ",
            "\t",
            "[",
            "]",
            "x",
            "(y)",
            "1",
            ",",
            "-",
            "\n",
            "!",
            "[7][1]",
        ]
    ),
    max_size=16,
)
TEXT = PARTS.map("".join) | st.text("[]0129,;–- \t\nax(!\\`٣", max_size=40) | st.text(max_size=20)


def words(text: str) -> list[str]:
    return [c for c in text if c not in "[]0123456789,;–-" and not c.isspace()]


def streamed(pieces: Iterable[str]) -> Iterator[str]:
    return Check(TWO).shown(pieces)


def whole(text: str) -> str:
    return ground(text, TWO)[0]


@settings(max_examples=500)
@given(TEXT, st.data())
def test_pieces_join_to_what_the_whole_becomes(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(streamed(pieces)) == whole(text) == "".join(streamed(text))


@settings(max_examples=500)
@given(TEXT)
def test_what_remains_is_the_text_less_citations_of_nothing(text: str) -> None:
    """No citation of nothing is left, as the page reads them; nothing but brackets, what is in them, and
    blanks is gone.
    """
    cleaned = whole(text)
    left = [int(n) for match in CITATION.finditer(cleaned) for n in re.findall(r"[0-9]+", match[1])]
    assert set(left) <= {1, 2}
    assert whole(cleaned) == cleaned
    assert words(cleaned) == words(text)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("x [[9]7] y", "x y"),
        ("x [[[9]8]7] y", "x y"),
        ("x [[9]1] y", "x [1] y"),
        ("x [ [9]1] y", "x [1] y"),
        ("a [9][1] b", "a [1] b"),
        ("a [9][8][7] b", "a b"),
        ("It flees![9] AC 5[9], d6[1].", "It flees! AC 5, d6[1]."),
        ("[9](x) [1](y) ![9](z)", "[9](x) [1](y) ![9](z)"),
        ("[a [9] b]", "[a b]"),
        ("[[9]", "["),
        ("[9", "[9"),
        ("[1-200]", "[1]"),
        ("[1000] [٣]", "[1000] [٣]"),
    ],
)
def test_in_the_end_no_citation_of_nothing_is_left(text: str, becomes: str) -> None:
    assert whole(text) == "".join(streamed(text)) == becomes


@pytest.mark.parametrize("piece", ["A beast [1], ", "no bird [9]."])
def test_nothing_is_held_back_that_is_no_citation(piece: str) -> None:
    assert next(iter(streamed([piece, "more"]))).rstrip() == piece.replace(" [9]", "").rstrip()


@pytest.mark.parametrize(
    "text", ["[" * 9, "[[9]7] " * 9, "[1," * 9, " " * 9, "[1, 2" + " " * 9, "[" * 9 + "9]" * 9]
)
def test_the_work_is_linear_in_the_text(text: str) -> None:
    """Lines of Python that run, counted: ten times the text is ten times the work."""

    def work(times: int) -> int:
        lines = 0

        def count(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal lines
            lines += 1
            return count

        sys.settrace(count)
        try:
            list(streamed(text * times))
        finally:
            sys.settrace(None)
        return lines

    assert work(100) < 15 * work(10)
