"""Texts that make programs work hard, of any length: the same few kinds whatever reads them."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from itertools import cycle, islice


def _repeated(piece: str) -> Callable[[int], str]:
    return lambda length: (piece * (length // len(piece) + 1))[:length]


def _made_of(words: Iterable[str], between: str = " ") -> Callable[[int], str]:
    endless = list(words)
    return lambda length: between.join(islice(cycle(endless), length // 2 + 1))[:length]


def _distinct(size: int, between: str = " ") -> Callable[[int], str]:
    """Words of `size` letters, no two the same, none of them English."""

    def text(length: int) -> str:
        return between.join(_word(number, size) for number in range(length // (size + len(between)) + 1))[
            :length
        ]

    return text


def _word(number: int, size: int) -> str:
    letters = []
    for place in range(size):
        number, letter = divmod(number * 7 + place, 26)
        letters.append(string.ascii_lowercase[letter])
        number += place * 31
    return "".join(letters)


# Names that the sample rules have, and the same as nobody would write them but everybody would understand.
NAMES = (
    "Gelatinous Cube",
    "Red Dragon",
    "Hold Person",
    "Magic Missile",
    "Owlbear",
    "Fireball",
    "Cure Wounds",
    "Plate Armor",
)
MISSPELT = (
    "Gelatinus Cub",
    "Red Dragn",
    "Hold Persn",
    "Magik Misile",
    "Owlbaer",
    "Firebal",
    "Cure Wunds",
    "Plait Armr",
)

TEXTS: dict[str, Callable[[int], str]] = {
    "one long word": _repeated("qwzxkjvbpm"),
    "one letter": _repeated("a"),
    "one letter, words": _repeated("a "),
    "one digit, words": _repeated("1 "),
    "digits": _repeated("1"),
    "digits and a letter": lambda length: "1" * (length - 1) + "a",
    "numbers": _made_of(map(str, range(2000))),
    "thousands": _repeated("1,000"),
    "decimals": _repeated("1.1"),
    "dice": _repeated("3d6+1 "),
    "dice without an end": _repeated("1d"),
    "apostrophes": _repeated("a'b"),
    "apostrophes alone": _repeated("'"),
    "possessives": _repeated("ogre's "),
    "words of 5": _distinct(5),
    "words of 9": _distinct(9),
    "words of 31": _distinct(31),
    "words of 33": _distinct(33),
    "hyphen chain": _distinct(5, "-"),
    "hyphens": _repeated("-"),
    "line-end hyphens": _repeated("half-\nway "),
    "line-end hyphens, capitals": _repeated("A-\n"),
    "soft hyphens": _repeated("a\u00ad \n>"),
    "blanks": lambda length: "a" + " " * (length - 2) + "b",
    "line ends": lambda length: "a" + "\n" * (length - 2) + "b",
    "question marks": _repeated("?"),
    "commas": _repeated("it, "),
    "full stops": _repeated("x.p."),
    "slashes": _repeated("w/"),
    "brackets": _repeated("["),
    "closing brackets": _repeated("]"),
    "parentheses": _repeated("("),
    "citations": _repeated("[1"),
    "nested citations": _repeated("[1, "),
    "citations whole": _repeated("[1][99]"),
    "bars": _repeated("| - "),
    "asterisks": _repeated("a*"),
    "backslashes": _repeated("\\"),
    "entities": _repeated("&amp;"),
    "ampersands": _repeated("&"),
    "numbered entities": _repeated("&#x41;"),
    "thoughts": _repeated("<think>"),
    "halves of tags": _repeated("<thin"),
    "angles": _repeated("<"),
    "capitalised": _repeated("Aa "),
    "capitalised, joined": _repeated("Aa of the "),
    "capitals": _repeated("A"),
    "roman numerals": _made_of(("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")),
    "shorthand": _made_of(
        ("xp", "4", "lvl", "9", "ftr", "dmg", "thr", "con", "hp", "ac", "mu", "w/", "2", "hit", "r", "u")
    ),
    "shorthand, longest": _repeated("phb "),
    "levels": _repeated("9th level "),
    "attributes": _repeated("armor class "),
    "names": _made_of(NAMES),
    "names without blanks": _made_of((name.replace(" ", "") for name in NAMES), ""),
    "misspelt names": _made_of(MISSPELT),
    "everyday names": _made_of(("light", "web", "guard", "fear", "shield", "sleep", "cover", "range")),
    "joined names": _made_of(NAMES, " and "),
    "the one": _repeated("the red one "),
    "which that": _repeated("which a b that "),
    "articles": _repeated("an an an "),
    "tables": _made_of(("Level", "Cost", "Weight", "Armor Class", "Damage", "Price", "Item")),
    "CJK": _repeated("火球術の傷"),
    "combining marks": lambda length: "e" + "\u0301" * (length - 1),
    "letters with marks": _repeated("e\u0301"),
    "ligatures": _repeated("\ufb03"),
    "widest ligature": _repeated("\ufdfa"),
    "fractions": _repeated("½"),
    "superscripts": _repeated("a²"),
    "emoji, joined": _repeated("\U0001f468\u200d\U0001f469\u200d"),
    "marks of direction": _repeated("\u202ea\u202c"),
    "tags": _repeated("\U000e0041"),
    "sharp s": _repeated("ß"),
    "dotted capital": _repeated("İ"),
}
