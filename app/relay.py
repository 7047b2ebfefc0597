"""A request's way from the CGI program to the warm worker and back, and every name that the two and the
application share.

The program imports this before it knows which Python it will need: syntax of any Python 3, and no imports but
of what is built in and written in C. `socket` alone would make enumerations for 5 ms, as long as Python takes
to start.
"""

import os
import sys

from app import seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

SOCKET = "worker.sock"
"""The worker's name in DATA_DIR. It speaks SCGI there; before its reply stands the line that
`acknowledgement` makes."""
MAX_BODY_BYTES = 64 * 1024
"""The largest body of a request; a larger one is refused, by the process that the web server has started."""

# Variables of the environment. A client cannot set them: its headers arrive with HTTP_ before their names.
REQUEST_ID = "DNDCHAT_REQUEST_ID"
"""One id wherever the request is answered: by it the ledger knows what a dying worker has paid for
already."""
LOST_REQUEST_ID = "DNDCHAT_LOST_REQUEST_ID"
"""The id under which a worker has begun to answer this request and has then died or fallen silent."""
PROGRAM_ROOT = "DNDCHAT_ROOT"
"""Whose program hands the request over: of another release's the worker is stale."""
SECOND_INTERPRETER = "DNDCHAT_SECOND_INTERPRETER"
"""Set when a second interpreter takes the request over, which has passed through here already."""
TURN = "DNDCHAT_TURN"
"""The descriptor that keeps other strangers waiting, as a number."""
CROWD = "DNDCHAT_CROWD"
"""Set for a stranger who had to wait, and works at a low priority."""

# A worker that lives says so within microseconds; one that is busy, stopped or dying must not hold up the
# request.
ACKNOWLEDGE_SECONDS = 1.0
PIECE_BYTES = 65536


def acknowledgement(seconds: int) -> bytes:
    """What a worker says first: that it takes the request, and for how many seconds (below 10,000) it may
    be silent."""
    return b"%d\n" % seconds


def answered_by_worker(reply_to: int) -> bool:
    """Whether a worker has answered the request, on the descriptor `reply_to`. If not, this process must:
    stdin is as it was."""
    if SECOND_INTERPRETER in os.environ:
        return False
    os.environ[REQUEST_ID] = os.urandom(12).hex()
    folder = _data_dir()
    if not _is_ours(folder):
        return False
    turn = _wait_for_turn(folder)
    if not os.path.exists(os.path.join(folder, SOCKET)):
        return False
    if turn >= 0:
        # To hand a request over is no work; and a body that comes slowly must not hold up the line.
        os.close(turn)
        del os.environ[TURN]
    from app import body

    sent = body.read(MAX_BODY_BYTES)
    if sent is None:
        return False
    try:
        connection = _connect(folder, sent)
    except Exception:
        # Whatever this kernel or this Python lacks, down to sockets as such: without a worker the request is
        # answered, too.
        connection = None
    if connection is not None:
        answered = _copy_reply(connection, reply_to)
        connection.close()
        if answered:
            return True
        # It may have paid for the answer before it died, or do so when it wakes. By this id the ledger sees
        # to it that nobody pays a second time. Requests that no worker accepted need no entry.
        os.environ[LOST_REQUEST_ID] = os.environ[REQUEST_ID]
        os.environ[REQUEST_ID] = os.urandom(12).hex()
    body.put_back(sent)
    return False


def _data_dir() -> str:
    """As app.settings has it by default; a worker elsewhere leaves a link here."""
    named = os.environ.get("DATA_DIR", "").strip() or "var"
    try:
        return os.path.join(ROOT, os.path.expanduser(named))
    except KeyError:  # Python 3.7, for an account that has no entry
        return os.path.join(ROOT, "var")


def _is_ours(path: str) -> bool:
    """Whether nobody but this account can have put there what is there. Where others may write, the
    program explains it."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _wait_for_turn(folder: str) -> int:
    """Let those go first whose token is known: strangers are let in one at a time, the others of a crowd at a
    low priority.

    The descriptor that holds the turn, -1 for none: no preflight and no plain health request waits, which
    have no token.
    """
    try:
        header = next(filter(None, map(os.environ.get, seen.AUTHORIZATION_VARIABLES)), "")
        plain = os.environ.get("PATH_INFO", "").endswith("/health") and not header
        if plain or os.environ.get("REQUEST_METHOD") == "OPTIONS":
            return -1
        if seen.look(folder, seen.bearer_token(header)) == seen.GOOD:
            return -1
        turn, crowd = seen.stand_in_line(folder)
        if crowd:
            os.environ[CROWD] = "1"
            # Not the lowest for the one whose turn it is: if the token turns out to be good, others will wait
            # for what this process locks. Those who have waited in vain may be many.
            os.nice(10 if turn >= 0 else 19)
        if turn >= 0:
            os.set_inheritable(turn, True)
            os.environ[TURN] = str(turn)
        return turn
    except Exception:  # a Python or a host that lacks something: nothing depends on it
        return -1


def _connect(folder: str, sent: bytes) -> "_socket.socket | None":
    """A connection to the worker that has taken the request; None when none has, and then none will."""
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    line = b""
    try:
        connection.settimeout(ACKNOWLEDGE_SECONDS)
        # A socket's whole path may be too long for the kernel; its name is not.
        os.chdir(folder)
        # Here and no longer by its name, which might lead elsewhere by now. A token is only for a process of
        # this account.
        if _is_ours(".") and _is_ours(SOCKET):
            connection.connect(SOCKET)
            who = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
            if int.from_bytes(who[4:8], sys.byteorder) == os.geteuid():
                connection.sendall(_scgi_head(len(sent)) + sent)
                # Whoever says more than a number of seconds has taken the socket, but is no worker.
                byte = b"?"
                while byte and not line.endswith(b"\n") and len(line) < 5:
                    byte = connection.recv(1)
                    line += byte
    except OSError:
        # Busy, stopped or gone. From here on it cannot say that it takes the request, and so will not; unless
        # it just has.
        try:
            connection.shutdown(_socket.SHUT_RDWR)
            line += connection.recv(5)
        except OSError:  # not even connected
            pass
    if line.endswith(b"\n") and line[:-1].isdigit():
        connection.settimeout(int(line))
        return connection
    connection.close()
    return None


def _scgi_head(length: int) -> bytes:
    """The request's variables as an SCGI netstring."""
    head = [b"CONTENT_LENGTH", b"%d" % length, b"SCGI", b"1", PROGRAM_ROOT.encode(), os.fsencode(ROOT)]
    for name, value in os.environb.items():
        if name != b"CONTENT_LENGTH":
            head += [name, value]
    packed = b"\0".join(head) + b"\0"
    return b"%d:%b," % (len(packed), packed)


def _copy_reply(connection: "_socket.socket", reply_to: int) -> bool:
    """Whether a reply came. One that breaks off has come: there is no taking back what the client has."""
    answered = False
    try:
        piece = connection.recv(PIECE_BYTES)
        while piece:
            answered = True
            piece = piece[os.write(reply_to, piece) :] or connection.recv(PIECE_BYTES)
    except OSError:
        # The client or the worker is gone in the middle: there is nothing left to say, and nobody to say it
        # to.
        pass
    return answered
