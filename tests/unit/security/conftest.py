from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.index.build import build
from app.index.search import LexicalIndex
from app.models import Passage

Made = Callable[[list[Passage]], LexicalIndex]


@pytest.fixture
def index_of(tmp_path: Path) -> Iterator[Made]:
    """Makes an index over passages."""
    made: list[LexicalIndex] = []

    def index(passages: list[Passage]) -> LexicalIndex:
        path = tmp_path / f"{len(made)}.sqlite3"
        build(passages, path, {})
        made.append(LexicalIndex(path))
        return made[-1]

    yield index
    for one in made:
        one.close()
