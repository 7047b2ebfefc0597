"""Who else could have written, or can read, what the program goes by: settings, DATA_DIR, ledger, index, what
is remembered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import datadir
from app.errors import DatabaseError, LedgerUnavailable, SettingsError
from app.index.build import build
from app.index.search import LexicalIndex, index_path
from app.ledger.store import Store
from app.models import Passage
from app.settings import Settings, load
from tests.harness.accounts import Account, readable_directory, server_account
from tests.harness.gated import GatedAuth
from tests.harness.program import Program

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of two accounts")
MALLORY = Account.named("nobody")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Settings]:
    (tmp_path / "var").mkdir(mode=0o700)
    return lambda **environ: load({"HOME": str(tmp_path), **environ}, tmp_path)


@pytest.fixture
def program(base: Path, auth: GatedAuth) -> Iterator[Program]:
    with Program(base, AUTH_API_URL=auth.url) as made:
        yield made


# -- the settings file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o622, 0o666, 0o777])
def test_a_settings_file_that_others_can_write_is_refused(
    read: Callable[..., Settings], tmp_path: Path, mode: int
) -> None:
    file = tmp_path / ".env.dndchat"
    file.write_text("AUTH_API_URL=https://auth.example.com\n")
    file.chmod(mode)
    with pytest.raises(SettingsError) as refused:
        read()
    [problem] = refused.value.problems
    assert str(file) in problem
    assert f"mode {mode:04o}" in problem
    assert "chmod go-w" in problem
    file.chmod(mode & 0o755)
    assert read().auth_api_url == "https://auth.example.com"


@pytest.mark.parametrize("mode", [0o702, 0o703, 0o777])
def test_a_settings_file_in_a_directory_that_others_can_write_is_refused(
    read: Callable[..., Settings], tmp_path: Path, mode: int
) -> None:
    (tmp_path / "open").mkdir()
    file = tmp_path / "open/settings"
    file.write_text("")
    file.chmod(0o600)
    file.parent.chmod(mode)
    with pytest.raises(SettingsError, match="other accounts can write there"):
        read(DNDCHAT_ENV_FILE=str(file))
    # As /tmp: only a file's owner can put another in its place.
    file.parent.chmod(mode | 0o1000)
    read(DNDCHAT_ENV_FILE=str(file))


@as_root
@pytest.mark.parametrize("what", ["file", "directory", "link"])
def test_a_settings_file_of_somebody_else_is_refused(
    read: Callable[..., Settings], tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "mine").write_text("")
    file = folder / "settings"
    if what == "link":
        file.symlink_to(tmp_path / "mine")
        os.chown(file, MALLORY.uid, MALLORY.gid, follow_symlinks=False)
    else:
        file.write_text("")
        os.chown(file if what == "file" else folder, MALLORY.uid, MALLORY.gid)
    with pytest.raises(SettingsError, match=r"belongs to nobody.*this program runs as root"):
        read(DNDCHAT_ENV_FILE=str(file))


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644])
@pytest.mark.parametrize("secret", ["OPENAI_API_KEY", "chroma_cloud_api_key", "SMTP_PASS", "AUTH_DEV_TOKEN"])
def test_keys_that_others_can_read_are_said(
    read: Callable[..., Settings], tmp_path: Path, mode: int, secret: str
) -> None:
    file = tmp_path / ".env.dndchat"
    file.write_text(f"{secret}=s3cret\nchroma_cloud_tenant_id={'t' if 'cloud' in secret else ''}\n")
    file.chmod(mode)
    warning = read().warnings[-1]
    assert f"chmod 600 {file}" in warning
    assert "s3cret" not in warning
    file.chmod(0o600)
    assert not any("chmod" in warning for warning in read().warnings)


def test_settings_without_a_secret_may_be_read(read: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / ".env.dndchat").write_text("DAILY_BUDGET_USD=2\nOPENAI_API_KEY=\n")
    (tmp_path / ".env.dndchat").chmod(0o644)
    assert read().warnings == ()


# -- DATA_DIR and what is in it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o770, 0o777, 0o1777])
def test_a_data_dir_that_others_can_write_is_refused(
    read: Callable[..., Settings], tmp_path: Path, mode: int
) -> None:
    (tmp_path / "var").chmod(mode)
    with pytest.raises(SettingsError) as refused:
        read()
    [problem] = refused.value.problems
    assert problem.startswith(f"DATA_DIR: not used, as {tmp_path}/var belongs to")
    assert f"chmod go-w '{tmp_path}/var'" in problem


def give_to_mallory(path: Path) -> None:
    for one in (path, *path.rglob("*")):
        os.chown(one, MALLORY.uid, MALLORY.gid)


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the program ran as the web server's account."""
    number = server_account().uid
    monkeypatch.setattr(os, "geteuid", lambda: number)


@as_root
def test_root_uses_what_an_account_owns(read: Callable[..., Settings], tmp_path: Path) -> None:
    """Its cron cleans up there. Where others can write it is as careful as anybody."""
    MALLORY.owns(tmp_path / "var")
    assert read().data_dir == tmp_path / "var"
    (tmp_path / "var").chmod(0o777)
    with pytest.raises(SettingsError, match="DATA_DIR: not used"):
        read()


@as_root
@pytest.mark.usefixtures("not_root")
def test_a_data_dir_of_somebody_else_or_in_one_is_refused(
    read: Callable[..., Settings], tmp_path: Path
) -> None:
    give_to_mallory(tmp_path / "var")
    with pytest.raises(SettingsError, match=r"DATA_DIR: not used, as .*/var belongs to nobody"):
        read()
    (tmp_path / "var/mine").mkdir(mode=0o700)
    for name in ("mine", "not-there-yet"):
        with pytest.raises(SettingsError, match=r"DATA_DIR: not used, as .*/var belongs to nobody"):
            read(DATA_DIR=str(tmp_path / "var" / name))


@as_root
@pytest.mark.usefixtures("not_root")
def test_the_owner_of_the_program_is_trusted_as_root_is() -> None:
    with readable_directory(MALLORY) as home:
        (home / "app").mkdir()
        (home / "app/datadir.py").write_text(Path(datadir.__file__).read_text())
        (home / "file").write_text("")
        give_to_mallory(home)
        names: dict[str, object] = {"__file__": str(home / "app/datadir.py"), "__name__": "datadir"}
        exec((home / "app/datadir.py").read_text(), names)
        assert names["intruded"](home / "file") is None  # type: ignore[operator]
        assert datadir.intruded(home / "file") == home / "file"


@as_root
@pytest.mark.usefixtures("not_root")
def test_a_ledger_and_an_index_of_somebody_else_are_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    store = Store(tmp_path / "ledger.sqlite3")
    with store.writing():
        pass
    store.close()
    give_to_mallory(tmp_path / "ledger.sqlite3")
    with (
        pytest.raises(LedgerUnavailable, match=r"ledger.sqlite3: not used, as .* belongs to nobody"),
        store.writing(),
    ):
        pass
    path = index_path(tmp_path, "rules")
    build([Passage("a", "text", {"name": "A"})], path, {})
    assert LexicalIndex(path).count() == 1
    path.chmod(0o666)
    with pytest.raises(DatabaseError, match=r"not used, as .* \(mode 0666\): other accounts can write there"):
        LexicalIndex(path).count()


@as_root
@pytest.mark.parametrize("name", ["ledger.sqlite3", "tokens.seen"])
def test_a_forged_list_of_tokens_lets_nobody_in(program: Program, auth: GatedAuth, name: str) -> None:
    """Another account can put files there only where it may write; then the program uses none of them, and
    says why.
    """
    assert program.ask(auth.token_for("alice")).status == 200
    program.data_dir.chmod(0o777)
    MALLORY.owns(program.data_dir / name)
    reply = program.ask(auth.token_for("alice"))
    assert (reply.status, reply.json()["error"]) == (500, "internal_error")
    assert f"DATA_DIR: not used, as {program.data_dir} belongs to" in reply.stderr
    assert "chmod go-w" in reply.stderr


def test_what_others_could_have_remembered_is_forgotten(tmp_path: Path) -> None:
    from app.adapters.remembered import Remembered

    file = tmp_path / "addresses.json"
    Remembered(file).put("api.example.com:443", {"address": "192.0.2.66"})
    assert Remembered(file).get("api.example.com:443")
    file.chmod(0o666)
    assert Remembered(file).get("api.example.com:443") == {}


@as_root
def test_a_log_of_somebody_elses_is_not_written(program: Program) -> None:
    log = program.home / "their.log"
    log.write_text("")
    os.chown(log, MALLORY.uid, MALLORY.gid)
    log.chmod(0o666)
    program.configure(LOG_FILE=str(log))
    reply = program.request()
    assert reply.status == 200
    assert log.read_text() == ""
    assert f"LOG_FILE: not used, as {log} belongs to nobody" in reply.stderr
