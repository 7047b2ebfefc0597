"""The program on a shared host: a copy of the checkout, a settings file, a real Apache before it.

with installed() as copy, Host(copy, mpm="event") as host:
    host.configure(AUTH_API_URL=auth.url)
    host.ask("What is a beholder?", token)
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .accounts import Account, readable_directory, server_account
from .apache import Apache, Reply
from .apache_config import Mpm, cgi_bin_htaccess, render_htaccess
from .checkout import copy_checkout
from .limits import GENEROUS

__all__ = ["Host", "installed", "variant"]

# What a common shared host allows in a .htaccess.
ALLOW_OVERRIDE = "AuthConfig FileInfo Indexes"


@contextlib.contextmanager
def installed(account: Account | None = None) -> Iterator[Path]:
    """A copy of the checkout that `account` (default: the server's) can run, in a home directory of its own."""
    account = account or server_account()
    with readable_directory(account) as home:
        yield copy_checkout(home / "dndchat", account=account)


def variant(copy: Path, name: str, *, venv: bool = True) -> Path:
    """A second copy beside `copy`, to be changed by a test; it shares the packages of the first, or has none."""
    target = copy.with_name(name)
    shutil.copytree(copy, target, ignore=lambda folder, _: {".venv", "var"} if Path(folder) == copy else set())
    if venv:
        target.joinpath(".venv").symlink_to(copy / ".venv")
    server_account().owns(target)
    return target


class Host:
    """A server with the rendered `.htaccess`, whose program runs from `copy`. Every `configure` starts from nothing.

    Settings are in a file named by DNDCHAT_ENV_FILE, so that no file of the account that runs the tests is read. Under
    suexec that variable does not get through: there they are in `.env` of the copy.
    """

    _numbers = itertools.count(1)

    def __init__(
        self,
        copy: Path,
        mpm: Mpm = "event",
        *,
        suexec: Account | None = None,
        htaccess: str | None = None,
        with_cgi_bin_htaccess: bool = False,
        **apache: Any,
    ) -> None:
        self._copy, self._account = copy, suexec or server_account()
        number = next(self._numbers)
        self._file = copy / ".env" if suexec else copy.parent / f"settings-{number}"
        document_root = copy.parent / f"public_html-{number}"
        document_root.mkdir(mode=0o755)
        document_root.joinpath("index.html").write_text("<p>the page", encoding="utf-8")
        self._account.owns(document_root)
        cgi_bin = copy / "cgi-bin"
        cgi_bin.joinpath(".htaccess").write_text(cgi_bin_htaccess() if with_cgi_bin_htaccess else "", encoding="utf-8")
        self.data_dir = Path()
        self.apache = Apache(
            document_root,
            cgi_bin,
            mpm=mpm,
            htaccess=render_htaccess() if htaccess is None else htaccess,
            allow_override=ALLOW_OVERRIDE,
            environment={} if suexec else {"DNDCHAT_ENV_FILE": str(self._file)},
            suexec=suexec,
            **apache,
        )

    def __enter__(self) -> Host:
        self.configure()
        self.apache.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        if failure[0] is not None:
            print(f"--- log of the program ---\n{self.log()}")
        self.apache.__exit__(*failure)

    def configure(self, **settings: str) -> None:
        """Write the settings file anew, with a DATA_DIR that does not exist yet."""
        self.data_dir = self._copy.parent / f"var-{next(self._numbers)}"
        lines = {"DATA_DIR": str(self.data_dir), **GENEROUS, **settings}
        self._file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8")
        self._file.chmod(0o600)
        self._account.owns(self._file)

    def request(self, method: str, path: str, **arguments: Any) -> Reply:
        """One request, as `Apache.request`."""
        return self.apache.request(method, path, **arguments)

    def ask(self, question: str, token: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> Reply:
        """POST /api/query."""
        return self.post({"question": question, **fields}, {"Authorization": f"Bearer {token}", **(headers or {})})

    def post(self, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """POST a JSON document to /api/query."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", "/api/query", headers=sent, body=json.dumps(document).encode())

    def log(self) -> str:
        """What the program logged since the last `configure`."""
        path = self.data_dir / "dndchat.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""
