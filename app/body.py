"""A request's body on stdin: read before it is known who answers the request, and put back where this process
does.

Only for the CGI program (see app/relay.py): syntax of any Python 3, and no imports but of what is built in.
"""

import os

# A body that does not come to its end by then is refused, by the process that the web server has started.
BODY_SECONDS = 30.0


def read(most: int) -> "bytes | None":
    """The body of an ordinary request; None, with stdin as it was, for one that this process must look at.

    That is one of more than `most` bytes, one that is shorter than announced, and one whose length nobody
    announced.
    """
    announced = os.environ.get("CONTENT_LENGTH") or "0"
    if announced.strip("0123456789") or len(announced) > 5 or "HTTP_TRANSFER_ENCODING" in os.environ:
        return None
    left = int(announced)
    if left > most:
        return None
    pieces = []
    try:
        end = os.times()[4] + BODY_SECONDS
        while left:
            piece = _read_now(left)
            if piece is None and _arrives(end - os.times()[4]):
                continue
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
    except Exception:  # a kernel or a Python that cannot read it so
        if not pieces:
            return None
    body = b"".join(pieces)
    if left:
        put_back(body)
        return None
    return body


def _read_now(count: int) -> "bytes | None":
    """What is there of the body; None while nothing is."""
    os.set_blocking(0, False)
    try:
        return os.read(0, count)
    except BlockingIOError:
        return None
    finally:
        # Under mod_cgid the reply goes out by the same socket.
        os.set_blocking(0, True)


def _arrives(seconds: float) -> bool:
    """Whether more of the body comes in time. A web server has most often sent it before this program
    runs."""
    import select

    return seconds > 0 and bool(select.select([0], [], [], seconds)[0])


def put_back(body: bytes) -> None:
    """Make stdin give `body` again."""
    try:
        source = os.memfd_create("body")
        _write(source, body)
        os.lseek(source, 0, os.SEEK_SET)
    except (AttributeError, OSError):
        # Before Python 3.8, built for an old glibc, a kernel before 3.17, a sandbox.
        source = pipe_with(body)
    if source != 0:  # it is where nobody has given the process a stdin
        os.dup2(source, 0)
        os.close(source)


def pipe_with(body: bytes) -> int:
    """The reading end of a pipe that gives `body`. What a pipe does not hold at once, a process of its own
    writes."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        while body:
            body = body[os.write(writing, body) :]
    except (AttributeError, BlockingIOError):
        if not os.fork():
            try:
                os.dup2(writing, 1)
                os.closerange(2, 256)
                os.close(0)
                if hasattr(os, "set_blocking"):
                    os.set_blocking(1, True)
                _write(1, body)
            finally:
                os._exit(0)
    os.close(writing)
    return reading


def _write(descriptor: int, data: bytes) -> None:
    """All of `data`."""
    while data:
        data = data[os.write(descriptor, data) :]
