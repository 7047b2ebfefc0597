"""The forms in which people ask for a cell of a table, by what its rows are."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.evaluation.truth import Half

LEVEL = (
    "What is the {noun} of {a}?",
    "What {noun} does {a} have?",
    "{who} {noun}",
    "{noun} for {a}",
    "{noun} {who}?",
    "What's the {noun} for {a}?",
    "Tell me the {noun} of {a}",
    "what does {a} have for {noun}",
    "I need the {noun} of {a}",
    "{who}: {noun}?",
    "At level {number}, what {noun} does a {klass} have?",
    "My {klass} is {nth} level, what is his {noun}?",
    "What {noun} for {a}?",
    "I play {a}, what's my {noun}?",
    "which {noun} belongs to {a}",
)

EXPERIENCE = (
    "How many experience points does a {klass} need for {nth} level?",
    "How much xp does a {klass} need to reach {nth} level?",
    "xp for a {nth} level {klass}?",
    "lvl {number} {short} xp",
    "Experience points needed for {a}?",
    "Experience needed for {a}",
    "How much experience until a {klass} is {nth} level?",
    "At how many xp does a {klass} become {nth} level?",
    "{klass} level {number} experience",
    "How many xp to get a {klass} to level {number}?",
)

SAVE = (
    "save vs {noun} for {a}",
    "What does {a} need to save against {noun}?",
    "What must {a} roll to save against {noun}?",
    "saving throw of {a} against {noun}?",
    "{who} save vs {noun}",
    "What's the {noun} save for {a}?",
    "My {who} has to save vs {noun}, what do I need?",
    "{noun} save, {who}",
    "What number saves {a} from {noun}?",
)

SPELLS = (
    "How many {spell} level spells does {a} get?",
    "How many {spell} level spells can {a} cast?",
    "number of {spell} level spells for {a}",
    "{who}, how many {spell} level spells?",
    "{spell} level spells per day for {a}",
    "My {who}: how many {spell} level spells a day?",
    "How many spells of {spell} level does {a} have?",
    "{who} {spell} level spells",
)

LEVEL_OF = (
    "What level is a {klass} with {points} xp?",
    "what level does a {klass} have with {points} experience points",
    "{klass} {points} xp what level?",
)

SCORE = (
    "What {noun} do I get with {score}?",
    "What is the {noun} for {score}?",
    "{noun} for {score}",
    "{score} {noun}",
    "{noun} at {score}?",
    "{score}: what {noun} is that?",
    "My {score} gives which {noun}?",
    "I have {score}, what's my {noun}?",
    "{noun}, {score}?",
)

HIT = (
    "What does {a} need to roll to hit AC {ac}?",
    "{who} to hit ac {ac}",
    "To hit AC {ac} for {a}?",
    "What must {a} roll to hit armor class {ac}?",
    "What number does {a} need to hit an AC of {ac}?",
    "My {who} attacks AC {ac}, what do I need?",
    "{who} against armor class {ac}, to hit roll?",
    "What roll hits AC {ac} for {a}?",
)

TURN = (
    "What does {a} need to turn a {undead}?",
    "{who} turning {undead}",
    "{who} turn {undead}, what roll?",
    "What number turns a {undead} for {a}?",
    "My {who} tries to turn a {undead}, what roll?",
    "turn {undead}, {who}",
)

ROLL = (
    "What happens on a roll of {number} on the {title}?",
    "{title}: {number}?",
    "I rolled {number} on the {title}, what is it?",
    "{title} {number}",
    "What is {number} on the {title}?",
    "{title}, rolled a {number}",
)

ROLL_OF = (
    "{title}: {noun} for a roll of {number}?",
    "What {noun} is a {number} on the {title}?",
    "{noun} on a {number}, {title}",
)

THING = (
    "What is the {noun} of {a}?",
    "{noun} of {a}",
    "{thing} {noun}",
    "What {noun} does {a} have?",
    "{noun} {thing}?",
    "What's the {noun} for {a}?",
    "Tell me the {noun} of {a}",
    "{thing}: {noun}?",
    "what does {a} have for {noun}",
    "What {noun} for {a}?",
    "Which {noun} has {a}?",
    "{noun} on {a}",
    "could you tell me what the {noun} of {a} is?",
    "I want {a}. {noun}?",
)

LABELS = (
    "What is the {noun} for {row} in the {title}?",
    "{title}: {noun} for {row}?",
    "{title} {row} {noun}",
    "In the {title}, what {noun} does {row} have?",
    "Look up the {noun} for {row} in the {title}",
)

# Forms in which nothing of the half for tuning is asked: how it fares with people who speak otherwise.
KEPT = "(kept)"
_KEPT_PART = 0.35
_KEPT: dict[tuple[str, ...], tuple[str, ...]] = {
    LEVEL: (
        "our {who} would like to know his {noun}",
        "as {a}, what {noun} do I have?",
        "{noun} at {nth} level for a {klass}",
        "Remind me: {noun} of {a}",
        "A {klass} who has reached level {number} has what {noun}?",
    ),
    EXPERIENCE: (
        "xp total for {klass} lvl {number}",
        "To become {a} I need how much xp?",
        "what xp does {a} need",
        "experience for {klass}s, {nth} level",
    ),
    SAVE: (
        "our {who} is saving against {noun}, what number?",
        "Which roll saves {a} from {noun}?",
        "{noun} saving throw, {who}",
    ),
    SPELLS: (
        "{who}: {spell} level spells?",
        "As {a}, how many {spell} level spells do I know?",
        "How many {spell} level spells is {a} allowed?",
    ),
    HIT: (
        "our {who} swings at AC {ac}, target number?",
        "AC {ac}, {who}, what does he need?",
        "Which d20 roll hits AC {ac} for {a}?",
    ),
    TURN: ("Which roll turns a {undead} if one is {a}?", "{undead}: turning by {a}?"),
    SCORE: ("Somebody with {score}: {noun}?", "He has {score}. {noun}?", "the {noun} that goes with {score}"),
    THING: (
        "Remind me of the {noun} of {a}",
        "{a} has what {noun}?",
        "I forgot the {noun} of {a}",
        "Let me know the {noun} for {a}",
        "Got the {noun} of {a}?",
    ),
}


def filled(forms: Sequence[str], rng: random.Random, half: Half, **words: str) -> tuple[str, str]:
    """A question and its form; about facts of the half that is reported, one of the forms kept for it too."""
    form = rng.choice(forms)
    if half == "test" and rng.random() < _KEPT_PART and tuple(forms) in _KEPT:
        form = rng.choice(_KEPT[tuple(forms)])
        return form.format(**words), f"{form} {KEPT}"
    return form.format(**words), form
