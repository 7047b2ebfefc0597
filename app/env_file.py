"""The settings file: where it is, and the NAME=value lines in it, which python-dotenv reads. Interpolation is
off.

What python-dotenv would pass over is reported with its line: a line that is no setting, bytes that are no
UTF-8, a name that is given twice. No value is repeated, as it may be a secret.
"""

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from app import datadir

# Settings are a few kB; a large file that was named by mistake is not read into memory.
MAX_FILE_BYTES = 1_000_000

# For more blanks in a row python-dotenv needs the square of their number.
_MOST_BLANKS = 200
_MOST_LINES_REPORTED = 5


class Lines(NamedTuple):
    """The settings of a text, and what is wrong with its lines, without names of files."""

    values: dict[str, str]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find(environ: Mapping[str, str], root: Path) -> Path | None:
    """The file that settings are read from; None if there is none.

    Raises ValueError, which says why, where `DNDCHAT_ENV_FILE` names something else. A home directory that
    this account may not enter has no file for it.
    """
    named, paths = _candidates(environ, root)
    if not named:
        return next(filter(_is_file, paths), None)
    if _is_file(paths[0]):
        return paths[0]
    # First whether it may be looked at.
    if refusal := datadir.refusal(paths[0]):
        raise ValueError(refusal)
    what = _other_than_a_file(paths[0])
    raise ValueError(f"{paths[0]} {what}; correct the path or unset DNDCHAT_ENV_FILE")


def stamps(environ: Mapping[str, str], root: Path) -> tuple[object, ...]:
    """Which settings files there may be and what they are now."""
    try:
        _, paths = _candidates(environ, root)
    except ValueError:
        return ()
    return tuple((str(path), datadir.file_stamp(path)) for path in paths)


def read(path: Path) -> Lines:
    """The settings in the file. Raises OSError, and ValueError, which says why it is no settings file."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
    # Comments may hold bytes that are no UTF-8.
    return parse(data.decode("utf-8", "surrogateescape"))


def parse(text: str) -> Lines:
    """The settings in `text`; the last of several with the same name counts.

    Raises ValueError, and ModuleNotFoundError after an update without `scripts/setup.sh`.
    """
    try:
        # Needed only where there is a file: it takes 2 ms to load.
        from dotenv.parser import parse_stream
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("python-dotenv is not installed: run scripts/setup.sh") from error

    if "\0" in text[:4]:
        raise ValueError("it is not UTF-8 but, it seems, UTF-16")
    # One kind of line ends: python-dotenv counts those of Windows twice.
    stream = io.StringIO(text, newline=None)
    text = stream.getvalue()
    if len(max(text.split("\n"), key=len)) > _MOST_BLANKS:
        blanks = re.search(rf"(?<![^\S\n])[^\S\n]{{{_MOST_BLANKS}}}", text)
        if blanks:
            number = text.count("\n", 0, blanks.start()) + 1
            raise ValueError(f"line {number} has {_MOST_BLANKS} blanks in a row")
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems, warnings = [], []
    for binding in parse_stream(stream):
        source, name, value = binding.original.string, binding.key, binding.value
        line = binding.original.line + source.count("\n", 0, len(source) - len(source.lstrip()))
        if name is None and not binding.error:
            continue  # blank lines or a comment
        if name is None or value is None or not (name.isascii() and name.isidentifier()):
            quoted = re.match(r"[^=]*=[^\S\n]*[\"']", source)
            why = ", as its quotes do not match" if quoted else ""
            problems.append(f"line {line} is not NAME=value{why}")
        elif any("\udc80" <= character <= "\udcff" for character in value):
            problems.append(f"line {line} is not UTF-8")
        else:
            if values.get(name, value) != value:
                warnings.append(f"{name}: line {line} replaces line {lines[name]}; delete one of them")
            values[name], lines[name] = value, line
    if len(problems) > _MOST_LINES_REPORTED:
        more = len(problems) - _MOST_LINES_REPORTED
        problems[_MOST_LINES_REPORTED:] = [f"{more} more lines cannot be used"]
    return Lines(values, tuple(problems), tuple(warnings))


def expanded(text: str, environ: Mapping[str, str]) -> Path:
    """The path with `~` replaced. Raises ValueError for one that no file can have."""
    if "\0" in text:
        raise ValueError("a path holds no NUL")
    if text == "~" or text.startswith("~/"):
        return _home(environ) / text[2:]
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text}: there is no such account") from None


def _candidates(environ: Mapping[str, str], root: Path) -> tuple[bool, tuple[Path, ...]]:
    """Whether a file is named, and where one may be; the first that is there counts. Raises ValueError."""
    if named := environ.get("DNDCHAT_ENV_FILE", "").strip():
        return True, (expanded(named, environ),)
    return False, (_home(environ) / ".env.dndchat", root / ".env")


def _home(environ: Mapping[str, str]) -> Path:
    # A path that depends on where a program was started is nobody's home.
    if (home := environ.get("HOME", "")).startswith("/"):
        return Path(home)
    # Apache gives CGI programs no HOME.
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/nonexistent")


def _is_file(path: Path) -> bool:
    # Unlike Path.is_file it says no where this account may not look.
    return os.path.isfile(path)  # noqa: PTH113


def _other_than_a_file(path: Path) -> str:
    if path.is_dir():
        return "is a directory"
    if path.exists():
        return "is no ordinary file"
    return "is a link to nothing" if path.is_symlink() else "is not there"
