"""Which Python runs an operator's command: the one that `scripts/setup.sh` installed the packages for.

Most commands need none; the few that do (ingest, the connector's own operations) say so themselves.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / ".venv/bin/python3"


def use_own() -> None:
    """Begin anew in the checkout's `.venv`, if there is one and no other virtual environment was chosen."""
    chosen = sys.prefix != sys.base_prefix
    if not chosen and Path(sys.executable) != PYTHON and PYTHON.exists():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
