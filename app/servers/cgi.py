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
from collections.abc import MutableMapping
from typing import IO, Any
from wsgiref.handlers import CGIHandler

from app import logs, settings
from app.bootstrap import create_app
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


def main(crash_reply: bytes) -> None:
    """Answer the one request that Apache describes in the environment and on stdin.

    `crash_reply` is sent when the application fails before it has replied. Exceptions of start-up are raised to the caller.
    """
    # Everything this process writes is the account's alone.
    os.umask(0o077)
    reply = claim_stdout()
    logs.configure(None)
    configured = load_settings()
    logs.configure(configured.log_file)
    environ = dict(os.environ)
    hand_over_authorization(environ)
    OneShotHandler(environ, reply, crash_reply).run(create_app(configured))
    reply.close()
    read_to_end(sys.stdin.buffer.fileno(), configured.request_timeout)


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

    def __init__(self, environ: dict[str, str], reply: IO[bytes], crash_reply: bytes) -> None:
        super().__init__()
        self.base_env = environ
        # Apache closes stdin at the end of the body, whether or not it announced a length.
        self.base_env["wsgi.input_terminated"] = True  # type: ignore[assignment]
        self.stdin, self.stdout, self.stderr = sys.stdin.buffer, reply, sys.stderr
        head, _, self._crash_body = crash_reply.partition(b"\r\n\r\n")
        fields = (line.decode("latin-1").partition(": ") for line in head.split(b"\r\n"))
        self._crash_headers = {name: value for name, _, value in fields}

    def log_exception(self, exc_info: Any) -> None:
        # Apache's error log gets wsgiref's traceback; ours has the id that the caller was shown.
        log.error("%s failed outside the application", self._crash_headers.get("X-Request-ID", "-"), exc_info=exc_info)
        super().log_exception(exc_info)

    def error_output(self, environ: object, start_response: Any) -> list[bytes]:
        headers = [(name, value) for name, value in self._crash_headers.items() if name != "Status"]
        start_response(self._crash_headers["Status"], headers, sys.exc_info())
        return [self._crash_body]
