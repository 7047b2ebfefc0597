"""Whether a provider refuses a question for what it is, or for a reason that the question has no part in."""

from __future__ import annotations

# What OpenAI, Azure, LiteLLM, OpenRouter, vLLM and llama.cpp say of a prompt that is too long, and of one that their filters
# object to: codes and pieces of sentences, in small letters.
_ABOUT_THE_QUESTION = (
    "context_length",
    "context length",
    "context size",
    "context_size",
    "context window",
    "context limit",
    "string_above_max_length",
    "maximum input length",
    "input is too long",
    "input is too large",
    "input too large",
    "too many tokens",
    "reduce the length",
    "invalid_prompt",
    "content_filter",
    "content_policy",
    "contentpolicyviolation",
    "responsibleaipolicyviolation",
    "content management policy",
    "moderation",
    "flagged",
)


def is_of_question(status: int, text: str) -> bool:
    """Of a reply's status (200 for an error in a stream) and its error's code and message."""
    if status == 413:
        return True
    # Not of what asks to wait, nor of a key or a model that is wrong, whatever their text says. llama.cpp has 500 for length.
    return status in (200, 400, 422, 500) and any(words in text.lower() for words in _ABOUT_THE_QUESTION)
