"""The file: made privately, refused when it cannot be trusted, never overwritten, with a remedy each time."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import LedgerUnavailable
from app.ledger import schema
from app.ledger.ledger import Ledger
from app.ledger.store import Store
from tests.harness import ROOT
from tests.harness.ledgers import PRICING, integrity, limits, open_ledger, query

pytestmark = pytest.mark.timeout(60)


def refusal(ledger: Ledger) -> str:
    with pytest.raises(LedgerUnavailable) as caught:
        ledger.admit("gary", "r1", 1000)
    assert caught.value.status == 500
    assert caught.value.code == "ledger_unavailable"
    assert str(ledger.store.path) not in caught.value.public
    assert str(ledger.store.path) in str(caught.value)
    return str(caught.value)


def test_a_new_ledger_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ledger = open_ledger(tmp_path / "var")
        ledger.admit("gary", "r1", 0)
    finally:
        os.umask(before)
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "var").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_nothing_is_touched_before_the_first_question(tmp_path: Path) -> None:
    open_ledger(tmp_path / "var")
    assert not (tmp_path / "var").exists()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_text("my shopping list\n" * 100)
    said = refusal(open_ledger(tmp_path))
    assert "no SQLite file; move it away" in said
    assert path.read_text() == "my shopping list\n" * 100


@pytest.mark.parametrize("application_id", [0, 0x12345678])
def test_another_programs_database_is_left_alone(tmp_path: Path, application_id: int) -> None:
    path = tmp_path / "ledger.sqlite3"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE recipes (name TEXT)")
    db.execute(f"PRAGMA application_id = {application_id}")
    db.close()
    before = path.read_bytes()
    assert "another program's database; move it away" in refusal(open_ledger(tmp_path))
    assert path.read_bytes() == before


def test_a_damaged_file_is_refused_and_kept(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, daily=1000, capacity=0)
    for number in range(300):
        ledger.admit("gary", f"r{number}", 0).finish("answered")
    ledger.close()
    path = ledger.store.path
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    assert "put a backup in its place" in refusal(ledger)
    assert path.read_bytes() == bytes(content)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.admit("gary", "r1", 0).finish("answered")
    ledger.close()
    os.truncate(ledger.store.path, 5000)
    assert "put a backup in its place" in refusal(ledger)


def test_a_ledger_without_its_tables_is_refused(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.quota("gary")
    db = sqlite3.connect(ledger.store.path)
    db.execute("DROP TABLE buckets")
    db.close()
    assert "not those of a ledger" in refusal(ledger)


def test_wal_is_taken_off_again(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.quota("gary")
    ledger.close()
    assert query(ledger, "PRAGMA journal_mode = WAL") == [("wal",)]
    ledger.admit("gary", "r1", 0).finish("answered")
    assert query(ledger, "PRAGMA journal_mode")[0][0] != "wal"


def test_a_ledger_put_back_from_a_backup_is_used_at_once(tmp_path: Path) -> None:
    """A long-lived worker must not go on counting in the file that was moved away."""
    ledger = open_ledger(tmp_path)
    ledger.admit("gary", "r1", 0).finish("answered")
    path = ledger.store.path
    shutil.copy(path, tmp_path / "backup")
    ledger.admit("gary", "r2", 0).finish("answered")
    (tmp_path / "backup").replace(path)
    assert ledger.quota("gary").daily_remaining == 29
    ledger.admit("gary", "r3", 0).finish("answered")
    assert query(path, "SELECT request_id FROM requests ORDER BY 1") == [("r1",), ("r3",)]


def test_a_process_forked_from_one_with_an_open_ledger_opens_its_own(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.admit("gary", "parent", 0).finish("answered")
    if not (pid := os.fork()):
        code = 1
        try:
            ledger.admit("gary", "child", 0).finish("answered")
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    ledger.admit("gary", "parent again", 0).finish("answered")
    rows = dict(query(ledger, "SELECT request_id, pid FROM requests"))
    assert rows == {"parent": os.getpid(), "child": pid, "parent again": os.getpid()}
    assert integrity(ledger.store.path) == "ok"


ORDINARY_USER = 65534
DROP_RIGHTS = f"""
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({ORDINARY_USER})
    os.setuid({ORDINARY_USER})
"""


def run_script(directory: Path, code: str, *, as_ordinary_user: bool = False) -> str:
    """What code prints in a process of its own. Files' rights do not bind root."""
    # Everything is loaded before the rights are dropped: the interpreter may live where only root can read.
    head = "import os\nfrom pathlib import Path\n"
    head += "from tests.harness.ledgers import PlannedCall, Usage, open_ledger\n"
    head += "from app.errors import LedgerUnavailable\n"
    text = f"{head}DIRECTORY = {str(directory)!r}\n{DROP_RIGHTS if as_ordinary_user else ''}{code}"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


TRY = """
ledger = open_ledger(Path(DIRECTORY))
try:
    ledger.admit("gary", "r2", 1000)
    print("admitted")
except LedgerUnavailable as error:
    print(error)
"""


@pytest.fixture
def others_may_enter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory outside pytest's private one, which an ordinary user can reach."""
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="ledger-"))
    if os.geteuid() == 0:
        # A directory that anybody may write is refused.
        os.chown(directory, ORDINARY_USER, ORDINARY_USER)
    yield directory
    directory.chmod(0o700)
    shutil.rmtree(directory)


def test_a_read_only_directory_is_refused_and_left_as_it_was(others_may_enter: Path) -> None:
    assert run_script(others_may_enter, TRY, as_ordinary_user=True) == "admitted\n"
    path = others_may_enter / "ledger.sqlite3"
    for file in others_may_enter.iterdir():
        file.chmod(0o444)
    others_may_enter.chmod(0o555)
    before = path.read_bytes()
    assert "writable for the account" in run_script(others_may_enter, TRY, as_ordinary_user=True)
    assert path.read_bytes() == before


def test_a_directory_that_cannot_be_made_is_refused(others_may_enter: Path) -> None:
    others_may_enter.chmod(0o555)
    said = run_script(others_may_enter / "var", TRY, as_ordinary_user=True)
    assert "make the file and its directory readable and writable" in said


FILL = """
ledger = open_ledger(Path(DIRECTORY), daily=100000, capacity=0, budget="100")
ledger.quota("gary")
{limit}
done = 0
try:
    for number in range(100000):
        with ledger.admit("gary", "x" * 200 + str(number), 1000) as admission:
            admission.sent(PlannedCall("chat", "gpt-6-luna", 1000)).settle(Usage(prompt_tokens=1))
            admission.finish("answered")
        done += 1
except LedgerUnavailable as error:
    print(done, error)
"""


def check_full(path: Path, said: str) -> None:
    """What was acknowledged is there, and nothing is half there."""
    done = int(said.split()[0])
    assert done > 10
    assert "free some space" in said or "check it with df" in said
    assert integrity(path) == "ok"
    answered = query(path, "SELECT COUNT(*), SUM(spent_nd) FROM requests WHERE outcome = 'answered'")[0]
    assert answered == (done, done * 100)
    booked, extra = query(
        path, "SELECT spent_nd, (SELECT COUNT(*) FROM requests WHERE outcome IS NULL) FROM days"
    )[0]
    assert booked == done * 100
    assert extra <= 1


def test_a_file_that_may_not_grow_any_more(tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    check_full(tmp_path / "ledger.sqlite3", run_script(tmp_path, FILL.format(limit=limit)))
    # With room again it goes on, and the question that was cut short is closed.
    ledger = open_ledger(tmp_path)
    ledger.admit("somebody else", "later", 0).finish("answered")
    assert query(ledger, "SELECT COUNT(*) FROM requests WHERE outcome IS NULL") == [(0,)]


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A file system of 600 KB, in a mount namespace of its own, so that the machine is left alone."""
    disk = tmp_path / "disk"
    disk.mkdir()
    keep = tmp_path / "kept.sqlite3"
    head = "from pathlib import Path\nfrom app.errors import LedgerUnavailable\n"
    head += "from tests.harness.ledgers import PlannedCall, Usage, open_ledger\n"
    copy = f"ledger.close()\n__import__('shutil').copy(DIRECTORY + '/ledger.sqlite3', {str(keep)!r})\n"
    (tmp_path / "fill.py").write_text(f"{head}DIRECTORY = {str(disk)!r}\n{FILL.format(limit='')}{copy}")
    mount = f"mount -t tmpfs -o size=600k tmpfs {disk} && exec {sys.executable} {tmp_path}/fill.py"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare failed" in done.stderr:
        pytest.skip("this kernel gives no user namespaces: a size-limited file is tested instead")
    assert done.returncode == 0, done.stderr
    assert "disk is full" in done.stdout
    check_full(keep, done.stdout)


# Migrations.


@pytest.mark.parametrize("version", range(len(schema.MIGRATIONS) + 1))
def test_every_earlier_schema_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.sqlite3"
    if version:
        with Store(path, schema.MIGRATIONS[:version]).writing() as db:
            db.execute("INSERT INTO days (day, spent_nd) VALUES ('2026-11-21', 5)")
            db.execute(
                "INSERT INTO user_days (day, user_id, admitted, spent_nd) VALUES ('2026-11-21', 'gary', 3, 5)"
            )
    fresh = Store(tmp_path / "fresh.sqlite3")
    with fresh.reading(), Store(path).reading():
        pass
    tables = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    assert query(path, tables) == query(fresh.path, tables)
    assert query(path, "PRAGMA user_version") == [(len(schema.MIGRATIONS),)]
    if version:
        assert query(path, "SELECT admitted, spent_nd, thumbs_up, free FROM user_days") == [(3, 5, 0, 0)]
        # Who asked before the shares were there has one: the last schema counts by itself.
        assert query(path, "SELECT day, spent_nd, users FROM days") == [
            ("2026-11-21", 5, 1 if version < 5 else 0)
        ]


NEXT = (
    *schema.MIGRATIONS,
    ("ALTER TABLE requests ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'", "CREATE TABLE later (x)"),
)


def test_an_older_program_works_beside_a_newer_one(tmp_path: Path) -> None:
    """During a deployment: this version works while one of the next migrates the file under it."""
    path = tmp_path / "ledger.sqlite3"
    open_worker = open_ledger(tmp_path, capacity=0, daily=1000)
    open_worker.admit("worker", "before", 0).finish("answered")
    newer = Ledger(path, limits(capacity=0), PRICING, store=Store(path, NEXT))
    plan = {"path": str(path), "processes": 60, "users": ["gary"], "limits": {"capacity": 0, "daily": 1000}}
    swarm = subprocess.Popen(
        [sys.executable, "-c", "import sys, json\nfrom tests.process.ledger import swarm\n"
                               f"sys.argv = ['swarm', json.dumps({plan!r})]\nswarm.main()"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    newer.admit("newer", "r1", 1000).finish("answered")
    out, _ = swarm.communicate(timeout=60)
    assert '"admitted": 60' in out
    open_worker.admit("worker", "after", 0).finish("answered")
    assert query(path, "PRAGMA user_version") == [(len(NEXT),)]
    assert query(path, "SELECT COUNT(*) FROM requests WHERE colour = 'red' AND outcome = 'answered'") == [
        (63,)
    ]


def test_an_older_program_refuses_a_schema_it_cannot_work_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    breaking = f"UPDATE meta SET value = '{len(NEXT)}' WHERE name = 'oldest_program'"
    with Store(path, (*NEXT[:-1], (*NEXT[-1], breaking))).reading():
        pass
    before = path.read_bytes()
    assert "a newer version of this program has changed it; run that version" in refusal(
        open_ledger(tmp_path)
    )
    assert path.read_bytes() == before


def test_every_query_is_in_one_module() -> None:
    words = ("SELECT ", "INSERT ", "UPDATE ", "DELETE FROM")
    ledger = ROOT / "app/ledger"
    with_sql = {path.name for path in ledger.glob("*.py") if any(word in path.read_text() for word in words)}
    assert with_sql == {"sql.py", "schema.py"}
