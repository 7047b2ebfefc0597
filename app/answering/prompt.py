"""The prompt: the fixed instructions first, as a provider caches an unchanging beginning; the question last.

Passages, questions and conversations come from elsewhere, and any of them may be written to be obeyed. They
keep their words. They lose what makes words more than words: characters that no reader sees, the marks by
which templates of models divide one turn from the next, numbers of passages, and the beginnings of lines.
This is no guard against a model that obeys what it reads; what such a model says is bounded elsewhere
(docs/security.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from app.answering import statement
from app.answering.events import Facts
from app.models import Fact, Passage, Question, Turn
from app.pricing import MAX_PROMPT_TOKENS, TOKENS_PER_MESSAGE, token_bound

# In bounded tokens, as MAX_PROMPT_TOKENS.
MAX_HISTORY_TOKENS = 6_000
MAX_FACTS_TOKENS = 2_000

# Control characters, marks of direction or of no width, tags ("ASCII smuggling"), halves of characters.
# Joiners stay: in some scripts they are spelling.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]+"
)
# "<|im_start|>", "</s>", "<start_of_turn>", "<<SYS>>", "[INST]": servers of models of one's own take them for
# turns wherever they stand. A blank behind the bracket makes them words.
_TURN = re.compile(r"<(?=[|｜/_<A-Za-z])|\[(?=/?[A-Z_]{3,20}\])")
# What this program reads as a citation (`app.grounding.statements`).
_NUMBER = re.compile(r"\[([0-9]{1,3}(?:\s*[,;–-]\s*[0-9]{1,3})*)\]")


@cache
def instructions() -> str:
    return (Path(__file__).resolve().parent / "prompts" / "system.txt").read_text(encoding="utf-8")


def build(
    question: Question, passages: Sequence[Passage], facts: Sequence[Fact] = ()
) -> tuple[list[dict[str, str]], list[Passage]]:
    """The messages for the model, and the passages in them: as many whole ones as fit, the best first.

    Of `facts` those that stand in these passages are said before the question, as far as they fit.
    """
    messages = [{"role": "system", "content": instructions()}]
    messages += [{"role": turn.role, "content": turn.content} for turn in recent(question.history)]
    ask = f"Question: {_on_one_line(question.text)}"
    # Their numbers are those of the passages as they are given; one that does not fit takes its facts along.
    said = _said(Facts.among(facts, passages))
    left = MAX_PROMPT_TOKENS - bound(messages) - TOKENS_PER_MESSAGE
    left -= token_bound(f"Passages:\n\n\n\n{said}{ask}")
    blocks: list[str] = []
    used: list[Passage] = []
    for passage in passages:
        head = _heading(passage.name, passage.book, passage.hierarchy)
        block = f"[{len(used) + 1}] {head}\n{_quoted(passage.text)}"
        left -= token_bound(block) + 2
        if left < 0:
            break
        blocks.append(block)
        used.append(passage)
    said = _said(Facts.among(facts, used))
    messages.append({"role": "user", "content": "Passages:\n\n" + "\n\n".join(blocks) + f"\n\n{said}{ask}"})
    return messages, used


def bound(messages: Sequence[dict[str, str]]) -> int:
    """No fewer tokens than the provider will count for `messages`."""
    start_of_answer = TOKENS_PER_MESSAGE
    return start_of_answer + sum(TOKENS_PER_MESSAGE + token_bound(message["content"]) for message in messages)


def recent(history: Sequence[Turn]) -> list[Turn]:
    """The latest turns that fit, in order, as they stand in the prompt."""
    kept: list[Turn] = []
    left = MAX_HISTORY_TOKENS
    for said in reversed(history):
        turn = Turn(said.role, _cleaned(said.content))
        left -= token_bound(turn.content) + TOKENS_PER_MESSAGE
        if left < 0:
            break
        kept.insert(0, turn)
    return kept


def _cleaned(text: str) -> str:
    """A turn of a conversation: its lines and its citations stay, as they show how answers look."""
    return _TURN.sub(r"\g<0> ", _UNSEEN.sub("", "\n".join(text.splitlines())))


def _on_one_line(text: str) -> str:
    """A question: no line of it can begin like a passage."""
    return " ".join(_cleaned(text).split())


def _said(facts: Facts) -> str:
    """What the books state on the question, a quoted line each with the number of its passage."""
    lines = ["The books state:"]
    left = MAX_FACTS_TOKENS
    for number, fact in facts.stated:
        line = f"> {_heading(*statement.place(fact), fact.value)} [{number}]"
        left -= token_bound(line) + 1
        if left >= 0:
            lines.append(line)
    return "\n".join([*lines, "", ""]) if len(lines) > 1 else ""


def _heading(*parts: str) -> str:
    """The parts that there are of a name and a place, on one line."""
    return " | ".join(_NUMBER.sub(r"(\1)", _on_one_line(part)) for part in parts if part)


def _quoted(text: str) -> str:
    """A passage: each of its lines begins with ">", so that none can begin a passage or the question."""
    lines = _NUMBER.sub(r"(\1)", _cleaned(text.strip())).split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)
