"""Text from elsewhere as it stands in a prompt: passages, questions, conversations, any of which may be written to be obeyed.

It keeps its words. What it loses is what makes words more than words: characters that no reader sees, the marks by which
templates of models divide one turn from the next, numbers of passages, and the beginnings of lines. This is no guard against a
model that obeys what it reads; what such a model says is bounded elsewhere (docs/security.md).
"""

from __future__ import annotations

import re

# Control characters, marks of direction or of no width, tags ("ASCII smuggling"), halves of characters. Joiners stay: in some
# scripts they are spelling.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]+"
)
# "<|im_start|>", "</s>", "<start_of_turn>", "<<SYS>>", "[INST]": servers of models of one's own take them for turns wherever
# they stand. A blank behind the bracket makes them words.
_TURN = re.compile(r"<(?=[|｜/_<A-Za-z])|\[(?=/?[A-Z_]{3,20}\])")
# What this program reads as a citation (`app.grounding.citations`).
_NUMBER = re.compile(r"\[([0-9]{1,3}(?:\s*[,;–-]\s*[0-9]{1,3})*)\]")


def spoken(text: str) -> str:
    """A turn of a conversation: its lines and its citations stay, as they show how answers look."""
    return _TURN.sub(r"\g<0> ", _UNSEEN.sub("", "\n".join(text.splitlines())))


def on_one_line(text: str) -> str:
    """A question: no line of it can begin like a passage."""
    return " ".join(spoken(text).split())


def heading(*parts: str) -> str:
    """The parts that there are of a passage's name and place, on one line."""
    return " | ".join(_NUMBER.sub(r"(\1)", on_one_line(part)) for part in parts if part)


def quoted(text: str) -> str:
    """A passage: each of its lines begins with ">", so that none can begin another passage, or the question."""
    return "\n".join(f"> {line}".rstrip() for line in _NUMBER.sub(r"(\1)", spoken(text.strip())).split("\n"))
