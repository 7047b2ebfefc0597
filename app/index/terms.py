"""Text and its words brought to one form, so that they can be compared whatever their file was made by.

No ligatures, no invisible characters, no words cut at a line's end. The index is built from this form and a
question is read through it; people and models are shown what was written. Everything that compares words does
it through `stems`. This is no linguistics: a stem need not be a word, it only has to be the same for "wolves"
and "wolf", "Grey" and "gray".
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import Any, cast


class Expression:
    """A regular expression that is compiled when it is first used: most questions need few of them."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._source), name)
        # Looked up once, as a text can be searched many times.
        setattr(self, name, found)
        return found


def expression(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` gives, at the time it is needed."""
    return cast("re.Pattern[str]", Expression(pattern, flags))


_QUOTES = "’‘‛ʼʻʽʹ′＇`´"
_DOUBLE_QUOTES = "“”„‟″«»＂"
_DASHES = "‐‑‒–—―−﹘﹣－"
_FRACTIONS = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
# Where a converter marks that a word goes on: the soft hyphen, and what some write in its place.
_SOFT = "\u00ad\u00ac\x02\ufffe"
# Of no width, or of no meaning here: joiners, marks of direction or byte order, variation selectors, tags.
_INVISIBLE = ("\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
              "\ufff9-\ufffb\U000e0000-\U000e01ef")  # fmt: skip
_SIGNS = "™®©℠"
_MAPPED = str.maketrans(
    {
        **dict.fromkeys(_QUOTES, "'"),
        **dict.fromkeys(_DOUBLE_QUOTES, '"'),
        **dict.fromkeys(_DASHES, "-"),
        **dict.fromkeys(_SOFT, "\u00ad"),
        **dict.fromkeys(_SIGNS, ""),
        # "2½" is two and a half, not 21/2.
        **{sign: " " + unicodedata.normalize("NFKC", sign).replace("\u2044", "/") for sign in _FRACTIONS},
        "\u2044": "/",
        # Ligatures where some fonts of word processors keep them.
        "\uf001": "fi",
        "\uf002": "fl",
    }
)
# What no decomposition takes apart.
_LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d",
     "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i"}
)  # fmt: skip
_REMOVED = expression(f"[{_INVISIBLE}]+")
_SUPERSCRIPT = expression("[⁰¹²³⁴-⁹]+")
_NOT_ASCII = expression(r"[^\x00-\x7f]+")
# The end of a line, the beginning of the next one, and the mark of a quotation there.
_LINE_END = r"[ \t]*(?:[\n\r\f\v\x85\u2028\u2029]|<br ?/?>)[\s>]*"
_SOFT_HYPHEN = expression(f"\u00ad(?:{_LINE_END})?")
# A word goes on in the case it began in: "half-" and "Elf" on the next line are two.
_CUT = expression(rf"-(?:(?<=[^\W\d_A-Z]-){_LINE_END}(?=[^\W\d_A-Z])|(?<=[A-Z]-){_LINE_END}(?=[A-Z]))")
_CUT_WORD = expression(rf"(?<![^\W_])([^\W_]{{1,40}})-{_LINE_END}([^\W\d_]{{1,40}})")
_ENTITY = expression(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# A backslash before a sign (a bar would end a table's cell), the mark of a footnote, emphasis inside a word.
_MARKUP = expression(r"\\(?=[!-/:-@\[-`{}~])|\[\^[^\]\s]{1,40}\]|(?<=[^\W\d_])\*{1,3}(?=[^\W\d_])")

_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")

# Plurals no suffix rule gets right; the second column is the stem of the singular.
_IRREGULAR = {
    "men": "man", "women": "woman", "feet": "foot", "teeth": "tooth", "mice": "mouse", "lice": "louse",
    "children": "child", "dice": "die", "geese": "goose", "oxen": "ox", "fungi": "fungus",
    "octopi": "octopus", "djinn": "djinni", "efreet": "efreeti", "larvae": "larva", "elven": "elf",
    "dwarven": "dwarf", "axes": "axe", "shoes": "shoe", "succubi": "succubus", "incubi": "incubus",
}  # fmt: skip
_F_PLURALS = ("wolves", "elves", "dwarves", "thieves", "staves", "knives", "halves", "wives", "calves",
              "hooves", "loaves")  # fmt: skip
_PLURALS = (
    ("ies", "y"), ("ie", "y"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("zzes", "zz"),
    ("oes", "o"), ("s", ""),
)  # fmt: skip
# British and period spellings, as word endings or beginnings: what people type against what books print.
_SPELLINGS = (
    ("armour", "armor"), ("colour", "color"), ("honour", "honor"), ("vapour", "vapor"), ("favour", "favor"),
    ("defence", "defense"), ("offence", "offense"), ("grey", "gray"), ("centre", "center"),
    ("sabre", "saber"), ("spectre", "specter"), ("mould", "mold"), ("plough", "plow"), ("sceptre", "scepter"),
    ("jewellery", "jewelry"), ("ise", "ize"), ("ising", "izing"), ("isation", "ization"),
)  # fmt: skip

STOP_WORDS = frozenset((Path(__file__).parent / "stop_words.txt").read_text(encoding="utf-8").split())

# Words that make no name by themselves, with or without numbers: "4th level", "50 feet", "per day".
_GENERIC_WORDS = (
    "level foot inch yard mile day night week month year round turn segment hour minute pound gold silver"
    " copper piece gp sp cp pp hit die dice point per high higher low lower more less fewer over under least"
    " most type table part total none all any each special normal page see maximum minimum"
)
GENERIC = frozenset(_GENERIC_WORDS.split())

_NUMERALS = (
    "zero/zeroth one/first two/second three/third four/fourth five/fifth six/sixth seven/seventh eight/eighth"
    " nine/ninth ten/tenth eleven/eleventh twelve/twelfth thirteen/thirteenth fourteen/fourteenth"
    " fifteen/fifteenth sixteen/sixteenth seventeen/seventeenth eighteen/eighteenth nineteen/nineteenth"
    " twenty/twentieth"
)
NUMBER_WORDS = {
    word: str(number) for number, words in enumerate(_NUMERALS.split()) for word in words.split("/")
}
_ROMAN_NUMERALS = "i ii iii iv v vi vii viii ix x xi xii"
ROMAN = {numeral: str(number) for number, numeral in enumerate(_ROMAN_NUMERALS.split(), 1)}
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")


def plain(text: str) -> str:
    """`text` in NFKC, with plain quotes and hyphens, nothing invisible, and words cut at a line's end joined.

    Entities of HTML and escapes of Markdown are what they stand for. Time is linear in the length of `text`.
    """
    return _joined(_with_cuts(text))


def both_readings(text: str) -> str:
    """`text` as `plain` gives it, and below it the words that were joined there as compounds (`magic-user`).

    No rule tells whether `magicuser` is meant without knowing the word.
    """
    cut = _with_cuts(text)
    joined = _joined(cut)
    compounds = _CUT_WORD.findall(cut) if joined != cut else ()
    return "\n".join((joined, *(f"{first}-{second}" for first, second in compounds)))


def _joined(text: str) -> str:
    """`text` without the hyphens at which lines end."""
    if "-" not in text:
        return text
    ends = (line.rstrip(" \t")[-1:] for line in text.splitlines()[:-1])
    cut = "-" in ends or "<br" in text
    return _CUT.sub("", text) if cut else text


def _with_cuts(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    if not text.isascii():
        text = _SUPERSCRIPT.sub(_lowered, _REMOVED.sub("", text)).translate(_MAPPED)
        text = unicodedata.normalize("NFKC", text)
    elif "\x02" in text:
        text = text.replace("\x02", "\u00ad")
    if "\u00ad" in text:
        text = _SOFT_HYPHEN.sub("", text)
    if "\\" in text or "*" in text or "[^" in text:
        text = _MARKUP.sub("", text)
    return text


def without_accents(text: str) -> str:
    """`text` with letters of the English alphabet wherever a letter is one with something added."""
    if text.isascii():
        return text
    return _NOT_ASCII.sub(_without_marks, unicodedata.normalize("NFKD", text))


def _without_marks(letters: re.Match[str]) -> str:
    return "".join(c for c in letters[0] if not unicodedata.combining(c)).translate(_LETTERS)


def _lowered(digits: re.Match[str]) -> str:
    """A note's mark after a word is nothing; a power after a number, and a note's beginning, are numbers."""
    before = digits.string[max(0, digits.start() - 1) : digits.start()]
    return f" {digits[0]}" if before.isdigit() or not before.strip() else ""


def _character(entity: re.Match[str]) -> str:
    return unescape(entity[0]).replace("|", " ")


def fold(text: str) -> str:
    """`text` as `plain` gives it, in lower case and without accents: what words are compared in."""
    return without_accents(plain(text)).lower()


def common_spelling(folded: str) -> str:
    """`folded` text with British and period spellings made the same as the American ones."""
    for spelling, common in _SPELLINGS:
        if spelling in folded:
            folded = folded.replace(spelling, common)
    return folded


def tokens(text: str) -> list[str]:
    """The words and numbers of `text`, folded, in order; a possessive keeps its apostrophe (`healer's`)."""
    return _TOKEN.findall(fold(text))


def bare(token: str) -> str:
    """A token without possessive or contracted ending: `healer` of `healer's`, but `oclock` of `o'clock`."""
    head = token.split("'")[0]
    return head if len(head) > 1 else token.replace("'", "")


@lru_cache(maxsize=65536)
def stem(token: str) -> str:
    """The common form of a token: possessive, plural, spelling and ordinal endings off."""
    token = bare(token)
    if ordinal := _ORDINAL.fullmatch(token):
        return ordinal[1]
    if token in _IRREGULAR:
        return _IRREGULAR[token]
    token = common_spelling(token)
    if token.endswith(_F_PLURALS):
        return token[:-3] + "f"
    if len(token) <= 3 or token.endswith(("ss", "us", "is")):
        return token
    for ending, replacement in _PLURALS:
        if token.endswith(ending) and len(token) - len(ending) >= 2:
            return token[: -len(ending)] + replacement
    return token


def stems(text: str) -> list[str]:
    """The stems of all words of `text`, in order."""
    return [stem(token) for token in tokens(text)]


def key(text: str) -> str:
    """One string for a name however it is spaced, hyphenated or numbered: `Hell Hounds`, `hellhound`."""
    return "".join(stems(text))
