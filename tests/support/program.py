"""The program installed as on a host, and run as Apache runs it: a process per request, as an ordinary account.

    with checkout() as base, Program(base, AUTH_API_URL=auth.url) as program:
        reply = program.request("GET", "/health")

Each has a copy of the code, a settings file and a DATA_DIR of its own, so a test may change any of them. What a real web
server makes of the program is for tests with `program.apache()`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

from app.index.build import build
from app.index.search import index_path
from app.models import Passage

from .accounts import readable_directory, server_account
from .apache import Apache
from .apache_config import Auth, Mpm, render_htaccess
from .checkout import copy_checkout

SECONDS = 40.0
T = TypeVar("T")


@contextlib.contextmanager
def checkout() -> Iterator[Path]:
    """A copy of the checkout with the host's packages, compiled, to make programs from."""
    with readable_directory() as home:
        copy = copy_checkout(home / "dndchat")
        command = [copy / ".venv/bin/python3", "-m", "compileall", "-q", copy / "app"]
        subprocess.run(command, check=True, cwd="/", **server_account().popen_arguments())
        yield copy


def eventually(what: Callable[[], T], wanted: Callable[[T], bool] = bool, seconds: float = SECONDS) -> T:
    """The value of `what()` as soon as it is as wanted; an AssertionError with the last one when it never is."""
    ends = time.monotonic() + seconds
    while not wanted(value := what()):
        assert time.monotonic() < ends, f"still {value!r} after {seconds} s"
        time.sleep(0.01)
    return value


@dataclass(frozen=True)
class Reply:
    """What one process said."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    raw: bytes
    stderr: str

    @property
    def id(self) -> str:
        return self.headers["x-request-id"]

    def json(self) -> Any:
        return json.loads(self.body)


class Call:
    """A request under way in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def reply(self, seconds: float = SECONDS) -> Reply:
        """The whole reply; the process has ended then."""
        try:
            output, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return parse(output, errors)

    def read_until(self, wanted: bytes) -> bytes:
        """What the process has said up to and including the piece that completes `wanted`."""
        assert self.process.stdout
        said = b""
        while wanted not in said:
            piece = os.read(self.process.stdout.fileno(), 65536)
            assert piece, f"the reply ended after {said!r}"
            said += piece
        return said


def parse(output: bytes, errors: bytes = b"") -> Reply:
    """The parts of a CGI reply. A second head after the first reply is part of its body, where tests look for it."""
    head, end, body = output.partition(b"\r\n\r\n")
    assert end, f"no head in {output!r}\n{errors.decode(errors='replace')}"
    fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    headers = {name.lower(): value for name, value in fields.items()}
    return Reply(int(headers["status"].split()[0]), headers, body, output, errors.decode(errors="replace"))


class Program:
    """One installation. `settings` go into its settings file, which DNDCHAT_ENV_FILE names; `environ` into every process."""

    def __init__(self, base: Path, *, environ: Mapping[str, str] | None = None, data_dir: str = "var", **settings: str) -> None:
        self._base, self._settings, self._data_dir = base, settings, data_dir
        self.environ = dict(environ or {})
        self.account = server_account()
        self._deployed = int(time.time())
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Program:
        self.home = self._cleanup.enter_context(readable_directory(self.account))
        self._cleanup.callback(self.end_workers)
        self.root = self.home / "dndchat"
        self.root.mkdir()
        for name in ("app", "cgi-bin"):
            shutil.copytree(self._base / name, self.root / name)
        self.python = self.root / ".venv/bin/python3"
        self.root.joinpath(".venv").symlink_to(self._base / ".venv")
        for script in self.root.joinpath("cgi-bin").glob("dndchat.*"):
            # As a deployment does.
            first, rest = script.read_text().split("\n", 1)
            assert first.startswith("#!")
            script.write_text(f"#!{self.python} -IS\n{rest}")
        self.home.joinpath("public_html").mkdir()
        self.settings_file = self.home / "settings.env"
        self.account.owns(self.home)
        self.data_dir = self.root / self._data_dir
        self.configure()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            print(f"--- log of the program ---\n{self.log()}")
        self._cleanup.close()

    # -- settings and code ---------------------------------------------------------------------------------------------

    def configure(self, **changes: str) -> None:
        """Write the settings file with these changes, in place, as an editor may do."""
        self._settings.update(changes)
        given = {"DATA_DIR": str(self.data_dir), **self._settings}
        self.settings_file.write_text("".join(f"{name}={value}\n" for name, value in given.items()), encoding="utf-8")
        self.settings_file.chmod(0o600)
        self.account.owns(self.settings_file)

    def deploy(self, version: str) -> None:
        """Replace a module, as rsync does: written beside, then moved over it."""
        module = self.root / "app/__init__.py"
        text = re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', module.read_text())
        assert version in text
        fresh = module.with_name(".__init__.py.new")
        fresh.write_text(text)
        # Compiled files know their source by its size and the second of its time: two versions of one second are one to them.
        self._deployed += 10
        os.utime(fresh, (self._deployed, self._deployed))
        self.account.owns(fresh)
        fresh.replace(module)

    def build_index(self, text: str, name: str) -> None:
        """Put an index in place, or another in the place of the one that is there, that holds this passage alone."""
        path = index_path(self.data_dir, "adnd_1e")
        build([Passage("only", text, {"name": name})], path, {})
        self.account.owns(path.parent)

    # -- requests ------------------------------------------------------------------------------------------------------

    def start(
        self,
        method: str = "GET",
        path: str = "/health",
        body: bytes | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, str | None] | None = None,
        stdin: int | IO[bytes] | None = None,
        command: Sequence[str | Path] = (),
        **popen: Any,
    ) -> Call:
        """Begin a request. `environ` overrides what Apache would say; None takes a variable away."""
        script = self.root / "cgi-bin/dndchat.cgi"
        address, _, query = path.partition("?")
        given: dict[str, str | None] = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "DNDCHAT_ENV_FILE": str(self.settings_file),
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "www.example.org",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "192.0.2.7",
            "REQUEST_METHOD": method,
            "REQUEST_URI": path,
            "SCRIPT_NAME": "/cgi-bin/dndchat.cgi",
            "SCRIPT_FILENAME": str(script),
            "PATH_INFO": address,
            "QUERY_STRING": query,
            "HTTP_HOST": "www.example.org",
        }
        if body is not None:
            given |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
        if token is not None:
            given["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        given |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
        given |= self.environ | dict(environ or {})
        process = subprocess.Popen(
            [*command, script],
            env={name: value for name, value in given.items() if value is not None},
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            **{**self.account.popen_arguments(), **popen},
        )
        if stdin is None:
            assert process.stdin
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(body or b"")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdin = None
        return Call(process)

    def request(self, method: str = "GET", path: str = "/health", body: bytes | None = None, **arguments: Any) -> Reply:
        """One request to its end."""
        return self.start(method, path, body, **arguments).reply()

    def start_question(self, token: str, question: str = "What is an owlbear?", **fields: Any) -> Call:
        """Begin a question."""
        return self.start("POST", "/api/query", json.dumps({"question": question, **fields}).encode(), token=token)

    def ask(self, token: str, question: str = "What is an owlbear?", **fields: Any) -> Reply:
        """A question and its answer."""
        return self.start_question(token, question, **fields).reply()

    def apache(self, mpm: Mpm = "event", auth: Auth = "setenvif", *, script: str = "dndchat.cgi", **arguments: Any) -> Apache:
        """A real Apache before it, not started yet, with the `.htaccess` of the template."""
        environment = {"DNDCHAT_ENV_FILE": str(self.settings_file), **self.environ, **arguments.pop("environment", {})}
        return Apache(
            self.home / "public_html",
            self.root / "cgi-bin",
            mpm=mpm,
            auth=auth,
            htaccess=render_htaccess(cgi_url=f"/cgi-bin/{script}"),
            environment=environment,
            **arguments,
        )

    # -- the worker ----------------------------------------------------------------------------------------------------

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
        import socket

        with socket.socket(socket.AF_UNIX) as probe:
            here = os.open(self.data_dir, os.O_PATH) if self.data_dir.is_dir() else -1
            if here < 0:
                return False
            try:
                probe.connect(f"/proc/self/fd/{here}/worker.sock")
            except OSError:
                return False
            finally:
                os.close(here)
        return True

    def workers(self) -> list[int]:
        """The process ids of all workers: leaders of a session that are in a directory of this installation."""
        found = []
        for entry in Path("/proc").iterdir():
            # Gone meanwhile, another account's, or dead and not reaped: then it is none.
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.getsid(int(entry.name)) == int(entry.name):
                    where = os.readlink(entry / "cwd")  # noqa: PTH115  # Path would take " (deleted)" for a name too
                    if where.startswith(f"{self.home}/"):
                        found.append(int(entry.name))
        return found

    def end_workers(self) -> None:
        """Kill what is left."""
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def log(self) -> str:
        """What the program has logged."""
        path = self.data_dir / "dndchat.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def answered_by(self, reply: Any) -> int:
        """The process that logged this reply's request."""
        identity = reply.headers["x-request-id"]
        line = eventually(lambda: next((line for line in self.log().splitlines() if f" {identity} " in line), ""))
        return int(line.split()[1])
