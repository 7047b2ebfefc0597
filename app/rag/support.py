"""Whether the collection has anything on a question at all, told before a model is paid for.

Only where the evidence is clearly nil the answer is no: nothing in the question is a name, and most of what it asks about is
in no passage, in any form. How near the nearest vector is does not tell: unanswerable questions and paraphrases of
answerable ones lie equally far out (docs/retrieval.md has the figures), and every embedding model has a scale of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app import terms
from app.adapters.lexical import LexicalIndex
from app.rag import glossary, spelling
from app.rag.fusion import Candidate
from app.rag.intent import described_types
from app.rag.named import Reading

# What part of the words that a question is about must be unknown. Measured on 22 unanswerable and 310 answerable questions.
UNSEEN_SHARE = 0.5
# The same for a question that describes what it cannot name ("a monster that …"), in words of its own.
UNSEEN_SHARE_DESCRIBED = 0.75
_NEVER_A_SUBJECT = frozenset(word for phrase in glossary.ATTRIBUTES for word in phrase.split()) | terms.GENERIC


@dataclass(frozen=True, slots=True)
class Support:
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
    subject = [word for word in reading.content() if not word.isdigit() and terms.stem(word) not in _NEVER_A_SUBJECT]
    missing = spelling.unseen(subject, index)
    share = UNSEEN_SHARE_DESCRIBED if described_types(terms.fold(reading.text)) else UNSEEN_SHARE
    if not subject or len(missing) < share * len(set(subject)):
        return Support(True, f"the collection has most of: {', '.join(subject)}")
    return Support(False, f"no passage has {', '.join(word for word in subject if word in missing)}")
