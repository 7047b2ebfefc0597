"""The Python that the program runs in: that of `.venv`, with the packages there and no others.

A deployment names it in the first line of the programs in cgi-bin; else they have to be started a second
time. They import this from whatever Python the web server starts: syntax of any Python 3, and no imports but
of what is built in.
"""

import gc
import os
import sys

from app.relay import ROOT, SECOND_INTERPRETER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python3")
PACKAGES = os.path.join(VENV, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")


def enter(program: str) -> None:
    """Start `program` again in the virtual environment's interpreter; there, put its packages on the path.

    Raises RuntimeError where this Python is too old and there is no other.
    """
    if os.path.exists(PYTHON) and sys.executable != PYTHON and SECOND_INTERPRETER not in os.environ:
        os.environ[SECOND_INTERPRETER] = "1"
        # -I: neither the environment nor the current directory may add modules. -S: no time is spent on
        # finding more.
        os.execv(PYTHON, [PYTHON, "-IS", os.path.realpath(program)])
    if sys.version_info < (3, 10):
        raise RuntimeError("Python 3.10 or newer is needed, and a virtual environment: run scripts/setup.sh")
    sys.path.insert(1, PACKAGES)


def enter_for_one_request(program: str, reply_to: int) -> "Callable[[], bool]":
    """As `enter`, for a process that ends soon, whose reply goes to `reply_to` and nothing else there.

    Returns a function that tells whether the program's files are still those that this process loads from
    here on.
    """
    # A second interpreter begins as the first did.
    os.dup2(reply_to, 1)
    enter(program)
    os.dup2(2, 1)
    # None where the web server gave this process no such stream.
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
    # The process ends before its garbage matters, and looking for it while modules load takes 8 % of the
    # start.
    gc.disable()
    loaded = _code_stamp()
    # What was loaded before may have been replaced before the stamp was taken, so it is loaded again.
    for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
        del sys.modules[name]
    return lambda: _code_stamp() == loaded


def _code_stamp() -> "dict[str, tuple[int, int] | None]":
    """When which file of the program was changed last, and the directory of its packages."""
    paths = [PACKAGES]
    for folder, _, names in os.walk(os.path.join(ROOT, "app")):
        if not folder.endswith("__pycache__"):
            paths += [os.path.join(folder, name) for name in names]
    return {path: _file_stamp(path) for path in paths}


def _file_stamp(path: str) -> "tuple[int, int] | None":
    try:
        status = os.stat(path)
    except OSError:  # gone in the middle of a deployment
        return None
    return status.st_ino, status.st_ctime_ns
