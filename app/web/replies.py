"""The JSON of the HTTP contract, all of it: answers, the events of a stream, errors, quota, health."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from flask import Response

from app import __version__
from app.answering.events import Delta, Done, Event, Facts, Sources
from app.errors import BudgetExceeded, DailyLimitExceeded, DndChatError, InvalidRequest, LimitReached
from app.models import Fact, Passage, Quota, User
from app.pricing import dollars, shutdown_warnings

if TYPE_CHECKING:
    from app.grounding.check import Grounding
    from app.grounding.course import Claim
    from app.ledger.ledger import Receipt
    from app.settings import Settings

EXCERPT_CHARACTERS = 300
USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")


def json_reply(document: Mapping[str, Any], status: int = 200) -> Response:
    return Response(_dumps(document), status, mimetype="application/json")


def error_body(error: DndChatError, request_id: str) -> dict[str, Any]:
    """What a client may know of `error`."""
    about: dict[str, Any] = {
        "error": error.code,
        "message": error.public,
        "request_id": request_id,
        "timestamp": timestamp(),
    }
    if error.counted is not None:
        about["counted"] = error.counted
    if error.passages or isinstance(error, BudgetExceeded):
        # The whole text: with no answer to come, this is what the caller reads.
        listed = zip(sources(Sources(tuple(error.passages))), error.passages, strict=True)
        about["passages"] = [{**source, "text": passage.body} for source, passage in listed]
    if (stated := Facts.among(error.facts, error.passages)).stated:
        about["facts"] = facts(stated)
    return {**about, **error_details(error)}


def error_details(error: DndChatError) -> dict[str, Any]:
    """What only this kind of error carries."""
    if isinstance(error, InvalidRequest):
        return {"field": error.field}
    if isinstance(error, LimitReached):
        wait = None if isinstance(error, DailyLimitExceeded) else error.retry_after
        return {"rate_info": {"daily_remaining": error.quota.daily_remaining, "retry_after": wait}}
    if isinstance(error, BudgetExceeded):
        info = {
            "daily_total": dollars(error.spent),
            "daily_budget": dollars(error.budget),
            "percent_used": round(error.spent * 100 / error.budget, 2) if error.budget else 100.0,
        }
        if error.of_share:
            info |= {"user_total": dollars(error.of_share[0]), "user_budget": dollars(error.of_share[1])}
        return {"budget_info": info}
    return {}


def answer_body(done: Done, user: User, request_id: str, seconds: float) -> dict[str, Any]:
    """The 200 body; the stream's last event is the same without `answer`."""
    return {
        "answer": done.answer,
        "answer_format": "markdown",
        "facts": facts(done.sources.facts),
        "sources": sources(done.sources, done.cited),
        "diagnostics": done.diagnostics,
        "errors": done.errors,
        "usage": {name: getattr(done.usage, name, None) for name in USAGE},
        "meta": {
            "request_id": request_id,
            "user_id": user.id,
            "model": done.model,
            **receipt_meta(done.receipt),
            "answered_by": done.answered_by,
            "degraded": done.degraded,
            "grounding": grounding_meta(done.grounding) if done.grounding else None,
            "performance": {
                "total_duration_seconds": round(seconds, 4),
                **{f"{stage}_seconds": round(value, 4) for stage, value in done.seconds.items()},
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


def feedback_body(request_id: str) -> dict[str, Any]:
    return {"status": "ok", "request_id": request_id, "timestamp": timestamp()}


def health_body(settings: Settings, components: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is configured; with `components`, also what each of them says (`component_body`) and the
    settings warn of."""
    models: list[str] = []
    if settings.mode != "embedded":
        models = shutdown_warnings([settings.openai.model, settings.openai.embedding_model], timestamp()[:10])
    warnings = settings.warnings
    brief = f"{len(warnings)} to look at: see the log"
    return {
        "status": "degraded" if any(one["status"] != "ok" for one in (components or {}).values()) else "ok",
        "service": "dnd_rag",
        "version": __version__,
        "timestamp": timestamp(),
        "components": {
            "mode": settings.mode,
            "auth": "configured" if settings.auth_api_url else "not configured: set AUTH_API_URL",
            "models": models or "ok",
            "settings": (brief if components is None else list(warnings)) if warnings else "ok",
            **(components or {}),
        },
    }


def component_body(code: str | None, seconds: float) -> dict[str, Any]:
    """How a component's check ended: `code` is that of the error, None for none."""
    state = {"status": "error", "error": code} if code else {"status": "ok"}
    return {**state, "latency_ms": round(1000 * seconds, 1)}


def sources(found: Sources, cited: frozenset[int] | None = None) -> list[dict[str, Any]]:
    """Every passage in prompt order; `entity` is the name in the question it was chosen for, if it was for
    one. The excerpt is where it has the facts, else its beginning.

    `cited` is None while the answer is not written yet.
    """
    facts_in: dict[int, list[Fact]] = {}
    for number, fact in found.facts.stated:
        facts_in.setdefault(number, []).append(fact)
    return [
        {
            "n": number,
            "id": passage.id,
            "name": passage.name,
            "book": passage.book,
            "hierarchy": passage.hierarchy,
            "excerpt": _excerpt(passage, facts_in.get(number, ())),
            "distance": passage.distance,
            "entity": found.named.get(passage.id),
            "cited": None if cited is None else number in cited,
        }
        for number, passage in enumerate(found.passages, 1)
    ]


def facts(found: Facts) -> list[dict[str, Any]]:
    """What the books state on exactly what was asked; `n` is the number of the source it stands in, `heading`
    what the column of the row's label is called."""
    return [
        {name: getattr(fact, name) for name in ("subject", "attribute", "value")}
        | {"n": number, "row": fact.row, "column": fact.column, "heading": fact.heading}
        for number, fact in found.stated
    ]


def sse(event: Event, done_body: Mapping[str, Any] | None = None) -> bytes:
    """One server-sent event; `done_body` is what a Done event says."""
    if isinstance(event, Sources):
        return sse_frame("sources", {"sources": sources(event)})
    if isinstance(event, Facts):
        return sse_frame("facts", {"facts": facts(event)})
    if isinstance(event, Delta):
        return sse_frame("delta", {"text": event.text})
    return sse_frame("done", {name: value for name, value in (done_body or {}).items() if name != "answer"})


def sse_frame(name: str, document: Mapping[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _dumps(document) + b"\n\n"


def timestamp() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def receipt_meta(receipt: Receipt) -> dict[str, Any]:
    quota = receipt.quota
    return {
        "rate_limit": {"remaining_burst": quota.questions_now, "daily_remaining": quota.daily_remaining},
        "cost": {
            "query_cost": dollars(receipt.cost),
            "daily_total": dollars(quota.day_spent),
            "daily_budget": dollars(quota.day_budget),
        },
    }


def grounding_meta(report: Grounding) -> dict[str, Any]:
    return {
        "verdict": report.verdict,
        "claims": [_claim(claim) for claim in report.claims],
        "uncited": report.uncited,
        "removed_citations": list(report.removed),
        # What the contract had before claims were held against the books one by one.
        "supported": report.supported,
        "unsupported_numbers": list(report.numbers),
        "unsupported_names": list(report.names),
    }


def _claim(claim: Claim) -> dict[str, Any]:
    """`books_say` stands where they say something else."""
    said: dict[str, Any] = {"text": claim.text, "status": claim.status, "n": claim.n}
    return said if claim.books_say is None else {**said, "books_say": claim.books_say}


def _excerpt(passage: Passage, facts: Sequence[Fact]) -> str:
    text = passage.body
    if facts:
        from app.answering import statement

        if where := statement.excerpt(text, facts):
            return where
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1].rstrip() + "…"


def _dumps(document: Mapping[str, Any]) -> bytes:
    # JSON has no NaN; a distance that is none would make the whole answer unreadable to a browser.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")
