"""The program on a shared host: an installation, a settings file, a real Apache before it.

with checkout() as base, Host(base, mpm="event") as host:
    host.configure(AUTH_API_URL=auth.url)
    host.ask("What is a beholder?", token)
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .accounts import Account
from .apache import Apache
from .apache_config import Mpm, cgi_bin_htaccess
from .cgi_process import GENEROUS
from .cgi_protocol import Reply
from .program import Program

# What a common shared host allows in a .htaccess.
ALLOW_OVERRIDE = "AuthConfig FileInfo Indexes"


class Host:
    """A server with the rendered `.htaccess` before a plain checkout. Every `configure` starts from nothing.

    Settings are in a file named by DNDCHAT_ENV_FILE, so that no file of the account that runs the tests is
    read. Under suexec that variable does not get through: there they are in `.env` of the installation.
    """

    program: Program
    apache: Apache

    def __init__(
        self,
        base: Path,
        mpm: Mpm = "event",
        *,
        suexec: Account | None = None,
        with_cgi_bin_htaccess: bool = False,
        change: Callable[[Path], object] = lambda root: None,
        **apache: Any,
    ) -> None:
        """`change` is called with the root of the installation before the server starts."""
        self._base, self._suexec, self._change = base, suexec, change
        self._cgi_bin_htaccess = cgi_bin_htaccess() if with_cgi_bin_htaccess else ""
        self._apache = {
            "mpm": mpm,
            "suexec": suexec,
            "auth": "none",
            "allow_override": ALLOW_OVERRIDE,
            **apache,
        }
        self._data_dirs = itertools.count(1)
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Host:
        with contextlib.ExitStack() as undo:
            self.program = undo.enter_context(Program(self._base, account=self._suexec, deployed=False))
            self._change(self.program.root)
            if self._suexec:
                self.program.settings_file = self.program.root / ".env"
            self.program.root.joinpath("cgi-bin/.htaccess").write_text(
                self._cgi_bin_htaccess, encoding="utf-8"
            )
            self.program.home.joinpath("public_html/index.html").write_text("<p>the page", encoding="utf-8")
            self.program.account.owns(self.program.home)
            self.configure()
            self.apache = undo.enter_context(self.program.apache(**self._apache))
            self._cleanup = undo.pop_all()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._cleanup.__exit__(*failure)

    @property
    def data_dir(self) -> Path:
        return self.program.data_dir

    def configure(self, **settings: str) -> None:
        """Write the settings file anew, with a DATA_DIR that does not exist yet."""
        self.program.data_dir = self.program.home / f"var-{next(self._data_dirs)}"
        self.program.settings = {**GENEROUS, **settings}
        self.program.configure()

    def request(self, method: str, path: str, **arguments: Any) -> Reply:
        """One request, as `Apache.request`."""
        return self.apache.request(method, path, **arguments)

    def ask(
        self, question: str, token: str, *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Reply:
        """POST /api/query."""
        return self.post(
            {"question": question, **fields}, {"Authorization": f"Bearer {token}", **(headers or {})}
        )

    def post(self, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """POST a JSON document to /api/query."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", "/api/query", headers=sent, body=json.dumps(document).encode())

    def log(self) -> str:
        """What the program logged since the last `configure`."""
        return self.program.log()
