"""Questions about a table's cell as people ask them, by what the table's rows are: levels of a class, scores
of an ability, rolls, things."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tests.evaluation import forms, spoken
from tests.evaluation.truth import Cell, Numbers, numbers, same_value

# How far beyond "17+" one asks.
_BEYOND = 3
_ROLLS = re.compile(r"(?:roll )?\d*d(?:\d+|%)(?: roll)?|dice roll", re.IGNORECASE)
_SPELL_LEVEL = re.compile(r"(?:level )?(\d)(?:st|nd|rd|th)?(?: level)?(?: spells?)?", re.IGNORECASE)
# What a title of a class's table says besides the class that nobody needs to say.
_USUAL = re.compile(
    r"table|class|level|advancement|experience|points?|saving|throws?|saves?|spells?|per|day|attacks?|bonus|matrix"
    r"|abilities|functions?|for|by|of|and|the|percentages|usable"
)
# What rows are of that people name without naming the table.
_THINGS = re.compile(
    r"item|weapon|armou?r(?: type)?|name|vehicle|mount|occupation|soldier|container|deity|service|coin|shield",
    re.IGNORECASE,
)

Entries = Mapping[tuple[str, str], Sequence[Cell]]
"""Cells of statistics blocks by the entry's name as it is said and the attribute's key."""


class Found(NamedTuple):
    """A question, its form, and for each thing asked for the cells that say it (all the same)."""

    text: str
    form: str
    wanted: tuple[tuple[Cell, ...], ...]


def table_question(cell: Cell, stated: Sequence[Cell], entries: Entries, rng: random.Random) -> Found | None:
    """A question that `cell` answers; None where the same words would mean a cell of `stated` (all cells of
    tables) or of `entries` with another value, or nobody would ask so."""
    title = cell.title.lower()
    if re.search(" (level|hit dice)$", cell.column.lower()) and numbers(cell.value):
        return None  # another label of the same row, for others
    classes = spoken.classes_in(f"{cell.title} {cell.heading}")
    span = numbers(cell.row)
    if cell.heading.lower() in spoken.ABILITIES:
        return _of_score(cell, stated, rng, span) if span else None
    if "turn" in title and "level" in cell.heading.lower() and span:
        return _turning(cell, stated, rng, spoken.name(cell.column), cell.row)
    if "turn" in title and numbers(cell.column):
        return _turning(cell, stated, rng, spoken.name(cell.row), cell.column)
    if span and classes and "level" in cell.heading.lower() and _is_usual(title):
        return _of_level(cell, stated, rng, classes, span)
    if span and "experience" in cell.heading.lower():
        return _of_experience(cell, stated, rng, classes or ["character"], span)
    if re.fullmatch(r"AC -?\d+", cell.row) and classes and numbers(cell.column):
        return _to_hit(cell, stated, rng, classes)
    if re.fullmatch(r"[\d+,-]*", cell.column) or len(cell.column) < 3:
        return None
    if span and _ROLLS.fullmatch(spoken.without_brackets(cell.heading)):
        return _of_roll(cell, stated, rng, span)
    if not span and spoken.name(cell.row):
        return _of_thing(cell, stated, entries, rng)
    return _by_labels(cell, stated, rng, span) if span and cell.heading else None


def _is_usual(title: str) -> bool:
    """Whether a table's title says nothing but a class and what such tables are."""
    people = {form for singular, (plural, _) in spoken.CLASSES.items() for form in (singular, plural)}
    words = re.findall(r"[a-z]+(?:-[a-z]+)?", title.replace("magic user", "magic-user"))
    return all(word in people or _USUAL.fullmatch(word) for word in words)


def _number(span: Numbers, rng: random.Random) -> int:
    high = span.low + _BEYOND if span.high is None else span.high
    return rng.randint(span.low, high)


def _covers(label: str, number: int) -> bool:
    span = numbers(label)
    return span is not None and span.low <= number and (span.high is None or number <= span.high)


def _only(cell: Cell, stated: Sequence[Cell], means: Callable[[Cell], bool]) -> tuple[Cell, ...]:
    """`cell` and the others that `means` allows, if all say the same; else none."""
    found = [other for other in stated if means(other)]
    agree = all(same_value(cell.value, other.value) for other in found)
    return tuple(found) if agree and cell in found else ()


def _who(number: int, klass: str, rng: random.Random) -> dict[str, str]:
    """The words for somebody of a class at a level."""
    who = spoken.level(number, klass, rng)
    short = spoken.CLASSES[klass][1] if klass in spoken.CLASSES else klass
    nth = spoken.ordinal(number)
    a = spoken.with_article(who)
    return {"who": who, "a": a, "klass": klass, "short": short, "number": str(number), "nth": nth}


def _of_level(
    cell: Cell, stated: Sequence[Cell], rng: random.Random, classes: Sequence[str], span: Numbers
) -> Found | None:
    klass, number = rng.choice(classes), _number(span, rng)
    attribute = spoken.attribute(cell.column)
    saving = "sav" in cell.title.lower()

    def means(other: Cell) -> bool:
        return (
            spoken.attribute(other.column).key == attribute.key
            and "level" in other.heading.lower()
            and _covers(other.row, number)
            and ("sav" in other.title.lower()) == saving
            and klass in spoken.classes_in(f"{other.title} {other.heading}")
        )

    wanted = _only(cell, stated, means)
    words = _who(number, klass, rng) | {"noun": rng.choice(attribute.nouns)}
    spell = _SPELL_LEVEL.fullmatch(cell.column)
    if spell and re.search(r"spell|class level", f"{cell.column} {cell.title}", re.IGNORECASE):
        text, form = forms.filled(forms.SPELLS, rng, cell.half, spell=spoken.ordinal(int(spell[1])), **words)
    elif spell or re.fullmatch(r"[\d+,-]*", cell.column) or len(cell.column) < 2:
        return None
    else:
        some = forms.EXPERIENCE if attribute.key == "points" else forms.SAVE if saving else forms.LEVEL
        text, form = forms.filled(some, rng, cell.half, **words)
    return Found(text, f"level: {form}", (wanted,)) if wanted else None


def _of_experience(
    cell: Cell, stated: Sequence[Cell], rng: random.Random, classes: Sequence[str], span: Numbers
) -> Found | None:
    """Of a table whose rows are experience points, each with the level they make: read both ways."""
    klass = rng.choice(classes)
    row = [other for other in stated if (other.passage, other.place) == (cell.passage, cell.place)]
    level = next((other for other in row if other.column.lower() == "level"), None)
    reached = numbers(level.value) if level is not None else None
    if level is None or reached is None:
        return None
    # The rows of this class and level in any table.
    same = {
        (o.passage, o.place) for o in stated if o.column == level.column and _covers(o.value, reached.low)
    }
    words = _who(reached.low, klass, rng)
    if cell is level and rng.random() < 0.5:
        points = f"{_number(span, rng):,}"
        text, form = forms.filled(forms.LEVEL_OF, rng, cell.half, klass=klass, points=points)
        return Found(text, f"experience: {form}", ((level,),))
    if cell is level:
        label = level._replace(column=level.heading, value=level.row, row=level.value)
        text, form = forms.filled(forms.EXPERIENCE, rng, cell.half, **words)
        return Found(text, f"backwards: {form}", ((label,),))
    attribute = spoken.attribute(cell.column)

    def means(other: Cell) -> bool:
        of_level = (other.passage, other.place) in same
        of_level = of_level or ("level" in other.heading.lower() and _covers(other.row, reached.low))
        return (
            spoken.attribute(other.column).key == attribute.key
            and of_level
            and bool(set(spoken.classes_in(other.title) or ["character"]) & {klass})
        )

    wanted = _only(cell, stated, means)
    text, form = forms.filled(forms.LEVEL, rng, cell.half, noun=rng.choice(attribute.nouns), **words)
    return Found(text, f"experience: {form}", (wanted,)) if wanted else None


def _of_score(cell: Cell, stated: Sequence[Cell], rng: random.Random, span: Numbers) -> Found | None:
    ability, number = cell.heading.lower(), _number(span, rng)
    attribute = spoken.attribute(cell.column)

    def means(other: Cell) -> bool:
        return (
            other.heading.lower() == ability
            and _covers(other.row, number)
            and spoken.attribute(other.column).key == attribute.key
        )

    wanted = _only(cell, stated, means)
    score = rng.choice(
        [f"{ability} {number}", f"{number} {ability}", f"{spoken.ABILITIES[ability]} {number}"]
    )
    text, form = forms.filled(forms.SCORE, rng, cell.half, noun=rng.choice(attribute.nouns), score=score)
    return Found(text, f"score: {form}", (wanted,)) if wanted else None


def _to_hit(cell: Cell, stated: Sequence[Cell], rng: random.Random, classes: Sequence[str]) -> Found | None:
    klass, span = rng.choice(classes), numbers(cell.column)
    if span is None or span.high == 0:
        return None
    number = _number(span, rng)

    def means(other: Cell) -> bool:
        return (
            other.row == cell.row
            and klass in spoken.classes_in(other.title)
            and _covers(other.column, number)
        )

    wanted = _only(cell, stated, means)
    text, form = forms.filled(forms.HIT, rng, cell.half, ac=cell.row[3:], **_who(number, klass, rng))
    return Found(text, f"to hit: {form}", (wanted,)) if wanted else None


def _turning(
    cell: Cell, stated: Sequence[Cell], rng: random.Random, undead: str, levels: str
) -> Found | None:
    """Whichever way the table lies."""
    span = numbers(levels)
    if span is None or not undead:
        return None
    number = _number(span, rng)

    def means(other: Cell) -> bool:
        ways = ((other.row, other.column), (other.column, other.row))
        fits = any(spoken.name(who) == undead and _covers(at, number) for who, at in ways)
        return fits and "turn" in other.title.lower()

    wanted = _only(cell, stated, means)
    text, form = forms.filled(forms.TURN, rng, cell.half, undead=undead, **_who(number, "cleric", rng))
    return Found(text, f"turning: {form}", (wanted,)) if wanted else None


def _of_roll(cell: Cell, stated: Sequence[Cell], rng: random.Random, span: Numbers) -> Found | None:
    mine = {other.column for other in stated if other.passage == cell.passage}
    number, title = _number(span, rng), spoken.title(cell.title, rng)
    short = spoken.short_title(cell.title)
    alone = _only(cell, stated, lambda o: _covers(o.row, number) and spoken.short_title(o.title) == short)
    wanted = alone if len(mine) == 1 else _only(cell, stated, _named(cell, number))
    noun = rng.choice(spoken.attribute(cell.column).nouns)
    text, form = forms.filled(
        forms.ROLL if len(mine) == 1 else forms.ROLL_OF,
        rng,
        cell.half,
        number=str(number),
        title=title,
        noun=noun,
    )
    return Found(text, f"roll: {form}", (wanted,)) if wanted else None


def _named(cell: Cell, number: int | None) -> Callable[[Cell], bool]:
    """Whether a cell is meant by the title, the attribute and the row of `cell` (or `number` in it)."""
    title, key = spoken.short_title(cell.title), spoken.attribute(cell.column).key

    def means(other: Cell) -> bool:
        row = (
            spoken.name(other.row) == spoken.name(cell.row) if number is None else _covers(other.row, number)
        )
        return row and spoken.short_title(other.title) == title and spoken.attribute(other.column).key == key

    return means


def _of_thing(cell: Cell, stated: Sequence[Cell], entries: Entries, rng: random.Random) -> Found | None:
    thing, attribute = spoken.name(cell.row), spoken.attribute(cell.column)
    words = set(thing.split())

    def means(other: Cell) -> bool:
        # "Horn" is not asked for where there is a "Horn of Fog" with a cost as well.
        near = words <= set(spoken.name(other.row).split())
        return near and spoken.attribute(other.column).key == attribute.key

    also_said = entries.get((thing, attribute.key), [])
    wanted = _only(cell, stated, means)
    if not all(same_value(cell.value, other.value) for other in also_said):
        wanted = ()
    if not wanted or not _THINGS.fullmatch(cell.heading) or len(thing) < 4:
        return _by_labels(cell, stated, rng, None)
    noun, a = rng.choice(attribute.nouns), spoken.with_article(thing)
    asked = tuple(form for form in attribute.asked if "{n}" not in form)
    some = asked if asked and rng.random() < 0.2 else forms.THING
    wanted += tuple(also_said)
    others = [other for other in stated if (other.passage, other.column) == (cell.passage, cell.column)]
    also = rng.choice(others)
    if rng.random() < 0.15 and also.row != cell.row and len(spoken.name(also.row)) > 3:
        both = _only(also, stated, _named(also, None)), spoken.name(also.row)
        text, form = forms.filled(("{noun} of {a} and {b}", "Compare the {noun} of {a} and {b}"), rng, cell.half,
                             noun=noun, a=a, b=spoken.with_article(both[1]))  # fmt: skip
        alone = [other for other in stated if spoken.name(other.row) == both[1]]
        if both[0] and len(alone) == len([other for other in alone if other.passage == also.passage]):
            return Found(text, f"things: {form}", (wanted, both[0]))
    text, form = forms.filled(some, rng, cell.half, noun=noun, thing=thing, a=a)
    return Found(text, f"thing: {form}", (wanted,))


def _by_labels(cell: Cell, stated: Sequence[Cell], rng: random.Random, span: Numbers | None) -> Found | None:
    """By all labels, where nothing more natural is certain."""
    number = None if span is None else _number(span, rng)
    row = spoken.name(cell.row)
    if number is not None:
        row = f"{spoken.without_brackets(cell.heading).lower()} {number}"
    wanted = _only(cell, stated, _named(cell, number))
    title = spoken.title(cell.title, rng)
    noun = rng.choice(spoken.attribute(cell.column).nouns)
    text, form = forms.filled(forms.LABELS, rng, cell.half, noun=noun, row=row, title=title)
    return Found(text, f"labels: {form}", (wanted,)) if wanted else None
