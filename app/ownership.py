"""Why this account may not use a file, and what helps: for messages about files that root, cron or another account made."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_WANTED = "make the file and its directory readable and writable for the account"


def refusal(path: Path, *, write: bool = False) -> str:
    """What keeps this process from reading (and writing) `path`: whose it is, its mode, and the command that helps; or "".

    The obstacle is the first directory on the way that cannot be entered, the file, or, to write, the directory that it is
    or would be in, where SQLite puts its journal.
    """
    for folder in reversed(path.absolute().parents):
        if not folder.is_dir():
            # What is missing, or no directory, is no matter of rights; what it would have to be made in may be.
            return _told(folder.parent) if write and not os.access(folder.parent, os.W_OK) else ""
        if not os.access(folder, os.X_OK):
            return _told(folder)
    if path.exists() and not os.access(path, os.R_OK | os.W_OK if write else os.R_OK):
        return _told(path)
    return _told(path.parent) if write and not os.access(path.parent, os.W_OK) else ""


def intrusion(place: Path) -> str:
    """What is said of a place that `app.datadir.intruded` has found: whose it is, its mode, what that means and what helps."""
    status = place.stat()
    told = f"{place} belongs to {account(status.st_uid)} (mode {stat.S_IMODE(status.st_mode):04o})"
    if place.is_symlink() and place.lstat().st_uid != status.st_uid:
        told = f"{place} is a link that belongs to {account(place.lstat().st_uid)}"
    elif status.st_uid in (0, os.geteuid()):
        return f"{told}: other accounts can write there; forbid it: chmod go-w {_quoted(place)}"
    return (
        f"{told}, who can write there, and this program runs as {account(os.geteuid())}; name a place of its own, or, if what "
        f"is there is yours: sudo chown -R {account(os.geteuid())} {_quoted(place)}"
    )


def account(number: int | None = None) -> str:
    """The name of an account, by default of the one that this process runs as."""
    import pwd

    number = os.getuid() if number is None else number
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _told(obstacle: Path) -> str:
    if os.statvfs(obstacle).f_flag & os.ST_RDONLY:
        return f"{obstacle} is on a file system that is mounted read-only; mount it writable, or set DATA_DIR to another place"
    status = obstacle.stat()
    said = f"{obstacle} belongs to {account(status.st_uid)} (mode {stat.S_IMODE(status.st_mode):04o})"
    if status.st_uid == os.getuid():
        return f"{said}; {_WANTED}: chmod -R u+rwX {_quoted(obstacle)}"
    return (
        f"{said}, and this program runs as {account()}; {_WANTED}, and run everything as one account: "
        f"sudo chown -R {account()} {_quoted(obstacle)}"
    )


def _quoted(path: Path) -> str:
    """For a shell."""
    return "'" + str(path).replace("'", "'\\''") + "'"
