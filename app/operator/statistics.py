"""A monster's statistics as text, as the owner's collection has it; questions read values from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# As the books print them; other keys are text with a capital for each word.
_LABELS = {
    "no_appearing": "No. Appearing",
    "percent_in_lair": "% in Lair",
    "no_of_attacks": "No. of Attacks",
    "damage_attack": "Damage/Attack",
    "attack_defense_modes": "Attack/Defense Modes",
    "level_xp_value": "Level/X.P. Value",
    "xp_value": "X.P. Value",
}
_SMALL_WORDS = frozenset(("of", "in", "per", "and", "or", "the"))
HEAD = "**Statistics:**"
# The types of what a book of monsters has; all stand under their names.
BESTIARY = ("monster", "category", "reference")
# What can be filtered by.
FLAT = ("frequency", "armor_class", "hit_dice", "alignment", "intelligence", "size")


def document(name: str, statistics: Mapping[str, Any], text: str) -> str:
    """`text` under its name and its statistics; a heading that it has already stays the only one."""
    first, _, rest = text.strip().partition("\n")
    heading, body = (
        (first, rest.strip()) if first.startswith("#") else (f"## {name}" if name else "", text.strip())
    )
    lines = [f"- {_label(key)}: {shown}" for key, value in statistics.items() if (shown := _as_text(value))]
    parts = [heading]
    if lines:
        parts += ["\n".join((HEAD, *lines))]
        body = f"**Description:**\n{body}" if body else ""
    return "\n\n".join(filter(None, (*parts, body)))


def flat(statistics: Mapping[str, Any]) -> dict[str, str]:
    """The values that the metadata has, too."""
    return {key: shown for key in FLAT if (shown := _as_text(statistics.get(key)))}


def _label(key: str) -> str:
    words = key.replace("_", " ").split()
    titled = [
        word if n and word in _SMALL_WORDS else word[:1].upper() + word[1:] for n, word in enumerate(words)
    ]
    return _LABELS.get(key.lower()) or " ".join(titled)


def _as_text(value: Any) -> str:
    """ "" for what is not there: null, nothing, Nil."""
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_as_text, value)))
    text = (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, bool | dict)
        else " ".join(str(value).split())
    )
    return "" if text.rstrip(".").lower() == "nil" else text
