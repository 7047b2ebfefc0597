"""The work for a question grows no faster than what was sent, and has an end: docs/bounds.md has the table.

Lines of our code and bytes are counted, and what SQLite is asked; never seconds.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Any

import pytest

from app import logs
from app.adapters.streams import Thoughts, event_data
from app.answering import writers
from app.deadline import Deadline
from app.errors import TooMuchWork
from app.grounding.check import ground
from app.grounding.statements import Citations
from app.index import labels, reader
from app.index.grids import Grid, GridRow
from app.index.reader import Reading
from app.index.search import LexicalIndex
from app.index.terms import both_readings, plain
from app.models import Passage, Question, Turn
from app.retrieval import lookup, numbers, query_must, shorthand, spelling, tables, vocabulary
from app.retrieval.asked import Reader
from app.retrieval.numbers import Number
from app.retrieval.retriever import HybridRetriever
from tests.harness.counting import lines, peak
from tests.unit.security.adversarial import NAMES, TEXTS
from tests.unit.security.conftest import Made

# Twice the text may cost twice as much, and some for what begins only beyond a length.
DOUBLED = 2.3
QUESTION, TURN = 2000, 800
# Measured: 450,000 lines of code and 6 MB for the worst question alone, 1,600,000 and 12 MB with the worst
# conversation.
MOST_LINES, MOST_LINES_WITH_HISTORY = 700_000, 2_500_000
MOST_BYTES = 24_000_000

WORST = (
    "fractions",
    "one digit, words",
    "citations",
    "decimals",
    "roman numerals",
    "names",
    "misspelt names",
    "words of 31",
)


def ask(index: LexicalIndex, question: str, history: str = "", *, seconds: float = 60) -> None:
    turns = tuple(Turn("assistant" if n % 2 else "user", history) for n in range(10)) if history else ()
    HybridRetriever(index).retrieve(Question(question.strip() or "x", 50, True, turns), Deadline(seconds))


def doubled(work: Callable[[int], object], size: int) -> tuple[int, int]:
    """The lines for `size` and for twice that."""
    return lines(partial(work, size)), lines(partial(work, 2 * size))


@pytest.mark.parametrize("name", TEXTS)
def test_a_question_of_twice_the_length_is_twice_the_work(sample_index: LexicalIndex, name: str) -> None:
    text = TEXTS[name]
    ask(sample_index, text(50))
    half, whole = doubled(lambda length: ask(sample_index, text(length)), 350)
    assert whole <= DOUBLED * half + 1000


@pytest.mark.parametrize("name", WORST)
def test_the_longest_question_and_conversation_have_a_bound(sample_index: LexicalIndex, name: str) -> None:
    text = TEXTS[name]
    assert lines(lambda: ask(sample_index, text(QUESTION))) < MOST_LINES
    assert peak(lambda: ask(sample_index, text(QUESTION), text(TURN))) < MOST_BYTES


@pytest.mark.parametrize("name", WORST[:4])
def test_a_long_conversation_has_a_bound(sample_index: LexicalIndex, name: str) -> None:
    assert (
        lines(lambda: ask(sample_index, TEXTS[name](QUESTION), TEXTS[name](TURN))) < MOST_LINES_WITH_HISTORY
    )


def numbered(count: int) -> list[Passage]:
    """Passages of which each has a name of its own, the same words, and a table with the same rows."""
    table = "\n\n| Item | Cost |\n|---|---|\n| Long sword | 10 |\n| Hammer | 3 |"
    names = (f"Sword {_letters(n)}" for n in range(count))
    return [
        Passage(f"p{n}", f"# {name}\nThe sword of the troll.{table}", {"name": name})
        for n, name in enumerate(names)
    ]


def _letters(number: int) -> str:
    return "".join("bcdfghklmn"[int(digit)] + "o" for digit in f"{number:04}")


@pytest.mark.parametrize(
    "question",
    [
        "how much is a long sword or a hammer?",
        "sword of the troll",
        "sword boboboko vs sword bobokobo",
        "swrod hamer",
    ],
)
def test_a_collection_of_twice_the_size_is_twice_the_work(index_of: Made, question: str) -> None:
    indexes = {count: index_of(numbered(count)) for count in (150, 300)}
    small, large = doubled(lambda count: ask(indexes[count], question), 150)
    assert large <= DOUBLED * small + 1000


def test_a_name_of_everything_brings_no_more_than_some_hundred_passages(index_of: Made) -> None:
    found = HybridRetriever(index_of(numbered(900))).retrieve(
        Question("price of a long sword", 50), Deadline(60)
    )
    (said,) = [text for text in found.diagnostics if text.startswith("Retrieved")]
    assert int(said.partition(" of ")[2].split()[0]) <= 300 + 60 + 20


def test_what_is_searched_for_is_there_once(sample_index: LexicalIndex) -> None:
    """The full-text search takes its time for each alternative, also for one that it has had already."""
    searched: list[str] = []
    sample_index.count()
    connection = sample_index._file._connection
    assert connection is not None
    connection.set_trace_callback(searched.append)
    try:
        for text in (
            "1 " * 1000,
            "ogre's " * 280,
            "a'b" * 600,
            TEXTS["words of 5"](QUESTION),
            TEXTS["numbers"](QUESTION),
        ):
            ask(sample_index, text)
    finally:
        connection.set_trace_callback(None)
    matches = [sql.split("MATCH")[1].split(" OR ") for sql in searched if "MATCH" in sql and "best" in sql]
    assert matches
    for alternatives in matches:
        assert len(alternatives) == len(set(alternatives)) <= 200


def stated(text: str) -> Reading:
    return reader.read([Passage("p", text)])


STEPS: dict[str, Callable[[str], object]] = {
    "plain": plain,
    "both readings": both_readings,
    "shorthand": lambda text: shorthand.written_out(text),
    "expansion": lambda text: vocabulary.expand(text.split()),
    "citations": lambda text: Citations(9).feed(text),
    "citations, a letter at a time": lambda text: [
        citations.feed(letter) for citations in [Citations(9)] for letter in text
    ],
    "thoughts": lambda text: Thoughts(hold=False).feed(text),
    "thoughts, a letter at a time": lambda text: [
        t.feed(letter) for t in [Thoughts(hold=True)] for letter in text
    ],
    "events": lambda text: list(event_data([text.encode()])),
    "events, a byte at a time": lambda text: list(
        event_data(text.encode()[n : n + 1] for n in range(len(text)))
    ),
    "grounding": lambda text: ground(text, [Passage("p", text)], text, text.split()[:50]),
    "quotation": lambda text: list(writers.quote([Passage("p", text)], read=True)),
    "bars": lambda text: stated(f"| {text} | b |\n|---|---|\n| {text} | 2 |"),
    "nothing but bars": lambda text: stated("\n".join(["|" * len(text), "|---|", "|" * len(text)])),
    "HTML": lambda text: stated(f"<table><tr><th>{text}<th>b<tr><td>{text}<td>2</table>"),
    "JSON": lambda text: stated(json.dumps({"title": text, "level": text, "values": {text: 2}})),
    "pairs": lambda text: stated(f"AC: 5\nHD: {text}\n{text}: 3\n\n{text}"),
    "text": stated,
    "labels": lambda text: (labels.spans(text), labels.attribute(text)),
    "table": lambda text: tables.read(
        Grid(text[:99], text, (text, text), (GridRow("p", (text, text)),), "table"),
        1.0,
        tables.Question(
            [frozenset((text[:9],))], [1.0], frozenset(text.split()), (), [Number(1, 9, "level")]
        ),
    ),
    "numbers": numbers.read,
    "query_must": lambda text: query_must.satisfied({"query_must": {"contain_one_of": [[text, "x"]]}}, text),
    "sound": spelling._sound,
}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_alone_is_linear(step: str) -> None:
    for name, text in TEXTS.items():
        query_must._normalized.cache_clear()
        numbers.read.cache_clear()
        half, whole = doubled(lambda length, text=text: STEPS[step](text(length)), 300)  # type: ignore[misc]
        assert whole <= DOUBLED * half + 300, name


def test_thoughts_are_not_copied_for_each_that_follows() -> None:
    """One event of a stream with many thoughts: what was copied was the rest of it, for each."""
    copied = 0

    class Counted(str):
        def __getitem__(self, key: Any) -> str:
            nonlocal copied
            cut = str.__getitem__(self, key)
            copied += len(cut)
            return Counted(cut)

        def __radd__(self, other: str) -> str:
            return Counted(str(other) + str(self))

    text = Counted("<think></think>" * 2000)
    Thoughts(hold=False).feed(text)
    assert copied <= 2 * len(text)


def test_references_of_passages_with_long_words_are_looked_up_once(sample_index: LexicalIndex) -> None:
    passages = [Passage(f"p{n}", "see " + name * 400) for n, name in enumerate(islice(cycle(NAMES), 200))]
    few, many = (lines(partial(lookup.references, passages[:count], sample_index)) for count in (40, 200))
    assert many <= few + 100


def test_the_rest_of_a_question_is_read_once_for_all_tables() -> None:
    from app.retrieval.entities import read

    reading = read("how much " * 100, None)
    grid = Grid("Swords", "", ("Item", "Cost"), (GridRow("p", ("Long sword", "10")),), "table")
    one, ten = (lines(partial(tables.headed, [grid] * count, reading)) for count in (1, 10))
    assert ten < 5 * one


def test_a_line_of_the_log_has_an_end() -> None:
    record = logging.LogRecord("app", logging.INFO, "", 0, "%s", ("x" * 100_000,), None)
    assert len(logs._Formatter().format(record)) < logs.MOST_CHARACTERS + 100


def test_a_search_ends_with_its_deadline(index_of: Made) -> None:
    """In the middle of one statement: SQLite is stopped."""
    index = index_of(numbered(300))
    index.count()
    late = Deadline(60)
    bound = index.until(late)

    rows = 0

    def hold(value: int) -> int:
        nonlocal rows
        rows += 1
        late._end = 0.0
        return value

    assert index._file._connection is not None
    index._file._connection.create_function("hold", 1, hold)
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n WHERE hold(i)"
    with pytest.raises(TooMuchWork):
        bound._rows(slow, ())
    assert 0 < rows < 5000
    assert bound.path == index.path and index.count() == 300, "what is not bound by it goes on"


def test_no_search_begins_after_the_deadline(sample_index: LexicalIndex) -> None:
    with pytest.raises(TooMuchWork):
        ask(sample_index, "What is an owlbear?", seconds=0)
    assert Reader(sample_index).names_in("An Owlbear."), "an answer that is there has time of its own"


def test_the_index_looks_at_the_time_seldom(sample_index: LexicalIndex) -> None:
    """What it costs: a call for every 5,000 steps of SQLite's machine, which an ordinary question does not
    make.
    """
    looks = 0
    late = sample_index._file._is_late

    def counted() -> bool:
        nonlocal looks
        looks += 1
        return late()

    sample_index.count()
    assert isinstance(sample_index._file._connection, sqlite3.Connection)
    sample_index._file._connection.set_progress_handler(counted, 5000)
    ask(sample_index, "What is the armor class of an owlbear?")
    sample_index._file._connection.set_progress_handler(late, 5000)
    assert looks < 20
