#!/usr/bin/env python3
"""Measures dndchat under a real Apache beside other ways to do the same; see tests/bench. Needs
scripts/setup.sh --dev.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.operator import venv

venv.use_own()

try:
    from tests.bench.command import main
except ModuleNotFoundError as error:
    sys.exit(f"✗ {error}: run scripts/setup.sh --dev")

sys.exit(main(sys.argv[1:]))
