"""Which SQLite the program needs: 3.24, of 2018, with FTS5.

Hosts have old ones (Red Hat 8: 3.26), and an index that was built with a new one is copied to them, so
nothing newer may stand in its tables either. `tests/fresh/old_sqlite.sh` runs tests with a real 3.26.
"""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.index.build import build
from app.models import Passage
from tests.harness import ROOT

OLDEST = (3, 24)

# What is newer, with the version that brought it (sqlite.org/changes.html).
FEATURES = {
    r"\bOVER\s*\(|\bWINDOW\s+\w+\s+AS\b": (3, 25),
    r"\bRENAME\s+COLUMN\b": (3, 25),
    r"\bremove_diacritics\s+2\b": (3, 27),
    r"\bVACUUM\b.*\bINTO\b": (3, 27),
    r"\bFILTER\s*\(\s*WHERE\b": (3, 30),
    r"\bNULLS\s+(FIRST|LAST)\b": (3, 30),
    r"\bPRAGMA\s+(function|module|pragma)_list\b": (3, 30),
    r"\bGENERATED\s+ALWAYS\b|\bAS\s*\([^)]*\)\s*(STORED|VIRTUAL)\b": (3, 31),
    r"\biif\s*\(": (3, 32),
    # The FROM of a query in brackets is another one.
    r"\bUPDATE\b[^;()]*\bSET\b[^;()]*\bFROM\b(?![^;]*\bSELECT\b)": (3, 33),
    r"\btrigram\b": (3, 34),
    r"\bsubstring\s*\(": (3, 34),
    r"\bRETURNING\b": (3, 35),
    r"\bDROP\s+COLUMN\b": (3, 35),
    r"\bAS\s+(NOT\s+)?MATERIALIZED\b": (3, 35),
    r"\b(ceil|ceiling|floor|ln|log|log2|log10|exp|pow|power|sqrt|mod|trunc|pi|radians|degrees)\s*\(": (3, 35),
    r"\bON\s+CONFLICT\s+DO\b": (3, 35),
    r"\bSTRICT\b": (3, 37),
    r"\bPRAGMA\s+table_list\b": (3, 37),
    r"->": (3, 38),
    r"\bunixepoch\s*\(|'auto'|\bformat\s*\(": (3, 38),
    r"\bjson\w*\s*\(": (3, 38),  # before that only where it was compiled in
    r"\b(RIGHT|FULL)\s+(OUTER\s+)?JOIN\b": (3, 39),
    r"\bIS\s+(NOT\s+)?DISTINCT\s+FROM\b": (3, 39),
    r"\bunhex\s*\(|'subsec": (3, 41),
    r"\bcontentless_(delete|unindexed)\b|\boctet_length\s*\(|\btimediff\s*\(": (3, 43),
    r"\bconcat(_ws)?\s*\(|\bstring_agg\s*\(": (3, 44),
    r"\bsecure-delete\b": (3, 42),
}
_SQL = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|VACUUM|WITH)\s+[\w*(:\"']", re.MULTILINE
)


def statements() -> Iterator[tuple[str, str]]:
    """Every text in `app` that reads as SQL, with its place. What is put in at run time reads as one name."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ""
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            elif isinstance(node, ast.JoinedStr):
                text = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
                )
            if _SQL.search(text):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def test_no_statement_needs_a_newer_sqlite() -> None:
    found = list(statements())
    assert len(found) > 80
    newer = {
        (place, match[0], version)
        for place, text in found
        for pattern, version in FEATURES.items()
        if version > OLDEST and (match := re.search(pattern, text, re.IGNORECASE))
    }
    assert newer == set()


@pytest.mark.parametrize(
    "text",
    [
        "CREATE VIRTUAL TABLE t USING fts5(x, tokenize='unicode61 remove_diacritics 2')",
        "INSERT INTO t VALUES (1) RETURNING x",
        "CREATE TABLE t (x INTEGER) STRICT",
        "SELECT x FROM t ORDER BY x DESC NULLS LAST",
        "SELECT data ->> 'x' FROM t",
        "UPDATE t SET x = s.x FROM s WHERE s.y = t.y",
    ],
)
def test_what_is_newer_is_seen(text: str) -> None:
    sqlite3.complete_statement(text)
    assert _SQL.search(text)
    assert any(re.search(pattern, text, re.IGNORECASE) for pattern in FEATURES)


def test_setup_asks_for_the_same_version() -> None:
    text = (ROOT / "scripts/setup.sh").read_text(encoding="utf-8")
    assert f"sqlite3.sqlite_version_info < {OLDEST}" in text


def test_an_index_opens_where_it_is_copied_to(tmp_path: Path) -> None:
    """The options of its tables are those of 3.24, whatever SQLite it was built with."""
    path = tmp_path / "index.sqlite3"
    build([Passage("a", "The Élan of a naïve ogre.", {"name": "Élan"})], path, {})
    db = sqlite3.connect(path)
    schema = [row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
    options = set(re.findall(r"\b(\w+)\s*=\s*'", "\n".join(schema)))
    assert options == {"content", "tokenize"}
    assert {
        re.sub(r".*tokenize='([^']*)'.*", r"\1", sql, flags=re.DOTALL) for sql in schema if "fts5(" in sql
    } == {"porter unicode61 remove_diacritics 1"}
    assert db.execute(
        "SELECT count(*) FROM passage_words WHERE passage_words MATCH 'elan AND naive'"
    ).fetchone() == (1,)
    db.close()
