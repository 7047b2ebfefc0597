"""The forms of questions that no cell of a book answers exactly."""

from __future__ import annotations

CONDITIONS = (
    "with a +1 sword",
    "at night",
    "as an elf",
    "if it is asleep",
    "against undead",
    "under water",
    "while it is charging",
    "when it is wounded",
    "in plate mail",
    "after a haste spell",
    "during a storm",
    "if it surprised us",
    "with my back to the wall",
    "unless it is blind",
)
REASONS = (
    "Why is the {noun} of {a} what it is?",
    "How is the {noun} of {a} worked out?",
    "Should I worry about the {noun} of {a}?",
    "What does the {noun} of {a} mean?",
    "Can the {noun} of {a} be changed?",
    "how does the {noun} of {a} work",
    "why does {a} have that {noun}",
    "Is the {noun} of {a} any good?",
    "should we fear {a} for its {noun}?",
    "How do I use the {noun} of {a}?",
)
SUMS = (
    "What is the {noun} of {a} plus 2?",
    "Twice the {noun} of {a}?",
    "What is the {noun} of five {n}s together?",
    "total {noun} of 3 {n}s",
    "How much is the {noun} of {a} on average?",
    "half the {noun} of {a}",
    "{noun} of {a} minus 1",
)
NEGATIONS = (
    "What {noun} does {a} not have?",
    "Which monsters do not have the {noun} of {a}?",
    "What is not the {noun} of {a}?",
    "everything without the {noun} of {a}",
    "the {noun} of all but {a}",
)
SECOND_PARTS = (
    "and how do I hit it?",
    "and can it be charmed?",
    "and how does initiative work?",
    "and what happens when a character dies?",
    "and why?",
    "and should we run?",
    "and how do we get past it?",
    "and does it regenerate?",
)
SUPERLATIVES = (
    "Which one has the highest {noun}?",
    "What has the lowest {noun}?",
    "the best {noun} of all?",
    "Is there anything with a better {noun} than {a}?",
    "what has a worse {noun} than {a}",
    "Who has the most {noun}?",
    "strongest creature by {noun}",
    "Is the {noun} of {a} the highest there is?",
)
# Words before a subject or an attribute that make it another one.
CHANGED = """wounded sleeping invisible armored charmed drunken blinded mounted hasted summoned captured dead
    polymorphed unarmed"""
QUALIFIED = "maximum average temporary touch effective ranged minimum modified usual remaining"
BACKWARDS = (
    "Which monsters have the {noun} {v}?",
    "what has a {noun} of {v}",
    "Who else has the {noun} of {a}?",
    "How many have {noun} {v}?",
    "everything with {noun} {v}",
)
ELSEWHERE = (
    "{noun} of {a} in another edition",
    "What is the {noun} of {a} in Pathfinder?",
    "{n} {noun} according to our house rules",
    "{noun} of {a} in the computer game",
    "What was the {noun} of {a} in our last session?",
)
WHETHER = (
    "Is the {noun} of {a} {v}?",
    "Does {a} have {noun} {v}?",
    "{a} has {noun} {v}, right?",
    "is it true that the {noun} of {a} is {v}",
)
ABSENT = (
    "THAC0",
    "mana",
    "stamina",
    "luck score",
    "favourite food",
    "life span",
    "sanity",
    "fatigue points",
    "birth weight",
    "wound threshold",
    "hair colour",
    "mating season",
    "initiative bonus",
    "proficiency slots",
    "renown",
)
UNSURE = (
    "What is its {noun}?",
    "and the {noun}?",
    "{noun}?",
    "what {noun} does it have",
    "How about that one's {noun}?",
)
