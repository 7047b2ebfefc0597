"""Whose files they are: root's cron came first, a home is another account's, a place cannot be written; and
file systems.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.datadir import refusal
from tests.harness import ROOT
from tests.harness.accounts import Account, readable_directory, server_account
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.gated import GatedAuth
from tests.harness.program import Program
from tests.harness.relay import Relay
from tests.harness.seccomp import SET_LOCK, lacking

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of two accounts")
ACCOUNT = server_account()


@pytest.fixture
def program(base: Path, auth: GatedAuth) -> Iterator[Program]:
    with Program(base, AUTH_API_URL=auth.url) as made:
        yield made


@pytest.fixture
def keyed(base: Path, auth: GatedAuth, openai: OpenAIDouble, chroma: Relay) -> Iterator[Program]:
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai.base_url, "CHROMA_PORT": str(chroma.port)}
    with Program(base, AUTH_API_URL=auth.url, CHROMA_HOST="127.0.0.1", **settings) as made:
        yield made


def give_to_root(path: Path, mode: int) -> None:
    Account("root", 0, 0).owns(path)
    path.chmod(mode)


# -- what root made first ----------------------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize(
    ("taken", "mode", "named"),
    [
        ("", 0o700, "[DATA_DIR] belongs to root (mode 0700)"),
        ("", 0o755, "[DATA_DIR]/ledger.sqlite3 belongs to root (mode 0600)"),
        ("ledger.sqlite3", 0o600, "[DATA_DIR]/ledger.sqlite3 belongs to root (mode 0600)"),
        ("ledger.sqlite3", 0o644, "[DATA_DIR]/ledger.sqlite3 belongs to root (mode 0644)"),
        ("ledger.sqlite3-journal", 0o600, "[DATA_DIR]/ledger.sqlite3-journal belongs to root (mode 0600)"),
    ],
)
def test_a_ledger_that_root_has_made(
    program: Program, auth: GatedAuth, taken: str, mode: int, named: str
) -> None:
    token = auth.token_for("alice")
    assert program.ask(token).status == 200
    path = program.data_dir / taken
    give_to_root(path, mode)
    reply = program.ask(token)
    assert (reply.status, reply.json()["error"]) == (500, "ledger_unavailable"), reply.body
    told = reply.stderr + (program.data_dir / "dndchat.log").read_text()
    named = named.replace("[DATA_DIR]", str(program.data_dir))
    assert named in told
    assert f"runs as {ACCOUNT.name}" in told
    assert f"sudo chown -R {ACCOUNT.name} '{named.partition(' ')[0]}'" in told
    # The remedy is one.
    remedy = re.findall("sudo (chown -R .*)", told)[-1]
    subprocess.run(["sh", "-c", remedy], check=True)
    if path != program.data_dir or mode == 0o700:
        assert program.ask(token).status == 200


@as_root
@pytest.mark.parametrize("taken", ["index", "index/collection-adnd_1e.sqlite3"])
def test_an_index_that_root_has_made_is_not_passed_over_silently(
    keyed: Program, auth: GatedAuth, taken: str
) -> None:
    keyed.build_index("An owlbear hugs.", "Owlbear")
    ACCOUNT.owns(keyed.data_dir)
    path = keyed.data_dir / taken
    give_to_root(path, 0o700 if path.is_dir() else 0o600)
    token = auth.token_for("alice")
    reply = keyed.ask(token)
    assert reply.status == 200, reply.body
    assert any("index cannot be read" in line for line in reply.json()["diagnostics"]), reply.json()[
        "diagnostics"
    ]
    assert f"{path} belongs to root" in keyed.log()
    health = keyed.request(path="/health?deep=1", token=token).json()
    assert health["components"]["lexical_index"]["status"] == "error"
    assert health["status"] == "degraded"
    ACCOUNT.owns(keyed.data_dir)
    health = keyed.request(path="/health?deep=1", token=token).json()
    assert health["components"]["lexical_index"]["status"] == "ok"


def test_without_an_index_there_is_no_complaint(keyed: Program, auth: GatedAuth) -> None:
    reply = keyed.ask(auth.token_for("alice"))
    assert any("No lexical index for this collection" in line for line in reply.json()["diagnostics"])
    assert "belongs to" not in keyed.log()


@as_root
def test_an_index_over_the_sample_rules_that_root_has_made(program: Program, auth: GatedAuth) -> None:
    token = auth.token_for("alice")
    assert program.ask(token).status == 200
    give_to_root(program.data_dir / "index", 0o700)
    reply = program.ask(token)
    assert reply.status == 200
    assert f"{program.data_dir}/index belongs to root (mode 0700)" in program.log()


@as_root
def test_a_log_that_root_has_made_is_answered_and_told_to_the_servers(program: Program) -> None:
    program.request()
    give_to_root(program.data_dir / "dndchat.log", 0o600)
    reply = program.request()
    assert reply.status == 200
    assert f" {reply.id} GET /health 200" in reply.stderr


def test_a_log_that_nobody_reads_is_not_waited_for(program: Program) -> None:
    program.request()
    log = program.data_dir / "dndchat.log"
    log.unlink()
    os.mkfifo(log, 0o666)
    ACCOUNT.owns(log)
    reply = program.request()
    assert reply.status == 200
    assert f" {reply.id} GET /health 200" in reply.stderr
    log.unlink()


@as_root
def test_a_command_that_meets_roots_files_says_whose_they_are() -> None:
    with readable_directory() as home:
        data = home / "data"
        data.mkdir()
        data.chmod(0o700)
        (home / "env").write_text("")
        for script in ("usage_report.py", "cleanup_ledger.py"):
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    _AS_ACCOUNT,
                    str(ACCOUNT.uid),
                    str(ROOT / "scripts" / script),
                    str(ROOT),
                ],
                env={"DATA_DIR": str(data), "DNDCHAT_ENV_FILE": str(home / "env")},
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )
            assert done.returncode == 1, done.stderr
            assert done.stderr.strip().startswith("✗ "), done.stderr
            assert f"{data} belongs to root (mode 0700)" in done.stderr
            assert "Traceback" not in done.stderr


@as_root
def test_a_program_in_a_closed_home_that_was_loaded_before_the_account_changed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "app", tmp_path / "closed/app")
    tmp_path.joinpath("closed").chmod(0o700)
    code = f"""
import os
from pathlib import Path
from app import datadir
os.setgid({ACCOUNT.gid}); os.setuid({ACCOUNT.uid})
print(datadir.intruded(Path("/etc/passwd")))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path / "closed", capture_output=True, text=True, check=False)
    assert done.stdout == "None\n", done.stderr


# Everything is loaded first: the account cannot read where the interpreter of the tests lies.
_AS_ACCOUNT = """
import dotenv.parser, encodings.idna, json, os, sys, traceback
sys.path.insert(0, sys.argv[3])
import app.bootstrap, app.ledger.ledger, app.ledger.report, app.ledger.maintenance, app.ledger.mail
import app.operator.arguments, app.operator.console, app.operator.venv, app.escaping, app.logs
source = open(sys.argv[2]).read()
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
program, sys.argv[:] = sys.argv[2], sys.argv[2:3]
exec(compile(source, program, "exec"), {"__name__": "__main__", "__file__": program})
"""


@pytest.mark.parametrize("name", ["a 'quoted' name", "plain"])
def test_the_remedy_can_be_pasted(tmp_path: Path, name: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may do everything; tested as another account above")
    folder = tmp_path / name
    folder.mkdir(mode=0o500)
    said = refusal(folder / "file", write=True)
    subprocess.run(["sh", "-c", said.rsplit(": ", 1)[1]], check=True)
    assert refusal(folder / "file", write=True) == ""


# -- homes and settings files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("home", [None, "", "/", "/nonexistent/home", "relative", "file", "closed", "loop"])
def test_whatever_home_is_the_projects_own_file_is_reached(program: Program, home: str | None) -> None:
    (program.root / ".env").write_text(
        f"DATA_DIR={program.data_dir}\nOPENAI_MODEL=from-the-project\nSMTP_PORT=0\n"
    )
    ACCOUNT.owns(program.root / ".env")
    if home == "file":
        (program.home / "file").write_text("")
        home = str(program.home / "file")
    elif home == "closed":
        if os.geteuid() != 0:
            pytest.skip("only root can make a directory of another account")
        (program.home / "closed").mkdir(mode=0o700)
        home = str(program.home / "closed")
    elif home == "loop":
        (program.home / "loop").symlink_to(program.home / "loop")
        home = str(program.home / "loop")
    reply = program.request(environ={"DNDCHAT_ENV_FILE": None, "HOME": home})
    # The file's one mistake shows that it was read.
    assert reply.status == 500
    assert "settings: SMTP_PORT: not usable" in reply.stderr
    assert "cannot be read" not in reply.stderr


@as_root
def test_a_settings_file_that_is_named_and_not_ones_own(program: Program) -> None:
    give_to_root(program.settings_file, 0o600)
    reply = program.request()
    assert reply.status == 500
    assert (
        f"{program.settings_file} belongs to root (mode 0600), and this program runs as {ACCOUNT.name}"
        in reply.stderr
    )
    assert f"sudo chown -R {ACCOUNT.name} '{program.settings_file}'" in reply.stderr


@as_root
def test_a_settings_file_in_a_closed_directory_is_not_said_to_be_missing(program: Program) -> None:
    closed = program.home / "closed"
    closed.mkdir()
    (closed / "settings").write_text("")
    closed.chmod(0o700)
    reply = program.request(environ={"DNDCHAT_ENV_FILE": str(closed / "settings")})
    assert reply.status == 500
    assert f"DNDCHAT_ENV_FILE: {closed} belongs to root (mode 0700)" in reply.stderr


_UTF16 = "CHROMA_PORT=1\n".encode("utf-16")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xef\xbb\xbfSMTP_PORT=0\r\n", "SMTP_PORT: not usable"),
        (b"\xef\xbb\xbf# Z\xfcrich\r\nSMTP_PORT=0 # h\xe4\r\n", "SMTP_PORT: not usable"),
        (b"OPENAI_MODEL=x\nSMTP_USER=Z\xfcrich\n", "line 2 is not UTF-8"),
        (_UTF16, "UTF-16"),
        (b"x" * 1_000_001, "more than 1000000 bytes"),
        ("directory", "is a directory"),
        ("pipe", "is no ordinary file"),
        ("dangling", "is a link to nothing"),
    ],
    ids=[
        "BOM and CRLF",
        "comments in Latin-1",
        "a value in Latin-1",
        "UTF-16",
        "huge",
        "directory",
        "pipe",
        "dangling link",
    ],
)
def test_a_settings_file_of_any_kind_is_read_or_named(
    program: Program, content: bytes | str, said: str
) -> None:
    path = program.settings_file
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.unlink()
        if content == "directory":
            path.mkdir()
        elif content == "pipe":
            os.mkfifo(path, 0o666)
        else:
            path.symlink_to("/nonexistent/settings")
    reply = program.request()
    assert reply.status == 500
    assert said in reply.stderr
    assert str(path) in reply.stderr or "SMTP_PORT" in said


# -- file systems ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_file_system_without_locks_is_said_and_not_waited_for(
    program: Program, auth: GatedAuth, number: int
) -> None:
    """As on NFS without a lock server. The kernel refuses the locks, SQLite asks for them as ever."""
    with_locks = lacking(ACCOUNT, flock=number, fcntl=(number, SET_LOCK))
    reply = program.start_question(auth.token_for("alice"))
    assert reply.reply().status == 200
    reply = program.request(
        "POST",
        "/api/query",
        json.dumps({"question": "owlbear?"}).encode(),
        token=auth.token_for("alice"),
        command=with_locks,
    )
    assert (reply.status, reply.json()["error"]) == (500, "ledger_unavailable")
    assert "its file system gives no locks" in program.log()
    assert "DATA_DIR" in program.log()
    assert program.request(command=with_locks).status == 200


def test_without_locks_there_is_no_worker_and_the_log_says_why(base: Path) -> None:
    with Program(base, WARM_WORKER="on") as program:
        reply = program.request(command=lacking(ACCOUNT, flock=errno.ENOLCK))
        assert reply.status == 200
        assert program.workers() == []
        assert "no warm worker: cannot lock" in program.log()


def test_a_disk_without_room_is_an_answer_of_the_contract(base: Path, auth: GatedAuth) -> None:
    """A file system of a few pages, full to the last byte."""
    with Program(base, AUTH_API_URL=auth.url) as program:
        program.data_dir.mkdir()
        mount = f"mount -t tmpfs -o size=64k,mode=700 tmpfs '{program.data_dir}' && " + (
            f"head -c 60000 /dev/zero >'{program.data_dir}/filler'; cat /dev/zero >'{program.data_dir}/rest' 2>/dev/null; "
            'exec "$0" "$@"'
        )
        unshare = [
            "unshare",
            "--mount",
            *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
            "sh",
            "-c",
            mount,
        ]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this kernel gives no mount namespaces")
        body = b'{"question": "What is an owlbear?"}'
        reply = program.request(
            "POST", "/api/query", body, token=auth.token_for("alice"), command=unshare, user=0, group=0
        )
        assert (reply.status, reply.json()["error"]) == (500, "ledger_unavailable"), reply.body
        assert (
            "free some space" in reply.stderr
            or "check it with df" in reply.stderr
            or "No space left" in reply.stderr
        )
        assert program.request(command=unshare, user=0, group=0).status == 200


def test_a_data_directory_behind_links_and_with_a_long_path(base: Path, auth: GatedAuth) -> None:
    """Longer than the 107 bytes of a socket's name, by way of two links, one of them relative."""
    with Program(base, data_dir="d" * 120, AUTH_API_URL=auth.url, WARM_WORKER="on") as program:
        (program.root / "second").symlink_to("d" * 120)
        (program.root / "first").symlink_to(program.root / "second")
        program.data_dir.mkdir(mode=0o700)
        ACCOUNT.owns(program.data_dir)
        program.configure(DATA_DIR=str(program.root / "first"))
        program.environ["DATA_DIR"] = str(program.root / "first")
        worker = program.warm()
        assert program.answered_by(program.ask(auth.token_for("alice"))) == worker
