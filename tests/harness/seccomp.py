"""A kernel that lacks some calls, for one program: the calls fail with the error number that such a kernel
gives.

    program.request(command=lacking(account, memfd_create=errno.ENOSYS))

A seccomp filter does it, so nothing is loaded into the program and no name is replaced in it: what fails is
the call itself, as on an old kernel, in a sandbox, or on a file system whose server knows no locks.
"""

from __future__ import annotations

import platform
from pathlib import Path

from .accounts import Account
from .checkout import interpreter_for

# Numbers of <asm/unistd.h>, and what AUDIT_ARCH is.
_CALLS = {
    "x86_64": {
        "memfd_create": 319,
        "flock": 73,
        "fcntl": 72,
        "socket": 41,
        "fork": 57,
        "vfork": 58,
        "clone": 56,
        "clone3": 435,
        "times": 100,
        "select": 23,
        "pselect6": 270,
        "getrandom": 318,
    },
    "aarch64": {
        "memfd_create": 279,
        "flock": 32,
        "fcntl": 25,
        "socket": 198,
        "clone": 220,
        "clone3": 435,
        "times": 153,
        "pselect6": 72,
        "getrandom": 278,
    },
}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Installs the filter and becomes the program. Each rule is a number, an error, and what the second argument
# must be (-1: any).
_LAUNCHER = """
import ctypes, os, struct, sys
architecture, rules = int(sys.argv[1]), [tuple(map(int, rule.split(":"))) for rule in sys.argv[2].split(",")]
LOAD, EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, ALLOW)]
for number, error, argument in rules:
    code.append((LOAD, 0, 0, 0))
    if argument < 0:
        code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error)]
    else:
        code += [(EQUAL, 0, 3, number), (LOAD, 0, 0, 24), (EQUAL, 0, 1, argument), (RETURN, 0, 0, ERRNO | error)]
code.append((RETURN, 0, 0, ALLOW))
packed = b"".join(struct.pack("HBBI", *line) for line in code)
filters = ctypes.create_string_buffer(packed)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit("no seccomp: error %d" % ctypes.get_errno())
os.execv(sys.argv[3], sys.argv[3:])
"""


def lacking(account: Account, **calls: int | tuple[int, int]) -> list[str | Path]:
    """What to put before a command: `name=errno`, or `name=(errno, second argument)` for the calls with that
    argument only.

    A name that this kind of processor has no call for is left out. Raises LookupError on processors not known
    here.
    """
    machine = platform.machine()
    if machine not in _CALLS:
        raise LookupError(f"seccomp: the numbers of the calls on {machine} are not known here")
    rules = []
    for name, given in calls.items():
        error, argument = given if isinstance(given, tuple) else (given, -1)
        if name in _CALLS[machine]:
            rules.append(f"{_CALLS[machine][name]}:{error}:{argument}")
    return [interpreter_for(account), "-I", "-c", _LAUNCHER, str(_ARCHITECTURE[machine]), ",".join(rules)]


# F_SETLK, by which SQLite locks.
SET_LOCK = 6
