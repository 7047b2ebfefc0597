"""Whether the collection has anything on a question at all, told before a model is paid for.

Only where the evidence is clearly nil the answer is no: nothing in the question is a name, most of what it asks about is
in no passage, in any form, and vectors and words do not find the same passage first. How near the nearest vector is does
not tell: unanswerable questions and paraphrases of answerable ones lie equally far out (docs/retrieval.md has the figures),
and every embedding model has a scale of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from app.index import terms
from app.index.search import LexicalIndex
from app.retrieval import glossary, spelling
from app.retrieval.fusion import Candidate
from app.retrieval.intent import CALLED, described_types
from app.retrieval.named import Reading

# What part of the words that a question is about must be strange, that is unknown to the collection and to English: more where
# it is told in many words, and most where it describes what it cannot name ("a monster that …"). A plain English word that no
# passage has is half of one, for the book may say it otherwise; what may be a misspelt word does not count.
_OF_FEW, _OF_MANY, _OF_DESCRIBED = 1 / 3, 0.38, 0.75
_FEW = 3
_PLAIN = 0.5
# That vectors and words find the same passage first outweighs no more than this part.
_AGREED = 0.4
# What is asked *for*, and how.
_ASKED_BY = "list show name look find roll rolled rolling got max min maximum minimum percent number stat stats"
_BOOKS = "manual handbook guide"
_ASKING = frozenset(terms.stems(f"{_ASKED_BY} {_BOOKS}"))
_NEVER_A_SUBJECT = (
    frozenset(word for phrase in glossary.ATTRIBUTES for word in phrase.split()) | terms.GENERIC | _ASKING | CALLED
)
# Of a longer question only so many different words are looked up.
_MOST_WORDS = 64
_NUMBER = re.compile(r"(?:\d*d)?\d+(?:st|nd|rd|th)?")


class Support(NamedTuple):
    """`found` is false only where the evidence is clearly nil; `reason` says why, for people.

    `read` is false where the index could not make out what is asked: then nothing was found means nothing.
    """

    found: bool
    reason: str
    read: bool = True


def support(reading: Reading, ranked: Sequence[Candidate], index: LexicalIndex | None) -> Support:
    """What speaks for the collection having an answer. Raises DatabaseError when the index cannot be read."""
    if index is None:
        return Support(bool(ranked), "without an index nothing speaks against it" if ranked else "no passage was found")
    named = [entity.text for entity in reading.entities if entity.certain or entity.respelt]
    if named:
        return Support(True, f"the collection has {', '.join(named)}")
    subject = _subject(reading)
    if not subject:
        return Support(True, "it says nothing that could be in no book", bool(ranked))
    missing = spelling.unseen(subject, index)
    if not missing:
        return Support(True, f"the collection has {', '.join(subject)}")
    # Most questions never come here.
    from app.retrieval import language

    game = {word for word in missing if terms.stem(word) in glossary.GAME}
    plain = language.plain(missing - game, index)
    strange = missing - plain - spelling.doubtful(missing - plain - game, index)
    against = len(strange) + _PLAIN * len(plain)
    count = len(subject)
    if not strange or against < _needed(count, bool(described_types(terms.fold(reading.text)))):
        return Support(True, f"the collection has enough of: {', '.join(subject)}", bool(ranked) and len(missing) < count)
    if against < _AGREED * count and (agreed := _found_twice(ranked)) is not None:
        return Support(True, f"vectors and words find {agreed.passage.id} first")
    if not language.is_read(reading.text, index):
        return Support(True, "the question is in no language that the index reads", False)
    return Support(False, f"no passage has {', '.join(word for word in subject if word in missing)}")


def _needed(count: int, described: bool) -> float:
    """How much must speak against a question about `count` words."""
    return count * (_OF_DESCRIBED if described else _OF_FEW if count <= _FEW else _OF_MANY)


def _subject(reading: Reading) -> list[str]:
    """The words that say what the question is about: no numbers, and nothing that is asked of everything."""
    content = [word for word in reading.content() if not _NUMBER.fullmatch(word) and word not in terms.NUMBER_WORDS]
    return [word for word in dict.fromkeys(content) if terms.stem(word) not in _NEVER_A_SUBJECT][:_MOST_WORDS]


def _found_twice(ranked: Sequence[Candidate]) -> Candidate | None:
    """The passage that is both the nearest and the best match of words, if one is."""
    return next((candidate for candidate in ranked if candidate.dense >= 1.0 and candidate.lexical >= 1.0), None)
