from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.index import sample_rules
from app.index.build import build
from app.index.search import LexicalIndex
from app.models import Passage

Made = Callable[[list[Passage]], LexicalIndex]


@pytest.fixture(scope="module")
def sample_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LexicalIndex]:
    made = sample_rules.index(tmp_path_factory.mktemp("sample"))
    yield made
    made.close()


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
