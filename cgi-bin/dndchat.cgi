#!/usr/bin/env python3
"""The CGI program: hands the request to a warm worker if there is one, else answers it in this process.

Standard library only, and syntax that any Python 3 can read: whatever goes wrong before the application runs, the browser
gets JSON with a request id and the log a traceback. From a checkout it finds `.venv` beside it; a deployment writes
`/path/to/.venv/bin/python3 -IS` into the first line and spares the detour through the system's Python. For a worker it
loads little more than the core of `socket`, and app/seen.py, which tells strangers from those whose token is known.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python3")

SOCKET = "worker.sock"
# A worker that lives says so within microseconds; one that is busy, stopped or dying must not hold up the request.
ACKNOWLEDGE_SECONDS = 1.0
# A body that does not come to its end by then is refused, by this process.
BODY_SECONDS = 30.0
# As app.web.validation: whatever is larger is refused, by this process.
MAX_BODY_BYTES = 65536
# Marks that a request has passed through here already, when a second interpreter takes it over.
SECOND = "DNDCHAT_SECOND_INTERPRETER"
# The descriptor of the stranger that works, and the mark of one that had to wait; see app/seen.py and app/servers/one_shot.py.
TURN, CROWD = "DNDCHAT_TURN", "DNDCHAT_CROWD"


def main():
    # A client's `Proxy:` header arrives as HTTP_PROXY, which HTTP libraries obey (httpoxy). Nothing may see it.
    os.environ.pop("HTTP_PROXY", None)
    reply_to = 1
    try:
        if sys.stdin is None or sys.stdout is None or sys.stderr is None:
            open_missing_streams()
        reply_to = os.dup(1)
        if SECOND not in os.environ:
            # One id wherever the request is answered: the ledger knows by it what a dying worker has paid for already.
            os.environ["DNDCHAT_REQUEST_ID"] = os.urandom(12).hex()
            folder = data_dir()
            if is_ours(folder):
                turn = give_way(folder)
                if os.path.exists(os.path.join(folder, SOCKET)):
                    # To hand it over is no work; and a body that comes slowly must not hold up the line.
                    leave_line(turn)
                    if relay(folder, reply_to):
                        return
        serve(reply_to)
    except BaseException:  # a module that gives up with sys.exit() owes the browser a reply, too
        apologise(reply_to)


def open_missing_streams():
    """Put nothing where this process was started without stdin, stdout or stderr: the next file opened would be taken for it."""
    while os.open(os.devnull, os.O_RDWR) < 2:
        pass
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)


def data_dir():
    """As app.settings has it by default; a worker elsewhere leaves a link here."""
    named = os.environ.get("DATA_DIR", "").strip() or "var"
    try:
        return os.path.join(ROOT, os.path.expanduser(named))
    except KeyError:  # Python 3.7, for an account that has no entry
        return os.path.join(ROOT, "var")


def give_way(folder):
    """Let those go first whose token is known. Strangers are let in one at a time; who had to wait works at a low priority.

    The descriptor that holds the turn, -1 for none: no preflight and no plain health request waits, which have no token.
    """
    try:
        seen = seen_tokens()
        header = next(filter(None, map(os.environ.get, seen["AUTHORIZATION_VARIABLES"])), "")
        plain = os.environ.get("PATH_INFO", "").endswith("/health") and not header
        if plain or os.environ.get("REQUEST_METHOD") == "OPTIONS":
            return -1
        if seen["look"](folder, seen["bearer_token"](header)) == seen["GOOD"]:
            return -1
        turn, crowd = seen["stand_in_line"](folder)
        if crowd:
            os.environ[CROWD] = "1"
            # Not the lowest for the one whose turn it is: if he turns out to be good, others will wait for what he locks. Those who
            # have waited in vain may be many.
            os.nice(10 if turn >= 0 else 19)
        if turn >= 0:
            os.set_inheritable(turn, True)
            os.environ[TURN] = str(turn)
        return turn
    except Exception:
        # A Python too old for that module, or a host that lacks something: nothing depends on it.
        return -1


def leave_line(turn):
    """Let the next one in."""
    if turn >= 0:
        os.close(turn)
        del os.environ[TURN]


def seen_tokens():
    """What app/seen.py defines. Not imported: nothing of the application may be loaded before `code_stamp` is taken."""
    import _frozen_importlib_external as loaders

    names = {"__name__": "seen"}
    exec(loaders.SourceFileLoader("seen", os.path.join(ROOT, "app", "seen.py")).get_code("seen"), names)
    return names


def is_ours(path):
    """Whether nobody but this account can have put there what is there. Whoever else may write makes the program explain."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def relay(folder, reply_to):
    """Let the worker answer. False when it has not, with the request's body in place for this process to answer."""
    body = read_body()
    if body is None:
        return False
    try:
        connection = hand_over(folder, body)
    except Exception:
        # Whatever this kernel or this Python lacks, down to sockets as such: without a worker the request is answered, too.
        connection = None
    if connection is not None:
        answered = copy_reply(connection, reply_to)
        connection.close()
        if answered:
            return True
        # It may have paid for the answer before it died, or do so when it wakes. By this id the ledger sees to it that nobody
        # pays a second time. Of a request that no worker has taken it need not know.
        os.environ["DNDCHAT_LOST_REQUEST_ID"] = os.environ["DNDCHAT_REQUEST_ID"]
        os.environ["DNDCHAT_REQUEST_ID"] = os.urandom(12).hex()
    put_back(body)
    return False


def hand_over(folder, body):
    """A connection to the worker that has taken the request; None when none has, and then none will."""
    # What `socket` is built on, which has all that is needed: `socket` itself makes enumerations for 5 ms, as long as Python
    # takes to start.
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    # Its first line says that it takes the request, and for how many seconds it may be silent; what follows is the reply.
    patience = b""
    try:
        connection.settimeout(ACKNOWLEDGE_SECONDS)
        # A socket's whole path may be too long for the kernel; its name is not.
        os.chdir(folder)
        # Here and no longer by its name, which might lead elsewhere by now. A token is only for a process of this account.
        if not is_ours(".") or not is_ours(SOCKET):
            return None
        connection.connect(SOCKET)
        who = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        if int.from_bytes(who[4:8], sys.byteorder) != os.geteuid():
            connection.close()
            return None
        connection.sendall(scgi_head(len(body)) + body)
        # No more than a number of seconds: whoever says more has taken the socket, but is no worker.
        while not patience.endswith(b"\n") and len(patience) < 5:
            byte = connection.recv(1)
            if not byte:
                break
            patience += byte
    except OSError:
        # Busy, stopped or gone. From here on it cannot say that it takes the request, and so will not; unless it just has.
        try:
            connection.shutdown(_socket.SHUT_RDWR)
            patience += connection.recv(5)
        except OSError:  # not even connected
            pass
    try:
        if patience.endswith(b"\n"):
            connection.settimeout(int(patience))
            return connection
    except ValueError:
        pass
    connection.close()
    return None


def copy_reply(connection, reply_to):
    """Whether a reply came. One that breaks off has come: there is no taking back what the client has."""
    answered = False
    try:
        piece = connection.recv(65536)
        while piece:
            answered = True
            write(reply_to, piece)
            piece = connection.recv(65536)
    except OSError:
        # The client or the worker is gone in the middle: there is nothing left to say, and nobody to say it to.
        pass
    return answered


def read_body():
    """The body of an ordinary request; None, with stdin as it was, for one that this process must look at."""
    announced = os.environ.get("CONTENT_LENGTH") or "0"
    if announced.strip("0123456789") or len(announced) > 5 or "HTTP_TRANSFER_ENCODING" in os.environ:
        return None
    left = int(announced)
    if left > MAX_BODY_BYTES:
        return None
    pieces = []
    try:
        end = os.times()[4] + BODY_SECONDS
        while left:
            piece = read_now(left)
            if piece is None and wait_for_body(end - os.times()[4]):
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


def read_now(count):
    """What is there of the body; None while nothing is."""
    os.set_blocking(0, False)
    try:
        return os.read(0, count)
    except BlockingIOError:
        return None
    finally:
        # Under mod_cgid the reply goes out by the same socket.
        os.set_blocking(0, True)


def wait_for_body(seconds):
    """Whether more of the body comes in time. A web server has most often sent it before this program runs."""
    import select

    return seconds > 0 and select.select([0], [], [], seconds)[0]


def put_back(body):
    """Make stdin give `body` again."""
    try:
        source = os.memfd_create("body")
        write(source, body)
        os.lseek(source, 0, os.SEEK_SET)
    except (AttributeError, OSError):  # before Python 3.8, built for an old glibc, a kernel before 3.17, a sandbox
        source = pipe_with(body)
    if source != 0:  # it is where nobody has given the process a stdin
        os.dup2(source, 0)
        os.close(source)


def pipe_with(body):
    """The reading end of a pipe that gives `body`. What a pipe does not hold at once, a process of its own writes."""
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
                write(1, body)
            finally:
                os._exit(0)
    os.close(writing)
    return reading


def scgi_head(length):
    """The request's variables as an SCGI netstring, and whose program this is: of another release's the worker is stale."""
    head = [b"CONTENT_LENGTH", str(length).encode("ascii"), b"SCGI", b"1", b"DNDCHAT_ROOT", os.fsencode(ROOT)]
    for name, value in os.environb.items():
        if name != b"CONTENT_LENGTH":
            head += [name, value]
    packed = b"\0".join(head) + b"\0"
    return str(len(packed)).encode("ascii") + b":" + packed + b","


def serve(reply_to):
    """Answer the request in this process, in the virtual environment's interpreter."""
    if os.path.exists(PYTHON) and sys.executable != PYTHON and SECOND not in os.environ:
        os.environ[SECOND] = "1"
        # -I: neither the environment nor the current directory may add modules. -S: no time is spent on finding more.
        os.execv(PYTHON, [PYTHON, "-IS", os.path.join(ROOT, "cgi-bin", os.path.basename(__file__))])
    if sys.version_info < (3, 10):
        raise RuntimeError("Python 3.10 or newer is needed, and a virtual environment: run scripts/setup.sh")
    import gc

    version = "python%d.%d" % sys.version_info[:2]
    packages = os.path.join(VENV, "lib", version, "site-packages")
    sys.path[:0] = [ROOT, packages]
    # The process ends before its garbage matters, and looking for it while modules load takes 8 % of the start.
    gc.disable()
    loaded = code_stamp(packages)
    # From here on what anything prints, even while it is imported, goes to the error log and not into the reply.
    os.dup2(2, 1)
    from app.servers.one_shot import main as answer

    answer(reply_to, apology, lambda: code_stamp(packages) == loaded)


def code_stamp(packages):
    """Changes whenever a file of the program does, or packages are installed.

    Taken before anything is loaded: a process that took it later could have loaded what was replaced meanwhile.
    """
    paths = [packages]
    for folder, _, names in os.walk(os.path.join(ROOT, "app")):
        if not folder.endswith("__pycache__"):
            paths += [os.path.join(folder, name) for name in names]
    return {path: file_stamp(path) for path in paths}


def file_stamp(path):
    try:
        status = os.stat(path)
    except OSError:  # gone in the middle of a deployment
        return None
    return status.st_ino, status.st_ctime_ns


def apology():
    """A complete CGI reply for a failure that nothing else has answered."""
    import time

    request_id = os.environ.get("DNDCHAT_REQUEST_ID", "")
    body = (
        '{"error":"internal_error","message":"Something went wrong on our side; please try again later.",'
        '"request_id":"%s","timestamp":"%s"}' % (request_id, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    ).encode("ascii")
    head = (
        "Status: 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        "Cache-Control: no-store\r\nX-Request-ID: %s\r\n\r\n" % (len(body), request_id)
    ).encode("ascii")
    return head + body


def apologise(reply_to):
    """Answer for the current exception, and put its traceback into Apache's error log and, if it is open, the program's."""
    if "app.servers.confinement" in sys.modules:
        # The memory to say it with.
        sys.modules["app.servers.confinement"].release()
    request_id = os.environ.get("DNDCHAT_REQUEST_ID", "")
    try:
        import traceback

        sys.stderr.write("dndchat request %s failed before it was answered\n%s" % (request_id, traceback.format_exc()))
        sys.stderr.flush()
    except Exception:  # nobody listens, or there is neither memory nor a descriptor left to say it with
        pass
    if "app.logs" in sys.modules:
        # Only what could be loaded logs, and logging never raises.
        sys.modules["logging"].getLogger("app").error("%s failed before it was answered", request_id, exc_info=True)
    try:
        write(reply_to, apology())
        os.close(reply_to)
        # Unread input would make mod_cgid lose the reply (see app/servers/one_shot.py); a body of more than this is left.
        for _ in range(1024):
            if not os.read(0, 65536):
                break
    except (OSError, MemoryError):  # the client has gone
        pass


def write(descriptor, data):
    """All of `data`."""
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
