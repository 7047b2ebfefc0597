"""Files under DATA_DIR: private to the account, replaced whole so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import re
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
