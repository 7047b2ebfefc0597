"""Questions and labels in the words that facts are found by: attributes under one name, numbers as numbers.

A question and the labels of tables are read by the same rules, so that they can be compared. What a question
only needs to be a question ("what is the", "do I need to roll") is left out; the list is closed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from app.index import labels, terms

# More words no question has that asks for facts alone.
MOST_WORDS = 60
# No label of more words is named in full.
LONGEST_RUN = 9

Span = tuple[int, int]

_PIECE = re.compile(
    r"[+-]?\d[\d,]*(?:/\d+)?(?:\+\d+)?(?:\.\d+)?(?:st|nd|rd|th)?(?![a-z0-9])|[a-z0-9]+(?:'[a-z]+)*|[%#]|[?!.;:,/&]"
)
_NUMBER = re.compile(r"([+-]?)(\d[\d,]*)((?:/\d+)?(?:\+\d+)?(?:\.\d+)?)(?:st|nd|rd|th)?")
_PARENTHESES = re.compile(r"\s*[(\[]([^)\]]*)[)\]]")
_ENDING = re.compile(r"^(.*[aeiouy].*?)(?:ing|(?<!e)ed)$")


def listed(words: str) -> frozenset[str]:
    """The words, which stand with blanks between them."""
    return frozenset(words.split())


# Words that make a question and say nothing of what it asks for.
ASKING = listed(
    "what whats which is are was were be been the a an of for to in on by from at do does did has have"
    " having had get gets got getting give gives gain gains need needs needed require requires required must"
    " can could will would may i my me we our us you your their some any each every per tell show say says"
    " know want see please just exactly there so ok okay well hey hi about and or"
)
# Nouns and verbs that go with any figure.
SOFT = listed(
    "number amount score value figure roll rolled point character creature monster opponent target player"
    " person table chart matrix listed list stat class race reach attain become make deal inflict use cast"
    " memorize cause"
)
# What follows one of these is a condition, unless it names a row or a column.
CONDITIONS = listed("with as against vs versus")
JOINERS = listed("and or , / & vs versus than")
COUNTING = frozenset(("how many", "how much"))
STOPS = listed("? ! . ; :")
_SMALL = listed("of the a an")
# Measures and verbs as attributes: "how heavy", "what does it weigh".
_MEASURED = {
    "fast": "movement", "quick": "movement", "quickly": "movement", "heavy": "weight", "big": "size",
    "smart": "intelligence", "intelligent": "intelligence", "rare": "frequency", "expensive": "cost",
}  # fmt: skip
_SAID = {
    "weigh": "weight", "pay": "cost", "buy": "cost", "purchase": "cost", "appear": "number appearing",
    "odds": "chance", "odd": "chance", "probability": "chance", "chance": "chance", "percentage": "percent",
    "percent": "percent", "%": "percent",
    "paralyzation": "paralyz", "paralysis": "paralyz", "paralyze": "paralyz", "petrify": "petrifi",
    "petrification": "petrifi", "gold piece": "gp", "silver piece": "sp", "copper piece": "cp",
    "platinum piece": "pp", "electrum piece": "ep", "to hit": "to hit", "magic user": "magic user",
    "mu": "magic user",
}  # fmt: skip
_NAMES = {
    **{
        alias: name
        for alias, name in labels.CANONICAL.items()
        if len(alias) > 2 or alias in listed("ac hd hp xp mr")
    },
    **_SAID,
}
_LONGEST_NAME = max(name.count(" ") + 1 for name in _NAMES)
# One name → what books may write for it.
ALIASES: dict[str, list[str]] = {}
for _alias, _name in [*labels.CANONICAL.items(), *_SAID.items()]:
    ALIASES.setdefault(_name, [_name]).append(_alias)
ATTRIBUTES = frozenset(labels.CANONICAL.values())


class Word(NamedTuple):
    """A word that counts. `text` is its one form; `number` what it says, if it is one; `typed` the word.

    `before`: the words and signs that do not count between it and the last one.
    """

    text: str
    number: float | None
    typed: str
    before: tuple[str, ...]


class Wording(NamedTuple):
    """The words of a question that count; `runs`: form (see `forms`) → where it stands.

    A label that the question names has one of `beginnings` of words.
    """

    words: tuple[Word, ...]
    runs: Mapping[str, tuple[Span, ...]]
    beginnings: re.Pattern[str]


def read(text: str, corrected: Mapping[str, str]) -> list[Word]:
    """The words of `text` in order, those of ASKING, joiners and stops among them, with an empty `text`."""
    pieces = [corrected.get(piece, piece) for piece in _PIECE.findall(terms.fold(text))]
    stems = [terms.stem(piece) if piece[0].isalpha() else piece for piece in pieces]
    found: list[Word] = []
    before: list[str] = []
    place = 0
    while place < len(pieces):
        name, size = _named(stems, place)
        typed = " ".join(pieces[place : place + size])
        number = None
        if name is None and pieces[place][0] in "+-0123456789":
            name, number = _number(pieces[place])
        elif name is None and (
            pieces[place] in terms.NUMBER_WORDS and pieces[place] not in ("one", "second")
        ):
            name = terms.NUMBER_WORDS[pieces[place]]
            number = float(name)
        elif name is None and pieces[place] == "how" and place + 1 < len(pieces):
            after = pieces[place + 1]
            size = 2 if after in ("many", "much", *_MEASURED) else 1
            name = _MEASURED.get(after, "" if size == 2 else "how")
            typed = " ".join(pieces[place : place + size])
        if name is None:
            word = stems[place]
            asking = pieces[place] in ASKING or pieces[place] in JOINERS or pieces[place] in STOPS
            asking = asking or pieces[place] in CONDITIONS or word in SOFT
            name = "" if asking else root(word)
        if name:
            found.append(Word(name, number, typed, tuple(before)))
            before.clear()
        else:
            before.append(typed)
        place += size
    found.append(Word("", None, "", tuple(before)))
    return found


def wording(words: list[Word]) -> Wording:
    """`words` (as `read` gives them) ready to be compared with labels."""
    texts = [word.text for word in words[:-1]]
    runs: dict[str, list[Span]] = {}
    for start in range(len(texts)):
        for end in range(start + 1, min(start + LONGEST_RUN, len(texts)) + 1):
            for form in forms(texts[start:end]):
                runs.setdefault(form, []).append((start, end))
    beginnings = {
        written[:3] for word in words[:-1] for written in (word.typed, word.text, *ALIASES.get(word.text, ()))
    }
    pattern = re.compile("|".join(map(re.escape, sorted(beginnings))), re.IGNORECASE)
    return Wording(tuple(words[:-1]), {form: tuple(spans) for form, spans in runs.items()}, pattern)


def _named(stems: list[str], place: int) -> tuple[str | None, int]:
    """The one name that stands at `place`, and of how many words it is there."""
    for size in range(_LONGEST_NAME, 0, -1):
        window = stems[place : place + size]
        if len(window) == size and window[0] not in _SMALL and window[-1] not in _SMALL:
            spelt = " ".join(
                "number" if word in ("no", "#") and size > 1 else word
                for word in window
                if word not in _SMALL
            )
            if (name := _NAMES.get(spelt.replace("number . ", "number "))) is not None:
                return name, size
    return None, 1


def _number(piece: str) -> tuple[str, float | None]:
    found = _NUMBER.fullmatch(piece)
    if found is None:
        return piece, None
    spans = labels.spans(f"{found[1]}{found[2]}{found[3]}")
    sign = "-" if found[1] == "-" else ""
    text = f"{sign}{found[2].replace(',', '')}{found[3]}"
    known = len(spans) == 1 and spans[0].low == spans[0].high
    return text, spans[0].low if known else None


def root(stem: str) -> str:
    """`stem` without the endings of a verb: "opening" is "open", "hiding" is "hid" as "hide" is."""
    if len(stem) > 4 and (ending := _ENDING.match(stem)) is not None and len(ending[1]) > 2:
        stem = ending[1]
        if stem[-1] == stem[-2] and stem[-1] not in "lsz":
            stem = stem[:-1]
    return stem[:-1] if len(stem) > 3 and stem.endswith("e") else stem


def roots(words: str) -> frozenset[str]:
    """The forms that `words` have in questions and labels."""
    return frozenset(_SAID.get(terms.stem(word)) or root(terms.stem(word)) for word in words.split())


@lru_cache(maxsize=8192)
def words_of(label: str) -> tuple[str, ...]:
    """The words of a label that count."""
    one = labels.attribute(label)
    if one in ATTRIBUTES:
        return (one,)
    return tuple(word.text for word in read(label[: labels.LONGEST_LABEL], {})[:-1])


def forms(words: list[str] | tuple[str, ...]) -> set[str]:
    """`words` in order as one string, and in any order: "longsword" and "long sword" are the same."""
    return {"".join(words).replace(" ", ""), "\n".join(sorted(words))}
