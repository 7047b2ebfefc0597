"""How people at a table say what a book prints: attributes, entries, levels, titles.

General words of the game and of English only: nothing here knows a book.
"""

from __future__ import annotations

import random
import re
from functools import cache
from typing import NamedTuple

# 0 to 20.
_ORDINALS = """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"""
_CARDINALS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty"""
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
# Singular, plural, and what players write instead.
CLASSES = {
    "fighter": ("fighters", "ftr"),
    "paladin": ("paladins", "paladin"),
    "ranger": ("rangers", "ranger"),
    "cleric": ("clerics", "clr"),
    "druid": ("druids", "druid"),
    "magic-user": ("magic-users", "mu"),
    "illusionist": ("illusionists", "illusionist"),
    "thief": ("thieves", "thf"),
    "assassin": ("assassins", "assassin"),
    "monk": ("monks", "monk"),
    "bard": ("bards", "bard"),
    "barbarian": ("barbarians", "barbarian"),
    "rogue": ("rogues", "rogue"),
    "sorcerer": ("sorcerers", "sorcerer"),
    "warlock": ("warlocks", "warlock"),
    "wizard": ("wizards", "wizard"),
}
ABILITIES = {
    "strength": "str",
    "intelligence": "int",
    "wisdom": "wis",
    "dexterity": "dex",
    "constitution": "con",
    "charisma": "cha",
}


class Attribute(NamedTuple):
    """`nouns`: what it is called; `asked`: whole questions for it, of `{n}` (a name) or `{a}` (with its
    article)."""

    key: str
    nouns: tuple[str, ...]
    asked: tuple[str, ...] = ()


# Each with the labels that mean it, matched whole and without regard to case.
_ATTRIBUTES = (
    (r"armou?r class|ac|armou?r class \(ac\)", Attribute("ac", ("AC", "armor class", "armour class"))),
    (
        r"hit dice|hd",
        Attribute("hd", ("hit dice", "HD"), ("How many hit dice does {a} have?", "how many HD has {a} got")),
    ),
    (
        r"hit points",
        Attribute("hp", ("hit points", "HP", "hp"), ("How many hit points does {a} have?",)),
    ),
    (
        r"no\. of attacks|#at|attacks",
        Attribute(
            "attacks", ("number of attacks", "no. of attacks", "#AT"), ("How many attacks does {a} get?",)
        ),
    ),
    (
        r"damage(?:/attack)?",
        Attribute("damage", ("damage", "dmg"), ("How much damage does {a} do?",)),
    ),
    (
        r"move(?:ment)?|speed|base move",
        Attribute("move", ("movement", "move", "speed"), ("How fast is {a}?", "how fast does {a} move")),
    ),
    (
        r"no\. appearing",
        Attribute("appearing", ("number appearing", "no. appearing"), ("How many {n}s appear?",)),
    ),
    (r"morale", Attribute("morale", ("morale", "morale score"))),
    (r"treasure type", Attribute("treasure", ("treasure type", "treasure"))),
    (
        r"xp|level/x\.?p\.? value|x\.?p\.? value",
        Attribute("xp", ("XP", "experience value", "xp value"), ("How much xp is {a} worth?",)),
    ),
    (r"save as", Attribute("save as", ("save as",), ("What does {a} save as?",))),
    (r"alignment", Attribute("alignment", ("alignment",), ("What alignment is {a}?",))),
    (r"intelligence", Attribute("intelligence", ("intelligence",), ("How intelligent is {a}?",))),
    (r"size", Attribute("size", ("size",), ("How big is {a}?", "What size is {a}?"))),
    (r"frequency", Attribute("frequency", ("frequency",), ("How common is {a}?",))),
    (r"% in lair", Attribute("lair", ("% in lair", "percent in lair", "chance in lair"))),
    (r"magic resistance", Attribute("resistance", ("magic resistance", "MR"))),
    (r"special attacks", Attribute("special attacks", ("special attacks",))),
    (r"special defen[cs]es", Attribute("special defenses", ("special defenses", "special defences"))),
    (r"challenge", Attribute("challenge", ("challenge rating", "CR", "challenge"))),
    (r"senses", Attribute("senses", ("senses",))),
    (r"languages", Attribute("languages", ("languages",), ("What languages does {a} speak?",))),
    (r"range", Attribute("range", ("range",))),
    (r"duration", Attribute("duration", ("duration",), ("How long does {n} last?",))),
    (
        r"casting time",
        Attribute("casting time", ("casting time",), ("How long does it take to cast {n}?",)),
    ),
    (r"components", Attribute("components", ("components",), ("What components does {n} need?",))),
    (r"area of effect", Attribute("area", ("area of effect", "area", "AoE"))),
    (r"str", Attribute("strength", ("strength", "str"))),
    (r"dex", Attribute("dexterity", ("dexterity", "dex"))),
    (r"con", Attribute("constitution", ("constitution", "con"))),
    (r"int", Attribute("intelligence score", ("intelligence", "int"))),
    (r"wis", Attribute("wisdom", ("wisdom", "wis"))),
    (r"cha", Attribute("charisma", ("charisma", "cha"))),
    (
        r"cost|cost each|price|cost \(gp\)|cost gp",
        Attribute("cost", ("cost", "price"), ("How much does {a} cost?", "how much is {a}")),
    ),
    (
        r"weight|weight \((?:gp|lbs)\)",
        Attribute("weight", ("weight",), ("How much does {a} weigh?", "how heavy is {a}")),
    ),
    (r"experience points?", Attribute("points", ("experience points", "XP", "xp"))),
)


@cache
def attribute(label: str) -> Attribute:
    """What people call what a book calls `label`; by its own words where it is no common one."""
    for pattern, known in _ATTRIBUTES:
        if re.fullmatch(pattern, label.strip(), re.IGNORECASE):
            return known
    plain = without_brackets(label).lower().replace("vs.", "vs")
    return Attribute(plain, (plain,))


def without_brackets(text: str) -> str:
    return " ".join(re.sub(r"\([^()]*\)", " ", text).split())


@cache
def name(printed: str) -> str:
    """An entry's or a row's name as it is said: `Dragon, Red` is "red dragon", `Bow, composite, long` "long
    composite bow"; "" for what nobody says (lists, sentences, footnotes)."""
    plain = without_brackets(printed).replace("’", "'").rstrip("*").strip()
    if re.search(r"[\"|:;~\[\]=*/†]|\d|\band\b|\bor\b", plain) or len(plain.split()) > 4 or len(plain) < 3:
        return ""
    parts = [part.strip() for part in plain.split(",")]
    if "" in parts or len(parts) > 3:
        return ""
    return " ".join(reversed(parts)).lower()


def with_article(said: str) -> str:
    """ "an ogre", "a 9th level fighter", "an 8th level fighter"."""
    return f"{'an' if re.match('[aeiou]|8|1[18](?![0-9])', said) else 'a'} {said}"


def ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else _ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"


def level(number: int, who: str, rng: random.Random) -> str:
    """`who` at a level, one of the ways of saying it, without an article; `who` may be ""."""
    digits = [
        f"{ordinal(number)} level {who}",
        f"{ordinal(number)}-level {who}",
        f"level {number} {who}",
        f"lvl {number} {who}",
        f"{who} level {number}",
        f"{who} of {ordinal(number)} level",
    ]
    words = []
    if 0 < number <= 20:
        words = [f"{_ORDINALS.split()[number]} level {who}", f"level {_CARDINALS.split()[number]} {who}"]
    return " ".join(rng.choice(digits if rng.random() < 0.75 or not words else words).split())


def classes_in(text: str) -> list[str]:
    """The classes that a title is about, singular, in its order."""
    words = re.findall(r"[a-z]+(?:-[a-z]+)?", text.lower().replace("magic user", "magic-user"))
    found = []
    for word in words:
        for singular, (plural, _) in CLASSES.items():
            if word in (singular, plural) and singular not in found:
                found.append(singular)
    return found


def short_title(printed: str) -> str:
    """A table's title as it is said: without brackets, articles and "table"."""
    plain = without_brackets(printed).lower().replace(":", "")
    return " ".join(re.sub(r"\btable\b|\bthe\b", " ", plain).split()) or plain


def title(printed: str, rng: random.Random) -> str:
    short = short_title(printed)
    return rng.choice([short, f"{short} table"])
