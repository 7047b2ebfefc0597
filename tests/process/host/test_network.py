"""Names with addresses that are dead, connections that die while they wait, certificates that are not
believed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import tls
from app.adapters import connections
from app.adapters.auth import AuthApi
from app.adapters.chroma import Chroma
from app.adapters.connections import Connections
from app.adapters.openai import OpenAI
from app.deadline import Deadline
from app.errors import AuthUnavailable, DatabaseError
from app.settings import ChromaSettings, OpenAISettings
from tests.harness import ROOT
from tests.harness.bill import Bill
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.auth_api import AuthDouble
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.doubles.tls import make_certificate
from tests.harness.ports import black_hole
from tests.harness.program import Program
from tests.harness.relay import Relay
from tests.harness.waiting import eventually

SECONDS = 2.0
NAME = "service.example"
Resolve = Callable[..., None]


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """Each test begins as a process does, and leaves nothing behind for those of other modules."""
    connections._memory.cache_clear()
    tls._contexts.clear()
    yield
    connections.configure(None, None)
    connections._memory.cache_clear()
    tls._contexts.clear()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Say which addresses NAME has, as a resolver gives them."""
    real = socket.getaddrinfo

    def say(*addresses: str) -> None:
        def resolver(host: str, port: int, *rest: object, **named: object) -> list[tuple[object, ...]]:
            if host != NAME:
                return real(host, port, *rest, **named)  # type: ignore[arg-type]
            found = []
            for address in addresses:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                place = (address, port, 0, 0) if ":" in address else (address, port)
                found.append((family, socket.SOCK_STREAM, 6, "", place))
            return found

        monkeypatch.setattr(socket, "getaddrinfo", resolver)

    return say


class Listener:
    """Takes connections and counts them."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.socket = socket.create_server((address, port), backlog=50)
        self.port: int = self.socket.getsockname()[1]
        self.accepted: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.accepted.append(self.socket.accept()[0])

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            # Its thread waits on it, and while it does the kernel keeps it.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.accepted:
            connection.close()


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_two_dead_addresses_leave_time_for_the_question(resolve: Resolve) -> None:
    """One after the other they would use up all the time that there is."""
    resolve("127.0.0.2", "127.0.0.3", "127.0.0.4")
    with (
        AuthDouble(host="127.0.0.4") as double,
        black_hole("127.0.0.2", double.port),
        black_hole("127.0.0.3", double.port),
    ):
        api = AuthApi(f"http://{NAME}:{double.port}")
        assert api.user(double.token_for("alice"), Deadline(3)).id
        assert double.recorder.counts["accepted"] == 1
        api.close()


def test_two_dead_addresses_before_the_good_one(resolve: Resolve) -> None:
    resolve("127.0.0.2", "127.0.0.3", "127.0.0.4")
    with (
        Listener("127.0.0.4") as good,
        black_hole("127.0.0.2", good.port),
        black_hole("127.0.0.3", good.port),
    ):
        with connections.connect(NAME, good.port, SECONDS) as sock:
            assert sock.getpeername() == ("127.0.0.4", good.port)
            assert sock.gettimeout() == SECONDS
        eventually(lambda: len(good.accepted), lambda count: count == 1)


def test_addresses_that_refuse_cost_nothing(resolve: Resolve) -> None:
    resolve("127.0.0.2", "127.0.0.3", "127.0.0.4")
    with Listener("127.0.0.4") as good, connections.connect(NAME, good.port, 0.2) as sock:
        assert sock.getpeername()[0] == "127.0.0.4"


def test_a_family_that_this_host_does_not_reach_is_passed_over(resolve: Resolve) -> None:
    """`localhost` is ::1 first, and the server listens on 127.0.0.1 only; or the AAAA record leads
    nowhere.
    """
    resolve("::1", "2001:db8::1", "2001:db8::2", "127.0.0.1")
    with Listener("127.0.0.1") as good, connections.connect(NAME, good.port, SECONDS) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"


def test_families_take_turns(resolve: Resolve) -> None:
    """Six dead addresses of one family do not come before the first of the other."""
    resolve(*(f"2001:db8::{number}" for number in range(1, 7)), "127.0.0.1")
    with Listener("127.0.0.1") as good, connections.connect(NAME, good.port, SECONDS) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"


def test_no_more_than_six_addresses_are_tried(resolve: Resolve) -> None:
    resolve(*(f"127.0.1.{number}" for number in range(1, 7)), "127.0.0.4")
    with Listener("127.0.0.4") as good:
        with pytest.raises(ConnectionRefusedError):
            connections.connect(NAME, good.port, SECONDS)
        assert good.accepted == []


def test_what_answers_first_is_alone(resolve: Resolve) -> None:
    resolve("127.0.0.2", "127.0.0.3")
    with Listener("127.0.0.2") as first, Listener("127.0.0.3", first.port) as second:
        for _ in range(3):
            connections.connect(NAME, first.port, SECONDS).close()
        eventually(lambda: len(first.accepted), lambda count: count == 3)
        assert second.accepted == []


def test_all_dead_is_told_as_what_it_is(resolve: Resolve) -> None:
    resolve("127.0.0.2", "127.0.0.3")
    with Listener("127.0.0.9") as other:
        with pytest.raises(ConnectionRefusedError):
            connections.connect(NAME, other.port, SECONDS)
        with (
            black_hole("127.0.0.2", other.port),
            black_hole("127.0.0.3", other.port),
            pytest.raises(TimeoutError),
        ):
            connections.connect(NAME, other.port, 0.6)


def test_the_address_that_answered_comes_first_in_the_next_process(resolve: Resolve, tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    connections.configure(None, file)
    resolve("127.0.0.2", "127.0.0.4")
    with Listener("127.0.0.4") as good:
        connections.connect(NAME, good.port, SECONDS).close()
        assert file.stat().st_mode & 0o777 == 0o600
        # As in another process, and with an address that is well again: nobody asks it.
        connections._memory.cache_clear()
        connections.configure(None, file)
        with Listener("127.0.0.2", good.port) as well_again:
            connections.connect(NAME, good.port, SECONDS).close()
            assert well_again.accepted == []
        eventually(lambda: len(good.accepted), lambda count: count == 2)
    # It is only where to begin: when it dies, the others are tried.
    with Listener("127.0.0.2", good.port) as other:
        connections.connect(NAME, good.port, SECONDS).close()
        eventually(lambda: len(other.accepted), lambda count: count == 1)


def test_where_the_first_address_answers_nothing_is_written(resolve: Resolve, tmp_path: Path) -> None:
    connections.configure(None, tmp_path / "addresses.json")
    resolve("127.0.0.2", "127.0.0.3")
    with Listener("127.0.0.2") as good:
        connections.connect(NAME, good.port, SECONDS).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": 1}', '{"service.example:1": ["x"]}', '{"service.example:1": [1, "x"]}', "\0"],
)
def test_a_damaged_memory_is_none(resolve: Resolve, tmp_path: Path, text: str) -> None:
    (tmp_path / "addresses.json").write_text(text)
    connections.configure(None, tmp_path / "addresses.json")
    resolve("127.0.0.2", "127.0.0.4")
    with Listener("127.0.0.4") as good, connections.connect(NAME, good.port, SECONDS) as sock:
        assert sock.getpeername()[0] == "127.0.0.4"


def test_no_socket_is_left_over(resolve: Resolve) -> None:
    resolve("127.0.0.2", "127.0.0.3", "127.0.0.4")
    with Listener("127.0.0.4") as good, black_hole("127.0.0.2", good.port):
        connections.connect(NAME, good.port, SECONDS).close()
        eventually(lambda: len(good.accepted), lambda count: count == 1)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for number in range(2, 12):
            connections._memory.cache_clear()
            connections.connect(NAME, good.port, SECONDS).close()
            eventually(lambda number=number: len(good.accepted), lambda count, number=number: count == number)  # type: ignore[misc]
        # What the listener has accepted is open in this process, too.
        assert len(list(Path("/proc/self/fd").iterdir())) == before + 10


# -- connections that die ----------------------------------------------------------------------------------------------


def forget_idle(double: OpenAIDouble) -> None:
    """The service closes what it has open, as one does after a time without a request."""
    assert double._server is not None
    double._server.close_connections()


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_connection_opened_ahead_that_the_service_has_closed_is_not_used(encrypted: bool) -> None:
    bill = Bill()
    with OpenAIDouble(tls=encrypted) as double:
        connections.configure(double.ca_file, None)
        ai = OpenAI(OpenAISettings(double.base_url, "gpt-6-luna", "text-embedding-3-small", KEY))
        ai.open_ahead()
        eventually(lambda: double.recorder.counts["accepted"], lambda count: count == 1)
        pool = ai._service._connections
        eventually(lambda: len(pool._idle), lambda count: count == 1)
        forget_idle(double)
        eventually(lambda: is_closed(pool._idle[0].connection.sock))
        ai.embed(["troll"], Deadline(30), pay=bill.pay)
        # One attempt, one payment, and one connection more.
        assert [entry.state for entry in bill.entries] == ["settled"]
        assert len(double.requests) == 1
        assert double.recorder.counts["accepted"] == 2
        bill.check(double)
        ai.close()


def is_closed(sock: socket.socket | None) -> bool:
    """Whether the other side has closed, as the kernel knows it, with nothing read."""
    assert sock is not None
    import fcntl
    import struct
    import termios

    waiting = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0" * 4))[0]
    raw = socket.socket(fileno=socket.dup(sock.fileno()))  # type: ignore[attr-defined]
    with raw:
        raw.setblocking(False)
        try:
            return len(raw.recv(65536, socket.MSG_PEEK)) == 0 or waiting > 300
        except BlockingIOError:
            return False
        except OSError:
            return True


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_connection_opened_ahead_that_lives_is_used(encrypted: bool) -> None:
    """After its handshake a TLS server sends tickets, which are no words that nobody asked for."""
    bill = Bill()
    with OpenAIDouble(tls=encrypted) as double:
        connections.configure(double.ca_file, None)
        ai = OpenAI(OpenAISettings(double.base_url, "gpt-6-luna", "text-embedding-3-small", KEY))
        ai.open_ahead()
        eventually(lambda: len(ai._service._connections._idle), lambda count: count == 1)
        for _ in range(3):
            ai.embed(["troll"], Deadline(30), pay=bill.pay)
        assert double.recorder.counts["accepted"] == 1
        bill.check(double)
        ai.close()


def test_another_connection_is_opened_ahead_while_the_first_is_in_use() -> None:
    """A worker's second question must not wait for its own connection because the first question had one."""
    with Listener("127.0.0.1") as server:
        pool = Connections(f"http://127.0.0.1:{server.port}")
        pool.open_ahead()
        eventually(lambda: len(pool._idle), lambda count: count == 1)
        first = pool.take(SECONDS)
        pool.open_ahead()
        eventually(lambda: len(server.accepted), lambda count: count == 2)
        first.close()
        pool.close()


def test_a_connection_that_a_firewall_may_have_forgotten_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing of that to either side: only the time tells."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", -1.0)
    with Listener("127.0.0.1") as server:
        pool = Connections(f"http://127.0.0.1:{server.port}")
        first = pool.take(SECONDS)
        pool.give_back(first)
        assert pool.take(SECONDS) is not first
        assert first.sock is None
        eventually(lambda: len(server.accepted), lambda count: count == 2)


# -- certificates ------------------------------------------------------------------------------------------------------


def serve_tls(context: ssl.SSLContext) -> tuple[socket.socket, int]:
    """Shakes hands and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                    pass

    threading.Thread(target=run, daemon=True).start()
    return listener, listener.getsockname()[1]


def self_signed(directory: Path, days: int) -> ssl.SSLContext:
    """A certificate that nobody has signed: for no address at all, or with `days` -1 for this one, but
    expired.
    """
    request = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=127.0.0.1",
    ]
    subprocess.run(
        ["openssl", *request, "-keyout", "k.pem", "-out", "r.pem"],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    (directory / "ext").write_text(
        "subjectAltName = IP:127.0.0.1\n" if days < 0 else "basicConstraints = CA:FALSE\n"
    )
    sign = [
        "x509",
        "-req",
        "-in",
        "r.pem",
        "-signkey",
        "k.pem",
        *_validity(days),
        "-extfile",
        "ext",
        "-out",
        "c.pem",
    ]
    subprocess.run(["openssl", *sign], cwd=directory, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "c.pem", directory / "k.pem")
    return context


def _validity(days: int) -> list[str]:
    """OpenSSL 3.5 takes no negative days, and the one before 3.4 no dates."""
    known = subprocess.run(["openssl", "x509", "-help"], capture_output=True, text=True, check=False)
    if days < 0 and "-not_after" in known.stdout + known.stderr:
        return ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
    return ["-days", str(days)]


def unavailable(port: int, host: str = "127.0.0.1") -> str:
    api = AuthApi(f"https://{host}:{port}")
    with pytest.raises(AuthUnavailable) as caught:
        api.user("token", Deadline(10))
    return str(caught.value)


def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    listener, port = serve_tls(self_signed(tmp_path, 2))
    with listener:
        said = unavailable(port)
        assert "self-signed" in said and "SSL_CERT_FILE" in said and "AUTH_API_URL" not in said
        # Named in the settings it is believed, and then the name is looked at.
        connections.configure(tmp_path / "c.pem", None)
        assert "certificate" in (said := unavailable(port)) and "another" in said


def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    listener, port = serve_tls(self_signed(tmp_path, -1))
    with listener:
        connections.configure(tmp_path / "c.pem", None)
        assert "has expired" in unavailable(port)


def test_a_certificate_for_another_name(tmp_path: Path, resolve: Resolve) -> None:
    """With several addresses the name that is looked at stays the one in the settings."""
    authority, context = make_certificate(tmp_path)
    listener, port = serve_tls(context)
    resolve("127.0.0.9", "127.0.0.1")
    with listener:
        connections.configure(authority, None)
        assert "is for another host name" in unavailable(port, NAME)


def test_the_name_of_a_certificate_is_right_whichever_address_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with AuthDouble(tls=True) as double:
        places = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, double.port))
            for address in ("127.0.0.9", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
        connections.configure(double.ca_file, None)
        api = AuthApi(f"https://localhost:{double.port}")
        assert api.user(double.token_for("alice"), Deadline(10)).id
        api.close()


def test_an_unknown_authority_is_told_as_that_and_tried_once(tmp_path: Path) -> None:
    with OpenAIDouble(tls=True) as double:
        settings = ChromaSettings("127.0.0.1", double.port, True, "t", "d", "adnd_1e", "ck-key")
        chroma = Chroma(settings, tmp_path / "cache.json", "")
        with pytest.raises(DatabaseError) as caught:
            chroma.query([[0.0]], 1, Deadline(10))
        assert "certificate" in str(caught.value) and "CHROMA_CLOUD_HOST" not in str(caught.value)
        assert double.recorder.counts["accepted"] == 1


def test_a_server_without_tls_is_no_question_of_certificates() -> None:
    with AuthDouble() as double:
        said = unavailable(double.port)
    assert "certificate" not in said and "AUTH_API_URL" in said


# A host without authorities: OpenSSL is told of places where there are none, and so are we.
_BARE_HOST = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from pathlib import Path
from app import tls
tls.BUNDLE_PATHS = ()
sys.path[:] = [path for path in sys.path if "site-packages" not in path] + sys.argv[1:]
sys.base_prefix = "/nonexistent"
tls.SYSTEM_PACKAGES = "/nonexistent"
print(tls.bundle(None), len(tls.context(None).get_ca_certs()))
"""


def bare_host(*packages: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _BARE_HOST, *map(str, packages)],
        cwd=ROOT,
        env={"SSL_CERT_FILE": "/nonexistent/bundle", "SSL_CERT_DIR": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.mark.parametrize("place", tls.PACKAGES)
def test_without_authorities_on_the_host_a_packages_are_taken(tmp_path: Path, place: str) -> None:
    authority, _ = make_certificate(tmp_path)
    bundle = tmp_path / "packages" / place
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(authority.read_bytes())
    said = bare_host(tmp_path / "packages")
    assert f"{bundle} 1" in said and f"taking those in {bundle}" in said


def test_without_any_authorities_the_log_says_so(tmp_path: Path) -> None:
    said = bare_host(tmp_path)
    assert "None 0" in said and "no certificates of authorities" in said and "SSL_CERT_FILE" in said


@pytest.mark.parametrize("content", [None, "", "no certificate", "folder"])
def test_a_bundle_that_is_named_and_is_none_is_logged_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    named = tmp_path / "bundle.pem"
    if content == "folder":
        named.mkdir()
    elif content is not None:
        named.write_text(content)
    assert tls.new_context(named).verify_mode == ssl.CERT_REQUIRED
    assert f"SSL_CERT_FILE: {named} holds no certificates" in caplog.text


# -- the setting, whole programs ---------------------------------------------------------------------------------------


def test_a_bundle_named_in_the_settings_file_is_believed(base: Path) -> None:
    with AuthDouble(tls=True) as double, Program(base, AUTH_API_URL=double.url) as program:
        token = double.token_for("alice")
        reply = program.ask(token)
        assert (reply.status, reply.json()["error"]) == (502, "auth_unavailable")
        assert "certificate" in program.log() and "check AUTH_API_URL" not in program.log()
        assert double.ca_file
        bundle = program.home / "authorities.pem"
        bundle.write_bytes(double.ca_file.read_bytes())
        program.account.owns(bundle)
        program.configure(SSL_CERT_FILE=str(bundle))
        assert program.ask(token).status == 200


def test_a_command_says_certificates_and_believes_the_setting(rules: ChromaServer, tmp_path: Path) -> None:
    with Relay(rules.url, tls=True) as chroma:
        environment = {
            "PATH": os.environ["PATH"],
            "DNDCHAT_ENV_FILE": str(tmp_path / "settings"),
            "DATA_DIR": str(tmp_path / "data"),
            "CHROMA_HOST": "https://127.0.0.1",
            "CHROMA_PORT": str(chroma.port),
        }
        command = [sys.executable, str(ROOT / "scripts/build_index.py"), "adnd_1e"]

        def run(settings: str) -> subprocess.CompletedProcess[str]:
            (tmp_path / "settings").write_text(settings)
            return subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=60
            )

        done = run("")
        assert done.returncode == 1
        assert "certificate" in done.stderr and "CHROMA_HOST" not in done.stderr
        assert chroma.recorder.counts["accepted"] == 1
        done = run(f"SSL_CERT_FILE={chroma.ca_file}\n")
        assert done.returncode == 0, done.stderr
