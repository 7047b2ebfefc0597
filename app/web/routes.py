"""The routes of the HTTP contract. What happens behind them is `Services`; app/web/replies.py has the
JSON."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from flask import Response, g, request

from app import relay
from app.answering.events import Done, Event, Events, Facts, Query, Sources
from app.deadline import Deadline
from app.errors import AuthUnavailable, DndChatError, InvalidToken, LedgerUnavailable, MissingToken, known
from app.models import User
from app.seen import bearer_token
from app.web import replies, validation

if TYPE_CHECKING:
    from app.answering.pipeline import Answering
    from app.ledger.ledger import Ledger
    from app.settings import Settings

log = logging.getLogger(__name__)


class Services(Protocol):
    """What the web layer needs of the rest; `app.bootstrap` provides it, built when it is first used."""

    settings: Settings

    def user(self, token: str, remote_addr: str, deadline: Deadline) -> User:
        """The token's owner. Raises InvalidToken, AuthUnavailable, LedgerUnavailable."""

    @property
    def answering(self) -> Answering: ...

    @property
    def ledger(self) -> Ledger: ...

    def after_reply(self) -> None:
        """What is left to do when the caller has the whole reply. Raises nothing."""

    def checks(self) -> Mapping[str, Callable[[Deadline], None]]:
        """For the deep health check: each raises DndChatError when its component does not work."""


class Routes:
    def __init__(self, services: Services) -> None:
        self._services = services

    def all(self) -> Iterator[tuple[str, str, Callable[[], Response]]]:
        """Path, method, view."""
        yield "/health", "GET", self.health
        yield "/api/health", "GET", self.health
        yield "/api/query", "POST", self.query
        yield "/api/me", "GET", self.me
        yield "/api/feedback", "POST", self.feedback

    def health(self) -> Response:
        """Shallow, it asks nobody and answers when everything behind it is down; anybody may read it."""
        settings = self._services.settings
        if request.args.get("deep") != "1":
            return replies.json_reply(replies.health_body(settings))
        user = self._authenticate()
        with self._services.ledger.admit_free(user.id, "health"):
            components = {name: _checked(name, check) for name, check in self._services.checks().items()}
        return replies.json_reply(replies.health_body(settings, components))

    def query(self) -> Response:
        lost_id = request.environ.get(relay.LOST_REQUEST_ID, "")
        try:
            user = self._authenticate()
        except (AuthUnavailable, LedgerUnavailable) as error:
            # Nothing is counted before the admission; but a worker may have come as far as that before it was
            # lost.
            error.counted = None if lost_id else False
            raise
        document = validation.read_json_object(request.environ)
        question = validation.question(document)
        accepted = request.headers.get("Accept", "")
        stream = validation.flag(document, "stream") or "text/event-stream" in accepted
        asked = Query(question, user, g.request_id, g.deadline, stream, lost_id)
        events = self._services.answering.events(asked)
        if stream:
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
        return replies.json_reply(replies.feedback_body(given[0]))

    def _authenticate(self) -> User:
        """The caller. Comes before all else: for one we do not know nothing is opened, read or written."""
        g.deadline = Deadline(self._services.settings.request_timeout)
        header = request.headers.get("Authorization", "").strip()
        if not header:
            raise MissingToken
        token = bearer_token(header)
        if not token:
            raise InvalidToken("not 'Bearer TOKEN', or has characters or a length that no token has")
        user = self._services.user(token, request.remote_addr or "", g.deadline)
        g.user_id = user.id
        return user


def _stream(events: Events, user: User) -> Response:
    """The events as they come. All until the first words is fetched here: its failure is a real HTTP
    status."""
    request_id, started = g.request_id, g.started
    head = []
    for event in events:
        head.append(event)
        if not isinstance(event, Sources | Facts):
            break

    def frame(event: Event) -> bytes:
        with _belonging_to(events):
            done = _answer(event, user, request_id, started) if isinstance(event, Done) else None
            return replies.sse(event, done)

    def frames() -> Iterator[bytes]:
        try:
            for event in head:
                yield frame(event)
            for event in events:
                yield frame(event)
        except Exception as error:
            ours = known(error)
            why = error if ours.is_defect else None
            log.warning("%s stream broke: %s %s", request_id, ours.code, ours, exc_info=why)
            yield replies.sse_frame("error", replies.error_body(ours, request_id))

    response = Response(frames(), mimetype="text/event-stream")
    # When the reader leaves, the ledger is told at once, not when the garbage collector comes by.
    response.call_on_close(events.close)
    # Proxies compress what they may transform, and then hold it back.
    response.headers["Cache-Control"] = "no-cache, no-transform"
    # For a proxy in front that would otherwise collect the stream before it passes it on (nginx).
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _answer(done: Done, user: User, request_id: str, started: float) -> dict[str, Any]:
    return replies.answer_body(done, user, request_id, time.monotonic() - started)


def _checked(name: str, check: Callable[[Deadline], None]) -> dict[str, Any]:
    """What a component of the deep health check says of itself: that it is wrong; why is in the log."""
    started = time.monotonic()
    try:
        check(g.deadline)
        code = None
    except DndChatError as error:
        log.warning("health: %s: %s", name, error)
        code = error.code
    return replies.component_body(code, time.monotonic() - started)


@contextlib.contextmanager
def _belonging_to(events: Events) -> Iterator[None]:
    """What fails here fails the question: its books are closed, and the error comes back with what they
    say."""
    try:
        yield
    except Exception as error:
        events.throw(error)
        raise
