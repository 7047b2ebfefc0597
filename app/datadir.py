"""Files of the program: private to its account, replaced whole, and used only if nobody else could have
written them.

What another account could have written could name users, hand out their quota or take their tokens. The
messages say whose a file is, its mode, and the command that helps: files that root, cron or another account
made are the usual cause.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path

# Other characters of a name, and what is longer, are left out of a file's name; a hash then tells it apart.
_PLAIN = r"[A-Za-z0-9._-]{1,150}"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def file_name(name: str) -> str:
    """`name` (of a collection, say) as part of a file's name: itself where possible, and never a path."""
    if re.fullmatch(_PLAIN, name):
        return name
    from hashlib import sha256

    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{'_'.join(re.findall(_PLAIN, name))[:100]}-{digest[:12]}"


def keep_private() -> int:
    """From here on, files of this process belong to the account alone. Every program that we start begins
    with it.

    Returns the umask that was set before, for callers that another program only imports.
    """
    return os.umask(0o077)


def ensure(directory: Path) -> Path:
    """Make `directory` and its missing parents with mode 0700. Raises OSError."""
    if not directory.parent.is_dir():
        # mkdir(parents=True) would give the parents the mode that everybody's files get.
        ensure(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def new_beside(path: Path) -> Path:
    """An empty private file in the directory of `path`, to be written and moved over it. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=ensure(path.parent))
    os.close(descriptor)
    return Path(name)


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step. Raises OSError and then leaves the old file as it was."""
    fresh = new_beside(path)
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def link(default: Path, data_dir: Path, name: str) -> None:
    """Let the CGI wrapper, which reads no settings file, find `name` in the default DATA_DIR, if possible."""
    if default.resolve() == data_dir.resolve():
        return
    with contextlib.suppress(OSError):
        fresh = ensure(default) / f".{name}.{os.getpid()}"
        fresh.symlink_to(data_dir.resolve() / name)
        fresh.replace(default / name)


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Inode, size and time of change (ns) of the file at `path`; None where there is none.

    A file in a directory that this account may not enter counts as there: opening it then reports the reason.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.errno or 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


def intruded(path: Path, *, file_only: bool = False, for_root: bool = False) -> Path | None:
    """`path` or its directory, if another account could have put or changed what is at `path`; else None.

    Trusted are this account, root, and the owner of the program, who could change the program. A missing file
    is no danger. `file_only`: the directory is checked elsewhere, or may be anybody's. Root may use an
    account's own files, as its cron does; with `for_root` it may not: for a file that tells root where to
    write.
    """
    trusted = {0, os.geteuid(), *_owner_of_program()}
    anybody = os.geteuid() == 0 and not for_root
    for where in (path,) if file_only else (path, path.parent):
        try:
            status, entry = where.stat(), where.lstat()
        except OSError:
            # Missing, or closed to this account: opening it reports that.
            continue
        known = anybody or {status.st_uid, entry.st_uid} <= trusted
        if not known or _others_can_write(status, is_parent=where is not path):
            return where
    return None


def exposed(path: Path) -> bool:
    """Whether the file's mode lets other accounts read it. Reading it through its group takes that group."""
    status = path.stat()
    own = status.st_uid == os.geteuid()
    return bool(status.st_mode & (stat.S_IRGRP | stat.S_IROTH if own else stat.S_IROTH))


def intrusion(where: Path) -> str:
    """The message for a path that `intruded` returned: its owner and mode, what they mean, what helps."""
    status = where.stat()
    owner = _owner_and_mode(where)
    if where.is_symlink() and where.lstat().st_uid != status.st_uid:
        owner = f"{where} is a link that belongs to {account(where.lstat().st_uid)}"
    elif status.st_uid in (0, os.geteuid()):
        return f"{owner}: other accounts can write there; forbid it: chmod go-w {_quoted(where)}"
    return (
        f"{owner}, who can write there, and this program runs as {account(os.geteuid())}; name a place "
        f"of its own, or, if what is there is yours: sudo chown -R {account(os.geteuid())} {_quoted(where)}"
    )


def refusal(path: Path, *, write: bool = False) -> str:
    """Why this process may not read (and write) `path`, with the command that helps; "" where it may.

    The obstacle is the first directory on the way that cannot be entered, the file, or, to write, the
    directory that it is or would be in, where SQLite puts its journal.
    """
    for folder in reversed(path.absolute().parents):
        if not folder.is_dir():
            # Permissions do not matter for what is missing, but for the directory that it would be made in.
            return _obstacle(folder.parent) if write and not os.access(folder.parent, os.W_OK) else ""
        if not os.access(folder, os.X_OK):
            return _obstacle(folder)
    if path.exists() and not os.access(path, os.R_OK | os.W_OK if write else os.R_OK):
        return _obstacle(path)
    return _obstacle(path.parent) if write and not os.access(path.parent, os.W_OK) else ""


def account(number: int | None = None) -> str:
    """The name of an account, by default of the one that this process runs as."""
    import pwd

    number = os.getuid() if number is None else number
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _owner_of_program() -> tuple[int, ...]:
    """Nobody where the program, once loaded, cannot be seen: in the closed home of another account."""
    try:
        return (os.stat(__file__).st_uid,)  # noqa: PTH116  # no Path is needed elsewhere for it
    except OSError:
        return ()


def _others_can_write(status: os.stat_result, *, is_parent: bool) -> bool:
    """Whether others may write into the file or directory, or replace its entry in the directory above."""
    if not is_parent:
        return bool(status.st_mode & _WRITABLE_BY_OTHERS)
    # A file is no directory to put anything into; in a sticky directory others replace no file.
    closed = not stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_ISVTX
    if closed or not status.st_mode & _WRITABLE_BY_OTHERS:
        return False
    # A umask of 002 makes directories that their owner's own group may write, in which nobody else is.
    return bool(status.st_mode & stat.S_IWOTH) or not _is_own_group(status)


def _is_own_group(status: os.stat_result) -> bool:
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return False
    return group.gr_name == owner and set(group.gr_mem) <= {owner}


def _obstacle(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        remedy = "mount it writable, or set DATA_DIR to another place"
        return f"{path} is on a file system that is mounted read-only; {remedy}"
    owner = _owner_and_mode(path)
    remedy = "make the file and its directory readable and writable for the account"
    if path.stat().st_uid == os.getuid():
        return f"{owner}; {remedy}: chmod -R u+rwX {_quoted(path)}"
    return (
        f"{owner}, and this program runs as {account()}; {remedy}, and run everything as one account: "
        f"sudo chown -R {account()} {_quoted(path)}"
    )


def _owner_and_mode(path: Path) -> str:
    status = path.stat()
    return f"{path} belongs to {account(status.st_uid)} (mode {stat.S_IMODE(status.st_mode):04o})"


def _quoted(path: Path) -> str:
    """For a shell."""
    return "'" + str(path).replace("'", "'\\''") + "'"
