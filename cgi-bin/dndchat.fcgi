#!/usr/bin/env python3
"""The FastCGI program for hosts with mod_fcgid: finds the interpreter, then serves until Apache ends it.

A failure at start-up is in Apache's error log; mod_fcgid answers it with a 500 of its own.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from app import interpreter  # noqa: E402

try:
    interpreter.enter(__file__)
except RuntimeError as error:
    sys.exit("dndchat: %s" % error)

from app.servers.fcgi import main  # noqa: E402

main()
