"""Cleaning up beside live traffic, the report, and that old rows slow nobody down."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app import logs
from app.ledger import maintenance, report
from app.ledger.ledger import Ledger
from app.models import PlannedCall, Usage
from scripts import bench_ledger
from tests.harness import ROOT
from tests.harness.ledgers import CHAT, SetClock, integrity, open_ledger, query, run_module

pytestmark = pytest.mark.timeout(120)

DAY = 86_400


def script(name: str, *arguments: str, data_dir: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "DATA_DIR": str(data_dir),
        "DNDCHAT_ENV_FILE": str(data_dir / "empty.env"),
        **environ,
    }
    (data_dir / "empty.env").touch()
    command = [sys.executable, str(ROOT / "scripts" / name), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def a_day(ledger: Ledger, user: str, day: int) -> None:
    """Two questions, one answered and liked, one failed; one refused."""
    with ledger.admit(user, f"{user}-{day}-a", 1_000_000) as admission:
        admission.sent(PlannedCall("chat", CHAT, 1_000_000)).settle(Usage(1000, 500))
        admission.finish("answered", 2000 + day)
    ledger.give_feedback(user, f"{user}-{day}-a", "up")
    ledger.admit(user, f"{user}-{day}-b", 0).finish("database_error")
    held = ledger.admit(user, f"{user}-{day}-c", 0)
    with pytest.raises(Exception, match="in flight"):
        ledger.admit(user, f"{user}-{day}-d", 0)
    held.finish("answered", 1000)


@pytest.fixture(scope="module")
def hundred_days(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SetClock]:
    """A ledger with a hundred days of two users, and the time on its clock."""
    clock = SetClock()
    ledger = open_ledger(tmp_path_factory.mktemp("old"), clock, in_flight=1)
    for day in range(100):
        for user in ("gary", "dave"):
            a_day(ledger, user, day)
        clock.advance(DAY)
    ledger.store.close()
    return ledger.store.path, clock


@pytest.fixture
def old(hundred_days: tuple[Path, SetClock], tmp_path: Path) -> Ledger:
    """A copy of its own of that ledger."""
    file, clock = hundred_days
    shutil.copy(file, tmp_path)
    return open_ledger(tmp_path, clock, in_flight=1)


def test_old_rows_go_and_their_totals_stay(old: Ledger) -> None:
    old.remember_token("expired", "gary", 300)
    old.clock.advance(301)  # type: ignore[attr-defined]
    totals = query(old, "SELECT * FROM user_days ORDER BY day, user_id")
    days = query(old, "SELECT * FROM days ORDER BY day")
    planned = maintenance.clean(old, 90, dry_run=True)
    assert query(old, "SELECT COUNT(*) FROM requests") == [(600,)]
    done = maintenance.clean(old, 90)
    assert done == planned
    # 100 days were asked on; of the 90 days before today all are kept.
    assert (done.requests, done.tokens, done.wrong_days, done.integrity) == (60, 1, [], "ok")
    assert query(old, "SELECT COUNT(DISTINCT day) FROM requests") == [(90,)]
    assert query(
        old, "SELECT COUNT(*) FROM calls WHERE request_id NOT IN (SELECT request_id FROM requests)"
    ) == [(0,)]
    assert query(old, "SELECT COUNT(*) FROM feedback") == [(180,)]
    assert query(old, "SELECT * FROM user_days ORDER BY day, user_id") == totals
    assert query(old, "SELECT * FROM days ORDER BY day") == days
    again = maintenance.clean(old, 90)
    assert (again.requests, again.tokens, again.orphans) == (0, 0, 0)


def test_a_day_that_does_not_add_up_is_kept_and_reported(old: Ledger) -> None:
    db = sqlite3.connect(old.store.path)
    first, second = (row[0] for row in db.execute("SELECT DISTINCT day FROM requests ORDER BY day LIMIT 2"))
    db.execute("UPDATE user_days SET spent_nd = spent_nd - 1 WHERE day = ? AND user_id = 'gary'", (first,))
    db.execute("UPDATE days SET spent_nd = spent_nd + 1 WHERE day = ?", (second,))
    db.commit()
    db.close()
    assert maintenance.clean(old, 90, dry_run=True).wrong_days == [first, second]
    done = maintenance.clean(old, 90)
    assert (done.wrong_days, done.requests) == ([first, second], 48)
    assert query(old, "SELECT DISTINCT day FROM requests WHERE day <= ?", second) == [(first,), (second,)]


def test_orphans_are_closed_by_cleaning_up_too(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "from tests.harness.ledgers import PlannedCall, open_ledger\n"
        f"admission = open_ledger(Path({str(tmp_path)!r})).admit('gary', 'r1', 3000)\n"
        f"admission.sent(PlannedCall('chat', '{CHAT}', 2000))\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert maintenance.clean(ledger, 90, dry_run=True).orphans == 1
    assert maintenance.clean(ledger, 90).orphans == 1
    assert query(ledger, "SELECT outcome, held_nd, spent_nd FROM requests") == [("orphaned", 0, 2000)]
    assert query(ledger, "SELECT spent_nd FROM days") == [(2000,)]


def test_cleaning_up_beside_live_traffic(tmp_path: Path) -> None:
    """Cleanup runs again and again while 60 processes ask; nobody is refused for it, and nothing is lost."""
    path = tmp_path / "ledger.sqlite3"
    bench_ledger.fill(path, 5000)
    cleaning = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from pathlib import Path\nfrom app.ledger import maintenance\n"
            "from tests.harness.ledgers import open_ledger\n"
            f"ledger = open_ledger(Path({str(tmp_path)!r}))\n"
            "print(sum(maintenance.clean(ledger, keep).requests for keep in range(89, 0, -4)))",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    users = [f"player-{number}" for number in range(60)]
    limits = {"budget": "1000"}
    result = run_module(
        "tests.process.ledger.swarm",
        {
            "path": str(path),
            "processes": 60,
            "users": users,
            "limits": limits,
            "reserve": 1000,
            "hold_ms": 50,
            "until": 60,
        },
    )
    out, _ = cleaning.communicate(timeout=60)
    assert result["said"] == {"admitted": 60}
    assert cleaning.returncode == 0
    # 90 days of about 55 questions; those of the last day and of today stay.
    assert int(out) > 4800
    assert query(
        path, "SELECT COUNT(*) FROM requests WHERE user_id LIKE 'player-%' AND outcome = 'answered'"
    ) == [(60,)]
    assert integrity(path) == "ok"


def test_the_command_counts_and_a_dry_run_does_nothing(tmp_path: Path) -> None:
    bench_ledger.fill(tmp_path / "ledger.sqlite3", 900)
    log = tmp_path / "dndchat.log"
    log.write_text("x" * (maintenance.MAX_LOG_BYTES + 1))
    before = (tmp_path / "ledger.sqlite3").read_bytes()
    dry = script("cleanup_ledger.py", "--dry-run", "--json", "--keep-days", "30", data_dir=tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert (tmp_path / "ledger.sqlite3").read_bytes() == before
    assert log.stat().st_size > maintenance.MAX_LOG_BYTES
    done = script("cleanup_ledger.py", "--json", "--keep-days", "30", data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {**json.loads(dry.stdout), "dry_run": False, "alerts_sent": 0}
    assert (said["requests"], said["log_rotated"], said["integrity"]) == (600, True, "ok")
    assert not log.exists()
    assert (tmp_path / "dndchat.log.1").stat().st_size > maintenance.MAX_LOG_BYTES
    plain = script("cleanup_ledger.py", data_dir=tmp_path)
    assert "requests: 0" in plain.stdout
    assert "integrity: ok" in plain.stdout


def test_a_process_that_lives_on_writes_to_the_new_log(tmp_path: Path) -> None:
    log_file = tmp_path / "logs/dndchat.log"
    logs.configure(log_file)
    try:
        log = logging.getLogger("app.test")
        log.info("one")
        maintenance.rotate(log_file)
        log.info("two")
        assert [path.read_text().split()[-1] for path in (log_file.with_suffix(".log.1"), log_file)] == [
            "one",
            "two",
        ]
        # With its directory gone there is nowhere to write, and nobody is troubled by that.
        shutil.rmtree(log_file.parent)
        log.info("three")
    finally:
        logs.close()


def test_a_second_cleanup_says_so_and_is_content(tmp_path: Path) -> None:
    with maintenance.only_one(tmp_path):
        second = script("cleanup_ledger.py", data_dir=tmp_path)
        assert (second.returncode, second.stdout) == (0, "Another cleanup is at work; nothing to do.\n")
        assert json.loads(script("cleanup_ledger.py", "--json", data_dir=tmp_path).stdout) == {
            "already_running": True
        }
    assert script("cleanup_ledger.py", data_dir=tmp_path).returncode == 0


def test_a_damaged_ledger_is_reported_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    bench_ledger.fill(path, 2000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20_000] = b"\0" * 20_000
    path.write_bytes(content)
    done = script("cleanup_ledger.py", "--keep-days", "1", data_dir=tmp_path)
    assert done.returncode == 1
    assert "put a backup in its place" in done.stderr
    assert path.read_bytes() == bytes(content)


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    for name in ("cleanup_ledger.py", "usage_report.py"):
        done = script(name, data_dir=tmp_path, SMTP_PORT="x")
        assert done.returncode == 2
        assert "SMTP_PORT" in done.stderr
    assert script("cleanup_ledger.py", "--keep-days", "0", data_dir=tmp_path).returncode == 2


def test_log_generations(tmp_path: Path) -> None:
    log = tmp_path / "dndchat.log"
    assert not maintenance.is_rotation_due(log)
    for number in range(8):
        log.write_text(f"log {number}")
        assert maintenance.is_rotation_due(log, max_bytes=4)
        maintenance.rotate(log)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"dndchat.log.{number}" for number in range(1, 6)
    ]
    assert [(tmp_path / f"dndchat.log.{number}").read_text() for number in (1, 5)] == ["log 7", "log 3"]


def test_the_report_by_day_and_user(old: Ledger) -> None:
    figures = report.usage(old, 3)
    # Today nothing was asked yet.
    assert [day["day"] for day in figures["days"]] == ["2027-02-27", "2027-02-28"]
    assert figures["days"][0] == {
        "day": "2027-02-27",
        "spent": 2 * (1000 * 100 + 500 * 500) / 1e9,
        "questions": 6,
        "answered": 4,
        "failed": 2,
        "refused": {"burst": 0, "daily": 0, "in_flight": 2, "budget": 0, "free": 0},
        "latency_average": round((2098 + 1000) / 2),
        "latency_max": 2098,
        "up": 2,
        "down": 0,
    }
    assert [user["user_id"] for user in figures["users"]] == ["dave", "gary"]
    assert figures["total"]["questions"] == 12
    text = report.as_text(figures)
    assert "2027-02-28" in text
    assert "▏" not in text  # 0.07 % of the budget is no eighth of a block
    assert report.usage(old, 1)["days"] == []
    assert "in all" in report.as_text(report.usage(old, 1))


def test_the_report_as_a_command(tmp_path: Path) -> None:
    bench_ledger.fill(tmp_path / "ledger.sqlite3", 900)
    figures = json.loads(script("usage_report.py", "--json", "--days", "11", data_dir=tmp_path).stdout)
    assert len(figures["days"]) == 10
    assert figures["total"]["questions"] == 100
    text = script("usage_report.py", "--days", "11", data_dir=tmp_path, DAILY_BUDGET_USD="0.005").stdout
    assert text.count("█" * 15) == 10


def test_old_rows_do_not_slow_an_admission_down(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, which no load on the computer changes."""

    def steps(directory: Path, old_rows: int) -> int:
        path = directory / "ledger.sqlite3"
        bench_ledger.fill(path, old_rows)
        ledger = open_ledger(directory, daily=1000)
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        with ledger.store.reading() as db:
            db.set_progress_handler(count, 1)
        for number in range(3):
            with ledger.admit("user-1", f"r{number}", 5_000_000) as admission:
                admission.sent(PlannedCall("chat", CHAT, 5_000_000)).settle(Usage(1000, 100))
                admission.finish("answered")
        ledger.quota("user-1")
        return counted

    few, many = steps(tmp_path / "few", 100), steps(tmp_path / "many", 100_000)
    print(f"{few} steps with 100 old rows, {many} with 100,000")
    assert many <= few * 1.02
