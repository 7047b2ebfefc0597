"""A real Apache for tests: started from a configuration of its own, stopped without leftovers.

Nothing of the system's Apache is used but its program and modules; the system service need not run, and if it
does it is not touched. Parent, children and the CGI daemon all run as an ordinary account (see
`accounts.py`), on a free port of 127.0.0.1.

    with readable_directory() as home:
        ...put an executable script into home / "cgi-bin" and files into home / "public_html"...
        with Apache(home / "public_html", home / "cgi-bin", htaccess=render_htaccess()) as server:
            reply = server.request("GET", "/health")

With `suexec=Account.named("nobody")` the programs run as that account through the real suexec. That needs
root, the package apache2-suexec-custom, and the right to make a mount namespace: suexec reads which directory
it may serve from a file under /etc, and logs under /var/log; the harness lays directories of its own over
both, in a namespace that only this server sees, so the machine's are left as they are. The server's parent is
an ordinary account there too: suexec itself is setuid root, and asks only that its caller be in the group
www-data and have such a file.

What it does not show: a host's own patches (CloudLinux, LiteSpeed), TLS, HTTP/2, limits on processes and
memory.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from .accounts import Account, readable_directory, server_account
from .apache_config import MIME_TYPES, MODULES, Auth, Mpm, ServerConfig, render_htaccess
from .cgi_protocol import Reply
from .ports import free_port

__all__ = ["Apache", "ApacheError", "apache_program", "render_htaccess", "suexec_obstacle"]

SUEXEC = Path("/usr/lib/apache2/suexec")
SUEXEC_RULES = Path("/etc/apache2/suexec")
SUEXEC_LOG_FOLDER = Path("/var/log")  # suexec writes to apache2/ there, which only the package apache2 makes

PRIVATE_MOUNTS = ("unshare", "--mount", "--propagation=private", "--")

# Every process of a server carries this variable, so that all can be found, also those that left its process
# group. The name begins with SSL_ because suexec lets only a few names through, and that prefix is one of
# them.
MARK = "SSL_DNDCHAT_TEST_SERVER"

PATIENCE = 90.0  # seconds until a start or stop counts as failed: far more than needed, on a slow machine too


class ApacheError(RuntimeError):
    """The server cannot be had, did not start, or did not end; the text says why and what to do."""


def apache_program() -> str:
    """The path of the apache2 program; an error that names the package when there is none."""
    path = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None or not MODULES.is_dir():
        raise ApacheError(
            "these tests need a real Apache 2.4: apt-get install apache2-bin (the service need not run)"
        )
    return path


def suexec_obstacle() -> str | None:
    """Why the suexec variant cannot run here, or None when it can."""
    if os.geteuid() != 0:
        return "the suexec variant needs root, to make files of another account and a mount namespace"
    if not SUEXEC_RULES.is_dir() or not SUEXEC.exists():
        return "the suexec variant needs: apt-get install apache2-suexec-custom"
    if subprocess.run([*PRIVATE_MOUNTS, "true"], capture_output=True, check=False).returncode != 0:
        return (
            "the suexec variant needs a mount namespace: the right to make one (CAP_SYS_ADMIN), and a / that is a mount point,"
            " which it is not in a plain chroot (mount --bind the directory over itself first)"
        )
    return None


class Apache:
    """A running server, from `__enter__` to `__exit__`.

    `auth` is what the host itself does for the Authorization header in the directory of the programs (as
    lines in a .htaccess there would); the usual host does nothing. `environment` reaches the programs by
    SetEnv (under suexec most names do not). `htaccess` is written into the document root.
    """

    def __init__(
        self,
        document_root: Path,
        cgi_bin: Path,
        *,
        htaccess: str | None = None,
        mpm: Mpm = "event",
        auth: Auth = "none",
        allow_override: str = "AuthConfig FileInfo Indexes Limit",
        environment: Mapping[str, str] | None = None,
        timeout: int = 60,
        extra_config: str = "",
        extra_modules: Sequence[str] = (),
        without_modules: Sequence[str] = (),
        suexec: Account | None = None,
    ) -> None:
        self._mark = secrets.token_hex(8)
        self._suexec = suexec
        self._htaccess = htaccess
        self._config = ServerConfig(
            document_root=document_root.resolve(),
            cgi_bin=cgi_bin.resolve(),
            mpm=mpm,
            auth=auth,
            allow_override=allow_override,
            environment={**(environment or {}), MARK: self._mark},
            timeout=timeout,
            extra_config=extra_config,
            extra_modules=extra_modules,
            without_modules=without_modules,
            suexec=(suexec.name, suexec.gid) if suexec else None,
        )
        self._account = server_account()
        self._cleanup = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.state = Path()  # the server's own files: configuration, logs, sockets
        self.port = 0

    # -- life ----------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Apache:
        program = apache_program()
        if self._suexec and (obstacle := suexec_obstacle()):
            raise ApacheError(obstacle)
        with contextlib.ExitStack() as undo:
            self.state = undo.enter_context(readable_directory(self._account, prefix="dndchat-apache-"))
            undo.callback(self.stop)
            self._check_access()
            if self._htaccess is not None:
                self._config.document_root.joinpath(".htaccess").write_text(self._htaccess, encoding="utf-8")
            self._start(program)
            self._cleanup = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # pytest shows it under the failed test.
            print(f"--- error_log of the test server ---\n{self.error_log()}", file=sys.stderr)
        self._cleanup.close()

    def stop(self) -> None:
        """End the server and everything it started. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        # Programs first: the server would give each of them some ten seconds to come to an end by itself.
        for pid in self.processes():
            if not self._is_server(pid):
                _kill(pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        # A program that was in the middle of a request, or that left a process behind, is ended here.
        deadline = time.monotonic() + PATIENCE
        while pids := self.processes():
            if time.monotonic() > deadline:
                raise ApacheError(f"processes of the test server do not end: {pids}")
            for pid in pids:
                _kill(pid)
            time.sleep(0.02)
        process.wait()

    def processes(self) -> list[int]:
        """Every living process of this server: its own, and what its programs started and passed the
        environment to.
        """
        mark = f"{MARK}={self._mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                # Gone meanwhile, or another account's: then it is not ours.
                with contextlib.suppress(OSError):
                    if mark in entry.joinpath("environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found

    # -- use -----------------------------------------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """Whom the programs run as."""
        return self._suexec or self._account

    def url(self, path: str = "/") -> str:
        """The address of a path on this server."""
        return f"http://127.0.0.1:{self.port}{path}"

    def connect(self) -> socket.socket:
        """A fresh connection, for a test that wants to see the bytes. A read that waits for long fails."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Reply:
        """One request on a connection of its own. A body that is not bytes is sent in chunks, without a
        length.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        chunked = body is not None and not isinstance(body, bytes)
        sent = {"Connection": "close", **(headers or {})}
        if chunked:
            sent["Transfer-Encoding"] = "chunked"
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=sent, encode_chunked=chunked)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())

    def error_log(self) -> str:
        """What the server and its programs wrote to the error log so far."""
        return _read(self.state / "error_log")

    def access_log(self) -> str:
        """One line for each request: status and request line."""
        return _read(self.state / "access_log")

    def suexec_log(self) -> str:
        """What suexec wrote: why it refused to run a program."""
        return _read(self.state / "suexec-log/apache2/suexec.log")

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _is_server(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/exe").readlink().name == "apache2"
        except OSError:
            return False

    def _check_access(self) -> None:
        for folder in (self._config.document_root, self._config.cgi_bin):
            if not self._account.succeeds(["test", "-r", folder, "-a", "-x", folder]):
                raise ApacheError(
                    f"{self._account.name} cannot read {folder}: put it into a readable_directory(),"
                    " or copy the checkout with copy_checkout()"
                )

    def _start(self, program: str) -> None:
        for _ in range(5):
            self.port = free_port()
            configuration = self.state / "httpd.conf"
            configuration.write_text(self._config.text(self.state, self.port), encoding="utf-8")
            self.state.joinpath("mime.types").write_text(MIME_TYPES, encoding="utf-8")
            output = self.state / "output"
            self._launch([program, "-DFOREGROUND", "-f", str(configuration)], output)
            if self._answers():
                return
            problem = _read(output) + self.error_log()
            self.stop()
            # Another program may have taken the port between our look and Apache's.
            if "could not bind" not in problem and "Address already in use" not in problem:
                raise ApacheError(f"apache2 did not start:\n{problem}")
        raise ApacheError("no port of 127.0.0.1 stayed free long enough")

    def _launch(self, command: list[str], output: Path) -> None:
        # A short environment, so that what programs see comes from the configuration and not from who runs
        # the tests.
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "LANG": "C", MARK: self._mark}
        as_account = self._account.popen_arguments()
        if self._suexec:
            command = [*self._suexec_prefix(), *command]
            as_account = {}
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                command,
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt from the keyboard is ours to handle
                **as_account,
            )

    def _suexec_prefix(self) -> list[str]:
        rules, log = self.state / "suexec-rules", self.state / "suexec-log"
        for folder in (rules, log / "apache2"):
            folder.mkdir(parents=True, exist_ok=True)
        # First line: the only tree programs may lie in; second: the name of such a folder in a home
        # directory.
        served = os.path.commonpath([self._config.cgi_bin, self._config.document_root])
        (rules / self._account.name).write_text(f"{served}\npublic_html/cgi-bin\n", encoding="utf-8")
        script = 'mount --bind "$1" "$2" && mount --bind "$3" "$4" && shift 4 && exec "$@"'
        switch = [
            "setpriv",
            f"--reuid={self._account.uid}",
            f"--regid={self._account.gid}",
            "--clear-groups",
            "--",
        ]
        places = [str(rules), str(SUEXEC_RULES), str(log), str(SUEXEC_LOG_FOLDER)]
        return [*PRIVATE_MOUNTS, "sh", "-c", script, "sh", *places, *switch]

    def _answers(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            # `OPTIONS *` asks the server itself: no file, no .htaccess, no program.
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.request("OPTIONS", "*")
                # Another program on a port we lost would answer too, but ours would be ending then.
                return self._process.poll() is None and self.state.joinpath("pid").exists()
            time.sleep(0.02)
        return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
