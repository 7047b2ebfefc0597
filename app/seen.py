"""Which tokens were seen lately: one small file that never grows, and all that is looked at before the auth
API is asked.

A token that the auth API has taken is GOOD for a day: it may go on to the ledger, which alone knows whose it
is and for how long that is believed. One that was refused is BAD for half a minute. Everybody else is a
STRANGER. Nothing here lets anybody in, and nothing depends on it: it is written in place and never synced,
and a lost entry costs one call to the auth API. Fingerprints only; good and bad have places of their own, so
that no flood of bad tokens drives out a good one.

The CGI program runs this file, too, before it knows which Python it will need: syntax of any Python 3, and no
imports but of what is built in.
"""

import os
import time

FILE = "tokens.seen"
"""Its name in DATA_DIR."""
GOOD, BAD, STRANGER, UNREADABLE = "good", "bad", "stranger", "unreadable"
SECONDS = {GOOD: 86400, BAD: 30}

# Longer than any JWT of the auth API, shorter than what a web server takes as one header line (8,190 bytes).
MAX_TOKEN_BYTES = 8000

# An entry: the fingerprint, and when it ends in seconds since 1970. A set holds so many good ones, then as
# many bad ones.
FINGERPRINT_BYTES, ENTRY_BYTES, WAYS, SETS = 16, 24, 4, 512
SET_BYTES = 2 * WAYS * ENTRY_BYTES
HEAD_BYTES = 64
FILE_BYTES = HEAD_BYTES + SETS * SET_BYTES

# Where web servers put the caller's Authorization header; see app/servers/one_shot.py.
AUTHORIZATION_VARIABLES = (
    "HTTP_AUTHORIZATION",
    "REDIRECT_HTTP_AUTHORIZATION",
    "REDIRECT_REDIRECT_HTTP_AUTHORIZATION",
    "HTTP_X_DNDCHAT_AUTHORIZATION",
    "AUTHORIZATION",
)

# The line: how far apart strangers are let in, and how long one waits: as long as eight others take. More
# would fill the twenty or so processes that a host allows.
APART_SECONDS, LONGEST_SECONDS = 0.15, 2.5


def bearer_token(header: str) -> str:
    """The token of an Authorization header; empty when the header holds none, or what no token can be."""
    scheme, _, token = header.strip().partition(" ")
    token = token.lstrip(" ")
    if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_BYTES:
        return ""
    return token if all("\x21" <= character <= "\x7e" for character in token) else ""


def look(directory: str, token: str) -> str:
    """GOOD, BAD, STRANGER, or UNREADABLE where there is no such file yet, or none that can be used."""
    try:
        place, fingerprint = _place(token)
        file = _open(directory, os.O_RDONLY)
        try:
            entries = os.pread(file, SET_BYTES, place)
        finally:
            os.close(file)
    except (OSError, ImportError):
        return UNREADABLE
    # The bad one first: of two that contradict each other it is the safe one.
    for kind in (BAD, GOOD):
        same = [way for way in _ways(kind) if _fingerprint(entries, way) == fingerprint]
        if any(_ends(entries, way, kind) for way in same):
            return kind
    return STRANGER


def note(directory: str, token: str, kind: str) -> None:
    """Remember a token as GOOD or BAD, in the place of the entry of its kind that ends first. Raises
    OSError."""
    place, fingerprint = _place(token)
    file = _open(directory, os.O_RDWR | os.O_CREAT)
    try:
        entries = os.pread(file, SET_BYTES, place)
        other = BAD if kind == GOOD else GOOD
        for way in _ways(other):
            if _fingerprint(entries, way) == fingerprint:
                os.pwrite(file, bytes(ENTRY_BYTES), place + way * ENTRY_BYTES)
        way = min(
            _ways(kind),
            key=lambda way: (_fingerprint(entries, way) != fingerprint, _ends(entries, way, kind)),
        )
        ends = int(time.time()) + SECONDS[kind]
        os.pwrite(file, fingerprint + ends.to_bytes(8, "big"), place + way * ENTRY_BYTES)
    finally:
        os.close(file)


def stand_in_line(directory: str) -> "tuple[int, bool]":
    """One stranger at a time, APART_SECONDS after the one before: wait for the turn, asleep, no longer than
    LONGEST_SECONDS.

    When the last one was let in stands at the head of the file: a worker takes a request so soon that many
    pass one by one.

    The descriptor that holds the turn until it is closed (-1: none), and whether there is a crowd. To be
    called in the main thread, with no alarm set.
    """
    import _signal  # type: ignore[import-not-found]  # `signal` makes enumerations, for 4 ms
    import fcntl

    try:
        file = _open(directory, os.O_RDWR)
    except OSError:
        return -1, False
    before = _signal.signal(_signal.SIGALRM, _time_is_up)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            crowd = 0 <= time.time() - _last_let_in(file) < APART_SECONDS
        except BlockingIOError:
            crowd = True
            _signal.setitimer(_signal.ITIMER_REAL, LONGEST_SECONDS)
            fcntl.flock(file, fcntl.LOCK_EX)
            _signal.setitimer(_signal.ITIMER_REAL, 0)
        if crowd:
            time.sleep(APART_SECONDS)
        os.pwrite(file, int(1000 * time.time()).to_bytes(8, "big"), 0)
        return file, crowd
    except OSError:
        os.close(file)
        return -1, True
    finally:
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        _signal.signal(_signal.SIGALRM, before)


def _last_let_in(file: int) -> float:
    """In seconds since 1970."""
    return int.from_bytes(os.pread(file, 8, 0), "big") / 1000


def _time_is_up(*_: object) -> None:
    raise TimeoutError


def _place(token: str) -> "tuple[int, bytes]":
    """Where the token's set begins, and its fingerprint."""
    # What hashlib is made of; hashlib itself loads OpenSSL.
    import _blake2

    digest = _blake2.blake2b(token.encode("ascii"), digest_size=FINGERPRINT_BYTES + 4).digest()
    return HEAD_BYTES + int.from_bytes(digest[:4], "big") % SETS * SET_BYTES, digest[4:]


def _open(directory: str, flags: int) -> int:
    """The file, which is whole and this account's own. Raises OSError."""
    file = os.open(directory + "/" + FILE, flags | os.O_CLOEXEC, 0o600)
    status = os.fstat(file)
    if status.st_uid == os.geteuid() and status.st_size == FILE_BYTES:
        return file
    if status.st_uid == os.geteuid() and flags & os.O_CREAT:
        os.ftruncate(file, 0)
        os.ftruncate(file, FILE_BYTES)
        return file
    os.close(file)
    raise OSError("no file of tokens that this program has made")


def _ways(kind: str) -> range:
    return range(WAYS) if kind == GOOD else range(WAYS, 2 * WAYS)


def _fingerprint(entries: bytes, way: int) -> bytes:
    return entries[way * ENTRY_BYTES :][:FINGERPRINT_BYTES]


def _ends(entries: bytes, way: int, kind: str) -> int:
    """When an entry ends; 0 when it has, or when it was made before the clock was set back: nobody knows
    how old it is."""
    ends = int.from_bytes(entries[way * ENTRY_BYTES :][FINGERPRINT_BYTES:ENTRY_BYTES], "big")
    return ends if time.time() < ends <= time.time() + SECONDS[kind] else 0
