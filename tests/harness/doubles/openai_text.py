"""Text for the OpenAI double: tokens counted by bytes, vectors made of words, and an answer made of the
passages.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from array import array
from collections import Counter
from collections.abc import Sequence

BYTES_PER_TOKEN = 4
QUOTED_PASSAGES = 3

# Words that say nothing of what a text is about; left in, they would make every two sentences near each
# other.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can do does for from has have how if in is it its may no not of on or that the their "
        "there they this to was what when which will with you",
    )
)
_WORD = re.compile(r"\w+")
_PASSAGE = re.compile(r"\s*\[(\d{1,3})\]\s*(.*)")


def count_tokens(text: str | bytes) -> int:
    """About as many tokens as English text has: one for every four bytes, rounded up.

    What is beyond the basic plane (emoji, rare characters) real tokenizers hardly know: one for every byte.
    """
    if isinstance(text, bytes):
        return math.ceil(len(text) / BYTES_PER_TOKEN)
    rare = 4 * sum(character > "\uffff" for character in text)
    return math.ceil((len(text.encode()) - rare) / BYTES_PER_TOKEN) + rare


def first_tokens(text: str, count: int) -> str:
    """The part of a text that fits in so many tokens, cut between characters."""
    return text.encode()[: count * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def embed(item: str | Sequence[int], dimensions: int) -> array[float]:
    """A vector of length 1 (32-bit floats) from the words of a text, or from token numbers.

    Every word adds to one place that its hash picks, so texts with words in common are near each other, and
    the same text has the same vector on every machine. Not a language model: synonyms are strangers to it.
    """
    words = _WORD.findall(item.casefold()) if isinstance(item, str) else [str(token) for token in item]
    weights: Counter[str] = Counter(word for word in words if word not in _COMMON)
    if not weights:
        weights = Counter(words) or Counter([str(item)])
    vector = [0.0] * dimensions
    for word, count in weights.items():
        number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        vector[(number >> 1) % dimensions] += math.sqrt(count) * (1 if number & 1 else -1)
    length = math.sqrt(sum(value * value for value in vector))
    if not length:
        # Two words that cancelled each other out; the text still needs a direction.
        vector[0] = length = 1.0
    return array("f", (value / length for value in vector))


def encode_base64(vector: array[float]) -> str:
    """Little-endian 32-bit floats in base64, the form the official client asks for."""
    return base64.b64encode(vector.tobytes()).decode()


def passages(message: str) -> list[tuple[int, str]]:
    """The numbered passages of a prompt, each by its first line: what stands behind [1], [2], … or on the
    next line.
    """
    found: list[tuple[int, str]] = []
    number: int | None = None
    for line in message.splitlines():
        match = _PASSAGE.match(line)
        text = line.strip()
        if match:
            number, text = int(match[1]), match[2].strip()
        if number is not None and text:
            found.append((number, text))
            number = None
    return found


def answer_from(message: str) -> str:
    """What the double says to a user's message: the first lines of its first passages, each with its
    citation.
    """
    found = passages(message)
    if not found:
        asked = message.strip().splitlines()[-1][:200] if message.strip() else ""
        return f"The passages do not answer this: {asked}"
    quotes = [f"- {line} [{number}]" for number, line in found[:QUOTED_PASSAGES]]
    return "The books say:\n\n" + "\n".join(quotes)


def words(text: str) -> list[str]:
    """A text in the pieces a stream brings it in: a word and the space before it."""
    return re.findall(r"\s*\S+|\s+$", text)
