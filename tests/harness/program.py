"""The program installed as on a host, and run as Apache runs it: a process per request, as another account.

    with checkout() as base, Program(base, AUTH_API_URL=auth.url) as program:
        reply = program.request("GET", "/health")

Each has a copy of the code, a settings file and a DATA_DIR of its own, so a test may change any of them. What
a real web server makes of the program is for tests with `program.apache()`, or with a `Host`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from app.index.build import build
from app.index.search import index_path
from app.models import Passage

from . import scgi
from .accounts import Account, readable_directory, server_account
from .apache import Apache
from .apache_config import Auth, Mpm, render_htaccess
from .cgi_process import SECONDS, Call, CgiProgram
from .cgi_protocol import CgiReply, parse
from .waiting import eventually


class Program(CgiProgram):
    """One installation of `account` (default: the server's), made of `base`, whose packages it shares."""

    def __init__(
        self,
        base: Path,
        *,
        environ: Mapping[str, str] | None = None,
        data_dir: str = "var",
        account: Account | None = None,
        deployed: bool = True,
        **settings: str,
    ) -> None:
        """`environ` goes into every process; `data_dir` is relative to the installation.

        A program that is not `deployed` finds its interpreter itself, as in a plain checkout.
        """
        self._base, self._deployed = base, deployed
        self._given = dict(environ or {}), data_dir, account or server_account(), settings
        self._cleanup = contextlib.ExitStack()
        self._version_time = int(time.time())

    def __enter__(self) -> Program:
        # The base class writes into the directory, which is there from now on.
        environ, data_dir, account, settings = self._given
        self.home = self._cleanup.enter_context(readable_directory(account))
        self._cleanup.callback(self.end_workers)
        root = self.home / "dndchat"
        root.mkdir()
        for name in ("app", "cgi-bin"):
            shutil.copytree(self._base / name, root / name)
        root.joinpath(".venv").symlink_to(self._base / ".venv")
        self.python = root / ".venv/bin/python3"
        for script in root.joinpath("cgi-bin").glob("dndchat.*") if self._deployed else ():
            first, rest = script.read_text().split("\n", 1)
            assert first.startswith("#!")
            script.write_text(f"#!{self.python} -IS\n{rest}")
        self.home.joinpath("public_html").mkdir()
        account.owns(self.home)
        super().__init__(
            self.home, root=root, account=account, data_dir=root / data_dir, limits={}, **settings
        )
        self.environ = environ
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(f"--- log of the program ---\n{self.log()}")
        self._cleanup.close()

    # -- code ----------------------------------------------------------------------------------------------

    def deploy(self, version: str) -> None:
        """Replace a module, as rsync does: written beside, then moved over it."""
        module = self.root / "app/__init__.py"
        text = re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', module.read_text())
        assert version in text
        fresh = module.with_name(".__init__.py.new")
        fresh.write_text(text)
        # Compiled files know their source by its size and time in seconds: each version gets another second.
        self._version_time += 10
        os.utime(fresh, (self._version_time, self._version_time))
        self.account.owns(fresh)
        fresh.replace(module)

    def build_index(self, text: str, name: str) -> None:
        """Put an index there that holds this passage alone, also in place of another."""
        path = index_path(self.data_dir, "adnd_1e")
        build([Passage("only", text, {"name": name})], path, {})
        self.account.owns(path.parent)

    # -- requests ------------------------------------------------------------------------------------------

    def start_question(self, token: str, question: str = "What is an owlbear?", **fields: Any) -> Call:
        """Begin a question."""
        return self.start(
            "POST", "/api/query", json.dumps({"question": question, **fields}).encode(), token=token
        )

    def ask(self, token: str, question: str = "What is an owlbear?", **fields: Any) -> CgiReply:
        """A question and its answer."""
        return self.start_question(token, question, **fields).reply()

    def apache(
        self, mpm: Mpm = "event", auth: Auth = "setenvif", *, script: str = "dndchat.cgi", **arguments: Any
    ) -> Apache:
        """A real Apache before it, not started yet, with the `.htaccess` of the template."""
        environment = {
            "DNDCHAT_ENV_FILE": str(self.settings_file),
            **self.environ,
            **arguments.pop("environment", {}),
        }
        return Apache(
            self.home / "public_html",
            self.root / "cgi-bin",
            mpm=mpm,
            auth=auth,
            htaccess=render_htaccess(cgi_url=f"/cgi-bin/{script}"),
            environment=environment,
            **arguments,
        )

    # -- the worker ----------------------------------------------------------------------------------------

    def warm(self, path: str = "/health", **arguments: Any) -> int:
        """Ask until a worker answers; its process id."""
        ends = time.monotonic() + SECONDS
        while (pid := self.answered_by(self.request("GET", path, **arguments))) not in self.workers():
            assert time.monotonic() < ends, f"no worker answers\n{self.log()}"
            with contextlib.suppress(AssertionError):
                eventually(self.listening, seconds=1)
        return pid

    def wait_for_worker(self) -> int:
        """The process id of the one worker, once it listens."""
        eventually(self.listening)
        (pid,) = self.workers()
        return pid

    def listening(self) -> bool:
        """Whether somebody takes connections on the worker's socket."""
        try:
            scgi.connect(self.data_dir).close()
        except OSError:
            return False
        return True

    def ask_worker(
        self, method: str = "GET", path: str = "/health", body: bytes | None = None, **arguments: Any
    ) -> tuple[bytes, CgiReply]:
        """The worker's first line and its reply, without a process for the request."""
        variables = self.environment(method, path, body, **arguments)
        line, _, output = scgi.exchange(self.data_dir, self.root, variables, body or b"").partition(b"\n")
        return line, CgiReply(*parse(output), output)

    def workers(self) -> list[int]:
        """The process ids of all workers: leaders of a session in a directory of this installation."""
        found = []
        for entry in Path("/proc").iterdir():
            # Gone meanwhile, another account's, or dead and not reaped: then it is none.
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.getsid(int(entry.name)) == int(entry.name):
                    where = os.readlink(entry / "cwd")  # noqa: PTH115
                    if where.startswith(f"{self.home}/"):
                        found.append(int(entry.name))
        return found

    def end_workers(self) -> None:
        """Kill what is left."""
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def answered_by(self, reply: Any) -> int:
        """The process that logged this reply's request."""
        identity = reply.headers["x-request-id"]
        line = eventually(
            lambda: next((line for line in self.log().splitlines() if f" {identity} " in line), "")
        )
        return int(line.split()[1])
