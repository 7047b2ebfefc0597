"""Citations of nothing are taken out of an answer while it is written, as they are out of the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import Passage
from app.rag.grounding import existing_citations, ground

TWO = [Passage("a", "A beast."), Passage("b", "A bird.")]
TEXT = st.lists(
    st.sampled_from(["[1]", "[3]", "[2, 9]", " ", "[", "]", "x", "(y)", "1", ",", "\n", "![1]", "[7][1]"]), max_size=12
)


@given(TEXT, st.data())
def test_pieces_join_to_what_the_whole_becomes(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(existing_citations(pieces, 2)) == ground(text, TWO)[0]


@pytest.mark.parametrize("piece", ["A beast [1], ", "no bird [9]."])
def test_nothing_is_held_back_that_is_no_citation(piece: str) -> None:
    assert next(iter(existing_citations([piece, "more"], 2))).rstrip() == piece.replace(" [9]", "").rstrip()
