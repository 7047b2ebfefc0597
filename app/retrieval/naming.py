"""The forms in which a question may name a label in full: a column's, a row's, an entry's.

Forms are those of `app.retrieval.wording.forms`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from app.index import labels, terms
from app.retrieval import wording
from app.retrieval.wording import words_of

_PARENTHESES = terms.expression(r"[(\[]([^()\[\]]*)[)\]]")
_LETTER = terms.expression(r"[^\W\d_]")
_DIGIT = terms.expression(r"\d")
_OR = terms.expression(r"(?<!\s)\s+or\s+|/")
_LISTED = terms.expression(r"(?<!\s)\s+(?:or|and)\s+|[,/&]")
_ALSO = terms.expression(r"\b(?:and|or|also|including)\b|,")
# What a price is for, not what is sold: "per vial", "50'".
_FOR_EACH = frozenset(("per", "each"))
_MEASURES = wording.listed("feet foot ft lb lbs pound pounds inch inches day days week weeks")
# Words of a column's label that a question leaves out.
_NOTHING = frozenset[str]()
_LOOSE = wording.roots("chance percent survival base rate effect")
_UNITS = wording.roots("gp sp cp lb lbs pounds feet")
_GENERAL = wording.roots("number amount score value figure roll points listed required needed")
_UNTELLING = _LOOSE | _GENERAL | wording.SOFT | wording.roots("bonus penalty modifier adjustment")
_BOTH = terms.expression(r"(?<!\w)(?:and|or|&)(?!\w)", re.IGNORECASE)
_MARKS = terms.expression(r"[*†‡§]+")


@lru_cache(maxsize=8192)
def column_forms(label: str) -> frozenset[str]:
    """A column's words, one of those that it offers, its common name."""
    bare = without_marks(label)
    if (known := labels.attribute(bare)) in wording.ATTRIBUTES:
        return frozenset((known.replace(" ", ""),))
    texts = [label, bare]
    parts = [part.strip() for part in _LISTED.split(bare) if part.strip()]
    if len(parts) > 1:
        # The level of "Level/X.P. value" is none of a character's.
        texts += [part for part in parts if labels.attribute(part) in wording.ATTRIBUTES - {"level"}]
        texts += parts if "/" not in bare or all(" " not in part for part in parts) else []
    if len(parts) == 2:
        first, second = parts[0].split(), parts[1].split()
        # "Find/remove traps", "Damage vs. small/medium"
        if len(first) == 1 < len(second) and labels.attribute(parts[1]) not in wording.ATTRIBUTES:
            texts += [" ".join((*first, *second[1:])), parts[1]]
        if len(first) > 1 == len(second):
            texts += [" ".join((*first[:-1], *second)), parts[0]]
    forms: set[str] = set()
    for text in texts:
        words = words_of(text)
        for left_out in (_NOTHING, _LOOSE, _GENERAL, _UNITS):
            left = [word for word in words if word not in left_out]
            if not left_out or not _UNTELLING.issuperset(left):
                forms |= _named(left, text)
    return frozenset(forms)


@lru_cache(maxsize=4096)
def head(label: str) -> tuple[str, ...]:
    """What a column may share with others: "damage" of "Damage vs. large", "spell" of "Spells: 3"."""
    words = words_of(label)
    plain = tuple(word for word in words if not word[0].isdigit() and word != "level")
    if len(plain) < len(words):
        return plain
    before, found, _ = label.partition(" vs")
    if not found:
        before, found, _ = label.partition(": ")
    return words_of(before) if found else ()


@lru_cache(maxsize=16384)
def row_forms(label: str) -> frozenset[str]:
    """A row's name, with and without its quantity, and either of two."""
    bare = without_marks(label)
    texts = [label, bare]
    texts += [inside for inside in _PARENTHESES.findall(label) if not _DIGIT.search(inside)]
    texts.append(_without_quantity(bare))
    either = [part.strip() for part in _OR.split(bare)]
    # Of "Skin for water or wine" the wine is none.
    if "," not in bare and not any(" " in part for part in either):
        texts += either
    return frozenset(form for text in texts if _LETTER.search(text) for form in _inverted(text))


@lru_cache(maxsize=4096)
def entry_forms(title: str) -> frozenset[str]:
    """An entry's names: of "Ghoul (and Ghast)" "ghoul", "ghast" and both."""
    forms = _inverted(title) | _inverted(without_marks(title))
    for inside in _PARENTHESES.findall(title):
        for part in _ALSO.split(inside):
            if len(part.strip()) > 3:
                forms |= _inverted(part)
    return frozenset(forms)


@lru_cache(maxsize=1024)
def title_parts(title: str) -> tuple[frozenset[str], ...]:
    """Each word of `title`, those of a list together: "Clerics, Druids and Monks" are one part."""
    parts: list[frozenset[str]] = []
    for n, piece in enumerate(_LISTED.split(_PARENTHESES.sub("", title))):
        words = words_of(piece)
        if n and parts and words:
            parts.append(parts.pop() | {words[0]})
            words = words[1:]
        parts += [frozenset((word,)) for word in words]
    return tuple(parts)


def _without_quantity(text: str) -> str:
    """ "Holy water" of "Holy water, per vial", "rope" of "Rope, 50 feet"."""
    words = text.split()
    of_each = [n for n, word in enumerate(words) if n and word.lower() in _FOR_EACH]
    words = words[: of_each[0]] if of_each else words
    if len(words) > 2 and words[-1].lower().strip(".,'") in _MEASURES and words[-2][0].isdigit():
        words.pop()
    # Six torches are no torch.
    if len(words) > 1 and words[-1][0].isdigit() and not words[-1].isdigit():
        words.pop()
    return " ".join(words).rstrip(", ")


def without_marks(label: str) -> str:
    """`label` without what stands in parentheses, and without the marks of footnotes."""
    text = _PARENTHESES.sub(" ", label) if "(" in label or "[" in label else label
    if "*" in text or not text.isascii():
        text = _MARKS.sub("", text)
    return " ".join(text.split()).replace(" ,", ",") or label


def _inverted(text: str) -> set[str]:
    """The forms of `text`, and of "red dragon" for "Dragon, Red"; with the number for a Roman one."""
    parts = text.split(",")
    forms: set[str] = set()
    for order in (parts, parts[::-1]) if 1 < len(parts) < 5 else (parts,):
        words = [word for part in order for word in words_of(part)]
        forms |= _named(words, text)
        forms |= _named([terms.ROMAN.get(word, word) for word in words], text)
    return forms


def _named(words: list[str], text: str) -> set[str]:
    return wording.forms(words) | (wording.forms(words, True) if words and _BOTH.search(text) else set())
