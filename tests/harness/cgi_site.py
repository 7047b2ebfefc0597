"""A home directory as on a shared host, for tests with programs of their own: public_html, and a cgi-bin
beside it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .accounts import Account, readable_directory, server_account
from .cgi_protocol import Reply
from .checkout import interpreter_for

# The address of ECHO in every site.
ECHO_URL = "/cgi-bin/echo.cgi"

# Answers with what it was given.
_ECHO = """
import json, os, sys
body = sys.stdin.buffer.read()
sys.stdout.write("Content-Type: application/json\\n\\n")
json.dump({"uid": os.getuid(), "gid": os.getgid(), "environment": dict(os.environ), "body": len(body)}, sys.stdout)
"""


@dataclass(frozen=True)
class Site:
    """The directories, and whose they are."""

    home: Path
    account: Account

    @property
    def document_root(self) -> Path:
        """What the host serves as files."""
        return self.home / "public_html"

    @property
    def cgi_bin(self) -> Path:
        """What the host runs; outside the document root."""
        return self.home / "cgi-bin"

    def program(self, name: str, source: str) -> None:
        """Write a CGI program in Python (standard library only) into cgi-bin."""
        path = self.cgi_bin / name
        path.write_text(f"#!{interpreter_for(self.account)} -IS\n{source}", encoding="utf-8")
        path.chmod(0o755)
        self.account.owns(path)

    def file(self, name: str, text: str = "hello") -> Path:
        """Write a file below the home directory."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.account.owns(self.home)
        return path


@contextlib.contextmanager
def cgi_site(account: Account | None = None) -> Iterator[Site]:
    """A site of this account (default: the server's) with one program, which echoes."""
    account = account or server_account()
    with readable_directory(account) as home:
        site = Site(home, account)
        for folder in (site.document_root, site.cgi_bin):
            folder.mkdir(mode=0o755)
        account.owns(home)
        site.program("echo.cgi", _ECHO)
        yield site


def echoed_environment(reply: Reply) -> dict[str, str]:
    """What ECHO says its environment was."""
    assert reply.status == 200, reply.text
    environment: dict[str, str] = json.loads(reply.body)["environment"]
    return environment
