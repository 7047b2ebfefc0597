"""Worked examples in the rules come out as they say: computed anew from the figures that the passage
gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.unit.rules.agreements import figure
from tests.unit.rules.passages import Check, Passages, by_id, number

# A passage, its example, and what must hold of the figures in the parentheses.
_EXAMPLES: tuple[tuple[str, str, Callable[..., bool]], ...] = (
    (
        "sg-augury",
        r"is (\d+)%, plus (\d)% per level .* \(a (\d+)th level cleric has (\d+)%\)",
        lambda base, per, level, out: base + per * level == out,
    ),
    (
        "sg-call-lightning",
        (
            r"(\d)d8 points of damage plus (\d)d8 per level of the druid, so an (\d+)th level druid's stroke does "
            r"(\d+)d8"
        ),
        lambda base, per, level, out: base + per * level == out,
    ),
    (
        "sg-cone-of-cold",
        r"(\d)d4\+(\d) points of damage per level, so a (\d+)th level caster does (\d+)d4\+(\d+)",
        lambda dice, plus, level, out, more: (dice * level, plus * level) == (out, more),
    ),
    (
        "sg-dispel-magic",
        (
            r"chance is (\d+)%.*add (\d)%; .* subtract (\d)%.* a (\d+)th level caster against a (\d+)th level one "
            r"has (\d+)%, and the other way about (\d+)%"
        ),
        lambda base, up, down, high, low, better, worse: (
            (base + up * (high - low), base - down * (high - low)) == (better, worse)
        ),
    ),
    (
        "sg-faerie-fire",
        r"(\d+) feet of length per level: about (one) man-sized",
        lambda feet, one: feet == 12 * one,
    ),
    (
        "sg-fear",
        r"is (\d+)% for a 1st level .* less (\d)% for each level above that, so a (\d+)th level victim has (\d+)%",
        lambda base, per, level, out: base - per * (level - 1) == out,
    ),
    (
        "sg-prismatic-wall",
        (
            r"than (\d+)' wide and (\d+)' high for each level of the illusionist, so a (\d+)th level illusionist "
            r"makes one of (\d+)' by (\d+)'"
        ),
        lambda wide, high, level, a, b: (wide * level, high * level) == (a, b),
    ),
    (
        "sg-prismatic-sphere",
        (
            r"Red .*\| (\d+) points [\s\S]*Orange .*\| (\d+) points [\s\S]*Yellow .*\| (\d+) points [\s\S]*The "
            r"(\d+) points of damage from the first three"
        ),
        lambda red, orange, yellow, out: red + orange + yellow == out,
    ),
    (
        "sg-ray-of-enfeeblement",
        r"by (\d+)%, plus (\d)% for each level of the caster above (\d)rd \(a (\d)th level caster takes (\d+)%\)",
        lambda base, per, above, level, out: base + per * (level - above) == out,
    ),
    (
        "sg-time-stop",
        r"for (\d)-(\d) segments plus (half) a segment per level \(an (\d+)th level caster has (\d+)-(\d+)\)",
        lambda low, high, _, level, least, most: (low + level / 2, high + level / 2) == (least, most),
    ),
    (
        "sg-boots-of-speed",
        (
            r"movement of (\d+)\"[\s\S]*For each (\d+) pounds .* over (\d+) pounds the rate falls by (\d)\"; thus "
            r"a man of (\d+) pounds with (\d+) pounds of gear moves (\d+)\""
        ),
        lambda rate, each, free, per, man, gear, out: rate - per * (man + gear - free) / each == out,
    ),
    (
        "sg-haste",
        r"move (\d+)\" and (one) attack gets (\d+)\" and (two) attacks",
        lambda move, one, fast, two: (2 * move, 2 * one) == (fast, two),
    ),
    (
        "sg-potion-of-speed",
        r"move (\d+)\" becomes (\d+)\"",
        lambda move, fast: 2 * move == fast,
    ),
    (
        "sg-wand-of-fire",
        r"(\d+)-(\d+) \((\d)d6\+(\d)\)",
        lambda low, high, dice, plus: (dice + plus, 6 * dice + plus) == (low, high),
    ),
    (
        "sg-rods-staves-and-wands",
        r"a rod has (\d+)-(\d+) charges \((\d+) less (\d)-(\d)\)",
        lambda low, high, most, least, less: (most - less, most - least) == (low, high),
    ),
    (
        "sg-lightning-bolt",
        r"(\d+)' wide and (\d+)' long or a straight one (\d+)' wide and (\d+)' long",
        lambda wide, short, narrow, long: wide * short == narrow * long,
    ),
    (
        "sr-fighter-attacks",
        r"A (\d)th level fighter among goblins thus has (\d) attacks",
        lambda level, attacks: level == attacks,
    ),
    (
        "sr-time",
        (
            r"turn is (\d+) minutes and holds (\d+) rounds. One round is (\d) minute and holds (\d+) segments. "
            r"One segment is (\d) seconds"
        ),
        lambda minutes, rounds, minute, segments, seconds: (
            (minutes, 60 * minute) == (rounds * minute, segments * seconds)
        ),
    ),
    (
        "st-coin-exchange",
        r"(\d+) copper = (\d+) silver = (\d) electrum = (\d) gold = 1/(\d) platinum",
        lambda copper, silver, electrum, gold, platinum: (
            (copper, silver) == (10 * silver, 10 * electrum) and (electrum, gold, platinum) == (2, 1, 5)
        ),
    ),
    (
        "st-dexterity",
        r"\((-\d) takes AC (\d+) to AC (\d)\)",
        lambda change, before, after: before + change == after,
    ),
    (
        "st-monster-experience",
        r"1-1 to (1) \| (\d+) \| (\d) [\s\S]*orc of 1 Hit Die and (\d) hit points is worth (\d+)",
        lambda dice, basic, per, points, out: basic + per * points == out,
    ),
    (
        "st-save-monster",
        r"every (\d) points or part of \d[\s\S]*troll of (\d)\+(\d) Hit Dice saves as an (\d)th",
        lambda every, dice, plus, level: dice + -(-plus // every) == level,
    ),
    (
        "st-attack-monster",
        r"AC 4 \|(?: \d+ \|){5} (\d+) [\s\S]*ogre of 4\+1 Hit Dice hits AC 4 on (\d+)",
        lambda cell, out: cell == out,
    ),
    (
        "sb-dragon",
        r"ancient (\d)-die dragon with (\d+) hit points saves as (\d+) hit dice",
        lambda dice, points, out: (8 * dice, points / 4) == (points, out),
    ),
    (
        "sb-hydra",
        r"always (\d) hit points per die, so each head has (\d) hit points",
        lambda die, head: die == head,
    ),
    (
        "sb-manticore",
        r"volleys of (\d),.* with (\w+) volleys \((\d+) spikes\)",
        lambda volley, volleys, spikes: volley * volleys == spikes,
    ),
    (
        "sb-tiamat",
        r"(\w+) heads[\s\S]*Each head has (\d+) hit points of its own and the body (\d+), together (\d+)",
        lambda heads, head, own, out: heads * head + own == out,
    ),
)


def examples(passages: Passages) -> Iterator[str]:
    for identity, pattern, holds in _EXAMPLES:
        found = re.search(pattern, by_id(passages, identity))
        if not found:
            yield f"{identity}: nothing like {pattern!r}"
        elif not holds(*(_value(text) for text in found.groups())):
            yield f"{identity}: does not come out: {found.groups()}"


def _value(text: str) -> int:
    return 0 if text == "half" else number(figure(text))


CHECKS: tuple[Check, ...] = (examples,)
