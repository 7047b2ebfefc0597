"""Marks for tests that need a real part which not every machine has. In CI a missing part is a failure, not a
skip.
"""

from __future__ import annotations

import os

import pytest

from .apache import suexec_obstacle

__all__ = ["needs_suexec"]

needs_suexec = pytest.mark.skipif(
    suexec_obstacle() is not None and not os.environ.get("CI"),
    reason=str(suexec_obstacle()),
)
