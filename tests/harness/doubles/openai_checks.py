"""What the OpenAI API refuses: unknown parameters, wrong types and ranges, and what a model family does not
take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import openai_errors as errors
from .openai_errors import ApiError
from .openai_models import BY_NAME, REASONING_TOKENS, Model

MAX_INPUTS = 2_048
MAX_TOKENS_PER_REQUEST = 300_000

_NUMBERS: dict[str, tuple[type, float | None, float | None]] = {
    "temperature": (float, 0, 2),
    "top_p": (float, 0, 1),
    "presence_penalty": (float, -2, 2),
    "frequency_penalty": (float, -2, 2),
    "max_tokens": (int, 1, None),
    "max_completion_tokens": (int, 1, None),
    "n": (int, 1, 128),
    "seed": (int, None, None),
    "dimensions": (int, 1, None),
}
_TYPES: dict[str, tuple[type, str]] = {
    "stream": (bool, "a boolean"),
    "store": (bool, "a boolean"),
    "stream_options": (dict, "an object"),
    "metadata": (dict, "an object"),
    "messages": (list, "an array of objects"),
    **dict.fromkeys(
        (
            "user",
            "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_retention",
            "reasoning_effort",
            "verbosity",
        ),
        (str, "a string"),
    ),
    **dict.fromkeys(("service_tier", "encoding_format"), (str, "a string")),
}
_CHOICES = {
    "reasoning_effort": tuple(REASONING_TOKENS),
    "verbosity": ("low", "medium", "high"),
    "service_tier": ("auto", "default", "flex", "scale", "priority", "fast"),
    "prompt_cache_retention": ("in_memory", "24h"),
    "encoding_format": ("float", "base64"),
}
_EMBEDDING = {"input", "model", "dimensions", "encoding_format", "user"}
# Real parameters whose effect the double does not have. Taking them quietly would let a test prove something
# untrue.
_NOT_MODELLED = {
    *("audio", "function_call", "functions", "logit_bias", "logprobs", "modalities", "moderation"),
    *(
        "parallel_tool_calls",
        "prediction",
        "prompt_cache_options",
        "response_format",
        "stop",
        "tool_choice",
        "tools",
    ),
    *("top_logprobs", "web_search_options"),
}
_CHAT = {"model", *_NUMBERS, *_TYPES, *_NOT_MODELLED} - {"dimensions", "encoding_format"}
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")


class NotModelled(Exception):
    """The real service could do this; the double cannot, and says so with a 501."""


def find_model(body: Mapping[str, Any], *, chat: bool) -> Model:
    """The model that is asked for, if it exists and does this."""
    name = body.get("model")
    if not name:
        raise ApiError("you must provide a model parameter")
    if not isinstance(name, str):
        raise errors.wrong_type("model", "a string", name)
    model = BY_NAME.get(name)
    if model is None:
        raise errors.model_not_found(name)
    if chat == bool(model.dimensions):
        raise errors.wrong_kind("sample" if chat else "generate embeddings")
    return model


def check_embedding(body: Mapping[str, Any]) -> Model:
    """Refuse what the embeddings call refuses, apart from the lengths of texts."""
    _refuse_unknown(body, _EMBEDDING)
    model = find_model(body, chat=False)
    _check_values(body)
    if (body.get("dimensions") or 0) > model.dimensions:
        wanted = body["dimensions"]
        raise ApiError(
            f"Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {model.dimensions}."
        )
    return model


def check_inputs(value: Any) -> list[str] | list[list[int]]:
    """The texts (or token lists) to embed, as a list."""
    if value is None:
        raise errors.missing("input")
    if isinstance(value, str):
        items: list[Any] = [value]
    elif isinstance(value, list):
        if len(value) > MAX_INPUTS:
            message = (
                f"Invalid 'input': array too long. Expected an array with maximum length {MAX_INPUTS}, "
                f"but got an array with length {len(value)} instead."
            )
            raise ApiError(message, param="input", code="array_above_max_length")
        items = [value] if value and all(_is_int(one) for one in value) else value
    else:
        raise errors.wrong_type("input", "a string or an array", value)
    kinds = {type(item) for item in items}
    good = kinds == {str} or (kinds == {list} and all(_is_int(token) for item in items for token in item))
    # The real service has one sentence for an empty list, an empty text and a wrong element.
    if not good or not all(items):
        raise ApiError(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        )
    for item in items:
        if isinstance(item, str):
            _refuse_half_characters(item)
    return items


def check_chat(body: Mapping[str, Any]) -> Model:
    """Refuse what the chat call refuses, apart from the length of the prompt."""
    _refuse_unknown(body, _CHAT)
    model = find_model(body, chat=True)
    _check_values(body)
    _check_messages(body.get("messages"))
    _check_stream_options(body)
    _check_family(body, model)
    for name in _NOT_MODELLED & set(body):
        if body[name] is not None:
            raise NotModelled(name)
    if (body.get("n") or 1) > 1:
        raise NotModelled("n above 1")
    return model


def effort_of(body: Mapping[str, Any], model: Model) -> str:
    """How hard the model thinks about this request."""
    return body.get("reasoning_effort") or model.default_effort


def text_of(content: Any) -> str:
    """The text of a message's content, in one piece."""
    return content if isinstance(content, str) else "".join(part["text"] for part in content or [])


def _refuse_unknown(body: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        raise errors.unrecognised(unknown)


def _check_values(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if value is None:
            continue  # null is the same as absent
        if name in _NUMBERS:
            _check_number(name, value)
        elif name in _TYPES and not isinstance(value, _TYPES[name][0]):
            raise errors.wrong_type(name, _TYPES[name][1], value)
        if name in _CHOICES and value not in _CHOICES[name]:
            raise errors.wrong_value(name, value, _CHOICES[name])


def _check_number(name: str, value: Any) -> None:
    kind, low, high = _NUMBERS[name]
    whole = kind is int
    if not _is_int(value) and (whole or not isinstance(value, float)):
        raise errors.wrong_type(name, "an integer" if whole else "a decimal", value)
    if low is not None and value < low:
        raise errors.out_of_range(name, value, low, above=False, whole=whole)
    if high is not None and value > high:
        raise errors.out_of_range(name, value, high, above=True, whole=whole)


def _check_messages(messages: Any) -> None:
    if messages is None:
        raise errors.missing("messages")
    if not messages:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise ApiError(message, param="messages", code="empty_array")
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        if not isinstance(message, dict):
            raise errors.wrong_type(place, "an object", message)
        role = message.get("role")
        if role is None:
            raise errors.missing(f"{place}.role")
        if role not in _ROLES:
            raise errors.wrong_value(f"{place}.role", role, _ROLES)
        if role in {"function", "tool"} or "tool_calls" in message:
            raise NotModelled("tools")
        for name in sorted(set(message) - {"role", "content", "name", "refusal"}):
            raise ApiError(
                f"Unknown parameter: '{place}.{name}'.", param=f"{place}.{name}", code="unknown_parameter"
            )
        _check_content(message.get("content"), number)


def _check_content(content: Any, number: int) -> None:
    place = f"messages[{number}].content"
    if content is None:
        message = "Invalid value for 'content': expected a string, got null."
        raise ApiError(message, param=f"messages.[{number}].content")
    if isinstance(content, list):
        for index, part in enumerate(content):
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise errors.wrong_type(f"{place}[{index}]", "an object", part)
            if part["type"] != "text":
                raise NotModelled(f"content of type {part['type']}")
            if not isinstance(part.get("text"), str):
                raise errors.wrong_type(f"{place}[{index}].text", "a string", part.get("text"))
    elif not isinstance(content, str):
        raise errors.wrong_type(place, "one of a string or array of objects", content)
    _refuse_half_characters(text_of(content))


def _check_stream_options(body: Mapping[str, Any]) -> None:
    options = body.get("stream_options")
    if options is None:
        return
    if not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise ApiError(message, param="stream_options")
    for name, value in options.items():
        param = f"stream_options.{name}"
        if name not in {"include_usage", "include_obfuscation"}:
            raise ApiError(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")
        if not isinstance(value, bool):
            raise errors.wrong_type(param, "a boolean", value)


def _check_family(body: Mapping[str, Any], model: Model) -> None:
    given = {name: value for name, value in body.items() if value is not None}
    limits = [name for name in ("max_tokens", "max_completion_tokens") if name in given]
    if model.efforts:
        _check_reasoning(given, model)
    elif "reasoning_effort" in given:
        raise errors.unsupported_parameter("reasoning_effort")
    elif given.get("verbosity", "medium") != "medium":
        raise errors.unsupported_value("verbosity", given["verbosity"], ("medium",))
    elif len(limits) == 2:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise ApiError(message, code="invalid_parameter_combination")
    for name in limits:
        if given[name] > model.max_output:
            message = (
                f"{name} is too large: {given[name]}. This model supports at most {model.max_output} completion "
                f"tokens, whereas you provided {given[name]}."
            )
            raise ApiError(message, param=name, code="invalid_value")


def _check_reasoning(given: Mapping[str, Any], model: Model) -> None:
    if "max_tokens" in given:
        raise errors.unsupported_parameter("max_tokens", "max_completion_tokens")
    effort = effort_of(given, model)
    if effort not in model.efforts:
        raise errors.unsupported_value("reasoning_effort", effort, model.efforts)
    if effort != "none":
        if given.get("temperature", 1) != 1:
            raise errors.unsupported_value("temperature", given["temperature"], default=1)
        if given.get("top_p", 1) != 1:
            raise errors.unsupported_parameter("top_p")
    for name in ("presence_penalty", "frequency_penalty"):
        if given.get(name):
            raise errors.unsupported_parameter(name)


def _refuse_half_characters(text: str) -> None:
    """JSON can spell one half of a surrogate pair, which is no character at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.unparsable() from None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
