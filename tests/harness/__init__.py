"""What tests stand on: real servers and stand-ins. Nothing here asserts."""

from pathlib import Path

# The project's directory.
ROOT = Path(__file__).resolve().parents[2]
