"""The programs installed side by side under one Apache, as the same account, with the same interpreter.

Ours are copies of the checkout, each with settings and data of its own. `installed` prepares the files once;
`serving` runs them against one world.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import environments
from tests.bench.contestants import CGI, COPIES, Contestant
from tests.bench.world import World
from tests.harness.accounts import Account, readable_directory, server_account
from tests.harness.apache import Apache
from tests.harness.apache_config import MODULES, quoted
from tests.harness.checkout import copy_checkout
from tests.harness.ports import free_port

PROGRAMS = Path(__file__).resolve().parent / "programs"
# As app/wsgi.py recommends.
GUNICORN_OPTIONS = ("--workers", "2", "--threads", "8")


class SiteError(RuntimeError):
    """The programs cannot be installed or started; the text says what to do."""


@dataclass
class Site:
    """The files."""

    home: Path
    account: Account

    def copy(self, name: str) -> Path:
        """One of our installations."""
        return self.home / name

    def directory(self, name: str) -> Path:
        """A new directory that the programs can read."""
        place = self.home / name
        place.mkdir(mode=0o755)
        return place

    def peaks(self, contestant: Contestant) -> Path:
        """Where the memory wrapper of a CGI program notes what it measured."""
        return self.home / "peaks" / contestant.key


@contextlib.contextmanager
def installed() -> Iterator[Site]:
    """All programs in a directory of their own, compiled."""
    if not MODULES.joinpath("mod_fcgid.so").exists():
        raise SiteError("FastCGI needs mod_fcgid: apt-get install libapache2-mod-fcgid")
    account = server_account()
    obvious = environments.ensure("obvious")
    with readable_directory(account, prefix="dndchat-bench-site-") as home:
        site = Site(home, account)
        for name in ("public_html", "cgi-bin", "others", "peaks", "fcgid"):
            home.joinpath(name).mkdir(mode=0o755)
        first = copy_checkout(site.copy(COPIES[0]))
        interpreter = first / ".venv/bin/python3"
        _run(account, [interpreter, "-m", "compileall", "-q", first / "app"])
        for name in COPIES[1:]:
            shutil.copytree(first, site.copy(name), symlinks=True)
        for name in ("oneshot", "warm", "fastcgi"):
            _write_interpreter(site.copy(name))
        packages = environments.packages(first / ".venv")
        _program(site, "others/bare.cgi", f"{interpreter} -IS", "bare.py")
        _program(site, "others/hello.cgi", f"{interpreter} -IS", "hello.py", PACKAGES=str(packages))
        _program(site, "others/obvious.cgi", str(obvious / "bin/python3"), "obvious.py")
        for contestant in CGI:
            wanted = {"PROGRAM": str(home / contestant.program), "LOG": str(site.peaks(contestant))}
            _program(site, f"others/peak-{contestant.key}.cgi", f"{interpreter} -IS", "peak.py", **wanted)
        account.owns(home)
        yield site


@dataclass
class Serving:
    """The site while it answers."""

    site: Site
    apache: Apache
    world: World
    gunicorn: int
    """The number of gunicorn's first process."""

    def worker(self) -> int | None:
        """The number of the warm worker's process."""
        return next(iter(self.processes("warm")), None)

    def wait_for_worker(self) -> None:
        """Until the warm worker takes requests, which it does some time after the reply of the process it
        comes from.
        """
        deadline = time.monotonic() + 30
        while not self.site.copy("warm").joinpath("var/worker.sock").exists():
            if time.monotonic() > deadline:
                raise SiteError("the warm worker did not start")
            time.sleep(0.02)

    def processes(self, key: str) -> list[int]:
        """The processes of a contestant that are there between requests."""
        if key == "gunicorn":
            return [self.gunicorn, *_children(self.gunicorn)]
        # Not by the mark of the server: mod_fcgid starts its programs without the server's environment.
        place = f"{self.site.home}/{key}/".encode()
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and place in _command_line(entry)
        ]


@contextlib.contextmanager
def serving(site: Site, world: World) -> Iterator[Serving]:
    """All programs answering, with `world` outside."""
    for name in COPIES:
        values = {**world.settings(), "WARM_WORKER": "on" if name == "warm" else "off"}
        file = site.copy(name) / ".env"
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
        file.chmod(0o600)
        site.account.owns(file)
    port = free_port()
    with contextlib.ExitStack() as stack:
        gunicorn = stack.enter_context(_gunicorn(site, world, port))
        apache = Apache(
            site.home / "public_html",
            site.home / "cgi-bin",
            environment=world.environment(),
            timeout=120,
            extra_modules=("fcgid", "proxy", "proxy_http"),
            extra_config=_config(site, world, port),
        )
        yield Serving(site, stack.enter_context(apache), world, gunicorn)


def _config(site: Site, world: World, gunicorn_port: int) -> str:
    lines = []
    folders = {"others": site.home / "others", **{name: site.copy(name) / "cgi-bin" for name in COPIES}}
    for name, folder in folders.items():
        lines += [
            f"ScriptAlias /{name}/ {quoted(f'{folder}/')}" if name != "gunicorn" else "",
            f"<Directory {quoted(folder)}>",
            "Options ExecCGI",
            "Require all granted",
            "CGIPassAuth On",
        ]
        if name == "fastcgi":
            lines += ["SetHandler fcgid-script"]
        lines += ["</Directory>"]
    prompt = site.copy("oneshot") / "app/answering/prompts/system.txt"
    variables = {**world.obvious_environment(), "OBVIOUS_PROMPT": str(prompt)}
    # Nobody else sees these: to a warm worker they would be changed settings.
    lines += [
        '<LocationMatch "^/others/(peak-)?obvious.cgi">',
        *(f"SetEnv {variable} {quoted(value)}" for variable, value in variables.items()),
        "</LocationMatch>",
    ]
    lines += [
        # mod_fcgid refuses to run without root where there is a suexec it could use.
        "Suexec Off",
        f"FcgidIPCDir {quoted(site.home / 'fcgid')}",
        f"FcgidProcessTableFile {quoted(site.home / 'fcgid' / 'table')}",
        *(f"FcgidInitialEnv {variable} {quoted(value)}" for variable, value in world.environment().items()),
        f"ProxyPass /gunicorn/ http://127.0.0.1:{gunicorn_port}/",
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def _gunicorn(site: Site, world: World, port: int) -> Iterator[int]:
    home = site.copy("gunicorn")
    command = [
        str(home / ".venv/bin/python3"),
        "-m",
        "gunicorn",
        *GUNICORN_OPTIONS,
        "--bind",
        f"127.0.0.1:{port}",
    ]
    packages = environments.packages(environments.ensure("gunicorn"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(packages),
        "HOME": str(home),
        **world.environment(),
    }
    output = site.home / "gunicorn.log"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "app.wsgi:application"],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **site.account.popen_arguments(),
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, output)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), opener.open(url, timeout=5):
            return
        time.sleep(0.05)
    raise SiteError(f"gunicorn did not start:\n{output.read_text(errors='replace')}")


def _write_interpreter(copy: Path) -> None:
    """The first line as a deployment has it."""
    for program in copy.joinpath("cgi-bin").iterdir():
        first, _, rest = program.read_text(encoding="utf-8").partition("\n")
        assert first == "#!/usr/bin/env python3", first
        program.write_text(f"#!{copy}/.venv/bin/python3 -IS\n{rest}", encoding="utf-8")


def _program(site: Site, name: str, interpreter: str, source: str, **values: str) -> None:
    text = PROGRAMS.joinpath(source).read_text(encoding="utf-8")
    for placeholder, value in values.items():
        text = text.replace(f"@{placeholder}@", value)
    path = site.home / name
    path.write_text(f"#!{interpreter}\n{text}", encoding="utf-8")
    path.chmod(0o755)


def _run(account: Account, command: list[str | Path]) -> None:
    if not account.succeeds(command):
        raise SiteError(f"{account.name} cannot run: {' '.join(map(str, command))}")


def _command_line(process: Path) -> bytes:
    try:
        return process.joinpath("cmdline").read_bytes()
    except OSError:
        return b""


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def status_megabytes(pid: int, field: str) -> float:
    """VmHWM (the most it ever had) or VmRSS (what it has) of a process, in millions of bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SiteError(f"no {field} in /proc/{pid}/status")


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
