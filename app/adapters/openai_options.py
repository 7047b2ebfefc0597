"""The options of a call that not every server and model takes: what is sent first, and what instead once it is refused.

What a server refused is remembered for a day (`app.adapters.remembered`), under its address and the model: it costs one request
once, not one with every question. A day, because servers are updated. A refusal is not billed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from app.adapters.http import Exchange, Reply
from app.adapters.openai_reply import error_text, read
from app.adapters.remembered import Remembered
from app.errors import AIServiceError

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 86_400
LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the longest answer. One of them must be taken: without a limit nobody knows what an answer can cost."""
_ENCODINGS = {"base64": "float", "float": None}
_EFFORTS = ("none", "minimal", "low")
_DROPPABLE = ("reasoning_effort", "stream_options", "temperature")
_REFUSALS = frozenset({400, 415, 422, 501})
_CALLS = 6
# What refusals of an option say that do not name it.
_ABOUT_OPTIONS = re.compile(
    r"param|argument|field|option|unrecogni[sz]ed|unsupported|not support|unknown|extra|permitted|schema|unexpected",
    re.IGNORECASE,
)

Changes = dict[str, str | None]
"""What is put in the place of an option: a value, for a limit its other name, or None to leave it out."""


def chat_parameters(model: str, max_tokens: int) -> dict[str, Any]:
    """The parameters that differ between model families.

    Models that reason by default take `max_completion_tokens`, and a temperature only with reasoning switched off, which the
    first of them cannot; older and foreign models want `max_tokens` (facts of November 2026, OpenAI's API reference).
    """
    name = model.rsplit("/", 1)[-1]
    if re.match(r"gpt-(?:[6-9]|[1-9][0-9]|5\.[0-9])", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "none", "temperature": 0}
    if re.match(r"gpt-5", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "minimal"}
    if re.match(r"o[1-9]", name):
        return {"max_completion_tokens": max_tokens, "reasoning_effort": "low"}
    return {"max_tokens": max_tokens, "temperature": 0}


def agreed(ask: Callable[[Mapping[str, Any]], Exchange], payload: Mapping[str, Any], memory: Remembered, key: str) -> Exchange:
    """The exchange of a call with options that the server takes, or the last refusal. Raises what `ask` raises.

    `ask` makes the call and returns once the status is known. What is learnt is kept under `key` in `memory`.
    """
    changes = _known(memory.get(key).get("instead"))
    tried: set[tuple[str, str | None]] = set()
    for _ in range(_CALLS):
        sent = changed(payload, changes)
        exchange = ask(sent)
        if exchange.status == 200:
            break
        more = objections(sent, exchange.reply())
        if not more or not tried.isdisjoint(more.items()):
            return exchange
        tried |= set(more.items())
        changes = {name: instead for name, instead in changes.items() if instead not in more} | more
    if tried and exchange.status == 200:
        log.warning("%s does not take %s: asked again without, and will not be asked so for a day", key, ", ".join(changes))
        memory.put(key, {**memory.get(key), "instead": changes})
    return exchange


def changed(payload: Mapping[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    """`payload` as it is sent to a server that wants these `changes`."""
    sent = dict(payload)
    for name, instead in changes.items():
        if name not in sent:
            continue
        value = sent.pop(name)
        if name in LIMITS:
            sent[LIMITS[name]] = value
        elif instead is not None:
            sent[name] = instead
    return sent


def objections(sent: Mapping[str, Any], reply: Reply) -> Changes:
    """What to change because of a refusal; nothing when it is about something else."""
    text = error_text(reply)
    # A server that crashed on an encoding has no words for it; OpenAI's own errors of this kind pass (type server_error).
    crashed = reply.status == 500 and "encoding_format" in sent and not text.startswith("server_error")
    if reply.status not in _REFUSALS and not crashed:
        return {}
    param = _named_parameter(reply)
    options = [name for name in ("encoding_format", *LIMITS, *_DROPPABLE) if name in sent]
    named = [name for name in options if name == param] or [name for name in options if _speaks_of(text, name)]
    if not named and (crashed or not text or _ABOUT_OPTIONS.search(text)):
        # It says that something is wrong, not what: one after the other, so that no more is given up than has to be.
        named = [name for name in options if name not in LIMITS][:1]
    return {name: _instead(name, sent[name], text) for name in named}


def _instead(name: str, value: Any, text: str) -> str | None:
    if name in LIMITS:
        return LIMITS[name]
    if name == "encoding_format":
        return _ENCODINGS.get(value)
    if name == "reasoning_effort" and value in _EFFORTS:
        # Left out, most models think at length: better the least that the refusal offers.
        less = _EFFORTS[_EFFORTS.index(value) + 1 :]
        return next((effort for effort in less if re.search(rf"['\"`]{effort}['\"`]", text)), None)
    return None


def _known(remembered: Any) -> Changes:
    """What the file says, as far as it makes sense."""
    entries = remembered.items() if isinstance(remembered, dict) else ()
    return {name: instead for name, instead in entries if instead is None or isinstance(instead, str)}


def _speaks_of(text: str, name: str) -> bool:
    words = f"{name}|base64" if name == "encoding_format" else f"{name}|include_usage" if name == "stream_options" else name
    return re.search(rf"\b(?:{words})\b", text) is not None


def _named_parameter(reply: Reply) -> str:
    try:
        document = read(reply).json()
    except (ValueError, AIServiceError):
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    return str(error.get("param") or "").partition(".")[0] if isinstance(error, dict) else ""
