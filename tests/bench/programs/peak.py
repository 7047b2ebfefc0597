"""Runs a CGI program in its own place, and notes how much memory that process had at most.

wait4 gives the highest resident size of that one process, over every program it became by exec. What it
cannot show is less than this wrapper's own size, from which the process was started: about 9 MB.
"""

import os

pid = os.posix_spawn("@PROGRAM@", ["@PROGRAM@"], os.environ)
_, status, usage = os.wait4(pid, 0)
log = os.open("@LOG@", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, b"%d %d\n" % (usage.ru_maxrss, status))
