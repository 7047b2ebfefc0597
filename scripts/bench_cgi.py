#!/usr/bin/env python3
"""Measures dndchat under a real Apache beside other ways to do the same; see tests/bench. Needs scripts/setup.sh --dev."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv/bin/python3"

if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
    if not PYTHON.exists():
        sys.exit("✗ There is no .venv: run scripts/setup.sh --dev")
    os.execv(PYTHON, [str(PYTHON), __file__, *sys.argv[1:]])
sys.path.insert(0, str(ROOT))

try:
    from tests.bench.command import main
except ModuleNotFoundError as error:
    sys.exit(f"✗ {error}: run scripts/setup.sh --dev")

sys.exit(main(sys.argv[1:]))
