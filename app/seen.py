"""Which tokens were seen lately: one small file that never grows, and the first look before the auth API is
called.

GOOD for a day is a token that the auth API accepted: it may go on to the ledger, which alone knows whose it
is and for how long that is trusted. BAD for half a minute is one that it refused. All others are a
STRANGER's. This file lets nobody in, and nothing depends on it: it is written in place and never synced, and
a lost entry costs one call to the auth API. It holds fingerprints only, and good and bad ones in slots of
their own: no flood of bad tokens drives out a good one.

The CGI wrapper runs this module, too, before it knows which Python it will need. So it has the syntax of any
Python 3 and imports only what is built in.
"""

import os
import time

FILE = "tokens.seen"
"""Its name in DATA_DIR."""
GOOD, BAD, STRANGER, UNREADABLE = "good", "bad", "stranger", "unreadable"
SECONDS = {GOOD: 86400, BAD: 30}

# Longer than any JWT of the auth API, shorter than what a web server takes as one header line (8,190 bytes).
MAX_TOKEN_BYTES = 8000

# An entry: the fingerprint, and when it ends in seconds since 1970. A set has WAYS slots for good entries,
# then as many for bad ones. The head says when the last stranger was let in, in milliseconds since 1970.
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

# How far apart strangers are let in, and how long one waits: as long as eight others take. More of them would
# fill the twenty or so processes that a host allows.
APART_SECONDS, LONGEST_SECONDS = 0.15, 2.5


def bearer_token(header: str) -> str:
    """The token of an Authorization header; empty when the header holds none, or what no token can be."""
    scheme, _, token = header.strip().partition(" ")
    token = token.lstrip(" ")
    if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_BYTES:
        return ""
    return token if all("\x21" <= character <= "\x7e" for character in token) else ""


def look(directory: str, token: str) -> str:
    """GOOD, BAD, STRANGER, or UNREADABLE where there is no file yet, or none that can be used."""
    try:
        start, fingerprint = _set_of(token)
        file = _open(directory, os.O_RDONLY)
        try:
            entries = os.pread(file, SET_BYTES, start)
        finally:
            os.close(file)
    except (OSError, ImportError):
        return UNREADABLE
    # Of two that contradict each other, the bad one is safe.
    for kind in (BAD, GOOD):
        if any(found == fingerprint and ends for _, found, ends in _slots(entries, kind)):
            return kind
    return STRANGER


def note(directory: str, token: str, kind: str) -> None:
    """Remember a token as GOOD or BAD, in the slot of its kind whose entry ends first. Raises OSError."""
    start, fingerprint = _set_of(token)
    file = _open(directory, os.O_RDWR | os.O_CREAT)
    try:
        entries = os.pread(file, SET_BYTES, start)
        for slot, found, _ in _slots(entries, BAD if kind == GOOD else GOOD):
            if found == fingerprint:
                os.pwrite(file, bytes(ENTRY_BYTES), start + slot * ENTRY_BYTES)
        slot = min(_slots(entries, kind), key=lambda slot: (slot[1] != fingerprint, slot[2]))[0]
        ends = int(time.time()) + SECONDS[kind]
        os.pwrite(file, fingerprint + ends.to_bytes(8, "big"), start + slot * ENTRY_BYTES)
    finally:
        os.close(file)


def stand_in_line(directory: str) -> "tuple[int, bool]":
    """Wait for the turn of this stranger, asleep and no longer than LONGEST_SECONDS.

    Strangers are let in one at a time and APART_SECONDS after each other: a worker takes requests so soon
    that many could pass one by one. Returns the descriptor that holds the turn until it is closed (-1: none),
    and whether there is a crowd. To be called in the main thread, with no alarm set.
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
    except OSError as error:
        # Who waited in vain is one of a crowd; where locks or timers fail, there is no line.
        os.close(file)
        return -1, isinstance(error, TimeoutError)
    finally:
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        _signal.signal(_signal.SIGALRM, before)


def _last_let_in(file: int) -> float:
    """In seconds since 1970."""
    return int.from_bytes(os.pread(file, 8, 0), "big") / 1000


def _time_is_up(*_: object) -> None:
    raise TimeoutError


def _set_of(token: str) -> "tuple[int, bytes]":
    """Where in the file the token's set begins, and the token's fingerprint."""
    # hashlib would load OpenSSL.
    import _blake2

    digest = _blake2.blake2b(token.encode("ascii"), digest_size=FINGERPRINT_BYTES + 4).digest()
    return HEAD_BYTES + int.from_bytes(digest[:4], "big") % SETS * SET_BYTES, digest[4:]


def _open(directory: str, flags: int) -> int:
    """The file, if it is whole and this account's own. Raises OSError."""
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


def _slots(entries: bytes, kind: str) -> "list[tuple[int, bytes, int]]":
    """The slots of a kind in a set: number, fingerprint, and when the entry ends in seconds since 1970.

    That is 0 if it has ended, or if the clock was set back since: nobody knows how old it is.
    """
    slots = []
    for number in range(WAYS) if kind == GOOD else range(WAYS, 2 * WAYS):
        entry = entries[number * ENTRY_BYTES :][:ENTRY_BYTES]
        ends = int.from_bytes(entry[FINGERPRINT_BYTES:], "big")
        valid = time.time() < ends <= time.time() + SECONDS[kind]
        slots.append((number, entry[:FINGERPRINT_BYTES], ends if valid else 0))
    return slots
