#!/usr/bin/env python3
"""The FastCGI program for hosts with mod_fcgid: finds the interpreter, then serves until Apache ends it.

As `dndchat.cgi`, a deployment may write `/path/to/.venv/bin/python3 -IS` into the first line. A failure at start-up is in
Apache's error log; mod_fcgid answers it with a 500 of its own.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python3")

if os.path.exists(PYTHON) and sys.executable != PYTHON and "DNDCHAT_SECOND_INTERPRETER" not in os.environ:
    os.environ["DNDCHAT_SECOND_INTERPRETER"] = "1"
    os.execv(PYTHON, [PYTHON, "-IS", os.path.join(ROOT, "cgi-bin", os.path.basename(__file__))])

if sys.version_info < (3, 10):
    sys.exit("dndchat: Python 3.10 or newer is needed, and a virtual environment: run scripts/setup.sh")
sys.path[:0] = [ROOT, os.path.join(VENV, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")]

from app.servers.fcgi import main  # noqa: E402

main()
