"""A copy of the checkout that a web server's account can read and run.

A checkout under /root, or any home that is closed to others, is out of reach for `www-data`, and so is an
interpreter there. Opening the directories would change the developer's machine, and a server that may read
everything would hide faults of permission. So the server gets what a host gets: the files of the project, in
a place it can read, with the packages of requirements-host.txt and nothing beside them. A test that passes on
the copy has also shown that these are enough.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from . import ROOT
from .accounts import Account, readable_directory, server_account

_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


class CheckoutError(RuntimeError):
    """The copy cannot be made to run; the text says what is missing."""


def copy_checkout(target: Path, *, source: Path = ROOT, account: Account | None = None) -> Path:
    """Copy the project's files to `target`, with a .venv that `account` (default: the server's) can run.

    Returns `target`. What git ignores (.env, var/) is never copied; new files that are not committed yet are.
    """
    account = account or server_account()
    for name in project_files(source):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, place)
        # suexec refuses what the group or others may write, and a umask of 002 makes such files.
        place.chmod(place.stat().st_mode & 0o111 | 0o644)
    _make_venv(target / ".venv", account, source / "requirements-host.txt")
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    account.owns(target)
    if not account.succeeds([target / ".venv/bin/python", "-c", "import flask"]):
        raise CheckoutError(f"{account.name} cannot import flask with {target}/.venv/bin/python")
    return target


@contextlib.contextmanager
def checkout() -> Iterator[Path]:
    """A copy of the checkout for the server's account, compiled, to make programs from."""
    with readable_directory() as home:
        copy = copy_checkout(home / "dndchat")
        command = [copy / ".venv/bin/python3", "-m", "compileall", "-q", copy / "app"]
        subprocess.run(command, check=True, cwd="/", **server_account().popen_arguments())
        yield copy


def project_files(source: Path) -> Iterator[str]:
    """The names of all files of the project that git does not ignore, committed or not."""
    # Against an empty repository of our own, so that it works in an unpacked archive, too, and in a clone of
    # another account's, which git would not look into.
    with tempfile.TemporaryDirectory(prefix="dndchat-git-") as empty:
        git = ["git", "--git-dir", empty, "--work-tree", str(source)]
        try:
            subprocess.run(
                ["git", "init", "--quiet", "--bare", empty], capture_output=True, check=True, text=True
            )
            command = [*git, "ls-files", "-z", "--others", "--exclude-standard"]
            done = subprocess.run(command, cwd=source, capture_output=True, check=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or error
            raise CheckoutError(
                f"git cannot list the files of {source}: {said} (missing? apt-get install git)"
            ) from error
    yield from sorted(set(done.stdout.split("\0")) - {""})


def copy_packages(folder: Path, *names: str) -> Path:
    """Copy installed packages, without what they require, to where a server's account can read them. Returns
    `folder`.
    """
    for name in names:
        _copy_distribution(Distribution.from_name(name), folder)
    return folder


def interpreter_for(account: Account) -> str:
    """A Python that the account can run: this one, else one of the same version, else any that is new
    enough.
    """
    check = "import sys; sys.exit(sys.version_info < (3, 10))"
    found = (shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") for name in (_VERSION, "python3"))
    # An interpreter of a virtual environment is a link; a copy's environment must start from the real one.
    for candidate in (str(Path(sys.executable).resolve()), *found):
        if candidate and account.succeeds([candidate, "-I", "-c", check]):
            return candidate
    raise CheckoutError(f"{account.name} can run no Python 3.10 or newer: apt-get install python3")


def _make_venv(place: Path, account: Account, requirements: Path) -> None:
    """A virtual environment by hand: `python -m venv` needs a package Debian ships apart, and we install
    nothing.
    """
    interpreter = interpreter_for(account)
    version = subprocess.run(
        [interpreter, "-I", "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
    packages = place / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    place.joinpath("bin").mkdir()
    for name in ("python", "python3"):
        place.joinpath("bin", name).symlink_to(interpreter)
    home = Path(interpreter).parent
    place.joinpath("pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    for distribution in _host_distributions(requirements):
        _copy_distribution(distribution, packages)


def _host_distributions(requirements: Path) -> list[Distribution]:
    """The installed packages that the file names, and what they require."""
    installed = {_normal(found.name): found for found in distributions()}
    text = requirements.read_text(encoding="utf-8")
    wanted = [
        _requirement(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    chosen: dict[str, Distribution] = {}
    while wanted:
        name = wanted.pop()
        if name in chosen:
            continue
        if name not in installed:
            raise CheckoutError(f"{name} ({requirements.name}) is not installed beside the tests")
        chosen[name] = installed[name]
        for line in installed[name].requires or ():
            # What only an extra or another Python needs is not installed, or named by requirements-host.txt
            # itself.
            if ";" not in line:
                wanted.append(_requirement(line))
    return list(chosen.values())


def _copy_distribution(distribution: Distribution, packages: Path) -> None:
    for file in distribution.files or ():
        if file.parts[0] == "..":  # commands and manual pages
            continue
        place = packages / file
        original = Path(str(distribution.locate_file(file)))
        if original.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(original, place)  # with its time: the compiled files beside it stay valid


def _requirement(line: str) -> str:
    match = re.match(r"\s*([A-Za-z0-9._-]+)", line)
    if match is None:
        raise CheckoutError(f"not a requirement: {line!r}")
    return _normal(match[1])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
