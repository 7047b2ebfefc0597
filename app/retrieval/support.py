"""Whether the collection has anything on a question at all, decided before a model is paid for.

The answer is no only where the evidence is clearly nil: nothing in the question is a name, most of its
subject is in no passage, in any form, vectors and words do not find the same passage first, and the question
is in English. In doubt the answer is yes: a model may read what this cannot. How near the nearest vector is
does not tell: unanswerable questions and paraphrases of answerable ones lie equally far out
(docs/retrieval-figures.md has the figures), and every embedding model has a scale of its own.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from app.index import terms
from app.index.search import LexicalIndex
from app.retrieval import spelling, vocabulary
from app.retrieval.fusion import Candidate
from app.retrieval.named import Reading

# This part of a question's subject must be strange, that is unknown to the collection and to English: more
# where the subject has many words, and most where the question describes what it cannot name ("a monster that
# …"). A plain English word that no passage has is half of one, as the book may use another; what may be
# misspelt does not count.
_OF_FEW, _OF_MANY, _OF_DESCRIBED = 1 / 3, 0.38, 0.75
_FEW = 3
_PLAIN = 0.5
# That vectors and words find the same passage first outweighs no more than this part.
_AGREED = 0.4
# What everything has, and what may be anything.
_NEVER_A_SUBJECT = terms.GENERIC.union(vocabulary.CALLED, *map(str.split, vocabulary.ATTRIBUTES))
# Of a longer question only so many different words are looked up.
_MOST_WORDS = 64
_NUMBER = terms.expression(r"(?:\d*d)?\d+(?:st|nd|rd|th)?")

_WORD = terms.expression(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# The last letters of the Latin script that European languages are written in.
_LATIN = "\u024f"
# One of so many words must be English where nothing else tells.
_SHARE = 3
# Shorter words are the same in many languages.
_SHORTEST = 4
_ENGLISH_END = terms.expression(r"..(?:ing|ness|ity|ry|ly|ment|tion|ship|less|ful|sh|ght|ck)s?$")


class Support(NamedTuple):
    """`found` is false only where the evidence is clearly nil; `reason` says why, for people.

    `read` is false where the index could not understand the question: then `found` tells nothing.
    """

    found: bool
    reason: str
    read: bool = True


def support(reading: Reading, ranked: Sequence[Candidate], index: LexicalIndex | None) -> Support:
    """The evidence that the collection has an answer. Raises DatabaseError when the index cannot be read."""
    if index is None:
        return Support(
            bool(ranked), "without an index nothing speaks against it" if ranked else "no passage was found"
        )
    named = [entity.text for entity in reading.entities if entity.certain or entity.respelt]
    if named:
        return Support(True, f"the collection has {', '.join(named)}")
    subject = _subject(reading)
    if not subject:
        return Support(True, "it says nothing that could be in no book", bool(ranked))
    missing = spelling.unseen(subject, index)
    if not missing:
        return Support(True, f"the collection has {', '.join(subject)}")
    game = {word for word in missing if terms.stem(word) in vocabulary.GAME}
    plain = _plain(missing - game, index)
    strange = missing - plain - spelling.doubtful(missing - plain - game, index)
    against = len(strange) + _PLAIN * len(plain)
    count = len(subject)
    described = bool(vocabulary.described_types(terms.fold(reading.text)))
    needed = count * (_OF_DESCRIBED if described else _OF_FEW if count <= _FEW else _OF_MANY)
    if not strange or against < needed:
        read = bool(ranked) and len(missing) < count
        return Support(True, f"the collection has enough of: {', '.join(subject)}", read)
    if against < _AGREED * count and (agreed := _found_twice(ranked)) is not None:
        return Support(True, f"vectors and words find {agreed.passage.id} first")
    if not _is_english(reading.text, index):
        return Support(True, "the question is in no language that the index reads", False)
    return Support(False, f"no passage has {', '.join(word for word in subject if word in missing)}")


def _subject(reading: Reading) -> list[str]:
    """The words that say what the question is about: no numbers, and no attributes that everything has."""
    words = [
        word for word in reading.content() if not _NUMBER.fullmatch(word) and word not in terms.NUMBER_WORDS
    ]
    return [word for word in dict.fromkeys(words) if terms.stem(word) not in _NEVER_A_SUBJECT][:_MOST_WORDS]


def _found_twice(ranked: Sequence[Candidate]) -> Candidate | None:
    """The passage that is both the nearest and the best match of words, if one is."""
    return next(
        (candidate for candidate in ranked if candidate.dense >= 1.0 and candidate.lexical >= 1.0), None
    )


def _is_english(text: str, index: LexicalIndex) -> bool:
    """Whether `text` is English enough to be judged by its words. Raises DatabaseError.

    With English words around it ("who is Charizard?") it is, unless words of another language are as many.
    Without any ("Charizard stats"), a third of its words must be known.
    """
    if any(letter > _LATIN and letter.isalpha() for letter in text):
        return False
    typed = _WORD.findall(unicodedata.normalize("NFC", text))
    words = [terms.fold(word) for word in typed]
    known = _plain(words, index)
    accented = {
        word
        for word, as_typed in zip(words, typed, strict=True)
        if not as_typed.isascii() and as_typed.islower()
    }
    frame = sum(word in terms.STOP_WORDS for word in words)
    foreign = sum(word in _foreign() or word in accented - known for word in words)
    if foreign:
        return frame > 2 * foreign
    if frame:
        return True
    parts = {word: spelling.halves(word) for word in words if word not in known}
    made = _plain({half for pairs in parts.values() for pair in pairs for half in pair}, index)
    compounds = {word for word, pairs in parts.items() if any(made.issuperset(pair) for pair in pairs)}
    long = [word for word in words if len(word) >= _SHORTEST]
    english = [word for word in long if word in known or word in compounds or _ENGLISH_END.search(word)]
    return _SHARE * len(english) >= len(words)


def _plain(words: Iterable[str], index: LexicalIndex) -> set[str]:
    """Those of `words` that are words of plain English or of the collection. Raises DatabaseError."""
    return spelling.known(words, index, _english())


# The lists are only read before a question is denied.
@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    """Stems of English words, beside those that the index was built with."""
    return frozenset(map(terms.stem, _listed("english_words.txt")))


@lru_cache(maxsize=1)
def _foreign() -> frozenset[str]:
    """Words that frame questions in other languages, and of the game in them, that are no English words.

    In German, French, Spanish, Italian, Portuguese, Polish, Dutch, Scandinavian, Czech, Hungarian, Finnish,
    Turkish, Indonesian; Russian and Japanese in Latin letters.
    """
    return frozenset(_listed("foreign_words.txt"))


def _listed(file: str) -> list[str]:
    return (Path(__file__).parent / file).read_text(encoding="utf-8").split()
