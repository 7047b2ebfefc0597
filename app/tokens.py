"""Bounds on tokens without a tokenizer: its tables alone are larger than this program."""

from __future__ import annotations

# What a chat message costs beyond its text is 3 or 4 tokens in OpenAI's formats; the rest is margin.
TOKENS_PER_MESSAGE = 16


def bound(text: str) -> int:
    """No fewer tokens than `text` has: byte-level tokenizers never make more than one token of a UTF-8 byte.

    English rule text has about four bytes a token, so this is about four times what will be counted.
    """
    return len(text.encode())


def last(text: str, most: int) -> str:
    """The end of `text` that has at most `most` tokens by `bound`."""
    return text.encode()[-most:].decode(errors="ignore")
