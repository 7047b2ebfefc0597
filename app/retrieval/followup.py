"""Follow-up questions made whole: "and its armour class?" is about what the conversation named before.

The result is a text that could stand alone, so that nothing after this knows of conversations. A question
that names its own subject and points to nothing before it stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from app.index import terms
from app.index.search import LexicalIndex
from app.models import Turn
from app.retrieval import numbers, shorthand
from app.retrieval.entities import read
from app.retrieval.named import Entity, Reading
from app.retrieval.vocabulary import ATTRIBUTES

# What a conversation was about before these is hardly what "it" means now; and looking words up takes time.
_MOST_TURNS = 6
_MOST_CHARACTERS = 600
_MOST_CARRIED = 3
# So many names are compared with those of the question before, and so many words before "one" are tried.
_MOST_SUBJECTS = 12
_MOST_ADJECTIVES = 4
# No more of what went before is put in front of the question; the latest of it stays.
MOST_BYTES = 1200

_ELLIPSIS = re.compile(
    r"^(?:(?:ok|okay|yes|right|thanks|thank you|cool|hm+|well|so)\b[\s,.!-]*)*"
    r"(?:and|or|but|what about|how about|what of|what if|same (?:for|with)"
    r"|(?:how|what) (?:is|are) that for)\b"
)
_INSTEAD = re.compile(r"\b(?:instead|as well|likewise|that too)\b")
# "that spell", "it", "those two"; but not the "that" of "a monster that hides", nor "there is".
_POINTER = re.compile(
    r"\b(?:it|its|itself|they|them|their|theirs|he|him|his|she|her|hers|those|these|the same"
    r"|(?:the )?(?:former|latter|other)|(?:the|that|this|which|first|second) ones?"
    r"|(?:kill|fight|see|meet|for|is|of|against|hit|buy|get|cast|beat) ones?(?=\W*$))\b"
)
_DEMONSTRATIVE = re.compile(
    r"\b(?:that|this)(?=\s*(?:[?.,!]|$|class|spell|monster|creature|item|race|weapon|beast|thing|do\b|does\b|work|mean))"
)
# "does the potion work the same way?"; but not "is it the same as for a fighter?".
_LIKEWISE = re.compile(r"\bthe same\b(?! as\b)(?! \w+ as\b)")
_OBJECTS = frozenset(("it", "them", "him", "her", "those", "these"))
_CLAUSE = re.compile(
    r"[,;:?!]|\b(?:and|or|but|if|when|while|because|that|who|which|to|so|as|after|before|until|does|can|is)\b"
)
_AFTER = re.compile(
    r"\b(?:the )?(?:next level(?: up)?|level after(?: that| it)?|one level (?:higher|up|more))\b",
    re.IGNORECASE,
)
_ONE = re.compile(r"(?<![\w-])([a-z][a-z-]*) ones?\b")


def resolve(question: str, history: Sequence[Turn], index: LexicalIndex | None) -> str:
    """`question` (shorthand written out) with what it leaves to the `history` put in.

    Raises DatabaseError when the index cannot be read.
    """
    last: Reading | None = None
    for turn in history[-_MOST_TURNS:]:
        if turn.role == "user":
            text = shorthand.written_out(turn.content[:_MOST_CHARACTERS]).text
            last = read(_whole(read(text, index), last, index)[-MOST_BYTES:], index)
        elif last is not None and not _subjects(last):
            named = _subjects(read(turn.content[:_MOST_CHARACTERS], index))[:1]
            last = read(" ".join([last.text, *(f"({entity.text})" for entity in named)]), index)
    if last is not None:
        question = _next_level(question, last)
    whole = _whole(read(question, index), last, index)
    # Before the question stands at most so much; inside it names were replaced, which is bounded with it.
    spare = len(whole.encode()) - len(question.encode()) - MOST_BYTES // 2
    return whole.encode()[max(0, spare) :].decode(errors="ignore")


def _whole(reading: Reading, last: Reading | None, index: LexicalIndex | None) -> str:
    """The text of `reading` with what it takes over from the question before, `last`."""
    if last is None:
        return reading.text
    folded = terms.fold(reading.text).strip()
    elliptical = bool(_ELLIPSIS.search(folded) or _INSTEAD.search(folded))
    own = _subjects(reading)
    if (other := _another_of_them(folded, last, index)) is not None:
        return _replaced(last, other[0], other[1]) + " " + reading.text
    if elliptical:
        for entity in own:
            for before in _subjects(last):
                if _alike(before, entity) and not _points_back(folded, own):
                    return _replaced(last, before, entity.text) + " " + reading.text
        return f"{last.text} {reading.text}"
    if _points_back(folded, own):
        carried = [entity.text for entity in _subjects(last)[:_MOST_CARRIED]]
        return f"{', '.join(carried)}: {reading.text}" if carried else f"{last.text} {reading.text}"
    if not own and len(reading.rest()) < 3:
        return f"{last.text} {reading.text}"
    return reading.text


def _next_level(text: str, last: Reading) -> str:
    """`text` with "the next level" and "the level after that" as the one after the level asked for before."""
    levels = [number.high for number in numbers.read(last.text).numbers if number.of == "level"]
    return _AFTER.sub(f"level {levels[-1] + 1:g}", text) if levels else text


def _alike(one: Entity, other: Entity) -> bool:
    """Whether the one may stand where the other stood: both monsters, both rows of one table."""
    return bool(one.types & other.types or one.owners.keys() & other.owners.keys())


def _points_back(folded: str, own: Sequence[Entity]) -> bool:
    """Whether a pronoun stands for something before this question.

    Not if its own name comes earlier, except in the same clause: in "does the ogre fear it?" the two differ.
    """
    if _DEMONSTRATIVE.search(folded) or _LIKEWISE.search(folded):
        return True
    pointer = _POINTER.search(folded)
    if pointer is None:
        return False
    before = [folded[: pointer.start()].partition(entity.text) for entity in own if entity.is_heading]
    between = [rest for _, found, rest in before if found]
    return not between or (pointer[0] in _OBJECTS and not any(_CLAUSE.search(rest) for rest in between))


def _another_of_them(folded: str, last: Reading, index: LexicalIndex | None) -> tuple[Entity, str] | None:
    """For "the white one" the entity of `last` that it replaces (red dragon), and the name (white dragon)."""
    if index is None:
        return None
    for adjective in islice(dict.fromkeys(_ONE.findall(folded)), _MOST_ADJECTIVES):
        tried: dict[str, tuple[Entity, str]] = {}
        for entity in _subjects(last):
            words = entity.text.split()
            kin = (" ".join(words[1:]), words[-1]) if len(words) > 1 else ()
            for name in (f"{adjective} {rest}" for rest in kin):
                tried[terms.key(name)] = (entity, name)
        for key, found in index.names(tried).items():
            if found.is_heading:
                return tried[key]
    return None


def _replaced(last: Reading, entity: Entity, name: str) -> str:
    words = list(last.words)
    words[entity.start : entity.end] = [name]
    return " ".join(words)


def _subjects(reading: Reading) -> list[Entity]:
    """The first certain names, entries before rows of tables; an attribute ("armor class") is none."""
    things = [e for e in reading.entities if e.certain and " ".join(terms.stems(e.text)) not in ATTRIBUTES]
    return sorted(things, key=lambda entity: not entity.is_heading)[:_MOST_SUBJECTS]
