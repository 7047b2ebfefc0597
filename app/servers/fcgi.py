"""The application under mod_fcgid: one process that answers one request after the other, started and ended
by Apache."""

from __future__ import annotations

from flup.server.fcgi import WSGIServer

from app import datadir, logs
from app.bootstrap import create_app
from app.servers import confinement
from app.servers.one_shot import authorized
from app.settings import load

THREADS = 8


def main() -> None:
    """Serve on the socket that mod_fcgid gives as stdin until it ends the process. Raises SettingsError."""
    datadir.keep_private()
    settings = load()
    logs.configure(settings.log_file)
    confinement.confine_server(settings, THREADS)
    app = authorized(create_app(settings))
    # mod_fcgid gives a process one request at a time, but the next one while the threads of the last still
    # put their connections away, and flup hangs up on a request that finds no thread: with two, one in some
    # hundreds was a 500.
    WSGIServer(app, debug=False, minSpare=1, maxSpare=2, maxThreads=THREADS).run()
