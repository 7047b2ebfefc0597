"""What several tests of retrieval share."""

from __future__ import annotations

import pytest

from app.index import sample_rules
from app.index.search import LexicalIndex
from tests.rag.books import index_of


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    """The index over the sample rules."""
    return index_of(sample_rules.passages(), tmp_path_factory.mktemp("index") / "sample.sqlite3")
