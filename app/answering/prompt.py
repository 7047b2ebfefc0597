"""The prompt: the fixed instructions first (a provider caches an unchanging beginning), passages and question last."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from app.answering import material
from app.models import Passage, Question, Turn
from app.pricing import MAX_PROMPT_TOKENS, TOKENS_PER_MESSAGE, token_bound

# In bounded tokens, as MAX_PROMPT_TOKENS.
MAX_HISTORY_TOKENS = 6_000


@cache
def instructions() -> str:
    return (Path(__file__).resolve().parent / "prompts" / "system.txt").read_text(encoding="utf-8")


def build(question: Question, passages: Sequence[Passage]) -> tuple[list[dict[str, str]], list[Passage]]:
    """The messages for the model, and the passages that are in them: as many as fit, the best first, never part of one."""
    messages = [{"role": "system", "content": instructions()}]
    messages += [{"role": turn.role, "content": turn.content} for turn in recent(question.history)]
    ask = f"Question: {material.on_one_line(question.text)}"
    left = MAX_PROMPT_TOKENS - bound(messages) - TOKENS_PER_MESSAGE - token_bound(f"Passages:\n\n\n\n{ask}")
    blocks: list[str] = []
    used: list[Passage] = []
    for passage in passages:
        head = material.heading(passage.name, passage.book, passage.hierarchy)
        block = f"[{len(used) + 1}] {head}\n{material.quoted(passage.text)}"
        left -= token_bound(block) + 2
        if left < 0:
            break
        blocks.append(block)
        used.append(passage)
    messages.append({"role": "user", "content": "Passages:\n\n" + "\n\n".join(blocks) + f"\n\n{ask}"})
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
        turn = Turn(said.role, material.spoken(said.content))
        left -= token_bound(turn.content) + TOKENS_PER_MESSAGE
        if left < 0:
            break
        kept.insert(0, turn)
    return kept
