"""Environments for the programs that ours are compared with, made once from pinned requirements.

They stay in the temporary directory, apart from each other: nothing of one is beside what another installs,
and their size is their own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.harness import ROOT
from tests.harness.accounts import server_account
from tests.harness.checkout import interpreter_for

HERE = Path(__file__).resolve().parent


class CannotInstall(RuntimeError):
    """The packages cannot be had; the text says what to do."""


def ensure(name: str) -> Path:
    """The environment with tests/bench/requirements-`name`.txt; its bin/python3 can be run by the server."""
    requirements = HERE / f"requirements-{name}.txt"
    interpreter = interpreter_for(server_account())
    return _kept(
        name,
        f"{interpreter}\n{requirements.read_text()}",
        lambda place: _make(place, interpreter, requirements),
    )


def host_installation() -> Path:
    """What scripts/setup.sh makes on a host, with the programs and the interpreter that started this one."""
    requirements = ("requirements-host.txt", "requirements-host.lock")
    parts = ("app", "cgi-bin", "scripts", *requirements)
    contents = "".join(ROOT.joinpath(name).read_text() for name in (*requirements, "scripts/setup.sh"))
    return _kept("host", contents, lambda place: _set_up(place, parts))


def _kept(name: str, identity: str, make: Callable[[Path], None]) -> Path:
    """A directory in the temporary directory that is made once for everything in `identity`."""
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    place = Path(tempfile.gettempdir()) / f"dndchat-bench-{os.geteuid()}-{name}-{digest}"
    if place.is_dir() and place.stat().st_uid == os.geteuid():
        return place
    fresh = Path(tempfile.mkdtemp(prefix=f"dndchat-bench-{name}-"))
    try:
        make(fresh)
        fresh.chmod(0o755)
        fresh.rename(place)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return place


def _set_up(place: Path, parts: tuple[str, ...]) -> None:
    for name in parts:
        if (source := ROOT / name).is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place / name)
    environment = {**os.environ, "PYTHON": str(Path(sys.executable).resolve())}
    done = subprocess.run(
        [place / "scripts/setup.sh"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotInstall(f"scripts/setup.sh failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def packages(environment: Path) -> Path:
    """Its site-packages."""
    return next((environment / "lib").glob("python3*/site-packages"))


def megabytes(directory: Path) -> float:
    """What the files below take, as `du` counts: whole blocks, in millions of bytes."""
    return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*")) / 1e6


def _make(place: Path, interpreter: str, requirements: Path) -> None:
    place.joinpath("bin").mkdir()
    for name in ("python", "python3"):
        place.joinpath("bin", name).symlink_to(interpreter)
    place.joinpath("pyvenv.cfg").write_text(
        f"home = {Path(interpreter).parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(place / "bin/python3"),
        "install",
        "--quiet",
        "--compile",
    ]
    command += ["--disable-pip-version-check", "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, umask=0o022)
    if done.returncode:
        raise CannotInstall(
            f"pip cannot install {requirements.name}; is there a network?\n{done.stderr.strip()[-2000:]}"
        )
