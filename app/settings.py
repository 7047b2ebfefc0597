"""The settings, read here only: from the environment, then from one file.

The file is `DNDCHAT_ENV_FILE`, else `~/.env.dndchat`, else `.env` in the project root. `load` reports all
problems at once (`SettingsError`), each with its name and what to do. It reads one small file, creates
nothing and uses no network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from app import datadir, env_file
from app.errors import SettingsError
from app.settings_build import Reader, build
from app.settings_kinds import COLLECTION_NAME
from app.settings_table import NAMES, SETTINGS
from app.settings_types import (
    ChromaSettings,
    LimitSettings,
    OpenAISettings,
    Settings,
    SmtpSettings,
    WorkerSettings,
)

__all__ = [
    "COLLECTION_NAME",
    "NAMES",
    "PROJECT_ROOT",
    "ChromaSettings",
    "LimitSettings",
    "OpenAISettings",
    "Settings",
    "SmtpSettings",
    "WorkerSettings",
    "child_environment",
    "has_changed",
    "load",
]

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# Where programs, the home directory and temporary files are, the clock's zone, and which letters are known.
_CHILDREN_NEED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"),
)


def load(environ: Mapping[str, str] | None = None, root: Path = PROJECT_ROOT) -> Settings:
    """Read and check all settings. Raises SettingsError with every problem found."""
    environ = os.environ if environ is None else environ
    # Before the file is read: what changes meanwhile must be seen as changed.
    origin = _origin(environ, root)
    path, lines, problems = _read_file(environ, root)
    # An empty variable in the environment counts as not set: the file's value stands.
    read = Reader({**lines.values, **{name: text for name, text in environ.items() if text.strip()}}, root)
    settings = build(read)
    if intruded := datadir.intruded(settings.data_dir):
        problems.append(f"DATA_DIR: not used, as {datadir.intrusion(intruded)}")
    if problems or read.problems:
        raise SettingsError(problems + read.problems)
    warnings, dangers = (*settings.warnings, *lines.warnings), settings.dangers
    if path and _has_secrets(lines.values) and datadir.exposed(path):
        what = f"other accounts on this machine can read the keys in it; run: chmod 600 {path}"
        danger = f"settings file {path}: {what}"
        warnings, dangers = (*warnings, danger), (*dangers, danger)
    return settings._replace(source=path, warnings=warnings, dangers=dangers, origin=origin)


def has_changed(settings: Settings, environ: Mapping[str, str], root: Path = PROJECT_ROOT) -> bool:
    """Whether `load(environ, root)` might give other settings now. For a process that lives on."""
    return settings.origin != _origin(environ, root)


def child_environment(names: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a process that this program starts: made, not inherited.

    A request's own holds the caller's token, cookies and address, and may hold keys; a child needs none of
    them. `names`: the settings that a child reads; `NAMES` for one that is a part of this program.
    """
    kept = {*_CHILDREN_NEED, *names, *(("DNDCHAT_ENV_FILE",) if names else ())}
    given = {name: os.environ[name] for name in kept if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **given}


def _read_file(environ: Mapping[str, str], root: Path) -> tuple[Path | None, env_file.Lines, list[str]]:
    """The settings file, what is in it, and what keeps it from being used."""
    try:
        path = env_file.find(environ, root)
    except ValueError as error:
        return None, env_file.Lines({}), [f"DNDCHAT_ENV_FILE: {error}"]
    lines, problems = env_file.Lines({}), []
    if path is None:
        return None, lines, []
    try:
        lines = env_file.read(path)
        problems += [f"{problem}; correct it or delete it" for problem in lines.problems]
    except ValueError as error:
        problems.append(f"cannot be read ({error}); make it NAME=value lines in UTF-8")
    except OSError as error:
        problems.append(f"cannot be read ({type(error).__name__}); {datadir.refusal(path) or error.strerror}")
    if intruded := datadir.intruded(path, for_root=True):
        problems.append(f"not used, as {datadir.intrusion(intruded)}")
    return path, lines, [f"settings file {path}: {problem}" for problem in problems]


def _has_secrets(texts: Mapping[str, str]) -> bool:
    secret = [setting for setting in SETTINGS.values() if setting.kind.secret]
    return any(texts.get(name) for setting in secret for name in (setting.name, *setting.aliases))


def _origin(environ: Mapping[str, str], root: Path) -> tuple[object, ...]:
    return *((name, environ.get(name, "")) for name in sorted(NAMES)), *env_file.stamps(environ, root)
