"""Questions and labels in the words that facts are found by: attributes under one name, numbers as numbers.

A question and the labels of tables are read by the same rules, so that they can be compared. What a question
only needs to be a question ("what is the", "do I need to roll") is left out; the list is closed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from app.index import labels, terms
from app.retrieval import spelling

# More words, of whatever kind, no question has that asks for facts alone.
MOST_WORDS = 40
# Shorter words are not taken for others typed badly.
_SHORTEST_MISTYPED = 4
# No label of more words is named in full.
_LONGEST_RUN = 7

Span = tuple[int, int]


def listed(words: str) -> frozenset[str]:
    """The words, which stand with blanks between them."""
    return frozenset(words.split())


_PIECE = re.compile(
    r"[+-]?\d[\d,]*(?:/\d+)?(?:\+\d+)?(?:\.\d+)?(?:st|nd|rd|th)?(?![a-z0-9])"
    r"|[a-z0-9]+(?:'[a-z]+)*|[%#]|[?!.;:,/&]|(?<=\d)\+"
)
_NUMBER = terms.expression(r"([+-]?)(\d[\d,]*)((?:/\d+)?(?:\+\d+)?(?:\.\d+)?)(st|nd|rd|th)?")
_VOWELS = frozenset("aeiouy")
# What is asked for without its name; the first of each is in all texts that the expression is for.
_ASKED_FOR = (
    (
        ("also", "as well as", "along with", "and then"),
        terms.expression(r"\b(?:and also|also|as well as|along with|and then)\b"),
        "and",
    ),
    (
        ("how long",),
        terms.expression(r"\bhow long (?:does|do|will|would|is|can) (.{1,60}?) last\b"),
        r"duration of \1",
    ),
    (
        ("how long",),
        terms.expression(r"\bhow long (?:does|do|will|would) it take to cast\b"),
        "casting time of",
    ),
    (("how fast", "how quick"), terms.expression(r"\bhow (?:fast|quick|quickly)\b"), "movement of"),
    (("how big", "how large"), terms.expression(r"\bhow (?:big|large) (?=is|are)\b"), "size of "),
    (
        ("how smart", "how intelligent", "how clever"),
        terms.expression(r"\bhow (?:smart|intelligent|clever)\b"),
        "intelligence of",
    ),
    (("how common", "how rare"), terms.expression(r"\bhow (?:common|rare)\b"), "frequency of"),
    (("how heavy",), terms.expression(r"\bhow (?:heavy)\b"), "weight of"),
    (("how expensive",), terms.expression(r"\bhow expensive\b"), "cost of"),
)
# Words that make a question and say nothing of what it asks for.
ASKING = listed(
    "what whats which is are was were be been the a an of for to in on by from at do does did has have"
    " having had must can could will would may i my me we our us you your their some any each every per"
    " please just exactly there here so ok okay well hey hi hello thanks thank thx sorry about and or # im"
    " ive ill id am dyou again really actually anyone anybody someone somebody everyone folks guys"
    " might should shall both too anyways btw um uh hm oh dm alright"
)
# Words that go with any question for figures. They count where a label has them.
SOFT = listed(
    "number amount score value figure roll rolled point character creature monster opponent target player"
    " person table chart matrix list listed stat class race reach attain become make deal inflict use cast"
    " memorize cause worth spell item speak get got getting give gain need needed require required tell"
    " show say know want see happen look find check remind wonder wondering ask asking gimme lemme help"
    " state print write mention question book rule page idea entry rating supposed sort kind given name"
)
# What follows one of these is a condition, unless it names a row or a column.
CONDITIONS = listed("with as against vs versus")
JOINERS = listed("and or , / & vs versus than")
BOTH = listed("and or &")
STOPS = listed("? ! ;")
_SIGNS = listed("? ! ; . :")
_SMALL = listed("of the a an")
# Other words for the same, and runs of words that say nothing.
_SAID = {
    "weigh": "weight", "pay": "cost", "buy": "cost", "purchase": "cost", "appear": "number appearing",
    "odds": "chance", "odd": "chance", "probability": "chance", "chance": "chance", "percentage": "percent",
    "percent": "percent", "%": "percent", "paralyzation": "paralyz", "paralysis": "paralyz",
    "paralyze": "paralyz", "petrify": "petrifi", "petrification": "petrifi", "gold piece": "gp",
    "silver piece": "sp", "copper piece": "cp", "platinum piece": "pp", "electrum piece": "ep",
    "to hit": "to hit", "magic user": "magic user", "mu": "magic user", "chance in lair": "percent in lair",
    "quick question": "", "quick one": "", "look up": "", "how many": "", "how much": "", "is that": "",
    "thank you": "", "what is it": "", "spell per day": "spell", "max": "maximum", "min": "minimum",
    "i would like": "", "would like": "", "id like": "", "looking for": "",
    "according to": "", "any idea": "", "remind me": "",
    "area": "area of effect", "forgot": "", "forget": "", "dont remember": "", "cant remember": "",
    "do not remember": "", "cannot remember": "", "how about": "", "what about": "", "as for": "",
    "regarding": "", "concerning": "", "any chance": "", "we fighting": "", "we are fighting": "",
    "we met": "", "dm here": "",
    "we meet": "", "we face": "", "we facing": "", "we are facing": "", "ran into": "", "i fighting": "",
    "refresh memory": "", "quick": "", "quickly": "", "exact": "", "exactly": "",
}  # fmt: skip
_SHORT = listed("ac hd hp xp mr")
_NAMES = {
    **{
        alias: name
        for alias, name in labels.CANONICAL.items()
        if (len(alias) > 2 or alias in _SHORT) and not alias.endswith("0")
    },
    **_SAID,
}
# "No. of attacks" has a period and a small word more.
_LONGEST_NAME = max(name.count(" ") + 1 for name in _NAMES) + 2
COUNTING = frozenset(("how many", "how much"))
ATTRIBUTES = frozenset(labels.CANONICAL.values())
# One name → what books may write for it.
ALIASES: dict[str, list[str]] = {}
for _alias, _name in [*labels.CANONICAL.items(), *_SAID.items()]:
    ALIASES.setdefault(_name, [_name]).append(_alias)
_MEASURES = (
    "common rare fast quick heavy large intelligent smart expensive long last much many levels spells compare"
)
ALIASES["to hit"].append("attack")
_UNCOUNTED = ASKING | SOFT | CONDITIONS
# The words of questions that may be typed badly.
VOCABULARY = frozenset(
    word
    for text in (*ASKING, *SOFT, *_NAMES, *ATTRIBUTES, *CONDITIONS, *terms.NUMBER_WORDS, _MEASURES)
    for word in text.split()
    if len(word) >= _SHORTEST_MISTYPED
)


class Word(NamedTuple):
    """A word that counts. `text` is its one form; `number` what it says, if it is one; `typed` the word.

    `before`: the words and signs that do not count between it and the last one. A `soft` one need not be
    accounted for. `ordinal`: it is a number such as "5th".
    """

    text: str
    number: float | None = None
    typed: str = ""
    before: tuple[str, ...] = ()
    soft: bool = False
    ordinal: bool = False


class Wording(NamedTuple):
    """The words of a question that count; `runs`: form (see `forms`) → where it stands.

    A label that the question names has one of `beginnings` of words.
    """

    words: tuple[Word, ...]
    runs: Mapping[str, tuple[Span, ...]]
    beginnings: frozenset[str]


def read(text: str, corrected: Mapping[str, str]) -> list[Word]:
    """The words of `text` that count, in order, and at the end one without text for what comes behind."""
    text = terms.fold(text)
    if corrected:
        text = _PIECE.sub(lambda piece: corrected.get(piece[0], piece[0]), text)
    for begun, pattern, written in _ASKED_FOR:
        if any(words in text for words in begun):
            text = pattern.sub(written, text)
    pieces = _PIECE.findall(text)
    stems = [terms.stem(piece) if piece[0].isalpha() else piece for piece in pieces]
    found: list[Word] = []
    before: list[str] = []
    place = 0
    while place < len(pieces):
        name, size = _named(stems, place)
        typed = " ".join(pieces[place : place + size])
        word = Word(name or "", None, typed, tuple(before), soft=name in SOFT)
        if name is None:
            word = _plain(pieces, stems, place, tuple(before))
        if word.text:
            found.append(word)
            before = []
        else:
            before.append(typed)
        place += size
    return [*found, Word("", before=tuple(before))]


def _plain(pieces: Sequence[str], stems: Sequence[str], place: int, before: tuple[str, ...]) -> Word:
    """A word that is none of the game's common names; without text where it does not count."""
    piece, stem = pieces[place], stems[place]
    if piece[0] in "+-0123456789":
        return _number(piece, before)
    beside_level = "level" in (*stems[max(0, place - 1) : place], *stems[place + 1 : place + 2])
    if piece in terms.NUMBER_WORDS and (beside_level or piece not in ("one", "second")):
        number = terms.NUMBER_WORDS[piece]
        return Word(number, float(number), piece, before, ordinal=piece.endswith(("th", "rd", "nd", "st")))
    bare = terms.bare(piece) if piece[0].isalpha() else piece
    if not {piece, bare}.isdisjoint(ASKING | CONDITIONS | JOINERS | _SIGNS):
        return Word("", None, piece, before)
    return Word(root(stem), None, piece, before, soft=stem in SOFT)


def _named(stems: Sequence[str], place: int) -> tuple[str | None, int]:
    """The one name of what stands at `place`, None where it has none, and of how many words it is there."""
    for size in range(_LONGEST_NAME, 0, -1):
        window = [
            "number" if word in ("no", "#") and size > 1 else word
            for word in stems[place : place + size]
            if word != "."
        ]
        if window and place + size <= len(stems) and window[0] not in _SMALL and window[-1] not in _SMALL:
            name = _NAMES.get(" ".join(word for word in window if word not in _SMALL))
            if name is not None and stems[place + size - 1] != ".":
                return name, size
    return None, 1


def _number(piece: str, before: tuple[str, ...]) -> Word:
    found = _NUMBER.fullmatch(piece)
    if found is None:
        return Word(piece, None, piece, before)
    spans = labels.spans(f"{found[1]}{found[2]}{found[3]}")
    text = f"{found[1].strip('+')}{found[2].replace(',', '')}{found[3]}"
    number = spans[0].low if len(spans) == 1 and spans[0].low == spans[0].high else None
    return Word(text, number, piece, before, ordinal=found[4] is not None)


def wording(words: Sequence[Word]) -> Wording:
    """`words` (as `read` gives them) ready to be compared with labels."""
    runs: dict[str, dict[Span, None]] = {}
    counted = range(len(words) - 1)
    # With the soft words, and without: "monster hit dice" is also "hit dice".
    for places in (counted, [n for n in counted if not words[n].soft]):
        for start in range(len(places)):
            for end in range(start + 1, min(start + _LONGEST_RUN, len(places)) + 1):
                span = places[start], places[end - 1] + 1
                joined = any(not BOTH.isdisjoint(words[n].before) for n in places[start + 1 : end])
                for form in forms([words[n].text for n in places[start:end]], joined):
                    runs.setdefault(form, {})[span] = None
    beginnings = {
        written[:3] for word in words[:-1] for written in (word.typed, word.text, *ALIASES.get(word.text, ()))
    }
    found = {form: tuple(spans) for form, spans in runs.items()}
    return Wording(tuple(words[:-1]), found, frozenset(beginnings))


def mistyped(word: str) -> list[str]:
    """The words of questions that `word`, which no book has, may be."""
    if len(word) < _SHORTEST_MISTYPED:
        return []
    near = (other for other in VOCABULARY if abs(len(other) - len(word)) < 2 and word[0] in other[:2])
    return sorted(
        other
        for other in near
        if spelling.distance(word, other, 1) == 1 and (other not in _UNCOUNTED or _is_slip(word, other))
    )


def _is_slip(word: str, other: str) -> bool:
    """Whether `word` is `other`, which is then left out, for sure: "mage" is not "make"."""
    return word[0] == other[0] and (sorted(word) == sorted(other) or len(word) != len(other) or len(word) > 5)


def root(stem: str) -> str:
    """`stem` without the endings of a verb: "opening" is "open", "hiding" is "hid" as "hide" is."""
    for ending in ("ing", "ed"):
        rest = stem.removesuffix(ending)
        if rest != stem and len(rest) > 2 and rest[-1] != "e" and not _VOWELS.isdisjoint(rest):
            stem = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    return stem[:-1] if len(stem) > 3 and stem.endswith("e") else stem


def roots(words: str) -> frozenset[str]:
    """The forms that `words` have in questions and labels."""
    return frozenset(_SAID.get(terms.stem(word)) or root(terms.stem(word)) for word in words.split())


@lru_cache(maxsize=16384)
def words_of(label: str) -> tuple[str, ...]:
    """The words of a label that count, soft ones among them."""
    one = labels.attribute(label)
    if one in ATTRIBUTES:
        return (one,)
    return tuple(word.text for word in read(label[: labels.LONGEST_LABEL], {})[:-1])


def forms(words: Iterable[str], joined: bool = False) -> set[str]:
    """`words` in order as one string, and in any order: "longsword" and "long sword" are the same.

    What is `joined` by "and" is only what is so in the label: "longbow and arrow" is no "longbow arrow".
    """
    words = [*words, *(["+"] if joined else [])]
    return {"".join(words).replace(" ", ""), "\n".join(sorted(words))} if words else set()
