"""Reads one line of a statistics block: the attributes that the game has names for, and their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from app.index import labels
from app.index.reading.cells import clean

_MOST_KEY_WORDS = 6
# What a key begins with that only says when something holds.
_CONDITIONS = frozenset(("if", "when", "while", "unless", "until", "during", "note", "notes"))
# Longer values, and those of more than one sentence that are longer than the second, are prose.
LONGEST_VALUE = 400
_LONGEST_SENTENCES = 120
# Longer lines are prose.
LONGEST_LINE = 1_000
# Attributes of monsters, spells, items and classes that have one name; `app.index.labels` has the others.
_OTHERS = (
    "saving throw/skill/sense/language/proficiency bonus/damage immunity/damage resistance"
    "/damage vulnerability/condition immunity/climate terrain/climate/terrain/organization/activity cycle"
    "/diet/school/sphere/initiative/rarity/reversible/level xp value/class level/requirement"
    "/prime requisite/race/class/subtype/type/value/casting time/xp value/attack bonus/base attack/armor"
    "/weapon/tool/source/prerequisite/special/habitat/ecology/swim/fly/burrow/climb/caster level"
    "/material component/attune/attunement/target/effect/charge/usable by/gp value/experience level/save"
    "/saf/language known/gender/hoard/surprise"
)
_KNOWN = labels.KNOWN | {labels.attribute(name) for name in _OTHERS.split("/")}
# Those that are certain without a colon where a line or a piece of one begins: "Armor Class 13", "HP 225".
_WORDS = (
    "armou?r class/hit points/hit dice/speed/challenge(?: rating)?/saving throws/skills/senses/languages"
    "/damage immunities/damage resistances/damage vulnerabilities/condition immunities/proficiency bonus"
    r"/morale/no\. ?appearing/no\. ?of attacks/save as/treasure(?: type)?/alignment/movement/move/damage"
    "/size/casting time/range/duration/components/area of effect/frequency/% in lair/intelligence"
    "/strength/dexterity/constitution/wisdom/charisma/attacks?"
)
_SHORT = (
    "AC/HP/hp/HD/THAC0/MV/ML/AL/XP/CR/SZ/MR/NA/TT/SA/SD/DMG/Dmg/#?AT/#AP?P?/SV"
    "/STR/DEX/CON/INT/WIS/CHA/Str/Dex/Con/Int/Wis/Cha"
)
PLAIN_START = re.compile(rf"((?i:{_WORDS.replace('/', '|')})|{_SHORT.replace('/', '|')})(?![\w:])\.? ?(?=\S)")
_STRICT = frozenset(
    ("armor class", "hit points", "hit dice", "movement", "challenge rating", "morale", "thac0", "alignment")
)
COLON = re.compile(r"(\*\*|__|\*|_|)([^:*|]{1,40}?)(?: ?: ?\1|\1 ?[:=]| =) ?(?![/:])(\S.*)")
_BOLD = re.compile(r"(\*\*|__)([^:*_|]{1,40}?)\1 (?![-–—:])(\S.*)")
# Bold keys one after another: "**STR** 18 **DEX** 14".
_MARKED = re.compile(r"(\*\*|__)([^*_|]{1,40}?)\1:? ?([^*_]{1,400})")
_ANOTHER = re.compile(r"(?:[,;] ?| )(?!DC)[A-Z]{1,3}:? [\d+-]")
_SENTENCE_END = re.compile(r"[.!?]\s+[A-Z]")
# A sentence before the colon is no key; "No." and "X.P." are no sentences.
_SENTENCE = re.compile(r"\w{3}\. ")
_KEY = re.compile(r"[A-Z#%][\w#%.,'’/&()\- ]*|[a-z]+(?:[ _/][a-z]+){0,5}")
_LIST_END = re.compile(r"\s*[;|•]\s*|\s{2,}|\t+|,\s+")
# What some books write without a name, in the first line of an entry.
_UNNAMED = (
    (
        re.compile(
            r"(Tiny|Small|Medium|Large|Huge|Gargantuan) ([a-z][\w ]{2,40}(?: \([^()]{1,60}\))?), "
            r"([a-z].{2,80})"
        ),
        ("Size", "Type", "Alignment"),
    ),
    (re.compile(r"(\d(?:st|nd|rd|th))-level ([a-z]{4,20})(?: \(ritual\))?"), ("Level", "School")),
    (re.compile(r"([A-Z][a-z]{4,20}) (cantrip)"), ("School", "Level")),
    (
        re.compile(
            r"((?:Armor|Potion|Ring|Rod|Scroll|Staff|Wand|Weapon|Wondrous item)(?: \([^()]{1,80}\))?), "
            r"((?:common|uncommon|rare|very rare|legendary|artifact|rarity|unique)\b.{0,80})"
        ),
        ("Type", "Rarity"),
    ),
)


class Pair(NamedTuple):
    """`sure`: whether the key is a name of the game for an attribute."""

    key: str
    value: str
    sure: bool


def is_certain(key: str) -> bool:
    """Whether an attribute called so is one of a monster or a character, and nothing else."""
    return labels.attribute(key) in _STRICT


def one(line: str) -> Pair | None:
    if len(line) > LONGEST_LINE:
        return None
    line = " ".join(line.split())
    found = COLON.match(line) or _BOLD.match(line)
    if found is None:
        return None
    key, value = clean(found[2]), clean(found[3])
    if (
        not _KEY.fullmatch(key)
        or len(key.split()) > _MOST_KEY_WORDS
        or key.split()[0].lower() in _CONDITIONS
        or (key.endswith(".") and "no" not in key.lower())
    ):
        return None
    if not value or len(value) > LONGEST_VALUE:
        return None
    if len(value) > _LONGEST_SENTENCES and _SENTENCE_END.search(value):
        return None
    if _SENTENCE.search(key):
        return None
    start = PLAIN_START.match(key)
    sure = is_known(key) or (start is not None and is_certain(start[1]))
    if not sure and (_BOLD.match(line) or key[0].islower()):
        return None
    return Pair(key, value, sure)


def several(line: str) -> list[Pair]:
    """The pairs of a line that has more than one: `AC 19; HP 225`, `AC: 5, HD: 3+1`; [] where it has not."""
    marked = [Pair(clean(key).rstrip(":"), clean(value), True) for _, key, value in _MARKED.findall(line)]
    if len(marked) > 1 and all(pair.value and is_known(pair.key) for pair in marked):
        return [pair._replace(value=pair.value.rstrip(" ,;|•")) for pair in marked]
    pieces: list[str] = []
    for piece, end in _pieces(line):
        # A piece in lower case goes on with the value before it: "12\", fly 18\"", "one creature, range 10".
        start = None if pieces and piece[:1].islower() and piece[:2] != "hp" else PLAIN_START.match(piece)
        colon = COLON.match(piece) or _BOLD.match(piece)
        named = bool(start) or bool(colon and (is_known(clean(colon[2])) or (pieces and ";" in end)))
        if not named and not pieces:
            return []
        if named:
            pieces.append(piece)
        else:
            # A separator inside a value: "Treasure C, D", "MV 12\\", fly 18\\"".
            pieces[-1] += end + piece
    pairs = []
    plain = []
    for piece in pieces if len(pieces) > 1 else ():
        colon = COLON.match(piece) or _BOLD.match(piece)
        start = PLAIN_START.match(piece)
        if colon and is_known(clean(colon[2])):
            pairs.append(Pair(clean(colon[2]), clean(colon[3]), True))
        elif start:
            plain.append(clean(piece[start.end() :]))
            pairs.append(Pair(start[1], plain[-1], True))
    if any(PLAIN_START.match(pair.value) for pair in pairs):
        # "Saving Throws Con +6, Int +8" is one value.
        return []
    # "#AT 2, D 1-4": what another abbreviation begins in is not certain.
    pairs = [pair for pair in pairs if not _ANOTHER.search(pair.value)]
    if not all(pair.value for pair in pairs) or sum(map(_figure, plain)) * 2 < len(plain):
        return []
    return pairs


def _pieces(line: str) -> Iterator[tuple[str, str]]:
    """The pieces of a line and, with each, what parts it from the piece before."""
    begin, before, depth = 0, "", 0
    for end in _LIST_END.finditer(line):
        depth += line.count("(", begin, end.start()) - line.count(")", begin, end.start())
        if depth <= 0 and line[begin : end.start()].strip():
            yield line[begin : end.start()].strip(), before
            before, begin, depth = end[0], end.end(), 0
    yield line[begin:].strip().rstrip("."), before


def _figure(value: str) -> bool:
    return any(sign.isnumeric() for sign in value)


def unnamed(line: str) -> list[Pair]:
    line = clean(line)
    for pattern, keys in _UNNAMED:
        if found := pattern.fullmatch(line):
            return [Pair(key, value, True) for key, value in zip(keys, found.groups(), strict=True)]
    return []


def of_metadata(metadata: Mapping[str, object]) -> list[tuple[str, str]]:
    """The attributes that an entry has as flat metadata: `armor_class`, `hit_dice`, …"""
    return [
        (key, str(value))
        for key, value in metadata.items()
        if labels.attribute(key) in labels.KNOWN
        # "level" and "size" as numbers are those of a piece of text.
        and (isinstance(value, str) or (type(value) in (int, float) and is_certain(key)))
        and 0 < len(str(value)) <= LONGEST_VALUE
    ]


def is_known(key: str) -> bool:
    """Whether the game calls an attribute so."""
    return labels.attribute(key) in _KNOWN
