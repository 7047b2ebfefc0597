"""Which Python runs an operator's command: the one that `scripts/setup.sh` installed the packages for.

Every script begins with it, in whatever `python3` is on the host. So what is loaded until then, and the text
of the scripts themselves, is read by Python 3.6, too: no newer syntax there, no newer `__future__`.
"""

import os
import sys
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / ".venv/bin/python3"
OLDEST = (3, 10)


def use_own() -> None:
    """Begin anew in the checkout's `.venv`, if there is one and no other virtual environment was chosen.

    An interpreter that is too old always begins anew; where it cannot, it ends with one sentence.
    """
    chosen = sys.prefix != sys.base_prefix
    too_old = sys.version_info < OLDEST
    if (too_old or not chosen) and Path(sys.executable) != PYTHON and PYTHON.exists():
        try:
            os.execv(str(PYTHON), [str(PYTHON), *sys.argv])
        except OSError as error:
            sys.stderr.write("✗ {} cannot be run ({}): run scripts/setup.sh\n".format(PYTHON, error.strerror))  # noqa: UP032
            sys.exit(1)
    if too_old:
        sys.exit(
            "✗ This needs Python 3.10 or newer, and {} is {}.{}: run scripts/setup.sh".format(
                sys.executable, *sys.version_info
            )
        )
