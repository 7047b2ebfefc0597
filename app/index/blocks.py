"""Reads statistics blocks: lines of an entry that say `KEY: value`."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST_VALUE = 400
_LINE = re.compile(
    r"^(?:[-*•] )?(?:\*\*|__)?([A-Z%#][^:*_\n]{0,38}?)(?::(?:\*\*|__)?|(?:\*\*|__):)\s+(\S.*)$"
)


def read(lines: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of name and value of the first block in `lines`; empty where there is none."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        found = _LINE.match(line.strip())
        if found and len(found[2]) <= _LONGEST_VALUE and len(found[1].split()) <= 6:
            pairs.append((found[1].strip(), found[2].strip()))
        elif len(pairs) > 1:
            break
        else:
            pairs.clear()
    return pairs if len(pairs) > 1 and len(dict(pairs)) == len(pairs) else []
