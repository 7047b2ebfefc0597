"""The Flask application: routes, errors to HTTP, one log line a request. What happens behind them is `Services`."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app import relay
from app.answering.events import Done, Event, Events, Sources
from app.deadline import Deadline
from app.errors import (
    AuthUnavailable,
    DndChatError,
    InvalidRequest,
    InvalidToken,
    LedgerUnavailable,
    MethodNotAllowed,
    MissingToken,
    NotFound,
    Refused,
    TooLarge,
)
from app.models import User
from app.seen import bearer_token
from app.web import cors, health, ratelimit, replies, validation
from app.web.services import Services

if TYPE_CHECKING:
    from app.ledger.ledger import Ledger

log = logging.getLogger(__name__)


def make_app(services: Services) -> Flask:
    """The application over `services`. Building it does no work beyond registering functions."""
    app = Flask("dndchat", static_folder=None, template_folder=None)
    # A redirect to a tidier address would answer a client of the API with HTML.
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(lambda response: _finish(response, services))
    app.register_error_handler(Exception, _on_error)
    routes = Routes(services)
    for path, view, method in (
        ("/health", routes.health, "GET"),
        ("/api/health", routes.health, "GET"),
        ("/api/query", routes.query, "POST"),
        ("/api/me", routes.me, "GET"),
        ("/api/feedback", routes.feedback, "POST"),
    ):
        app.add_url_rule(path, f"{method} {path}", view, methods=[method], provide_automatic_options=False)
    return app


class Routes:
    def __init__(self, services: Services) -> None:
        self._services = services

    def health(self) -> Response:
        settings = self._services.settings
        if request.args.get("deep") != "1":
            return replies.json_reply(health.shallow(settings))
        user = self._authenticate()
        with self._services.ledger.admit_free(user.id, "health"):
            return replies.json_reply(health.deep(settings, self._services.checks(), g.deadline))

    def query(self) -> Response:
        lost_id = request.environ.get(relay.LOST_REQUEST_ID, "")
        try:
            user = self._authenticate()
            self._services.expect_question()
        except (AuthUnavailable, LedgerUnavailable) as error:
            # Nothing is counted before the admission; but a worker may have come as far as that before it was lost.
            error.counted = None if lost_id else False
            raise
        document = validation.read_json_object(request.environ)
        question = validation.question(document)
        streamed = validation.flag(document, "stream") or "text/event-stream" in request.headers.get("Accept", "")
        events = self._services.answering.events(
            question,
            user,
            g.request_id,
            g.deadline,
            stream=streamed,
            lost_id=lost_id,
        )
        if streamed:
            return _stream(events, user)
        for event in events:
            if isinstance(event, Done):
                with _belonging_to(events):
                    return replies.json_reply(_answer(event, user, g.request_id, g.started))
        raise AssertionError("unreachable: events end with Done or raise")

    def me(self) -> Response:
        user = self._authenticate()
        return replies.json_reply(replies.me_body(user, self._services.ledger.quota(user.id), g.request_id))

    def feedback(self) -> Response:
        user = self._authenticate()
        given = validation.feedback(validation.read_json_object(request.environ))
        self._services.ledger.give_feedback(user.id, *given)
        return replies.json_reply({"status": "ok", "request_id": given[0], "timestamp": replies.timestamp()})

    def _authenticate(self) -> User:
        """The caller. Comes before all else: for one we do not know nothing is opened, read or written."""
        g.deadline = Deadline(self._services.settings.request_timeout)
        header = request.headers.get("Authorization", "").strip()
        if not header:
            raise MissingToken
        token = bearer_token(header)
        if not token:
            raise InvalidToken("Authorization header is not 'Bearer TOKEN', or has characters or a length that no token has")
        user = self._services.user(token, request.remote_addr or "", g.deadline)
        g.user_id = user.id
        return user


def _answer(done: Done, user: User, request_id: str, started: float) -> dict[str, object]:
    return replies.answer_body(done, user, request_id, time.monotonic() - started)


@contextlib.contextmanager
def _belonging_to(events: Events) -> Iterator[None]:
    """What fails here fails the question: its books are closed, and the error comes back with what they say."""
    try:
        yield
    except Exception as error:
        events.throw(error)
        raise


def _stream(events: Events, user: User) -> Response:
    """The events as they come. All until the first words is fetched here, so that its failure is a real HTTP status."""
    request_id, started = g.request_id, g.started
    head = []
    for event in events:
        head.append(event)
        if not isinstance(event, Sources):
            break

    def frames() -> Iterator[bytes]:
        try:
            for event in head:
                yield frame(event)
            for event in events:
                yield frame(event)
        except Exception as error:
            known = _known(error)
            log.warning("%s stream broke: %s %s", request_id, known.code, known, exc_info=_traceback(known, error))
            yield replies.sse_frame("error", replies.error_body(known, request_id))

    def frame(event: Event) -> bytes:
        with _belonging_to(events):
            return replies.sse(event, _answer(event, user, request_id, started) if isinstance(event, Done) else None)

    response = Response(frames(), mimetype="text/event-stream")
    # When the reader leaves, the ledger is told at once, not when the garbage collector comes by.
    response.call_on_close(events.close)
    # Proxies compress what they may transform, and then hold it back.
    response.headers["Cache-Control"] = "no-cache, no-transform"
    # For a proxy in front that would otherwise collect the stream before it passes it on (nginx).
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _begin() -> Response | None:
    # Under CGI the wrapper has chosen it; a client cannot, as its headers arrive with HTTP_ before their names.
    g.request_id = request.environ.get(relay.REQUEST_ID) or os.urandom(12).hex()
    g.started = time.monotonic()
    g.user_id = None
    g.problem = ""
    return Response(status=204) if request.method == "OPTIONS" else None


def _finish(response: Response, services: Services) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    cors.apply(request, response, services.settings.cors_origins)
    if g.user_id is not None:
        _add_rate_limit(response, services.ledger, g.user_id)
        if request.method == "POST":
            response.call_on_close(services.after_reply)
    milliseconds = 1000 * (time.monotonic() - g.started)
    log.info(
        "%s %s %s %d user=%s %.0fms%s",
        g.request_id,
        request.method,
        request.path[:200],
        response.status_code,
        g.user_id or "-",
        milliseconds,
        g.problem,
    )
    return response


def _add_rate_limit(response: Response, ledger: Ledger, user_id: str) -> None:
    """What the caller has left, on every authenticated reply."""
    try:
        response.headers.update(ratelimit.headers(ledger.quota(user_id)))
    except LedgerUnavailable as error:
        # The reply has said so, or owes nothing to the ledger.
        log.error("%s no RateLimit headers: %s", g.request_id, error)


def _on_error(error: Exception) -> Response:
    known = _known(error)
    if known.status >= 500:
        log.error("%s %s: %s", g.request_id, known.code, known, exc_info=_traceback(known, error))
    # `{known}` may repeat what the client sent: the log's formatter keeps it on one line.
    g.problem = f" {known.code}: {known}" if known.status < 500 else f" {known.code}"
    response = replies.json_reply(replies.error_body(known, g.request_id), known.status)
    if isinstance(known, Refused):
        response.headers["Retry-After"] = str(known.retry_after)
    if known.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, HTTPException) and known.status == 405:
        response.headers["Allow"] = ", ".join(sorted({*(getattr(error, "valid_methods", None) or ()), "OPTIONS"}))
    return response


def _traceback(known: DndChatError, error: Exception) -> Exception | None:
    """For the log: only a defect has one, which is the base class itself."""
    return error if type(known) is DndChatError else None


def _known(error: Exception) -> DndChatError:
    """`error` as one of ours. What is not is a defect: it is logged with its traceback and shown as an internal error."""
    if isinstance(error, DndChatError):
        return error
    status = error.code if isinstance(error, HTTPException) else None
    if status in (404, 308):
        return NotFound()
    if status == 405:
        return MethodNotAllowed()
    if status == 413:
        return TooLarge()
    if status is not None and 400 <= status < 500:
        # Werkzeug refuses what is not HTTP, such as a Host that no host can have.
        return InvalidRequest("request", "The request is not valid HTTP.")
    return DndChatError(f"{type(error).__name__}")
