"""The shorthand of players written out: "xp 4 lvl 9 ftr" as "experience for level 9 fighter".

This comes before anything else reads a question, so that names, words and vectors see what a rule book would
print. A word that could be two things is read by its neighbours: "4" is "for" before a class and a number
after "level". What no rule knows stays as typed, and so do coins: books print "gp" too.

One pass. The text grows by `MOST_GROWTH` bytes at most; what would make it longer stays as typed.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from app.index import terms
from app.retrieval.shorthand_rules import LEVEL, UNITS, WORDS, Neighbours, Word, meaning

MOST_GROWTH = 600

# "x.p."; "w/"; a word with its apostrophes and the period of an abbreviation; a sign that stands for a word.
# Without IGNORECASE, with which it takes four times as long to compile.
_PIECE = re.compile(
    r"\b(?:[A-Za-z]\.){2,}|\b(?:[wW]/[oO]|[bB]/[cC]|[mM][/-][uU]|[tT][oO]-[hH][iI][tT])\b|\b[wWoO]/"
    r"|[A-Za-z0-9]+(?:['’][A-Za-z]+)*\.?|(?<![\w&])[%#@]|/(?=[A-Za-z])|(?<=\s)&(?=\s)"
)
_INITIALS = terms.expression(r"(?:[a-z]\.){2,}")
# A word and its number written together: "lvl5", "5thlvl", "ftr9", "8hd"; but not "3d6", nor "5th".
_GLUED = terms.expression(
    r"(?P<before>[a-z]+)(?P<number>\d{1,2})|(?P<count>\d{1,5}(?:st|nd|rd|th)?)(?P<after>(?!(?:st|nd|rd|th)$)[a-z]+)"
)


class Written(NamedTuple):
    """`text` with its shorthand written out, and what was read as what."""

    text: str
    changes: Mapping[str, str]


def written_out(text: str) -> Written:
    pieces = list(_PIECE.finditer(text))
    words = [word for n, piece in enumerate(pieces) for word in _words(piece[0], n)]
    shouted = text.isupper()
    out_of: dict[int, list[str]] = {}
    for n, word in enumerate(words):
        out_of.setdefault(word.piece, []).append(meaning(Neighbours(words, n, shouted)) or word.typed)
    out: list[str] = []
    changes: dict[str, str] = {}
    end, left = 0, MOST_GROWTH
    for n, piece in enumerate(pieces):
        typed, new = piece[0], " ".join(out_of[n])
        # "w/shield", "spells/day", "#AT" have no blanks of their own.
        if new != typed and typed.endswith(("/", "#")):
            blank = "" if text[piece.end() : piece.end() + 1].isspace() else " "
            new = f"{' ' if typed == '/' else ''}{new}{blank}"
        growth = len(new.encode()) - len(typed.encode())
        if new == typed or growth > left:
            continue
        out += (text[end : piece.start()], new)
        end, left = piece.end(), left - max(0, growth)
        changes[typed] = new.strip()
    return Written("".join((*out, text[end:])), changes)


def _words(piece: str, number: int) -> list[Word]:
    """The words of one piece of the text: two where a number is glued to its word."""
    low = piece.lower()
    if low.count(".") > 1 and _INITIALS.fullmatch(low):
        low = low.replace(".", "")
    low = low.rstrip(".")
    joined = low[:1].isdigit() != low[-1:].isdigit() and low not in WORDS
    glued = _GLUED.fullmatch(low) if joined else None
    if glued is not None:
        first, second = glued["before"] or glued["count"], glued["number"] or glued["after"]
        word = glued["before"] or glued["after"]
        # "F7" and "T3" are classes, in lower case they are nothing; "l5" is a level.
        initial = glued["before"] and piece[0] in "FTCLl" and word in "ftcl"
        if word in WORDS or word in LEVEL or word in UNITS or initial:
            return [Word(part, part, number) for part in (first, second)]
    return [Word(piece, low, number)]
