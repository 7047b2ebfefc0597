"""Which Python runs an operator's command: the one that `scripts/setup.sh` installed the packages for. Needs no package."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / ".venv/bin/python3"


def use_own() -> None:
    """Begin anew in the checkout's `.venv`, if there is one and no other virtual environment was chosen."""
    chosen = sys.prefix != sys.base_prefix
    if not chosen and Path(sys.executable) != PYTHON and PYTHON.exists():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    if find_spec("urllib3") is None:
        sys.exit("✗ The packages of this project are not installed here: run scripts/setup.sh --operator")
