"""Replies as the HTTP contract has them: JSON bodies, error bodies, the answer and the stream's events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from flask import Response

from app.answering.events import Delta, Done, Event, Sources
from app.answering.quotation import body
from app.errors import BudgetExceeded, DndChatError
from app.models import Passage, Quota, User
from app.pricing import dollars

EXCERPT_CHARACTERS = 300


def json_reply(document: Mapping[str, Any], status: int = 200) -> Response:
    return Response(_dumps(document), status, mimetype="application/json")


def error_body(error: DndChatError, request_id: str) -> dict[str, Any]:
    """What a client may know of `error`."""
    about: dict[str, Any] = {"error": error.code, "message": error.public, "request_id": request_id, "timestamp": timestamp()}
    if error.counted is not None:
        about["counted"] = error.counted
    if error.passages or isinstance(error, BudgetExceeded):
        # The whole text: with no answer to come, this is what the caller reads.
        listed = zip(sources(Sources(tuple(error.passages))), error.passages, strict=True)
        about["passages"] = [{**source, "text": body(passage)} for source, passage in listed]
    return {**about, **error.fields}


def answer_body(done: Done, user: User, request_id: str, seconds: float) -> dict[str, Any]:
    """The 200 body; the stream's last event is the same without `answer`."""
    usage = done.usage
    return {
        "answer": done.output.answer,
        "answer_format": "markdown",
        # None are read out of the books yet.
        "facts": [],
        "sources": sources(done.sources, done.cited),
        "diagnostics": done.output.diagnostics,
        "errors": done.output.errors,
        "usage": {
            "prompt_tokens": usage.prompt_tokens if usage else None,
            "completion_tokens": usage.completion_tokens if usage else None,
            "total_tokens": usage.total_tokens if usage else None,
        },
        "meta": {
            "request_id": request_id,
            "user_id": user.id,
            "model": done.model,
            "rate_limit": done.receipt.rate_limit_meta(),
            "cost": done.receipt.cost_meta(),
            "answered_by": "model" if done.model else "passages",
            "degraded": done.output.degraded,
            "grounding": done.grounding.to_dict() if done.grounding else None,
            "performance": {
                "total_duration_seconds": round(seconds, 4),
                **{name: round(value, 4) for name, value in done.seconds.items()},
            },
            "timestamp": timestamp(),
        },
    }


def me_body(user: User, quota: Quota, request_id: str) -> dict[str, Any]:
    """What the caller has left and what was spent, in dollars."""
    return {
        "user_id": user.id,
        "request_id": request_id,
        "rate_limit": {
            "remaining_burst": quota.questions_now,
            "burst_capacity": quota.burst_capacity or None,
            "burst_reset_seconds": quota.burst_reset,
            "daily_remaining": quota.daily_remaining,
            "daily_limit": quota.daily_limit,
            "daily_reset_seconds": quota.daily_reset,
        },
        "cost": {
            "user_total": dollars(quota.user_spent),
            "daily_total": dollars(quota.day_spent),
            "daily_budget": dollars(quota.day_budget),
        },
        "timestamp": timestamp(),
    }


def sources(found: Sources, cited: frozenset[int] | None = None) -> list[dict[str, Any]]:
    """Every passage in prompt order; `entity` is the name in the question it was chosen for, if it was for one.

    `cited` is None while the answer is not written yet.
    """
    return [
        {
            "n": number,
            "id": passage.id,
            "name": passage.name,
            "book": passage.book,
            "hierarchy": passage.hierarchy,
            "excerpt": _excerpt(passage),
            "distance": passage.distance,
            "entity": found.named.get(passage.id),
            "cited": None if cited is None else number in cited,
        }
        for number, passage in enumerate(found.passages, 1)
    ]


def sse(event: Event, done_body: Mapping[str, Any] | None = None) -> bytes:
    """One server-sent event; `done_body` is what a Done event says."""
    if isinstance(event, Sources):
        return sse_frame("sources", {"sources": sources(event)})
    if isinstance(event, Delta):
        return sse_frame("delta", {"text": event.text})
    return sse_frame("done", {name: value for name, value in (done_body or {}).items() if name != "answer"})


def sse_frame(name: str, document: Mapping[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _dumps(document) + b"\n\n"


def timestamp() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _excerpt(passage: Passage) -> str:
    text = body(passage)
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1].rstrip() + "…"


def _dumps(document: Mapping[str, Any]) -> bytes:
    # JSON has no NaN; a distance that is none would make the whole answer unreadable to a browser.
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
