"""The text of a server configuration, and of a rendered .htaccess. Nothing is written or started here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from . import ROOT

Mpm = Literal["event", "prefork"]
Auth = Literal["setenvif", "rewrite", "cgipassauth", "none"]

MODULES = Path("/usr/lib/apache2/modules")

# A threaded server needs the daemon module for CGI: forking a process with many threads is what mod_cgi must
# not do.
CGI_MODULE: Mapping[Mpm, str] = {"event": "cgid", "prefork": "cgi"}

# What a common shared host loads. mod_env is the harness's own need: it hands variables to the programs.
HOST_MODULES = (
    "alias",
    "authz_core",
    "authz_host",
    "autoindex",
    "dir",
    "env",
    "filter",
    "headers",
    "mime",
    "rewrite",
    "setenvif",
)

# Ways to hand the Authorization header to a CGI program; all of them can stand in <Directory> or in a
# .htaccess.
AUTH_LINES: Mapping[Auth, str] = {
    "setenvif": 'SetEnvIf Authorization "^(.+)$" HTTP_AUTHORIZATION=$1',
    "rewrite": (
        "RewriteEngine On\nRewriteCond %{HTTP:Authorization} ^(.+)$ [NV]\nRewriteRule ^ - [E=HTTP_AUTHORIZATION:%1]"
    ),
    "cgipassauth": "CGIPassAuth On",
    "none": "",
}

_MPM_LIMITS: Mapping[Mpm, str] = {
    "event": "StartServers 1\nServerLimit 1\nThreadsPerChild 32\nThreadLimit 32\nMaxRequestWorkers 32",
    "prefork": "StartServers 2\nMinSpareServers 1\nMaxSpareServers 4\nMaxRequestWorkers 32",
}

_PLACEHOLDER = re.compile(r"@[A-Z_]+@")
_URL_PATH = re.compile(r"/[A-Za-z0-9._~/-]+")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


def quoted(value: str | Path) -> str:
    """One argument of a directive, in quotes."""
    text = str(value)
    if "\n" in text or "${" in text:
        raise ValueError(f"cannot be written into an Apache configuration: {text!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render_htaccess(
    *,
    cgi_url: str = "/cgi-bin/dndchat.cgi",
    auth_origin: str = "",
    template: Path = ROOT / ".htaccess.template",
) -> str:
    """The template with its placeholders filled in; values that could add a directive of their own are
    refused.
    """
    if not _URL_PATH.fullmatch(cgi_url):
        raise ValueError(f"not a plain URL path: {cgi_url!r}")
    if auth_origin and not _ORIGIN.fullmatch(auth_origin):
        raise ValueError(f"not an origin (scheme://host[:port]): {auth_origin!r}")
    text = (
        template.read_text(encoding="utf-8")
        .replace("@CGI_URL@", cgi_url)
        .replace("@AUTH_ORIGIN@", auth_origin)
    )
    if unknown := _PLACEHOLDER.findall(text):
        raise ValueError(f"{template.name} has placeholders nobody fills in: {', '.join(unknown)}")
    return text


def cgi_bin_htaccess(template: Path = ROOT / ".htaccess.template") -> str:
    """The lines the template's comment offers for a .htaccess in cgi-bin."""
    found = re.findall(r"^#\| ?(.*)$", template.read_text(encoding="utf-8"), re.MULTILINE)
    return "".join(f"{line}\n" for line in found)


@dataclass(frozen=True)
class ServerConfig:
    """What a server is to be; `text()` says it in Apache's words."""

    document_root: Path
    cgi_bin: Path
    mpm: Mpm = "event"
    auth: Auth = "none"
    allow_override: str = "AuthConfig FileInfo Indexes Limit"
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: int = 60
    extra_config: str = ""
    extra_modules: Sequence[str] = ()
    without_modules: Sequence[str] = ()
    suexec: tuple[str, int] | None = None

    def modules(self) -> list[str]:
        """The names of the modules to load, in an order that satisfies Apache."""
        wanted = [f"mpm_{self.mpm}", CGI_MODULE[self.mpm], *HOST_MODULES, *self.extra_modules]
        if self.suexec:
            wanted.append("suexec")
        return [name for name in wanted if name not in self.without_modules]

    def text(self, state: Path, port: int) -> str:
        """The configuration of a server that keeps its files in `state` and listens on `port` of
        127.0.0.1.
        """
        lines = [
            f"ServerRoot {quoted(state)}",
            f"DefaultRuntimeDir {quoted(state)}",
            f"PidFile {quoted(state / 'pid')}",
            f"Mutex file:{quoted(state)[1:-1]} default",
            "ServerName localhost",
            f"Listen 127.0.0.1:{port}",
            f"ErrorLog {quoted(state / 'error_log')}",
            "LogLevel warn",
            f'CustomLog {quoted(state / "access_log")} "%>s %r"',
            *(f"LoadModule {name}_module {quoted(MODULES / f'mod_{name}.so')}" for name in self.modules()),
            _MPM_LIMITS[self.mpm],
            f"Timeout {self.timeout}",
            f"TypesConfig {quoted(state / 'mime.types')}",
        ]
        if self.mpm == "event":
            lines.append(f"ScriptSock {quoted(state / 'cgid.sock')}")
        if self.suexec:
            name, gid = self.suexec
            lines.append(f"SuexecUserGroup {quoted(name)} #{gid}")
        lines += [f"SetEnv {name} {quoted(value)}" for name, value in self.environment.items()]
        lines += [
            "<Directory />",
            "AllowOverride None",
            "Require all denied",
            "</Directory>",
            f"DocumentRoot {quoted(self.document_root)}",
            f"<Directory {quoted(self.document_root)}>",
            # Hosts differ; listing on is the worse case for a template that must not need `Options`.
            "Options Indexes SymLinksIfOwnerMatch",
            f"AllowOverride {self.allow_override}",
            "Require all granted",
            "</Directory>",
            f"ScriptAlias /cgi-bin/ {quoted(f'{self.cgi_bin}/')}",
            f"<Directory {quoted(self.cgi_bin)}>",
            "Options ExecCGI SymLinksIfOwnerMatch",
            f"AllowOverride {self.allow_override}",
            "Require all granted",
            AUTH_LINES[self.auth],
            "</Directory>",
            self.extra_config,
        ]
        return "\n".join(lines) + "\n"


MIME_TYPES = """\
text/html html
text/css css
text/javascript js mjs
text/plain txt
application/json json
image/svg+xml svg
image/png png
"""
