"""Questions with the passages that a full answer needs, and the corpora they are asked of, read from JSON
Lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.models import Passage, Question, Turn
from app.operator.problems import UsageError

UNANSWERABLE = "unanswerable"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question, its kind and the passages it needs: of each group one, none when it is in no book."""

    id: str
    kind: str
    question: Question
    needed: tuple[frozenset[str], ...]

    @property
    def relevant(self) -> frozenset[str]:
        """All passages that may be needed."""
        return frozenset().union(*self.needed)


def read_questions(paths: Iterable[Path], k: int) -> list[Labelled]:
    """The questions of all files, each to be asked for at most `k` passages. Raises UsageError.

    `relevant`: all of these passages are needed; `any_of`, where it is there: of each group one.
    """
    found = []
    for path, number, record in _records(paths):
        try:
            history = tuple(Turn(turn["role"], str(turn["content"])) for turn in record.get("history") or ())
            question = Question(str(record["question"]), k, history=history)
            groups = record["any_of"] if "any_of" in record else [[one] for one in record["relevant"]]
            needed = tuple(frozenset(map(str, group)) for group in groups)
            found.append(Labelled(str(record["id"]), str(record["kind"]), question, needed))
        except (KeyError, TypeError) as error:
            raise UsageError(f"{path}:{number}: needs id, question, kind and relevant ({error})") from error
    return found


def read_corpus(paths: Iterable[Path]) -> list[Passage]:
    """The passages of all files, in order. Raises UsageError."""
    found = []
    for path, number, record in _records(paths):
        try:
            found.append(Passage(str(record["id"]), str(record["document"]), dict(record["metadata"])))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{path}:{number}: needs id, document and metadata ({error})") from error
    return found


def _records(paths: Iterable[Path]) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UsageError(f"{path}: {type(error).__name__}") from error
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{path}:{number}: not JSON") from error
            if not isinstance(record, dict):
                raise UsageError(f"{path}:{number}: not an object")
            yield path, number, record
