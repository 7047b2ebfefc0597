"""Settings: where values come from, how each is read, and that all problems are told at once without giving a
secret away.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import env_file
from app.errors import SettingsError
from app.settings import NAMES, Settings, load
from tests.harness import ROOT

SECRET = "sk-very-secret-1234567890"
CLOUD = {"chroma_cloud_api_key": "ck-cloud-secret", "chroma_cloud_tenant_id": "tenant-1"}


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DNDCHAT_ENV_FILE", raising=False)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Settings]:
    """Settings from these variables alone: HOME and the project root are empty directories."""
    (tmp_path / "home").mkdir()
    (tmp_path / "root").mkdir()

    def read(**environ: str) -> Settings:
        return load({"HOME": str(tmp_path / "home"), **environ}, tmp_path / "root")

    return read


def problems(read: Callable[..., Settings], **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read(**environ)
    return caught.value.problems


# -- values ------------------------------------------------------------------------------------------------------------


def test_without_any_setting_everything_has_its_documented_default(
    read: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = read()
    assert settings.mode == "embedded"
    assert (settings.chroma.url, settings.chroma.collection) == ("http://localhost:8060", "adnd_1e")
    assert settings.chroma_cloud is None
    assert settings.openai.base_url == "https://api.openai.com/v1"
    assert (settings.openai.model, settings.openai.embedding_model) == (
        "gpt-6-luna",
        "text-embedding-3-small",
    )
    limits = settings.limits
    assert (limits.bucket_capacity, limits.refill_interval_us, limits.daily_requests) == (15, 60_000_000, 30)
    assert (limits.max_in_flight, limits.daily_budget_usd) == (2, "1.00")
    assert (settings.auth_api_url, settings.auth_dev_token, settings.token_cache_ttl) == ("", "", 300)
    assert (settings.cors_origins, settings.warm_worker, settings.request_timeout) == (
        frozenset(),
        False,
        30.0,
    )
    assert settings.data_dir == tmp_path / "root/var"
    assert settings.log_file == tmp_path / "root/var/dndchat.log"
    assert (settings.source, settings.warnings) == (None, ())


def test_the_example_names_every_setting_with_its_default(read: Callable[..., Settings]) -> None:
    """No more and no fewer than are read; an address at example.com is an example, everything else the
    default.
    """
    example = re.findall(
        r"^# ?([A-Za-z_]+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE
    )
    keys = {**CLOUD, "OPENAI_API_KEY": SECRET}
    without, cloud = read(), read(**keys)
    assert sorted(name for name, _ in example) == sorted(NAMES)
    given = {name: value for name, value in example if value and "example.com" not in value}
    assert len(given) > 20
    for mine, defaults in ((read(**given), without), (read(**given, **keys), cloud)):
        assert vars(mine.pricing) == vars(defaults.pricing)
        assert mine == defaults._replace(origin=mine.origin, pricing=mine.pricing)


def test_the_documents_are_made_from_the_table(tmp_path: Path) -> None:
    """As `scripts/settings_docs.py` writes them: `.env.example`, docs/settings.md."""
    for name in ("app", "docs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".env.example", tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, tmp_path / "scripts/settings_docs.py", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert run("--check") == (0, "✓ .env.example: as the table says\n✓ docs/settings.md: as the table says\n")
    table = tmp_path / "app/settings_table.py"
    table.write_text(table.read_text().replace("8060", "8061").replace("The tenant that", "The tenant whom"))
    status, said = run("--check")
    assert (status, said.count("run scripts/settings_docs.py")) == (1, 2)
    assert run()[0] == run("--check")[0] == 0
    assert "#CHROMA_PORT=8061\n" in (tmp_path / ".env.example").read_text()
    page = (tmp_path / "docs/settings.md").read_text()
    assert "The tenant whom" in page
    assert page.startswith("# Settings") and "## A new setting" in page, "the text around the tables is kept"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"DAILY_BUDGET_USD": "0.005763"},
            "DAILY_BUDGET_USD: 0.005763 is less than what a question to gpt-6-luna reserves",
        ),
        ({"DAILY_BUDGET_USD": "0"}, "give 0.005764 or more"),
        ({"DAILY_BUDGET_USD": "1", "OPENAI_PRICE_INPUT": "99", "OPENAI_PRICE_OUTPUT": "9"}, "give 4.96"),
        (
            {"TOKEN_REFILL_RATE": "0"},
            "TOKEN_REFILL_RATE: 0, so what a user has asked of the burst never comes back",
        ),
        ({"REQUEST_TIMEOUT_SECONDS": "9.9"}, "REQUEST_TIMEOUT_SECONDS: 9.9 is less than most answers take"),
    ],
)
def test_limits_that_refuse_questions_are_said(
    read: Callable[..., Settings], environ: dict[str, str], said: str
) -> None:
    (warning,) = read(OPENAI_API_KEY=SECRET, **environ).warnings
    assert said in warning


def test_limits_that_are_just_enough_need_no_word(read: Callable[..., Settings]) -> None:
    assert (
        read(OPENAI_API_KEY=SECRET, DAILY_BUDGET_USD="0.005764", REQUEST_TIMEOUT_SECONDS="10").warnings == ()
    )
    # 0 switches these off, as the example of a settings file says.
    off = {"TOKEN_BUCKET_CAPACITY": "0", "TOKEN_REFILL_RATE": "0", "MAX_IN_FLIGHT_PER_USER": "0"}
    assert read(OPENAI_API_KEY=SECRET, **off).warnings == ()
    # Without a model nothing is paid for.
    assert read(DAILY_BUDGET_USD="0", REQUEST_TIMEOUT_SECONDS="1").warnings == ()


def _value(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        ("OPENAI_API_KEY", SECRET, "openai.api_key", SECRET),
        ("gravitycar_openai_api_key", SECRET, "openai.api_key", SECRET),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/", "openai.base_url", "http://127.0.0.1:9/v1"),
        ("OPENAI_MODEL", " gpt-4o-mini ", "openai.model", "gpt-4o-mini"),
        ("OPENAI_EMBEDDING_MODEL", "text-embedding-3-large", "openai.embedding_model", "text-embedding-3-large"),
        ("CHROMA_HOST", "https://chroma.lan", "chroma.url", "https://chroma.lan:8060"),
        ("CHROMA_HOST", "http://localhost", "chroma.url", "http://localhost:8060"),
        ("CHROMA_HOST", "https://chroma.lan/", "chroma.url", "https://chroma.lan:8060"),
        ("CHROMA_HOST", "::1", "chroma.url", "http://[::1]:8060"),
        ("CHROMA_HOST", "[::1]", "chroma.url", "http://[::1]:8060"),
        ("CHROMA_PORT", "8000", "chroma.url", "http://localhost:8000"),
        ("CHROMA_COLLECTION", "rules-2", "chroma.collection", "rules-2"),
        ("AUTH_API_URL", "https://auth.example.org/api/", "auth_api_url", "https://auth.example.org/api"),
        ("AUTH_DEV_TOKEN", "abc", "auth_dev_token", "abc"),
        ("TOKEN_CACHE_TTL", "0", "token_cache_ttl", 0),
        ("TOKEN_BUCKET_CAPACITY", "1", "limits.bucket_capacity", 1),
        ("TOKEN_REFILL_RATE", "1/30", "limits.refill_interval_us", 30_000_000),
        ("TOKEN_REFILL_RATE", "0.016666666666666666", "limits.refill_interval_us", 60_000_000),
        ("TOKEN_REFILL_RATE", ".5", "limits.refill_interval_us", 2_000_000),
        ("DAILY_USER_REQUEST_LIMIT", "100", "limits.daily_requests", 100),
        ("MAX_IN_FLIGHT_PER_USER", "5", "limits.max_in_flight", 5),
        ("DAILY_GIVE_BACK_LIMIT", "0", "limits.give_backs", 0),
        ("FREE_BUCKET_CAPACITY", "0", "limits.free_capacity", 0),
        ("FREE_REFILL_RATE", "1/30", "limits.free_interval_us", 30_000_000),
        ("FAIR_SHARE_DAYS", "0", "limits.share_days", 0),
        ("DAILY_BUDGET_USD", "0.25", "limits.daily_budget_usd", "0.25"),
        ("ALERT_EMAIL", "owner@example.org", "alert_email", "owner@example.org"),
        ("SMTP_HOST", "mail.example.org", "smtp.host", "mail.example.org"),
        ("SMTP_PORT", "25", "smtp.port", 25),
        ("SMTP_USER", "owner", "smtp.user", "owner"),
        ("SMTP_PASS", "a b#c", "smtp.password", "a b#c"),
        ("SMTP_FROM", "dnd@example.org", "smtp.sender", "dnd@example.org"),
        ("CORS_ORIGINS", "https://a.example.org", "cors_origins", {"https://a.example.org"}),
        ("CORS_ORIGINS", "https://A.example.org, http://localhost:3000", "cors_origins", {"https://a.example.org", "http://localhost:3000"}),
        ("CORS_ORIGINS", "http://[::1]:3000 ,", "cors_origins", {"http://[::1]:3000"}),
        ("WARM_WORKER", "on", "warm_worker", True),
        ("WARM_WORKER", "TRUE", "warm_worker", True),
        ("WARM_WORKER", "off", "warm_worker", False),
        ("WARM_WORKER_IDLE_SECONDS", "60", "worker.idle_seconds", 60),
        ("WARM_WORKER_MAX_REQUESTS", "10", "worker.max_requests", 10),
        ("WARM_WORKER_MAX_MB", "100", "worker.max_megabytes", 100),
        ("WARM_WORKER_THREADS", "4", "worker.threads", 4),
        ("REQUEST_TIMEOUT_SECONDS", "2.5", "request_timeout", 2.5),
        ("DATA_DIR", "/srv/dnd", "data_dir", Path("/srv/dnd")),
        ("DATA_DIR", "/srv/dnd", "log_file", Path("/srv/dnd/dndchat.log")),
        ("LOG_FILE", "/srv/log", "log_file", Path("/srv/log")),
    ],
)  # fmt: skip
def test_a_value_is_read(
    read: Callable[..., Settings], name: str, text: str, path: str, expected: Any
) -> None:
    assert _value(read(**{name: text}), path) == expected


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        ("chroma_cloud_database", "rules", "chroma.database", "rules"),
        (
            "CHROMA_CLOUD_HOST",
            "europe-west1.gcp.trychroma.com",
            "chroma.url",
            "https://europe-west1.gcp.trychroma.com:443",
        ),
        ("CHROMA_CLOUD_HOST", "https://api.trychroma.com", "chroma.url", "https://api.trychroma.com:443"),
        ("CHROMA_CLOUD_PORT", "8443", "chroma.url", "https://api.trychroma.com:8443"),
        ("CHROMA_CLOUD_SSL", "on", "chroma.url", "https://api.trychroma.com:443"),
        ("OPENAI_MODEL", "gpt-4o", "chroma.tenant", "tenant-1"),
    ],
)
def test_a_value_of_the_cloud_is_read(
    read: Callable[..., Settings], name: str, text: str, path: str, expected: Any
) -> None:
    assert _value(read(**CLOUD, OPENAI_API_KEY=SECRET, **{name: text}), path) == expected


@pytest.mark.parametrize(
    ("environ", "mode", "warned"),
    [
        ({}, "embedded", False),
        ({"OPENAI_API_KEY": SECRET}, "local", False),
        ({"OPENAI_API_KEY": SECRET, **CLOUD}, "cloud", False),
        (CLOUD, "embedded", True),
    ],
)
def test_the_keys_decide_the_mode(
    read: Callable[..., Settings], environ: dict[str, str], mode: str, warned: bool
) -> None:
    settings = read(**environ)
    assert settings.mode == mode
    assert bool(settings.warnings) == warned


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in ("CHROMA_PORT", "CHROMA_CLOUD_PORT", "SMTP_PORT") for text in ("0", "65536", "http")),
        ("TOKEN_CACHE_TTL", "-1"),
        ("TOKEN_CACHE_TTL", "5 minutes"),
        ("TOKEN_CACHE_TTL", "9" * 5000),
        ("TOKEN_BUCKET_CAPACITY", "1.5"),
        ("TOKEN_BUCKET_CAPACITY", "١٥"),
        ("TOKEN_REFILL_RATE", "1/0"),
        ("TOKEN_REFILL_RATE", "1/00"),
        ("TOKEN_REFILL_RATE", "one a minute"),
        ("TOKEN_REFILL_RATE", "nan"),
        ("TOKEN_REFILL_RATE", "inf"),
        ("TOKEN_REFILL_RATE", "9" * 400 + "/" + "9" * 400),
        ("DAILY_USER_REQUEST_LIMIT", "0"),
        ("MAX_IN_FLIGHT_PER_USER", "-1"),
        ("DAILY_GIVE_BACK_LIMIT", "-1"),
        ("FREE_BUCKET_CAPACITY", "ten"),
        ("FREE_REFILL_RATE", "1/0"),
        ("FAIR_SHARE_DAYS", "367"),
        ("DAILY_BUDGET_USD", "$1"),
        ("DAILY_BUDGET_USD", "-1"),
        ("DAILY_BUDGET_USD", "1,00"),
        ("DAILY_BUDGET_USD", "1e2"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("REQUEST_TIMEOUT_SECONDS", "3600"),
        ("WARM_WORKER", "maybe"),
        ("WARM_WORKER_IDLE_SECONDS", "0"),
        ("WARM_WORKER_MAX_REQUESTS", "many"),
        ("WARM_WORKER_MAX_MB", "1"),
        ("WARM_WORKER_THREADS", "1000"),
        ("CHROMA_CLOUD_SSL", "2"),
        ("CHROMA_COLLECTION", "my rules"),
        ("CHROMA_COLLECTION", "../x"),
        ("CHROMA_HOST", "localhost:8060"),
        ("CHROMA_HOST", "http://localhost/chroma"),
        ("CHROMA_HOST", "local host"),
        ("CHROMA_HOST", "user@localhost"),
        ("CHROMA_CLOUD_HOST", "https://"),
        ("AUTH_API_URL", "auth.example.org"),
        ("AUTH_API_URL", "ftp://auth.example.org"),
        ("AUTH_API_URL", "https://"),
        ("AUTH_API_URL", "https://user:password@auth.example.org"),
        ("AUTH_API_URL", "https://auth.example.org/?key=1"),
        ("AUTH_API_URL", "https://auth.example.org:http"),
        ("AUTH_API_URL", "https://[::1"),
        ("OPENAI_BASE_URL", "api.openai.com/v1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/ v1"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.example.org, *"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "https://a.example.org/"),
        ("CORS_ORIGINS", "a.example.org"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("OPENAI_API_KEY", "sk-two words"),
        ("OPENAI_API_KEY", "sk-é"),
        ("gravitycar_openai_api_key", "sk-two words"),
        ("chroma_cloud_api_key", "ck two words"),
        ("DATA_DIR", "~nobody-of-this-name/var"),
        ("LOG_FILE", "~nobody-of-this-name/log"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused(read: Callable[..., Settings], name: str, text: str) -> None:
    cloud = {**CLOUD, "OPENAI_API_KEY": SECRET} if "cloud" in name.lower() else {}
    found = problems(read, **{**cloud, name: text})
    assert len(found) == 1
    # The name, what is wrong, and after the semicolon what to do; never the value.
    assert re.fullmatch(rf"{name}: [^;]+[;,] .{{5,}}", found[0]), found
    if len(text) > 3 and text not in ("http", "null", "https://"):
        assert text not in found[0]


def test_all_problems_are_told_at_once(read: Callable[..., Settings]) -> None:
    found = problems(
        read,
        OPENAI_API_KEY="two words",
        OPENAI_BASE_URL="nowhere",
        chroma_cloud_api_key="x",
        CHROMA_PORT="x",
        CHROMA_COLLECTION="!",
        DAILY_BUDGET_USD="much",
        CORS_ORIGINS="* nonsense",
        WARM_WORKER="perhaps",
        DNDCHAT_ENV_FILE="/nonexistent/settings",
    )
    names = [problem.split(":")[0] for problem in found]
    expected = (
        "OPENAI_API_KEY OPENAI_BASE_URL chroma_cloud_tenant_id CHROMA_PORT CHROMA_COLLECTION DAILY_BUDGET_USD"
    )
    expected += " CORS_ORIGINS CORS_ORIGINS WARM_WORKER DNDCHAT_ENV_FILE"
    assert sorted(names) == sorted(expected.split())
    with pytest.raises(SettingsError) as caught:
        read(CHROMA_PORT="x", SMTP_PORT="x")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("  ✗ ")


@pytest.mark.parametrize("given", sorted(CLOUD))
def test_half_of_the_cloud_is_a_problem_that_names_the_other_half(
    read: Callable[..., Settings], given: str
) -> None:
    (missing,) = set(CLOUD) - {given}
    (problem,) = problems(read, **{given: CLOUD[given]})
    assert problem.startswith(f"{missing}: ")
    assert CLOUD[given] not in problem


def test_no_secret_is_in_the_representation_or_in_a_problem(read: Callable[..., Settings]) -> None:
    secrets = {
        "OPENAI_API_KEY": SECRET,
        "chroma_cloud_api_key": "ck-cloud-secret",
        "AUTH_DEV_TOKEN": "dev-token-secret",
        "SMTP_PASS": "mail-secret",
    }
    settings = read(**secrets, chroma_cloud_tenant_id="t1")
    for secret in secrets.values():
        assert secret not in repr(settings)
        assert secret not in str(settings)
    # A key pasted into any other line must not be repeated either.
    numbers_and_such = (
        "CHROMA_PORT",
        "AUTH_API_URL",
        "CORS_ORIGINS",
        "TOKEN_REFILL_RATE",
        "WARM_WORKER",
        "DAILY_BUDGET_USD",
    )
    for name in numbers_and_such:
        assert SECRET not in str(problems(read, **{name: SECRET}))


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("X=plain", "plain"),
        ("X = spaced ", "spaced"),
        ("  X=indented", "indented"),
        ("export X=exported", "exported"),
        ("export   X=exported", "exported"),
        ('X="double quoted"', "double quoted"),
        ("X='single quoted'", "single quoted"),
        ("X=' kept blanks '", " kept blanks "),
        ('X="with # inside"', "with # inside"),
        ('X="quoted" # comment', "quoted"),
        ('X="quoted" # a "comment"', "quoted"),
        (r"X='it\'s'", "it's"),
        (r"X='C:\new\\'", "C:\\new\\"),
        (r'X="C:\new\"\\"', 'C:\new"\\'),
        (r"X=C:\new", r"C:\new"),
        ('X="two\nlines"\nY=1', "two\nlines"),
        ("'X'=a quoted name", "a quoted name"),
        ("X=plain # comment", "plain"),
        ("X=pass#word", "pass#word"),
        ("X=", ""),
        ("X= # nothing", ""),
        ('X=""', ""),
        ("X=a=b=c", "a=b=c"),
        ("X=#hash", "#hash"),
        ("X=$HOME", "$HOME"),
        ("X=${HOME}", "${HOME}"),
        ('X="$HOME"', "$HOME"),
        ("X=first\nX=second", "second"),
        ("\ufeffX=after a byte order mark", "after a byte order mark"),
        ("# comment\n\n   \nX=after comments", "after comments"),
        ("X=windows\r\nY=2\r\n", "windows"),
        ("X=ü", "ü"),
        ("_x9=no\nX=under_score", "under_score"),
    ],
)
def test_a_line_of_the_file(line: str, value: str) -> None:
    assert env_file.parse(line).values["X"] == value


@pytest.mark.parametrize(
    "line",
    [
        *("just words", "=value", "9X=1", "X Y=1", "X-Y=1", "export X", "[section]", "X: 1"),
        *("X='it''s'", 'X="no end', "X='no end", 'X="a" b'),
    ],
)
def test_a_line_that_is_none_is_named_by_its_number_only(
    read: Callable[..., Settings], tmp_path: Path, line: str
) -> None:
    (tmp_path / "root/.env").write_text(f"CHROMA_PORT=1\n{line} {SECRET}\n")
    (problem,) = problems(read)
    assert "line 2" in problem
    assert str(tmp_path / "root/.env") in problem
    assert SECRET not in problem


def lines_of(found: tuple[str, ...]) -> list[int]:
    return [int(number) for problem in found for number in re.findall(r": line (\d+) ", problem)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_that_is_none_is_told_with_its_number(
    read: Callable[..., Settings], tmp_path: Path, end: str
) -> None:
    text = [
        "",
        "# comment",
        "words",
        "",
        "  ",
        "SMTP_PORT=0",
        "X='two",
        "lines'",
        "",
        "more words",
        "Y='no end",
        "export Z",
    ]
    (tmp_path / "root/.env").write_bytes(end.join(text).encode())
    found = problems(read)
    assert lines_of(found) == [3, 10, 11, 12]
    assert "quotes" in found[2] and "quotes" not in found[0]
    assert found[-1].startswith("SMTP_PORT: ")


def test_of_many_lines_that_are_none_a_few_are_told(read: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "root/.env").write_text("words\n" * 1000)
    found = problems(read)
    assert lines_of(found) == [1, 2, 3, 4, 5]
    assert len(found) == 6
    assert "995 more lines" in found[5]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("SMTP_USER=a\n# b\nSMTP_USER=b\n", ["SMTP_USER: line 3 replaces line 1; delete one of them"]),
        ("SMTP_USER=a\nexport SMTP_USER='a'\n", []),
    ],
)
def test_a_name_that_is_given_twice_is_told(
    read: Callable[..., Settings], tmp_path: Path, text: str, warned: list[str]
) -> None:
    (tmp_path / "root/.env").write_text(text)
    assert list(read().warnings) == warned


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("DAILY_BUGET_USD", "DAILY_BUDGET_USD"),
        ("OPENAI_MODLE", "OPENAI_MODEL"),
        ("OPENAI_BASEURL", "OPENAI_BASE_URL"),
        ("OPENAI_MODELS", "OPENAI_MODEL"),
        ("XALERT_EMAIL", "ALERT_EMAIL"),
        ("DATADIR", "DATA_DIR"),
        # Case counts on every host, and is forgotten first.
        ("CHROMA_CLOUD_API_KEY", "chroma_cloud_api_key"),
        ("openai_api_key", "OPENAI_API_KEY"),
        ("gravitycar_openai_apikey", "gravitycar_openai_api_key"),
    ],
)
def test_a_name_in_the_file_that_is_almost_a_setting_is_told(
    read: Callable[..., Settings], tmp_path: Path, written: str, meant: str
) -> None:
    (tmp_path / "root/.env").write_text(f"{written}={SECRET}\n")
    expected = f"{written}: no setting, so its value is not used; write {meant} if that is meant"
    assert read().warnings == (expected,)
    # A variable of the environment may be any program's.
    (tmp_path / "root/.env").unlink()
    assert read(**{written: SECRET}).warnings == ()


def test_a_misspelt_name_is_told_beside_the_problem_that_it_makes(
    read: Callable[..., Settings], tmp_path: Path
) -> None:
    lines = f"chroma_cloud_api_key={SECRET}\nchroma_cloud_tenantid=tenant-1\n"
    (tmp_path / "root/.env").write_text(lines)
    missing, misspelt = problems(read)
    assert missing.startswith("chroma_cloud_tenant_id: missing")
    assert misspelt.startswith("chroma_cloud_tenantid: no setting")
    assert misspelt.endswith("write chroma_cloud_tenant_id if that is meant")


def test_names_of_other_programs_in_the_file_need_no_word(
    read: Callable[..., Settings], tmp_path: Path
) -> None:
    foreign = (
        "DATABASE_URL",
        "SMTP_PASSWORD",
        "LOG_LEVEL",
        "DB_HOST",
        "PORT",
        "OPENAI_ORG_ID",
        "A",
        "X" * 5000,
    )
    (tmp_path / "root/.env").write_text("".join(f"{name}=1\n" for name in foreign))
    assert read().warnings == ()


def test_a_line_is_read_in_steps_that_grow_with_it(read: Callable[..., Settings], tmp_path: Path) -> None:
    """python-dotenv looks for a comment from every blank of a row; this one would take it minutes."""
    (tmp_path / "root/.env").write_text("X=1\nY=a" + "\t " * 200_000 + "b\n")
    (problem,) = problems(read)
    assert "line 2 has 200 blanks in a row" in problem


def test_a_file_whose_reader_is_not_installed_says_what_to_do(
    read: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update without `scripts/setup.sh`."""
    (tmp_path / "root/.env").write_text("SMTP_PORT=1\n")
    monkeypatch.setitem(sys.modules, "dotenv.parser", None)
    with pytest.raises(ModuleNotFoundError, match=r"run scripts/setup\.sh"):
        read()


def test_a_secret_of_two_lines_is_refused(read: Callable[..., Settings], tmp_path: Path) -> None:
    """Most likely a closing quote is missing, or the backslash is meant as such."""
    (tmp_path / "root/.env").write_text('SMTP_PASS="pass\nOPENAI_MODEL=word"\nAUTH_DEV_TOKEN="to\\new"\n')
    found = problems(read)
    assert sorted(problem.partition(":")[0] for problem in found) == ["AUTH_DEV_TOKEN", "SMTP_PASS"]
    assert "word" not in str(found)


def test_a_file_that_cannot_be_read_is_a_problem_beside_the_others(
    read: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "root/.env").write_bytes(b"SMTP_PASS=\xff\xfe\n")
    found = problems(read, CHROMA_PORT="x")
    assert [problem.split(":")[0] for problem in found] == [
        f"settings file {tmp_path}/root/.env",
        "CHROMA_PORT",
    ]


def test_a_byte_that_no_path_has_is_a_problem(read: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "root/.env").write_text("DATA_DIR=/srv/\0dnd\n")
    assert [problem.split(":")[0] for problem in problems(read)] == ["DATA_DIR"]


def test_a_file_that_fails_to_be_read_is_a_problem(read: Callable[..., Settings]) -> None:
    # For the superuser too, whom no permission stops: a file that gives an input/output error.
    (problem,) = problems(read, DNDCHAT_ENV_FILE="/proc/self/mem")
    assert problem.startswith("settings file /proc/self/mem: cannot be read (OSError);")


def test_the_first_file_that_is_there_is_the_only_one_read(
    read: Callable[..., Settings], tmp_path: Path
) -> None:
    named, home, root = tmp_path / "named", tmp_path / "home/.env.dndchat", tmp_path / "root/.env"
    named.write_text("OPENAI_MODEL=named\n")
    home.write_text("OPENAI_MODEL=home\nSMTP_HOST=home\n")
    root.write_text("OPENAI_MODEL=root\nSMTP_USER=root\n")
    for path, environ in ((named, {"DNDCHAT_ENV_FILE": str(named)}), (home, {}), (root, {})):
        settings = read(**environ)
        assert (settings.openai.model, settings.source) == (
            path.name if path == named else path.parent.name,
            path,
        )
        assert settings.smtp.user == ("root" if path == root else "")
        if path == home:
            home.unlink()
    root.unlink()
    assert read().source is None


def test_the_environment_wins_over_the_file_unless_it_is_blank(
    read: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "root/.env").write_text(
        "OPENAI_MODEL=file\nSMTP_HOST=file\nSMTP_USER=file\nTOKEN_CACHE_TTL=\nCORS_ORIGINS=' '\n"
    )
    settings = read(OPENAI_MODEL="environment", SMTP_HOST="", SMTP_USER="  ")
    assert settings.openai.model == "environment"
    assert (settings.smtp.host, settings.smtp.user) == ("file", "file")
    assert (settings.token_cache_ttl, settings.cors_origins) == (300, frozenset())


@pytest.mark.parametrize("where", ["/nonexistent/settings", "~nobody-of-this-name/settings", "{directory}"])
def test_a_named_file_that_is_not_there_is_a_problem(
    read: Callable[..., Settings], tmp_path: Path, where: str
) -> None:
    (tmp_path / "home/.env.dndchat").write_text("OPENAI_MODEL=home\n")
    (problem,) = problems(read, DNDCHAT_ENV_FILE=where.format(directory=tmp_path))
    assert problem.startswith("DNDCHAT_ENV_FILE: ")


def test_paths_are_relative_to_the_project_and_know_the_home_directory(
    read: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = read(DATA_DIR="state", LOG_FILE="~/dnd.log")
    assert settings.data_dir == tmp_path / "root/state"
    assert settings.log_file == tmp_path / "home/dnd.log"


def test_without_home_the_accounts_own_directory_counts(tmp_path: Path) -> None:
    """Apache gives CGI programs no HOME."""
    code = "from app.settings import load; settings = load(); print(settings.source, settings.data_dir)"
    account = pwd.getpwuid(os.getuid()).pw_dir
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DATA_DIR": "~/dnd"},
        capture_output=True,
        text=True,
        check=True,
    )
    source, data_dir = done.stdout.split()
    assert data_dir == f"{account}/dnd"
    assert source in (f"{account}/.env.dndchat", f"{ROOT}/.env", "None")


def test_loading_creates_nothing(read: Callable[..., Settings], tmp_path: Path) -> None:
    read(DATA_DIR="state")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "root"]
