"""One request, one process: the application under Apache's CGI interface.

`cgi-bin/dndchat.cgi` calls `main` in the right interpreter. This module knows how Apache hands a request over; what the
request means is the application's business.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
from collections.abc import Callable, MutableMapping
from typing import IO, Any
from wsgiref.handlers import CGIHandler

from app import logs, settings
from app.bootstrap import Container, create_app
from app.deadline import Deadline
from app.errors import SettingsError

log = logging.getLogger(__name__)

AUTHORIZATION_VARIABLES = (
    "HTTP_AUTHORIZATION",
    "REDIRECT_HTTP_AUTHORIZATION",
    "REDIRECT_REDIRECT_HTTP_AUTHORIZATION",
    "HTTP_X_DNDCHAT_AUTHORIZATION",
    "AUTHORIZATION",
)


def main(apology: Callable[[], bytes]) -> None:
    """Answer the one request that Apache describes in the environment and on stdin.

    `apology` makes the reply for when the application fails before it has replied. Exceptions of start-up are raised to the
    caller.
    """
    # Everything this process writes is the account's alone.
    os.umask(0o077)
    reply = claim_stdout()
    logs.configure(None)
    configured = load_settings()
    logs.configure(configured.log_file)
    environ = dict(os.environ)
    hand_over_authorization(environ)
    services = Container(configured)
    OneShotHandler(environ, reply, apology).run(create_app(configured, services=services))
    reply.close()
    read_to_end(sys.stdin.fileno(), configured.request_timeout)
    if configured.warm_worker:
        from app.servers import worker

        # What is open here must not be shared with the copy: neither SQLite nor TLS survives a fork.
        services.close()
        worker.leave_behind(configured)


def load_settings() -> settings.Settings:
    """The settings; problems are logged line by line where the operator looks: in the default log and in Apache's."""
    try:
        return settings.load()
    except SettingsError as error:
        for problem in error.problems:
            log.error("settings: %s", problem)
        raise


def claim_stdout() -> IO[bytes]:
    """The reply's own stream. From here on what anything prints goes to the error log, not into the reply."""
    reply = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return reply


def read_to_end(descriptor: int, seconds: float) -> None:
    """Read what is left of the request's body, for at most `seconds`.

    Under mod_cgid stdin and stdout are one socket: a program that ends with unread input resets it, and the reply to a refused
    request is lost on its way to the client (measured with Apache 2.4.71; mod_cgi does not mind).
    """
    deadline = Deadline(seconds)
    with contextlib.suppress(OSError):
        while (left := deadline.remaining()) and select.select([descriptor], [], [], left)[0]:
            if not os.read(descriptor, 65536):
                return


def hand_over_authorization(environ: MutableMapping[str, str]) -> None:
    """Put the caller's Authorization header where WSGI has it.

    Apache keeps the header from CGI programs unless told otherwise. `CGIPassAuth` and `SetEnvIf` deliver HTTP_AUTHORIZATION;
    a rewrite rule's variable comes with REDIRECT_ before it, once for each internal redirect; under suexec, which drops
    those, our .htaccess sends a header of its own; some hosts set the bare name. Each may be there but empty.
    """
    environ["HTTP_AUTHORIZATION"] = next((value for name in AUTHORIZATION_VARIABLES if (value := environ.get(name))), "")


class OneShotHandler(CGIHandler):
    """wsgiref's handler with our streams, and JSON in place of its plain-text apology."""

    def __init__(self, environ: dict[str, str], reply: IO[bytes], apology: Callable[[], bytes]) -> None:
        super().__init__()
        self.base_env = environ
        # Apache closes stdin at the end of the body, whether or not it announced a length.
        self.base_env["wsgi.input_terminated"] = True  # type: ignore[assignment]
        self.stdin, self.stdout, self.stderr = sys.stdin.buffer, reply, sys.stderr
        self._apology = apology

    def error_output(self, environ: object, start_response: object) -> list[bytes]:
        headers, _, body = self._apology().partition(b"\r\n\r\n")
        fields = [line.decode("latin-1").partition(": ") for line in headers.split(b"\r\n")]
        status = next(value for name, _, value in fields if name == "Status")
        start_response(status, [(name, value) for name, _, value in fields if name != "Status"], sys.exc_info())  # type: ignore[operator]
        return [body]


class Authorized:
    """The application behind the same hand-over of Authorization, for servers that get Apache's variables over a socket."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        hand_over_authorization(environ)
        return self._app(environ, start_response)
