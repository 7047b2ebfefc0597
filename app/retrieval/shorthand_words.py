"""The words of `shorthand`: what stands for one thing only, wherever it stands. Each line: the standard words, and the
ways to write them short."""

from __future__ import annotations

from app.retrieval import glossary

_CLASS_LINES = """
fighter: ftr fgtr fghtr
magic-user: mu
cleric: clr clrc cler
thief: thf thi
paladin: pally pallie pldn
ranger: rgr rngr
illusionist: illu illus
monk: mnk
bard: brd
assassin: asn assn ass'n
druid: drd dru
"""
_OTHER_LINES = """
level: lvl lv lev lvel
levels: lvls lvs levs
experience: xp xps exp
hit points: hp hps
hit dice: hd
armor class: ac acs
treasure type: tt
treasure: treas
magic resistance: mr
to hit armor class 0 attack matrix: thac0 thaco thac
to hit: tohit 2hit
number: num nr
appearing: app appear
adjustment: adj adjs adjust adjmt
strength: str
dexterity: dex
wisdom: wis
charisma: cha chr
attack: atk att attk
attacks: atks atts attks
round: rnd rd
rounds: rnds rds
segments: segs
modifier: mod
modifiers: mods
proficiency: prof
proficiencies: profs
weapon: wpn weap
weapons: wpns weaps
movement: mv mvmt mvt
speed: spd
encumbrance: enc
initiative: init
alignment: align alignmt algn
duration: dur
range: rng
distance: dist
weight: wt
value: val
requirements: req reqs
protection: prot
invisibility: invis
radius: rad
resurrection: rez
system: sys
survival: surv
save: sv
saves: svs
crossbow: xbow
heavy: hvy
large: lrg
two-handed: 2h
water: h2o
dragon: drgn
power: pwr
languages: langs
area of effect: aoe
rate of fire: rof
percent: pct
maximum: max
character: char
characters: chars
cure light wounds: clw
cure serious wounds: csw
cure critical wounds: ccw
protection from evil: pfe
fireball: fb
Players Handbook: phb
Fiend Folio: ff
Unearthed Arcana: ua
versus: vs
before: b4
you: u ya
your: ur
because: cuz coz
through: thru
please: pls plz
want to: wanna
have to: hafta gotta
going to: gonna
them: em
what: wat wut wot
"""


def _read(lines: str) -> dict[str, str]:
    pairs = (line.split(":") for line in lines.strip().splitlines())
    return {short: standard for standard, shorts in pairs for short in shorts.split()}


def _plural(standard: str) -> str:
    return "thieves" if standard == "thief" else f"{standard}s"


_CLASSES = _read(_CLASS_LINES)
# "hitpoints", "savingthrow"
_RUN_TOGETHER = {phrase.replace(" ", ""): phrase for phrase in glossary.PHRASES if " " in phrase}
WORDS = {**_RUN_TOGETHER, **_read(_OTHER_LINES), **_CLASSES, **{f"{short}s": _plural(name) for short, name in _CLASSES.items()}}
# Classes as they are written, short or not.
CLASSES = frozenset((*_CLASSES, *_CLASSES.values()))
LEVEL = frozenset(("level", "levels", "lvl", "lvls", "lv", "lev"))
UNITS = frozenset(("gp", "sp", "cp", "ep", "pp", "hp", "xp", "ft", "lb", "lbs"))
_LAW, _GOOD = {"l": "lawful", "n": "neutral", "c": "chaotic"}, {"g": "good", "n": "neutral", "e": "evil"}
ALIGNMENTS = {a + b: f"{_LAW[a]} {_GOOD[b]}" for a in _LAW for b in _GOOD if a != "n" or b != "n"} | {"tn": "true neutral"}
