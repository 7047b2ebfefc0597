"""Files under DATA_DIR: private to the account, replaced whole so that a reader never sees half of one.

What another account could have written is not used: it could name users, hand out their quota, or take their tokens.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path

# Of a name that becomes part of a file's: what else is in it is left out, as is what is longer, and a hash tells it apart.
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,150}")


def file_name(name: str) -> str:
    """`name` (of a collection, say) as part of a file's name: itself if it can be one, and never a path."""
    if _PLAIN.fullmatch(name):
        return name
    from hashlib import sha256

    return f"{'_'.join(_PLAIN.findall(name))[:100]}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def keep_private() -> int:
    """From here on what this process makes is the account's alone. Every program that we start begins with it.

    Returns the umask that was, for who is but called by another program.
    """
    return os.umask(0o077)


def intruded(path: Path, *, file_only: bool = False, for_root: bool = False) -> Path | None:
    """`path`, or the directory it is in, where another account could have put or changed what is at `path`; None if none could.

    Trusted are this account, root, and the owner of the program, who could change that. What is missing is no danger by itself.
    `file_only`: the directory is looked at by somebody else, or may be anybody's. Root may use what is an account's own, as its
    cron does, and only `for_root` may not: what tells it where to write.
    """
    trusted = {0, os.geteuid(), _owner_of_program()}
    anybody = os.geteuid() == 0 and not for_root
    for place in (path,) if file_only else (path, path.parent):
        try:
            status, entry = place.stat(), place.lstat()
        except OSError:
            # Missing, or closed to this account: whoever opens it tells.
            continue
        known = anybody or {status.st_uid, entry.st_uid} <= trusted
        if not known or _is_open(status, is_parent=place is not path):
            return place
    return None


def exposed(path: Path) -> bool:
    """Whether the file's mode lets other accounts read it. Whoever reads it by way of its group needs that group."""
    status = path.stat()
    own = status.st_uid == os.geteuid()
    return bool(status.st_mode & (stat.S_IRGRP | stat.S_IROTH if own else stat.S_IROTH))


def _owner_of_program() -> int:
    return os.stat(__file__).st_uid  # noqa: PTH116  # no Path is needed elsewhere for it


def _is_open(status: os.stat_result, *, is_parent: bool) -> bool:
    """Whether others may write: into the file or directory itself, or over its entry in the directory above."""
    if is_parent and not stat.S_ISDIR(status.st_mode):
        # /dev/null/data: nothing can be there.
        return False
    if not is_parent:
        return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    if status.st_mode & stat.S_ISVTX or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
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


def ensure(directory: Path) -> Path:
    """Make `directory` with mode 0700 if it is not there, and what it is in. Raises OSError."""
    if not directory.parent.is_dir():
        # Not mkdir(parents=True), which gives parents the mode that everybody's files get.
        ensure(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def new_beside(path: Path) -> Path:
    """An empty private file in the same directory as `path`, to be written and then moved over it."""
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
    """Let the CGI program, which reads no settings file, find `name` from where DATA_DIR is by default; as far as that goes."""
    if default.resolve() == data_dir.resolve():
        return
    with contextlib.suppress(OSError):
        fresh = ensure(default) / f".{name}.{os.getpid()}"
        fresh.symlink_to(data_dir.resolve() / name)
        fresh.replace(default / name)
