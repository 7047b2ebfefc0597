"""What values are worth: whether two are one, what they can be at least and at most, sums that are shown."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from functools import lru_cache

from app.grounding.figures import Token, Value
from app.index import labels

_DICE = re.compile(r"(\d{1,4}|%)(?:([-+x])(\d{1,5}))?")
_STATED_IN = frozenset(("foot", "inch", "yard"))


def same(said: Value, stated: Value, penalty: bool = False) -> bool:
    """Whether they are one value; one of several numbers in `stated` will do. `penalty`: of a number without
    a sign, that it is taken off."""
    if said.amount != stated.amount and said.amount not in stated.parts:
        return False
    if said.unit and stated.unit and said.unit != stated.unit and not {said.unit, stated.unit} <= _STATED_IN:
        return False
    if (said.sign == "-") != (stated.sign == "-"):
        return penalty and "+" not in (said.sign, stated.sign)
    return True


@lru_cache(maxsize=4096)
def bounds(value: Value | None) -> tuple[float, float] | None:
    """The least and the greatest that it can be; None of what is no number."""
    if value is None:
        return None
    try:
        if value.kind == "dice":
            count, rest = value.amount.split("d", 1)
            sides, sign, more = _DICE.fullmatch(rest).groups()  # type: ignore[union-attr]
            low, high = float(count), float(count) * float(100 if sides == "%" else sides)
            change = {"+": operator.add, "-": operator.sub, "x": operator.mul}.get(sign)
            return (change(low, float(more)), change(high, float(more))) if change else (low, high)
        numbers = [limit for part in value.parts or (value.amount,) for limit in _limits(part)]
    except (ValueError, AttributeError, IndexError):
        return None
    if value.sign == "-":
        numbers = [-number for number in numbers]
    return min(numbers), max(numbers)


def _limits(amount: str) -> tuple[float, float]:
    whole, _, fraction = amount.rpartition(" ")
    over, divided, under = fraction.partition("/")
    if divided and over != "18":
        number = float(whole or 0) + int(over) / (int(under) or 1)
        return number, number
    return labels.spans(amount)[0]


_OPERATORS = {"+": "+", "-": "-", "×": "*", "x": "*", "*": "*", "/": "/", "÷": "/", "plus": "+", "minus": "-",
              "times": "*"}  # fmt: skip
# So many tokens before "=" a sum may begin.
_LONGEST_SUM = 40
_NEAR_DICE = 6


def sums(tokens: Sequence[Token], source: str) -> dict[int, str]:
    """The results of sums that are shown ("5 × 8 = 40", "2d6 averages 7"), by place: "" of a right one, else
    the sum with what comes out. `source` is the text of the tokens."""
    found: dict[int, str] = {}
    for at, token in enumerate(tokens):
        if token.stem == "=":
            result = next((i for i in (at + 1, at + 2) if i < len(tokens) and tokens[i].value), None)
            worked = _worked_out(tokens, at)
            stated = bounds(tokens[result].value) if result else None
            if result is None or worked is None or stated is None:
                continue
            first, (low, high) = worked
            if low != high and stated[0] == stated[1]:
                continue
            right = abs(stated[0] - low) < 0.01 and abs(stated[1] - high) < 0.01
            shown = f"{low:g}" if low == high else f"{low:g}-{high:g}"
            found[result] = "" if right else f"{source[tokens[first].start : tokens[at - 1].end]} = {shown}"
        elif token.stem == "average":
            near = range(max(0, at - _NEAR_DICE), min(len(tokens), at + _NEAR_DICE + 1))
            dice = [i for i in near if (v := tokens[i].value) and v.kind == "dice"]
            plain = [i for i in near if (v := tokens[i].value) and v.kind == "number"]
            plain = [i for i in plain if i > at] or plain
            if len(dice) == 1 and plain and (limits := bounds(tokens[dice[0]].value)):
                stated, mean = bounds(tokens[plain[0]].value), sum(limits) / 2
                if stated:
                    shown = source[tokens[dice[0]].start : tokens[dice[0]].end]
                    found[plain[0]] = "" if abs(stated[0] - mean) <= 0.5 else f"{shown} averages {mean:g}"
    return found


def _worked_out(tokens: Sequence[Token], end: int) -> tuple[int, tuple[float, float]] | None:
    """The sum before the sign at `end`: its first token, and what comes out at least and at most."""
    numbers: list[tuple[float, float]] = []
    operators: list[str] = []
    first, wanted = end, True
    for at in range(end - 1, max(-1, end - _LONGEST_SUM), -1):
        token = tokens[at]
        if token.value:
            limits = bounds(token.value)
            if limits is None or (not wanted and not tokens[first].value.sign):  # type: ignore[union-attr]
                break
            if not wanted:
                # "5 +3": the sign is the number's.
                operators.insert(0, "+")
            numbers.insert(0, limits)
            first, wanted = at, False
        elif token.stem in _OPERATORS:
            if wanted:
                return None
            operators.insert(0, _OPERATORS[token.stem])
            wanted = True
        elif not token.stem[:1].isalpha() or token.stem in ("is", "be", "are"):
            break
    if wanted:
        operators = operators[1:]
    # Dice and what is added to them are one value.
    summed = len(numbers) > 1 or (len(numbers) == 1 and numbers[0][0] < numbers[0][1])
    if not summed or len(operators) != len(numbers) - 1:
        return None
    # Products first.
    added = [("+", numbers[0])]
    for sign, (low, high) in zip(operators, numbers[1:], strict=True):
        before, (least, most) = added[-1]
        if sign == "*":
            added[-1] = (before, (least * low, most * high))
        elif sign == "/":
            if not low or not high:
                return None
            added[-1] = (before, (least / high, most / low))
        else:
            added.append((sign, (low, high)))
    low = sum(one[0] if sign == "+" else -one[1] for sign, one in added)
    high = sum(one[1] if sign == "+" else -one[0] for sign, one in added)
    return first, (low, high)
