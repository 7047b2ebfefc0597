"""Words of questions and of rule books, brought to one form so that they can be compared.

Everything that compares words does it through `stems`: the index when it is built, the question when it is asked. This is
not linguistics: a stem need not be a word, it only has to be the same for "wolves" and "wolf", "Grey" and "gray".
"""

from __future__ import annotations

import re
from functools import lru_cache

from app.index.plaintext import plain, without_accents

_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")

# Plurals no suffix rule gets right; the second column is the stem of the singular.
_IRREGULAR = {
    "men": "man", "women": "woman", "feet": "foot", "teeth": "tooth", "mice": "mouse", "lice": "louse", "children": "child",
    "dice": "die", "geese": "goose", "oxen": "ox", "fungi": "fungus", "octopi": "octopus", "djinn": "djinni",
    "efreet": "efreeti", "larvae": "larva", "elven": "elf", "dwarven": "dwarf",
    "axes": "axe", "shoes": "shoe", "succubi": "succubus", "incubi": "incubus",
}  # fmt: skip
_F_PLURALS = ("wolves", "elves", "dwarves", "thieves", "staves", "knives", "halves", "wives", "calves", "hooves", "loaves")
_PLURALS = (
    ("ies", "y"), ("ie", "y"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("zzes", "zz"), ("oes", "o"),
    ("s", ""),
)  # fmt: skip
# British and period spellings, as word endings or beginnings: what people type against what books print.
_SPELLINGS = (
    ("armour", "armor"), ("colour", "color"), ("honour", "honor"), ("vapour", "vapor"), ("favour", "favor"),
    ("defence", "defense"), ("offence", "offense"), ("grey", "gray"), ("centre", "center"), ("sabre", "saber"),
    ("spectre", "specter"), ("mould", "mold"), ("plough", "plow"), ("sceptre", "scepter"), ("jewellery", "jewelry"),
    ("ise", "ize"), ("ising", "izing"), ("isation", "ization"),
)  # fmt: skip

_STOP_WORDS = (
    "a about again against all also am an and another any are as at be because been being between both but by can could "
    "did do does doing done each either else every few for from get gets getting give given gives go goes got had has have "
    "having he her here hers him his how i if in into is it its just know let like lot made make makes many may me might "
    "mine more most much must my need needs neither no nor not now of off ok on one ones only or other our out over own "
    "please really s say says shall she should so some such tell than that the their them then there these they thing "
    "things this those to too under up upon us use used using versus very vs want was way we were what when where whether "
    "which while who whom whose why will with without would yes yet you your yours "
    "something anything nothing everything someone anyone somebody anybody everybody "
    "i'm i'll i've i'd im isn't aren't wasn't weren't don't doesn't didn't hasn't haven't won't can't couldn't shouldn't "
    "it's that's there's what's who's who'd how's where's let's he's she's we're you're they're we've you've they've we'll "
    "you'll they'll wouldn't whats wats whos hows wheres whens whys thats theres wont cant dont doesnt didnt isnt arent wasnt "
    "werent wouldnt couldnt shouldnt hasnt havent hadnt ive theyre theyve youre youve theyll aint dunno gimme lemme cuz "
    "lol wtf omg umm um uh hmm yo yikes nah yep yeah dude noob newb btw imo thx "
    "describe explain compare difference differences happens happen mean "
    "means work works thanks hi hello rule rules ad dnd rpg game edition"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())

# Words that make no name by themselves, with or without numbers: "4th level", "50 feet", "per day".
_GENERIC_WORDS = (
    "level foot inch yard mile day night week month year round turn segment hour minute pound gold silver copper piece gp sp "
    "cp pp hit die dice point per high higher low lower more less fewer over under least most "
    "type table part total none all any each special normal page see"
)
GENERIC = frozenset(_GENERIC_WORDS.split())

_NUMERALS = (
    "zero/zeroth one/first two/second three/third four/fourth five/fifth six/sixth seven/seventh eight/eighth nine/ninth "
    "ten/tenth eleven/eleventh twelve/twelfth thirteen/thirteenth fourteen/fourteenth fifteen/fifteenth sixteen/sixteenth "
    "seventeen/seventeenth eighteen/eighteenth nineteen/nineteenth twenty/twentieth"
)
NUMBER_WORDS = {word: str(number) for number, words in enumerate(_NUMERALS.split()) for word in words.split("/")}
ROMAN = {
    numeral: str(n) for n, numeral in enumerate(("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"), 1)
}
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")


def fold(text: str) -> str:
    """`text` as `app.index.plaintext.plain` gives it, in lower case and without accents: what words are compared in."""
    return without_accents(plain(text)).lower()


def common_spelling(folded: str) -> str:
    """`folded` text with British and period spellings made the same as the American ones."""
    for spelling, common in _SPELLINGS:
        if spelling in folded:
            folded = folded.replace(spelling, common)
    return folded


def tokens(text: str) -> list[str]:
    """The words and numbers of `text`, folded, in order; a possessive keeps its apostrophe (`healer's`)."""
    return _TOKEN.findall(fold(text))


def bare(token: str) -> str:
    """A token without its possessive or contracted ending: `healer's` as `healer`, but `o'clock` as `oclock`."""
    head = token.split("'")[0]
    return head if len(head) > 1 else token.replace("'", "")


@lru_cache(maxsize=65536)
def stem(token: str) -> str:
    """The common form of a token: possessive, plural, spelling and ordinal endings off."""
    token = bare(token)
    if ordinal := _ORDINAL.fullmatch(token):
        return ordinal[1]
    if token in _IRREGULAR:
        return _IRREGULAR[token]
    token = common_spelling(token)
    if token.endswith(_F_PLURALS):
        return token[:-3] + "f"
    if len(token) <= 3 or token.endswith(("ss", "us", "is")):
        return token
    for ending, replacement in _PLURALS:
        if token.endswith(ending) and len(token) - len(ending) >= 2:
            return token[: -len(ending)] + replacement
    return token


def stems(text: str) -> list[str]:
    """The stems of all words of `text`, in order."""
    return [stem(token) for token in tokens(text)]


def key(text: str) -> str:
    """One string for a name however it is spaced, hyphenated or numbered: `Hell Hounds` and `hellhound` have the same."""
    return "".join(stems(text))
