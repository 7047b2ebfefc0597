"""What a real Apache does to a CGI program, found out and pinned. The project's own program is not tested
here.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import apache
from tests.harness.accounts import Account, server_account
from tests.harness.apache import Apache, ApacheError, apache_program
from tests.harness.apache_config import AUTH_LINES, Auth, Mpm
from tests.harness.cgi_site import ECHO_URL, Site, cgi_site, echoed_environment
from tests.harness.checkout import copy_checkout
from tests.harness.real_parts import needs_suexec

REWRITE = f"RewriteEngine On\nRewriteRule ^(?:health|api/.*)$ {ECHO_URL}/$0 [L]\n"
DIRECT = f"{ECHO_URL}/api/query"
REWRITTEN = "/api/query"
TOKEN = "Bearer abc.def"


@pytest.fixture(params=["event", "prefork"])
def mpm(request: pytest.FixtureRequest) -> Mpm:
    """Both pairs of modules a host may have: event with mod_cgid, prefork with mod_cgi."""
    name: Mpm = request.param
    return name


@pytest.fixture
def site() -> Iterator[Site]:
    with cgi_site() as made:
        yield made


def authorization(server: Apache, path: str) -> dict[str, str]:
    """The variables with the token in them that reach the program."""
    reply = server.request("GET", path, headers={"Authorization": TOKEN})
    return {name: value for name, value in echoed_environment(reply).items() if "AUTHORIZATION" in name}


# -- the server itself -------------------------------------------------------------------------------------------------


def test_both_pairs_of_modules_run_programs_and_serve_files(site: Site, mpm: Mpm) -> None:
    site.file("public_html/index.html", "<p>page")
    with Apache(
        site.document_root, site.cgi_bin, mpm=mpm, htaccess=REWRITE, environment={"DATA_DIR": 'a "b" c'}
    ) as it:
        assert it.request("GET", "/index.html").body == b"<p>page"
        environment = echoed_environment(it.request("GET", "/api/query?x=1"))
        wanted = ("PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "REQUEST_URI", "DATA_DIR")
        assert {name: environment[name] for name in wanted} == {
            "PATH_INFO": "/api/query",
            "QUERY_STRING": "x=1",
            "SCRIPT_NAME": ECHO_URL,
            "REQUEST_URI": "/api/query?x=1",
            "DATA_DIR": 'a "b" c',
        }
        # No home directory is named: what wants it must ask the user database.
        assert "HOME" not in environment
        assert "GET /index.html" in it.access_log()


def test_server_and_programs_run_as_an_ordinary_account(site: Site, mpm: Mpm) -> None:
    with Apache(site.document_root, site.cgi_bin, mpm=mpm) as server:
        answer = json.loads(server.request("GET", ECHO_URL).body)
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in server.processes()}
    account = server_account()
    assert account.uid != 0
    assert (answer["uid"], answer["gid"]) == (account.uid, account.gid)
    assert owners == {account.uid}


def test_stopping_ends_running_programs_and_what_they_left_behind(site: Site, mpm: Mpm) -> None:
    gate = site.home / "gate"
    os.mkfifo(gate, 0o666)
    site.account.owns(gate)
    # A child in a session of its own, as a warm worker is, and a program in the middle of its reply. Both
    # wait for a byte that never comes. (The gate is opened for writing too: opening it to read would wait for
    # a writer.)
    site.program(
        "stuck.cgi",
        f"import os, sys\ngate = os.open({str(gate)!r}, os.O_RDWR)\n"
        "if os.fork() == 0:\n    os.setsid()\n    for fd in (0, 1, 2):\n        os.close(fd)\n    os.read(gate, 1)\n"
        "sys.stdout.write('Content-Type: text/plain\\n\\nstarted')\nsys.stdout.flush()\nos.read(gate, 1)\n",
    )
    with Apache(site.document_root, site.cgi_bin, mpm=mpm) as server, server.connect() as client:
        own = set(server.processes())
        client.sendall(b"GET /cgi-bin/stuck.cgi HTTP/1.0\r\n\r\n")
        receive_until(client, b"started")
        assert len(set(server.processes()) - own) >= 2
        state = server.state
    assert server.processes() == []
    assert not state.exists()


def test_a_broken_configuration_is_reported_with_apaches_own_words(site: Site) -> None:
    with (
        pytest.raises(ApacheError, match="NoSuchDirective"),
        Apache(site.document_root, site.cgi_bin, extra_config="NoSuchDirective On"),
    ):
        pass


def test_a_missing_apache_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apache, "MODULES", tmp_path / "none")
    with pytest.raises(ApacheError, match="apt-get install apache2-bin"):
        apache_program()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make a directory the server's account cannot read"
)
def test_a_directory_the_server_cannot_read_is_refused_at_once(site: Site) -> None:
    site.document_root.chmod(0o700)
    os.chown(site.document_root, 0, 0)
    with pytest.raises(ApacheError, match="cannot read"), Apache(site.document_root, site.cgi_bin):
        pass


def test_a_copied_checkout_runs_with_the_hosts_packages_only(site: Site) -> None:
    copy = copy_checkout(site.home / "dndchat")
    python = copy / ".venv/bin/python"
    assert site.account.succeeds([python, "-c", "import flask, flup"])
    assert not site.account.succeeds([python, "-c", "import pytest"])
    assert copy.joinpath("pyproject.toml").is_file()


# -- the Authorization header ------------------------------------------------------------------------------------------

# What sets the variable, where, and the names it has when the program is called directly and through the
# rewrite.
PLAIN: list[tuple[Auth, str, set[str], set[str]]] = [
    ("none", "cgi-bin", set(), set()),
    ("setenvif", "cgi-bin", {"HTTP_AUTHORIZATION"}, {"HTTP_AUTHORIZATION"}),
    ("rewrite", "cgi-bin", {"HTTP_AUTHORIZATION"}, {"HTTP_AUTHORIZATION"}),
    ("cgipassauth", "cgi-bin", {"HTTP_AUTHORIZATION"}, {"HTTP_AUTHORIZATION"}),
    ("setenvif", "public_html", set(), {"REDIRECT_HTTP_AUTHORIZATION"}),
    ("rewrite", "public_html", set(), {"REDIRECT_HTTP_AUTHORIZATION"}),
    ("cgipassauth", "public_html", set(), set()),
]


@pytest.mark.parametrize(("variant", "where", "direct", "rewritten"), PLAIN)
def test_where_the_authorization_header_arrives(
    site: Site, mpm: Mpm, variant: Auth, where: str, direct: set[str], rewritten: set[str]
) -> None:
    check_authorization(site, mpm, variant, where, direct, rewritten)


@needs_suexec
@pytest.mark.parametrize(("variant", "where", "direct", "rewritten"), PLAIN)
def test_suexec_drops_the_renamed_variable(
    mpm: Mpm, variant: Auth, where: str, direct: set[str], rewritten: set[str]
) -> None:
    nobody = Account.named("nobody")
    with cgi_site(nobody) as site:
        left = rewritten - {"REDIRECT_HTTP_AUTHORIZATION"}
        check_authorization(site, mpm, variant, where, direct, left, suexec=nobody)


def check_authorization(
    site: Site,
    mpm: Mpm,
    variant: Auth,
    where: str,
    direct: set[str],
    rewritten: set[str],
    suexec: Account | None = None,
) -> None:
    lines = {"public_html": REWRITE, "cgi-bin": ""}
    lines[where] = f"{AUTH_LINES[variant]}\n{lines[where]}"
    site.file("cgi-bin/.htaccess", lines["cgi-bin"])
    with Apache(
        site.document_root, site.cgi_bin, mpm=mpm, htaccess=lines["public_html"], suexec=suexec
    ) as server:
        assert authorization(server, DIRECT) == dict.fromkeys(direct, TOKEN)
        assert authorization(server, REWRITTEN) == dict.fromkeys(rewritten, TOKEN)


@pytest.mark.parametrize("variant", ["none", "setenvif", "rewrite", "cgipassauth"])
def test_a_host_that_passes_the_header_on_itself(site: Site, mpm: Mpm, variant: Auth) -> None:
    expected = {} if variant == "none" else {"HTTP_AUTHORIZATION": TOKEN}
    with Apache(site.document_root, site.cgi_bin, mpm=mpm, auth=variant, htaccess=REWRITE) as server:
        assert authorization(server, DIRECT) == expected
        assert authorization(server, REWRITTEN) == expected


def test_end_instead_of_l_switches_off_the_rules_of_cgi_bin(site: Site) -> None:
    ending = REWRITE.replace("[L]", "[END]")
    with Apache(site.document_root, site.cgi_bin, auth="rewrite", htaccess=ending) as server:
        assert authorization(server, REWRITTEN) == {}


@needs_suexec
def test_suexec_runs_programs_as_their_owner_and_lets_few_variables_through(mpm: Mpm) -> None:
    nobody = Account.named("nobody")
    settings = {"DATA_DIR": "/somewhere", "DNDCHAT_ENV_FILE": "/somewhere/env"}
    with (
        cgi_site(nobody) as site,
        Apache(site.document_root, site.cgi_bin, mpm=mpm, suexec=nobody, environment=settings) as server,
    ):
        answer = json.loads(server.request("GET", ECHO_URL).body)
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in server.processes()}
        log = server.suexec_log()
    assert (answer["uid"], answer["gid"]) == (nobody.uid, nobody.gid)
    assert owners == {server_account().uid}
    # Settings cannot come from the server's configuration there: only a file is left.
    assert set(answer["environment"]) & (set(settings) | {"HOME"}) == set()
    assert "echo.cgi" in log


@needs_suexec
def test_suexec_refuses_a_program_that_its_group_may_write() -> None:
    nobody = Account.named("nobody")
    with cgi_site(nobody) as site:
        site.cgi_bin.joinpath("echo.cgi").chmod(0o775)
        with Apache(site.document_root, site.cgi_bin, suexec=nobody) as server:
            assert server.request("GET", ECHO_URL).status == 500
            assert "writable by others" in server.suexec_log()


# -- other headers and the body ----------------------------------------------------------------------------------------


def test_a_proxy_header_does_not_become_http_proxy(site: Site, mpm: Mpm) -> None:
    """Apache drops it since 2.4.24 (httpoxy). Other servers may not; the program still must."""
    with Apache(site.document_root, site.cgi_bin, mpm=mpm, htaccess=REWRITE) as server:
        for path in (DIRECT, REWRITTEN):
            environment = echoed_environment(
                server.request("GET", path, headers={"Proxy": "http://evil.example/"})
            )
            assert "HTTP_PROXY" not in environment


@pytest.mark.parametrize("path", [DIRECT, REWRITTEN])
def test_a_chunked_body_arrives_whole_and_without_a_length(site: Site, mpm: Mpm, path: str) -> None:
    """A program that trusts CONTENT_LENGTH sees an empty body; it has to read to the end instead, or
    refuse.
    """
    with Apache(site.document_root, site.cgi_bin, mpm=mpm, htaccess=REWRITE) as server:
        answer = json.loads(server.request("POST", path, body=[b"x" * 40_000] * 3).body)
    assert answer["body"] == 120_000
    assert "CONTENT_LENGTH" not in answer["environment"]
    assert answer["environment"]["HTTP_TRANSFER_ENCODING"] == "chunked"


# Leaves what it was sent unread, having made sure that there is something. `drain` reads it after the reply.
CARELESS = """
import os, select, sys
select.select([0], [], [])
sys.stdout.write("Status: 401 Unauthorized\\nContent-Type: text/plain\\n\\nno token")
sys.stdout.flush()
if os.environ["QUERY_STRING"] == "drain":
    while os.read(0, 65536):
        pass
"""


@pytest.mark.parametrize("size", [100, 3_000_000])
@pytest.mark.parametrize(
    ("query", "mpm", "arrives"),
    [
        ("leave", "prefork", True),
        # The program's input and output are one Unix socket under mod_cgid. Closing it with input unread
        # resets it, and the reply is lost or cut, for the smallest body too. So a refusal has to read the
        # body as well.
        ("leave", "event", False),
        ("drain", "prefork", True),
        ("drain", "event", True),
    ],
)
def test_a_program_that_leaves_the_body_unread(
    site: Site, mpm: Mpm, query: str, size: int, arrives: bool
) -> None:
    site.program("careless.cgi", CARELESS)
    with Apache(site.document_root, site.cgi_bin, mpm=mpm) as server:
        try:
            reply = server.request("POST", f"/cgi-bin/careless.cgi?{query}", body=b"x" * size)
            whole = (reply.status, reply.body) == (401, b"no token")
        except (http.client.HTTPException, ConnectionError):
            whole = False
    assert whole is arrives


# -- streaming ---------------------------------------------------------------------------------------------------------

# Says a word, and the next only when the reader has shown that it has the last one.
WORDS = """
import os, sys
sys.stdout.write("Content-Type: text/event-stream\\n\\n")
with open(os.environ["GATE"], "rb", buffering=0) as gate:
    for word in ("one", "two", "three"):
        sys.stdout.write(f"data: {word}\\n\\n")
        sys.stdout.flush()
        if not gate.read(1):
            break
"""


@pytest.mark.parametrize("path", ["/cgi-bin/words.cgi", REWRITTEN])
def test_words_arrive_one_by_one(site: Site, mpm: Mpm, path: str) -> None:
    site.program("words.cgi", WORDS)
    gate = site.home / "gate"
    os.mkfifo(gate)
    site.account.owns(gate)
    htaccess = REWRITE.replace(ECHO_URL, "/cgi-bin/words.cgi")
    with Apache(
        site.document_root, site.cgi_bin, mpm=mpm, htaccess=htaccess, environment={"GATE": str(gate)}
    ) as server:
        opened = os.open(gate, os.O_RDWR)  # for both, so as not to wait for the other side
        try:
            with server.connect() as client:
                client.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
                )
                # Were a word held back until the next, this would wait for ever: the next is not said before
                # we write.
                for word in (b"one", b"two", b"three"):
                    receive_until(client, b"data: " + word)
                    os.write(opened, b".")
                assert receive_until_end(client).endswith(b"0\r\n\r\n")
        finally:
            os.close(opened)


# -- what must not be read ---------------------------------------------------------------------------------------------


def test_without_a_htaccess_apache_hands_out_everything(site: Site) -> None:
    """Why the template's denials are needed: nothing in a usual host's configuration keeps these back."""
    names = [".env", "ledger.sqlite3"]
    for name in names:
        site.file(f"public_html/{name}")
    with Apache(site.document_root, site.cgi_bin) as server:
        assert [server.request("GET", f"/{name}").status for name in names] == [200, 200]
    with Apache(site.document_root, site.cgi_bin, htaccess=apache.render_htaccess()) as server:
        assert [server.request("GET", f"/{name}").status for name in names] == [403, 403]


def receive_until(client: socket.socket, wanted: bytes) -> bytes:
    """What arrives, up to and including the first piece that completes `wanted`."""
    received = b""
    while wanted not in received:
        piece = client.recv(65536)
        assert piece, f"the connection ended after {received!r}"
        received += piece
    return received


def receive_until_end(client: socket.socket) -> bytes:
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received
