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

from app import terms
from app.adapters.lexical import LexicalIndex
from app.rag import glossary, spelling
from app.rag.fusion import Candidate
from app.rag.intent import described_types
from app.rag.named import Reading

# What part of the words that a question is about must be unknown: more where it is told in many words, and most where it
# describes what it cannot name ("a monster that …"). Measured on 50 unanswerable and 740 answerable questions of four books.
UNSEEN_OF_TWO, UNSEEN_OF_MORE, UNSEEN_DESCRIBED = 0.5, 0.6, 0.75
# What is asked *for*, and how.
_ASKING = frozenset(("list", "show", "name", "look", "find", "roll", "rolled", "rolling", "got"))
_NEVER_A_SUBJECT = frozenset(word for phrase in glossary.ATTRIBUTES for word in phrase.split()) | terms.GENERIC | _ASKING
_NUMBER = re.compile(r"\d*d?\d+(?:st|nd|rd|th)?")


class Support(NamedTuple):
    """`found` is false only where the evidence is clearly nil; `reason` says why, for people."""

    found: bool
    reason: str


def support(reading: Reading, ranked: Sequence[Candidate], index: LexicalIndex | None) -> Support:
    """What speaks for the collection having an answer. Raises DatabaseError when the index cannot be read."""
    if not ranked:
        return Support(False, "no passage was found")
    if index is None:
        return Support(True, "without an index nothing speaks against it")
    named = [entity.text for entity in reading.entities if entity.certain or entity.respelt]
    if named:
        return Support(True, f"the collection has {', '.join(named)}")
    subject = _subject(reading)
    missing = spelling.unseen(subject, index)
    count = len(set(subject))
    described = bool(described_types(terms.fold(reading.text)))
    share = UNSEEN_DESCRIBED if described else UNSEEN_OF_TWO if count <= 2 else UNSEEN_OF_MORE
    if not subject or len(missing) < share * count:
        return Support(True, f"the collection has most of: {', '.join(subject)}")
    if len(missing) < count and (agreed := _found_twice(ranked)) is not None:
        return Support(True, f"vectors and words find {agreed.passage.id} first")
    return Support(False, f"no passage has {', '.join(word for word in subject if word in missing)}")


def _subject(reading: Reading) -> list[str]:
    """The words that say what the question is about: no numbers, and nothing that is asked of everything."""
    content = [word for word in reading.content() if not _NUMBER.fullmatch(word) and word not in terms.NUMBER_WORDS]
    return [word for word in content if terms.stem(word) not in _NEVER_A_SUBJECT]


def _found_twice(ranked: Sequence[Candidate]) -> Candidate | None:
    """The passage that is both the nearest and the best match of words, if one is."""
    return next((candidate for candidate in ranked if candidate.dense >= 1.0 and candidate.lexical >= 1.0), None)
