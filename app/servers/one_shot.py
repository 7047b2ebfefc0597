"""One request, one process: the application under Apache's CGI interface.

`cgi-bin/dndchat.cgi` calls `main` in the right interpreter. This module knows how Apache hands a request
over; what the request means is the application's business.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import sys
from collections.abc import Callable, MutableMapping
from typing import IO, Any
from wsgiref.handlers import CGIHandler, read_environ

from app import datadir, logs, relay, settings
from app.bootstrap import Container, create_app
from app.deadline import Deadline
from app.errors import SettingsError
from app.seen import AUTHORIZATION_VARIABLES
from app.servers import confinement

log = logging.getLogger(__name__)


def main(reply_to: int, is_current: Callable[[], bool]) -> None:
    """Answer the one request that Apache describes in the environment and on stdin, on the descriptor
    `reply_to`.

    `is_current` tells whether the code is still what this process has loaded. Raises what keeps the request
    from being answered, as long as nothing of a reply has been written.
    """
    datadir.keep_private()
    logs.configure(None)
    handler = None
    try:
        configured = load_settings()
        logs.configure(configured.log_file)
        confinement.confine(configured)
        environ = read_environ()
        hand_over_authorization(environ)
        line = contextlib.ExitStack()
        if turn := environ.pop(relay.TURN, ""):
            line.callback(os.close, int(turn))
        # The next stranger may come when the caller is known.
        services = Container(configured, known=line.close)
        stdin = sys.stdin.fileno()
        reply = os.fdopen(reply_to, "wb", closefd=False)
        handler = OneShotHandler(environ, TimedInput(stdin, configured.request_timeout), reply)
        handler.run(create_app(configured, services=services))
        confinement.release()
        # Before a body that comes slowly is read to its end.
        line.close()
        with contextlib.suppress(OSError):  # the client has gone
            reply.close()
        read_to_end(stdin, configured.request_timeout)
        # A worker would have the low priority, too.
        if configured.warm_worker and relay.CROWD not in os.environ:
            from app.servers import worker

            # What is open here must not be shared with the copy: neither SQLite nor TLS survives a fork.
            services.close()
            worker.leave_behind(configured, is_current)
    except BaseException:
        # Memory to report it with.
        confinement.release()
        if handler is None or not handler.reply_begun:
            log.exception("%s failed before it was answered", os.environ.get(relay.REQUEST_ID))
            # The caller apologises: after a reply that has begun that would be a second one.
            raise
        with contextlib.suppress(Exception):
            handler.stdout.flush()
        with contextlib.suppress(Exception):  # there may be too little memory even so
            log.exception("%s failed after its reply", os.environ.get(relay.REQUEST_ID))


def load_settings() -> settings.Settings:
    """The settings; problems are logged line by line where the operator looks: in the default log and in
    Apache's."""
    try:
        return settings.load()
    except SettingsError as error:
        for problem in error.problems:
            log.error("settings: %s", problem)
        raise


class TimedInput(io.RawIOBase):
    """The request's body as it arrives; TimeoutError when the client keeps it back for longer than
    `seconds` in all."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        self._descriptor, self._deadline = descriptor, Deadline(seconds)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not select.select([self._descriptor], [], [], self._deadline.remaining())[0]:
            raise TimeoutError("the body does not arrive")
        return os.readv(self._descriptor, [buffer])


def read_to_end(descriptor: int, seconds: float) -> None:
    """Read what is left of the request's body, for at most `seconds`.

    Under mod_cgid stdin and stdout are one socket: a program that ends with unread input resets it, and the
    reply to a refused request is lost on its way to the client (measured with Apache 2.4.71; mod_cgi does not
    mind).
    """
    deadline = Deadline(seconds)
    with contextlib.suppress(OSError):
        while (left := deadline.remaining()) and select.select([descriptor], [], [], left)[0]:
            if not os.read(descriptor, 65536):
                return


def hand_over_authorization(environ: MutableMapping[str, str]) -> None:
    """Put the caller's Authorization header where WSGI has it.

    Apache keeps the header from CGI programs unless told otherwise. `CGIPassAuth` and `SetEnvIf` deliver
    HTTP_AUTHORIZATION; a rewrite rule's variable comes with REDIRECT_ before it, once for each internal
    redirect; under suexec, which drops those, our .htaccess sends a header of its own; some hosts set the
    bare name. Each may be there but empty.
    """
    environ["HTTP_AUTHORIZATION"] = next(filter(None, map(environ.get, AUTHORIZATION_VARIABLES)), "")


class OneShotHandler(CGIHandler):
    """wsgiref's handler with our streams. What fails before the reply has begun is raised, to be answered
    elsewhere."""

    reply_begun = False
    """Whether anything of a reply may have been written; unlike `headers_sent` it stays so after the end."""

    def __init__(self, environ: dict[str, str], body: io.RawIOBase, reply: IO[bytes]) -> None:
        super().__init__()
        self.base_env = environ
        # Apache closes stdin at the end of the body, whether or not it announced a length.
        self.base_env["wsgi.input_terminated"] = True  # type: ignore[assignment]
        self.stdin, self.stdout, self.stderr = body, reply, sys.stderr

    def send_headers(self) -> None:
        self.reply_begun = True
        super().send_headers()

    def handle_error(self) -> None:
        if not self.reply_begun:
            raise
        log.exception("%s 500 failed outside the application", self.base_env.get(relay.REQUEST_ID))


def authorized(app: Any) -> Any:
    """The application behind the same step, for servers that get Apache's variables over a socket."""

    def handed_over(environ: dict[str, Any], start_response: Any) -> Any:
        hand_over_authorization(environ)
        return app(environ, start_response)

    return handed_over
