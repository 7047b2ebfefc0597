#!/usr/bin/env python3
"""The CGI program: finds the interpreter, then answers one request with the application.

Standard library only, and syntax that any Python 3 can read: whatever goes wrong before the application runs, the browser
gets JSON with a request id and the log a traceback. From a checkout it finds `.venv` beside it; a deployment writes that
interpreter into the first line and spares the detour through the system's Python.
"""

import os
import sys

# A client's `Proxy:` header arrives as HTTP_PROXY, which HTTP libraries obey (httpoxy). Nothing may see it.
os.environ.pop("HTTP_PROXY", None)

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python3")


def crash_reply():
    """A complete CGI reply for a failure that nothing else has answered, and its request id."""
    import time

    request_id = os.urandom(12).hex()
    body = (
        '{"error":"internal_error","message":"Something went wrong on our side; please try again later.",'
        '"request_id":"%s","timestamp":"%s"}' % (request_id, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    ).encode("ascii")
    head = (
        "Status: 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        "Cache-Control: no-store\r\nX-Request-ID: %s\r\n\r\n" % (len(body), request_id)
    ).encode("ascii")
    return head + body, request_id


def report(request_id):
    """The current exception's traceback, to Apache's error log and, if it can be written, to the program's own."""
    import traceback

    text = "dndchat request %s failed before it was answered\n%s" % (request_id, traceback.format_exc())
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
    if "app.logs" in sys.modules:
        import logging

        logging.getLogger("app").error("%s", request_id, exc_info=True)


def main():
    reply, request_id = crash_reply()
    reply_to = os.dup(1)
    try:
        outside = os.path.realpath(sys.prefix) != os.path.realpath(VENV)
        if outside and os.path.exists(PYTHON) and "DNDCHAT_IN_VENV" not in os.environ:
            # Without this mark a damaged virtual environment would be entered again and again.
            os.environ["DNDCHAT_IN_VENV"] = "1"
            # -I: neither the environment nor the current directory may add modules.
            os.execv(PYTHON, [PYTHON, "-I", os.path.abspath(__file__)])
        if sys.version_info < (3, 10):
            raise RuntimeError("Python 3.10 or newer is needed, and a virtual environment: run scripts/setup.sh")
        # From here on what anything prints, even while it is imported, goes to the error log and not into the reply.
        os.dup2(2, 1)
        sys.path.insert(0, ROOT)
        from app.servers.cgi import main as serve

        serve(reply_to, reply, request_id)
    except BaseException:  # a module that gives up with sys.exit() owes the browser a reply, too
        report(request_id)
        try:
            os.write(reply_to, reply)
            os.close(reply_to)
            # Unread input would make mod_cgid lose the reply (see app/servers/cgi.py); a body of more than this is left.
            for _ in range(1024):
                if not os.read(0, 65536):
                    break
        except OSError:  # the client has gone
            pass


if __name__ == "__main__":
    main()
