"""The account a test server runs as, and what that account can reach.

A web server's programs never run as root, and a test that lets them would hide every permission fault a real
host has. So under root the server gets an ordinary account; under an ordinary account it is that one, and
nothing is changed. This is not a sandbox: the account exists so that file permissions mean what they mean on
a host.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Account:
    """A user and its group on this machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Account:
        """The account with this name; KeyError when there is none."""
        entry = pwd.getpwnam(name)
        return cls(name, entry.pw_uid, entry.pw_gid)

    @classmethod
    def current(cls) -> Account:
        """The account this process runs as."""
        entry = pwd.getpwuid(os.geteuid())
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def popen_arguments(self) -> dict[str, Any]:
        """What subprocess needs to run a program as this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def succeeds(self, command: Sequence[str | Path]) -> bool:
        """Whether this account can run the command, and it exits with 0."""
        try:
            # The caller's directory may be one this account cannot enter; the caller's PYTHONPATH is not the
            # account's.
            done = subprocess.run(
                command,
                cwd="/",
                env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
                capture_output=True,
                check=False,
                **self.popen_arguments(),
            )
        except OSError:
            return False
        return done.returncode == 0

    def owns(self, path: Path) -> None:
        """Give the path and all below it to this account. Symlinks are given, never followed."""
        if os.geteuid() != 0:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(folder, name), self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    """Who the server runs as: this process's account, or `www-data` (else `nobody`) when that is root."""
    if os.geteuid() != 0:
        return Account.current()
    for name in ("www-data", "nobody"):
        with contextlib.suppress(KeyError):
            return Account.named(name)
    raise LookupError(
        "the tests run as root and there is no account www-data or nobody to run a web server as"
    )


@contextlib.contextmanager
def readable_directory(owner: Account | None = None, prefix: str = "dndchat-") -> Iterator[Path]:
    """A temporary directory that belongs to `owner` (default: the server's account) and that everybody may
    enter.

    pytest's `tmp_path` will not do: everything below it is closed to other accounts.
    """
    path = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    try:
        account = owner or server_account()
        path.chmod(0o755)
        account.owns(path)
        if not account.succeeds(["test", "-x", path]):
            raise PermissionError(
                f"{account.name} cannot enter {path}: set TMPDIR to a directory everybody may enter"
            )
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
