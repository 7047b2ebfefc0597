#!/usr/bin/env python3
"""The CGI program: a warm worker answers the request (app/relay.py), or this process (servers/one_shot.py).

When all else fails, the browser gets JSON with a request id, the log a traceback. Any Python 3 can read this.
"""

import os
import sys


def main():
    # A client's `Proxy:` header arrives as HTTP_PROXY, which HTTP libraries obey (httpoxy).
    os.environ.pop("HTTP_PROXY", None)
    # Without stdin, stdout or stderr, the next file that is opened would be taken for it.
    spare = 0
    while spare < 3:
        spare = os.open(os.devnull, os.O_RDWR)
    os.close(spare)
    reply_to = os.dup(1)
    # What anything prints, even while it is imported, goes to the error log and not into the reply.
    os.dup2(2, 1)
    try:
        sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
        from app.relay import answered_by_worker

        if not answered_by_worker(reply_to):
            from app.interpreter import enter_for_one_request

            code_is_current = enter_for_one_request(__file__, reply_to)
            from app.servers.one_shot import main as answer

            answer(reply_to, code_is_current)
    except BaseException:  # a module that gives up with sys.exit() owes the browser a reply, too
        apologise(reply_to)


def apologise(reply_to):
    import time
    request_id = os.environ.get("DNDCHAT_REQUEST_ID") or os.urandom(12).hex()  # relay.REQUEST_ID
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    about = ("Something went wrong on our side; please try again later.", request_id, now)
    body = '{"error":"internal_error","message":"%s","request_id":"%s","timestamp":"%s"}' % about
    fields = "Content-Type: application/json\r\nContent-Length: %d\r\nCache-Control: no-store\r\n" % len(body)
    head = "Status: 500 Internal Server Error\r\n%sX-Request-ID: %s\r\n\r\n" % (fields, request_id)
    try:
        import traceback
        sys.stderr.write("dndchat request %s failed before it was answered\n" % request_id)
        traceback.print_exc()
    except Exception:  # nobody listens, or there is neither memory nor a descriptor left to say it with
        pass
    try:
        os.write(reply_to, (head + body).encode("ascii"))
        os.close(reply_to)
        # Unread input would make mod_cgid lose the reply (see app/servers/one_shot.py); 64 MB are read.
        any(not os.read(0, 65536) for _ in range(1024))
    except (OSError, MemoryError):  # the client has gone
        pass


main()
