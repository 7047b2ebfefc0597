"""The Flask application: what every request gets (its id, headers, one log line), and errors turned into
replies."""

from __future__ import annotations

import logging
import os
import time

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app import relay
from app.errors import (
    DndChatError,
    InvalidRequest,
    LedgerUnavailable,
    MethodNotAllowed,
    NotFound,
    Refused,
    TooLarge,
    known,
)
from app.models import Quota
from app.web import replies
from app.web.routes import Routes, Services

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400
EXPOSED = "X-Request-ID, Retry-After, RateLimit, RateLimit-Policy"
PREFLIGHT_SECONDS = 600
# What Werkzeug refuses by itself; 308 is a redirect to a tidier address.
REFUSALS: dict[int | None, type[DndChatError]] = {
    404: NotFound,
    308: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
}


def make_app(services: Services) -> Flask:
    """The application over `services`. Building it does no work beyond registering functions."""
    app = Flask("dndchat", static_folder=None, template_folder=None)
    # A redirect to a tidier address would answer a client of the API with HTML.
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(lambda response: _finish(response, services))
    app.register_error_handler(Exception, _on_error)
    for path, method, view in Routes(services).all():
        app.add_url_rule(path, f"{method} {path}", view, methods=[method], provide_automatic_options=False)
    return app


def _begin() -> Response | None:
    # Under CGI the wrapper has chosen it.
    g.request_id = request.environ.get(relay.REQUEST_ID) or os.urandom(12).hex()
    g.started = time.monotonic()
    g.user_id = None
    g.problem = ""
    return Response(status=204) if request.method == "OPTIONS" else None


def _finish(response: Response, services: Services) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    _add_cors(response, services.settings.cors_origins)
    if g.user_id is not None:
        try:
            response.headers.update(rate_limit_headers(services.ledger.quota(g.user_id)))
        except LedgerUnavailable as error:
            # The reply has said so, or owes nothing to the ledger.
            log.error("%s no RateLimit headers: %s", g.request_id, error)
        if request.method == "POST":
            response.call_on_close(services.after_reply)
    milliseconds = 1000 * (time.monotonic() - g.started)
    about = (g.request_id, request.method, request.path[:200], response.status_code, g.user_id or "-")
    log.info("%s %s %s %d user=%s %.0fms%s", *about, milliseconds, g.problem)
    return response


def _add_cors(response: Response, origins: frozenset[str]) -> None:
    """For the configured origins only: one exact origin echoed, never a wildcard, never a foreign one."""
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)


def rate_limit_headers(quota: Quota) -> dict[str, str]:
    """What the caller has left, as draft-ietf-httpapi-ratelimit-headers has it.

    `t` is the time in seconds until the next question comes back to the burst, and until midnight UTC.
    """
    policies = [f'"daily";q={quota.daily_limit};w={DAY_SECONDS}']
    left = [f'"daily";r={quota.daily_remaining};t={quota.daily_reset}']
    if quota.burst_capacity:
        policies.insert(0, f'"burst";q={quota.burst_capacity};w={quota.burst_window}')
        left.insert(0, f'"burst";r={quota.burst_remaining};t={quota.burst_reset}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def _on_error(error: Exception) -> Response:
    ours = _known(error)
    if ours.status >= 500:
        log.error("%s %s: %s", g.request_id, ours.code, ours, exc_info=error if ours.is_defect else None)
    # `{ours}` may repeat what the client sent: the log's formatter keeps it on one line.
    g.problem = f" {ours.code}: {ours}" if ours.status < 500 else f" {ours.code}"
    response = replies.json_reply(replies.error_body(ours, g.request_id), ours.status)
    if isinstance(ours, Refused):
        response.headers["Retry-After"] = str(ours.retry_after)
    if ours.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, HTTPException) and ours.status == 405:
        methods = getattr(error, "valid_methods", None) or ()
        response.headers["Allow"] = ", ".join(sorted({*methods, "OPTIONS"}))
    return response


def _known(error: Exception) -> DndChatError:
    status = error.code if isinstance(error, HTTPException) else None
    if status in REFUSALS:
        return REFUSALS[status]()
    if status is not None and 400 <= status < 500:
        # Werkzeug refuses what is not HTTP, such as a Host that no host can have.
        return InvalidRequest("request", "The request is not valid HTTP.")
    return known(error)
