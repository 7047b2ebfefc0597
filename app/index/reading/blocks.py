"""Reads statistics blocks: what an entry says as `KEY: value`, `**Key** value`, `AC 19; HP 225` and the like.

A line is certain if its key is a name that the game has for an attribute, or it stands among such lines, or
in a list of pairs under the heading. A line of prose that has a colon is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from app.index import labels
from app.index.reading.cells import clean

_LONGEST_KEY = 40
_MOST_KEY_WORDS = 6
# Longer values, and those of more than one sentence that are longer than the second, are prose.
_LONGEST_VALUE = 400
_LONGEST_SENTENCES = 120
# Longer lines are prose.
_LONGEST_LINE = 1_000
# The lines of a passage after these are looked at for no block.
MOST_LINES = 20_000

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
_PLAIN_START = re.compile(
    rf"((?i:{_WORDS.replace('/', '|')})|{_SHORT.replace('/', '|')})(?![\w:])\.? ?(?=\S)"
)
_STRICT = frozenset(
    ("armor class", "hit points", "hit dice", "movement", "challenge rating", "morale", "thac0", "alignment")
)

_MARK = re.compile(r"^(?:>\s?)*(?:[-*+•·]\s+|\d{1,2}[.)]\s+(?=\*\*))?")
_COLON = re.compile(r"(\*\*|__|\*|_|)([^:*|]{1,40}?)(?: ?: ?\1|\1 ?[:=]| =) ?(?![/:])(\S.*)")
_BOLD = re.compile(r"(\*\*|__)([^:*_|]{1,40}?)\1 (?![-–—:])(\S.*)")
_SENTENCE_END = re.compile(r"[.!?]\s+[A-Z]")
# A sentence before the colon is no key; "No." and "X.P." are no sentences.
_SENTENCE = re.compile(r"\w{3}\. ")
_KEY = re.compile(r"[A-Z#%][\w#%.,'’/&()\- ]*|[a-z]+(?:[ _/][a-z]+){0,5}")
_HEADING = re.compile(r"^(?:#{1,6}\s+\S|(\*\*|__)[^*_]{1,60}\1:?$|(\*\*|__)[^*_]{1,60}:\2$)")
# Headings that only lay an entry out.
_LAYOUT_NAMES = (
    "statistics/stats/stat block/combat/description/actions/reactions/legendary actions/details/abilities"
    "/ability scores/general/characteristics/properties/overview/notes"
)
_LAYOUT = frozenset(_LAYOUT_NAMES.split("/"))
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


class Block(NamedTuple):
    """`heading`: what it is of; "" for the entry itself. `pairs`: each attribute once, as it is written."""

    heading: str
    pairs: list[tuple[str, str]]


class _Section:
    """What stands below one heading inside an entry."""

    def __init__(self, heading: str) -> None:
        self.heading = heading
        self.found: dict[str, tuple[str, str]] = {}

    def add(self, pair: Pair) -> bool:
        """False where it has another value of the same attribute already."""
        known = self.found.setdefault(labels.attribute(pair.key), (pair.key, pair.value))
        return known[1] == pair.value


def read(lines: Sequence[str]) -> tuple[list[Block], list[str]]:
    """What the entry in `lines` (without its heading) states; what looks like it and is not, and why.

    Parts of an entry that state the same attributes are entries of their own, called as they are headed.
    """
    sections = [_Section("")]
    whys: list[str] = []
    at_head = True
    if len(lines) > MOST_LINES:
        whys.append(f"more than {MOST_LINES:,} lines")
    for paragraph in _paragraphs(lines[:MOST_LINES]):
        if len(paragraph) == 1 and (heading := _heading(paragraph[0])) is not None:
            at_head = at_head or bool(heading)
            sections.append(_Section(heading))
            continue
        pairs, rest = _pairs(paragraph, at_head)
        sure = sum(pair.sure for pair in pairs)
        enough = (sure * 2 >= len(pairs) and (sure > 1 or (sure == 1 and at_head))) or (
            at_head and len(pairs) > 2
        )
        at_head = False
        if not enough:
            whys += [f"{_why(pair)}: {pair.key}: {pair.value}" for pair in pairs]
            continue
        whys += [f"a second value: {p.key}: {p.value}" for p in pairs if not sections[-1].add(p)]
        whys += [f"a line of a block that is no pair: {line}" for line in rest]
    return _apart(sections), whys


def _why(pair: Pair) -> str:
    return "a single line in the text" if pair.sure else "no name of an attribute"


def _apart(sections: Sequence[_Section]) -> list[Block]:
    names = [name for section in sections for name in section.found]
    if len(names) == len(set(names)):
        whole = [pair for section in sections for pair in section.found.values()]
        return [Block("", whole)] if whole else []
    own: dict[str, list[tuple[str, str]]] = {}
    for section in sections:
        if section.found:
            own.setdefault(section.heading, []).extend(section.found.values())
    return [Block(heading, pairs) for heading, pairs in own.items() if len(dict(pairs)) == len(pairs)]


def _heading(line: str) -> str | None:
    """The heading that `line` is, "" for one that only lays an entry out; None where it is none."""
    if not _HEADING.match(line):
        words = line.rstrip("*").split()
        short = len(words) <= 6 and len(line) <= 60 and not _COLON.match(line) and line[-1] not in ".:;,!?"
        if (
            not short
            or not all(word[0].isupper() or len(word) < 4 for word in words)
            or not words[0][0].isupper()
        ):
            return None
    text = clean(line.lstrip("#")).rstrip(":*").strip()
    return "" if text.lower() in _LAYOUT else text


def _paragraphs(lines: Sequence[str]) -> Iterator[list[str]]:
    """Lines that stand together. Pairs that are paragraphs of their own stand together, too."""
    current: list[str] = []
    blank = False
    for line in lines:
        line = _MARK.sub("", line.strip())
        if not line:
            blank = True
            continue
        if (current and (_HEADING.match(line) or _HEADING.match(current[-1]))) or (
            blank and current and not (_goes_on(line) and _pair(current[-1]))
        ):
            yield current
            current = []
        blank = False
        current.append(line)
    if current:
        yield current


def _goes_on(line: str) -> bool:
    """Whether `line`, a paragraph by itself, may belong to the pairs above it."""
    pair = _pair(line)
    return pair is not None and (pair.sure or line.startswith("**"))


def _pairs(paragraph: Sequence[str], at_head: bool) -> tuple[list[Pair], list[str]]:
    """The pairs in lines that stand together, and the lines that are none."""
    pairs: list[Pair] = []
    rest: list[str] = []
    plain = [line for line in paragraph if (start := _PLAIN_START.match(line)) and is_certain(start[1])]
    for line in paragraph:
        may_be = ":" in line or "=" in line or line.startswith(("**", "__")) or _PLAIN_START.match(line)
        if len(line) > _LONGEST_LINE:
            rest.append(line)
        elif may_be and (several := _several(line)):
            pairs += several
        elif may_be and (pair := _pair(line)):
            pairs.append(pair)
        elif len(plain) > 1 and (start := _PLAIN_START.match(line)):
            pairs.append(Pair(start[1], clean(line[start.end() :]), True))
        elif at_head and not pairs and (unnamed := _unnamed(line)):
            pairs += unnamed
        elif pairs and not rest and line[0].islower() and len(pairs[-1].value) < _LONGEST_VALUE:
            # A line that was broken goes on in the case it began in.
            pairs[-1] = pairs[-1]._replace(value=f"{pairs[-1].value} {clean(line)}")
        else:
            rest.append(line)
    return pairs, rest


def is_certain(key: str) -> bool:
    """Whether an attribute called so is one of a monster or a character, and nothing else."""
    return labels.attribute(key) in _STRICT


def _pair(line: str) -> Pair | None:
    if len(line) > _LONGEST_LINE:
        return None
    line = " ".join(line.split())
    found = _COLON.match(line) or _BOLD.match(line)
    if found is None:
        return None
    key, value = clean(found[2]), clean(found[3])
    if (
        not _KEY.fullmatch(key)
        or len(key.split()) > _MOST_KEY_WORDS
        or (key.endswith(".") and "no" not in key.lower())
    ):
        return None
    if not value or len(value) > _LONGEST_VALUE:
        return None
    if len(value) > _LONGEST_SENTENCES and _SENTENCE_END.search(value):
        return None
    if _SENTENCE.search(key):
        return None
    start = _PLAIN_START.match(key)
    sure = is_known(key) or (start is not None and is_certain(start[1]))
    if not sure and (_BOLD.match(line) or key[0].islower()):
        return None
    return Pair(key, value, sure)


def _several(line: str) -> list[Pair]:
    """The pairs of a line that has more than one: `AC 19; HP 225`, `AC: 5, HD: 3+1`; [] where it has not."""
    pieces: list[str] = []
    for piece, end in _pieces(line):
        # A piece in lower case goes on with the value before it: "12\", fly 18\"", "one creature, range 10".
        start = None if pieces and piece[:1].islower() and piece[:2] != "hp" else _PLAIN_START.match(piece)
        colon = _COLON.match(piece) or _BOLD.match(piece)
        named = bool(start) or bool(colon and is_known(clean(colon[2])))
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
        colon = _COLON.match(piece) or _BOLD.match(piece)
        start = _PLAIN_START.match(piece)
        if colon and is_known(clean(colon[2])):
            pairs.append(Pair(clean(colon[2]), clean(colon[3]), True))
        elif start:
            plain.append(clean(piece[start.end() :]))
            pairs.append(Pair(start[1], plain[-1], True))
    if any(_PLAIN_START.match(pair.value) for pair in pairs):
        # "Saving Throws Con +6, Int +8" is one value.
        return []
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


def _unnamed(line: str) -> list[Pair]:
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
        and 0 < len(str(value)) <= _LONGEST_VALUE
    ]


def is_known(key: str) -> bool:
    """Whether the game calls an attribute so."""
    return labels.attribute(key) in _KNOWN
